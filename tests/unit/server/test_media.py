"""The queue towards a caller who does not read."""

from __future__ import annotations

from typing import cast

from patter_cli.carriers.twilio.stream import TwilioStream
from patter_cli.contracts.carrier.stream import CarrierMessage
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
    sender = SocketSender(cast(Wire, line), TwilioStream(), audio_chars=1000)
    sender.send(AUDIO)
    assert line.taken == [AUDIO]


def test_a_blocked_socket_keeps_a_little() -> None:
    """What fits is kept in order, newer audio is dropped and counted, and a mark still finds room."""
    line = Line()
    sender = SocketSender(cast(Wire, line), TwilioStream(), audio_chars=1000)
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
    sender = SocketSender(cast(Wire, line), TwilioStream(), audio_chars=0)
    line.writable = False
    for _ in range(1000):
        sender.send(MARK)
    assert sender.dropped == 1000 - 81


def test_nothing_goes_to_a_closed_socket() -> None:
    """Once the gate is shut, sending is silent and keeps nothing."""
    line = Line()
    sender = SocketSender(cast(Wire, line), TwilioStream(), audio_chars=1000)
    line.closed = True
    sender.send(AUDIO)
    assert (sender.closed, line.taken, sender.dropped) == (True, [], 0)


def test_what_only_the_carrier_knows_goes_to_who_listens() -> None:
    """Nobody, at first; then whoever asked to hear, who says whether it was waited for."""
    sender = SocketSender(cast(Wire, Line()), TwilioStream(), audio_chars=1000)
    message, heard = CarrierMessage(event="answer"), list[CarrierMessage]()
    assert not sender.heard(message)
    sender.listen(lambda each: not heard.append(each) and len(heard) == 1)
    assert sender.heard(message)
    assert not sender.heard(message)
    assert heard == [message, message]
