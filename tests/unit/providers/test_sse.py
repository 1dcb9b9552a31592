"""Server-sent events, however their bytes were cut."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from patter_cli.providers.sse import EVENT_BYTES, EventDecoder, EventTooLong, ServerEvent

STREAM = (
    "\ufeffdata: first\n\n: a comment\n\ndata:no space\r\n\r\nevent: error\rdata: a\rdata: b\r\r"
    "data: one\r\ndata: event\r\n\r\nid: 7\nretry: 10\ndata\n\ndata:  Grüße 東京 👋\n\nevent: nothing\n\ndata: last\n"
).encode()
EVENTS = [
    ServerEvent("message", "first"),
    ServerEvent("message", "no space"),
    ServerEvent("error", "a\nb"),
    ServerEvent("message", "one\nevent"),
    ServerEvent("message", ""),
    ServerEvent("message", " Grüße 東京 👋"),
    ServerEvent("message", "last"),
]


def decoded(chunks: list[bytes]) -> list[ServerEvent]:
    """All events of a body."""
    decoder = EventDecoder()
    return [event for chunk in chunks for event in decoder.push(chunk)] + decoder.end()


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """The stream in pieces, some of them empty."""
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(st.integers(0, 10_000)))
@example([])
@example(list(range(len(STREAM))))
def test_cutting_the_bytes_changes_nothing(places: list[int]) -> None:
    """Inside a letter, between CR and LF, anywhere: the events are the same."""
    assert decoded(cut(STREAM, places)) == EVENTS


@given(st.lists(st.sampled_from([b"data", b":", b" ", b"\r", b"\n", b"\r\n", b"event: x", b"\xff", b"a"])), st.data())
def test_cutting_garbage_changes_nothing(pieces: list[bytes], data: st.DataObject) -> None:
    """Also when nobody meant it to be events."""
    stream = b"".join(pieces)
    places = data.draw(st.lists(st.integers(0, len(stream))))
    assert decoded(cut(stream, places)) == decoded([stream])


@pytest.mark.parametrize("end", [b"\n\n", b"\r\r", b"\r\n\r\n"])
def test_an_event_is_given_out_with_its_blank_line(end: bytes) -> None:
    """It does not wait for what comes next."""
    assert EventDecoder().push(b"data: now" + end) == [ServerEvent("message", "now")]


def test_nothing_is_left_for_the_next_event() -> None:
    """A name belongs to one event."""
    assert [event.name for event in decoded([b"event: a\ndata: 1\n\ndata: 2\n\n"])] == ["a", "message"]


@pytest.mark.parametrize(
    "chunk",
    [b"data: " + b"x" * EVENT_BYTES, b": " + b"x" * EVENT_BYTES, b"data: " + b"x" * 1000 + b"\n"],
    ids=["a line", "a comment", "many lines"],
)
def test_what_never_ends_is_refused(chunk: bytes) -> None:
    """Before it fills the memory."""
    with pytest.raises(EventTooLong):
        decoded([chunk] * (EVENT_BYTES // 900))
