"""The queue towards a caller who does not read."""

from __future__ import annotations

from typing import cast

from patter_cli.contracts.carrier.stream import TransferReply
from patter_cli.server.media import SocketSender
from patter_cli.server.wire import Wire


class Line:
    """A wire that takes, or does not."""

    def __init__(self) -> None:
        self.closed = False
        self.writable = True
        self.taken: list[str] = []

    def write(self, text: str) -> None:
        self.taken.append(text)


AUDIO, MARK = "a" * 300, "m" * 100


def test_straight_through() -> None:
    """A socket that takes gets each message at once."""
    line = Line()
    sender = SocketSender(cast(Wire, line), audio_chars=1000)
    sender.send(AUDIO)
    assert line.taken == [AUDIO]


def test_a_blocked_socket_keeps_a_little() -> None:
    """What fits is kept in order, newer audio is dropped and counted, and a mark still finds room."""
    line = Line()
    sender = SocketSender(cast(Wire, line), audio_chars=1000)
    line.writable = False
    for _ in range(5):
        sender.send(AUDIO)
    sender.send(MARK)
    assert (line.taken, sender.dropped) == ([], 2)
    line.writable = True
    sender.flush()
    sender.send(AUDIO)
    assert line.taken == [AUDIO, AUDIO, AUDIO, MARK, AUDIO]


def test_marks_are_bounded_too() -> None:
    """Even messages that may pass the audio's limit have one."""
    line = Line()
    sender = SocketSender(cast(Wire, line), audio_chars=0)
    line.writable = False
    for _ in range(1000):
        sender.send(MARK)
    assert sender.dropped == 1000 - 81


def test_nothing_goes_to_a_closed_socket() -> None:
    """Once the gate is shut, sending is silent and keeps nothing."""
    line = Line()
    sender = SocketSender(cast(Wire, line), audio_chars=1000)
    line.closed = True
    sender.send(AUDIO)
    assert (sender.closed, line.taken, sender.dropped) == (True, [], 0)


def test_a_question_is_answered_once() -> None:
    """Only a reply to the question that is open is one: not before it, not to another, not a second time."""
    line, replies = Line(), list[TransferReply]()
    sender = SocketSender(cast(Wire, line), audio_chars=1000)
    reply, other = TransferReply(request="a"), TransferReply(request="b", refused="busy")
    assert not sender.answer(reply)
    sender.ask("a?", "a", replies.append)
    assert line.taken == ["a?"]
    assert not sender.answer(other)
    assert sender.answer(reply)
    assert not sender.answer(reply)
    assert replies == [reply]


def test_a_new_question_takes_the_place_of_the_old() -> None:
    """Who gave up waiting is not called any more."""
    line, old, new = Line(), list[TransferReply](), list[TransferReply]()
    sender = SocketSender(cast(Wire, line), audio_chars=1000)
    sender.ask("a?", "a", old.append)
    sender.ask("b?", "b", new.append)
    assert not sender.answer(TransferReply(request="a"))
    assert sender.answer(TransferReply(request="b"))
    assert (old, len(new)) == ([], 1)
