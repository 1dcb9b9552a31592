"""Frames of a client, without a socket: the referee in tests/e2e has the long table."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from patter_cli.server.frames import (
    NO_STATUS,
    FrameReader,
    PeerClose,
    Ping,
    Received,
    Violation,
    close_frame,
    ping_frame,
    pong_frame,
    text_frame,
)
from tests.e2e.stream_server import BINARY, CLOSE, CONTINUATION, PING, TEXT, frame


def reader(max_bytes: int = 1000, frames_per_turn: int = 64) -> FrameReader:
    return FrameReader(max_bytes=max_bytes, frames_per_turn=frames_per_turn)


def feed_all(read: FrameReader, pieces: list[bytes]) -> list[Received]:
    found: list[Received] = []
    for piece in pieces:
        found += read.feed(piece)
        while read.backlog:
            found += read.feed(b"")
    return found


WIRE = (
    frame(TEXT, "héllo".encode())
    + frame(TEXT, b"a" * 300, fin=False)
    + frame(PING, b"p")
    + frame(CONTINUATION, b"b")
    + frame(BINARY, b"\xff" * 126)
    + frame(CLOSE, b"\x03\xe8bye")
)
MEANING: list[Received] = ["héllo", Ping(b"p"), "a" * 300 + "b", b"\xff" * 126, PeerClose(1000)]


@given(st.lists(st.integers(0, len(WIRE)), max_size=20), st.integers(1, 5))
def test_cutting_changes_nothing(places: list[int], frames_per_turn: int) -> None:
    """However the network cuts the bytes, and however few frames a turn has, the messages are the same."""
    edges = [0, *sorted(places), len(WIRE)]
    pieces = [WIRE[a:b] for a, b in pairwise(edges)]
    assert feed_all(reader(frames_per_turn=frames_per_turn), pieces) == MEANING


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_garbage(pieces: list[bytes]) -> None:
    """No bytes make it raise, and nothing follows a violation or a close."""
    found = feed_all(reader(), pieces)
    assert not any(isinstance(item, Violation | PeerClose) for item in found[:-1])


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=200)), max_size=8))
def test_almost_frames(parts: list[tuple[int, bytes]]) -> None:
    """Frames with any first byte never raise either, and each is whole, refused, or waited for."""
    wire = b"".join(bytes([head]) + frame(TEXT, payload)[1:] for head, payload in parts)
    found = feed_all(reader(), [wire])
    assert len(found) <= len(parts)


def test_a_turn_is_bounded() -> None:
    """One feed takes so many frames and no more, and says that there are others."""
    read = reader(frames_per_turn=2)
    assert read.feed(b"".join(frame(TEXT, b"%d" % number) for number in range(5))) == ["0", "1"]
    assert read.backlog
    assert read.feed(b"") == ["2", "3"]
    assert read.feed(b"") == ["4"]
    assert not read.backlog


def test_an_oversized_message_is_refused_by_its_header() -> None:
    """Four bytes of a frame that claims too much are enough."""
    assert reader(max_bytes=500).feed(frame(TEXT, size=501)[:4]) == [Violation(1009, "message too big")]


@given(st.text(max_size=200))
def test_our_text_frames(text: str) -> None:
    """What we send is what was meant: unmasked, whole, with the shortest length."""
    assert text_frame(text) == frame(TEXT, text.encode(), masked=False)


def test_our_other_frames() -> None:
    """Long texts, pings, pongs and closes have the form of RFC 6455."""
    assert text_frame("x" * 70000) == frame(TEXT, b"x" * 70000, masked=False)
    assert ping_frame() == frame(9, masked=False)
    assert pong_frame(b"abc") == frame(10, b"abc", masked=False)
    assert close_frame(1000, "bye") == frame(CLOSE, b"\x03\xe8bye", masked=False)
    assert close_frame(NO_STATUS) == frame(CLOSE, masked=False)


def test_a_long_reason_is_cut_between_characters() -> None:
    """A close frame holds 125 bytes; a character is not torn."""
    assert close_frame(1001, "é" * 100) == frame(CLOSE, b"\x03\xe9" + "é".encode() * 61, masked=False)
