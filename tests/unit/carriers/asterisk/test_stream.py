"""AudioSocket's bytes: what Asterisk sends, what it takes, and everything else."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.carriers.asterisk.stream import AUDIO_KINDS, GAP_MS, AudioSocketStream
from patter_cli.contracts.carrier.stream import (
    DtmfIn,
    Ignored,
    MediaIn,
    Refused,
    StartRefused,
    StreamMessage,
    StreamStarted,
    StreamStopped,
)

ID = uuid.UUID("00000155-5010-0001-0000-015550100002")
START = b"\x01\x00\x10" + ID.bytes
AUDIO = b"\x10\x01\x40" + b"\1\2" * 160


def read(stream: AudioSocketStream, data: bytes, now_ms: float = 0.0) -> list[StreamMessage]:
    stream.push(data, now_ms)
    found: list[StreamMessage] = []
    while (message := stream.pop()) is not None:
        found.append(message)
    return found


def started(rate_hz: int = 8000) -> AudioSocketStream:
    stream = AudioSocketStream(rate_hz)
    assert read(stream, START) == [
        StreamStarted(stream_id=str(ID), call_id=str(ID), format=AudioFormat(encoding=Encoding.L16_LE, rate_hz=rate_hz))
    ]
    return stream


def test_a_call_from_its_id_to_its_end() -> None:
    """Audio is timed by what came before it, a key is a key, and a hang-up is understood though none is ever sent."""
    messages = read(started(), AUDIO + b"\x03\x00\x015" + AUDIO + b"\x00\x00\x00")
    assert messages == [
        MediaIn(b"\1\2" * 160, 0, 0),
        DtmfIn(digit="5"),
        MediaIn(b"\1\2" * 160, 20, 1),
        StreamStopped(),
    ]


@pytest.mark.parametrize("digit", "0123456789*#ABCD")
def test_every_key(digit: str) -> None:
    """All sixteen."""
    assert read(started(), b"\x03\x00\x01" + digit.encode()) == [DtmfIn(digit=digit)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x03\x00\x00", "DTMF that is no key"),
        (b"\x03\x00\x02" + b"55", "DTMF that is no key"),
        (b"\x03\x00\x01" + b"f", "DTMF that is no key"),
        (b"\x03\x00\x01" + b"\xff", "DTMF that is no key"),
        (b"\x10\x00\x00", "audio without a sample"),
        (b"\x10\x00\x01" + b"a", "audio without a sample"),
        (START, "second UUID"),
        (b"\x01\x00\x02" + b"ab", "second UUID"),
        (b"\x12\x00\x02" + b"ab", "audio at 16000 Hz, not 8000"),
        (b"\x18\x00\x02" + b"ab", "audio at 192000 Hz, not 8000"),
        (b"\xff\x00\x01" + b"\x02", "Asterisk reports an error: 02"),
        (b"\xff\x00\x00", "Asterisk reports an error: no code"),
    ],
)
def test_what_is_refused_leaves_the_call_alive(data: bytes, why: str) -> None:
    """One message is lost, and what follows it is heard."""
    assert read(started(), data + AUDIO) == [Refused(why=why), MediaIn(b"\1\2" * 160, 0, 0)]


def test_a_kind_that_nobody_knows_yet_is_passed_over() -> None:
    """With all its payload."""
    assert read(started(), b"\x42\xff\xff" + b"\x00" * 65535 + AUDIO) == [
        Ignored(event="kind 0x42"),
        MediaIn(b"\1\2" * 160, 0, 0),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        AUDIO,
        b"\x00\x00\x00",
        b"\x01\x00\x0f" + b"x" * 15,
        b"\x01\xff\xff",
        b"\xff\xff\xff",
    ],
)
def test_a_stranger_is_known_by_its_first_three_bytes(data: bytes) -> None:
    """Nothing more is waited for, kept or read of who does not say which call it is."""
    stream = AudioSocketStream()
    first = read(stream, data)
    assert len(first) == 1
    assert isinstance(first[0], StartRefused)
    assert first[0].why.startswith("first message is no UUID but kind 0x")
    assert read(stream, START + AUDIO) == []


def test_wideband() -> None:
    """At 16 kHz each kind has another number, in both directions."""
    stream = started(16_000)
    assert read(stream, b"\x12\x02\x80" + b"\0\1" * 320) == [MediaIn(b"\0\1" * 320, 0, 0)]
    assert read(stream, AUDIO) == [Refused(why="audio at 8000 Hz, not 16000")]
    assert stream.media(b"\0\1" * 320)[:3] == b"\x12\x02\x80"


def test_what_we_send() -> None:
    """Audio with its length, the high byte first; and the end."""
    stream = started()
    assert stream.media(b"\1\2" * 160) == AUDIO
    assert stream.hang_up() == b"\x00\x00\x00"
    assert set(AUDIO_KINDS.values()) == set(range(0x10, 0x19))


def test_silence_that_was_not_sent_is_still_time() -> None:
    """A telephone that sends nothing while nobody speaks: what it says next lies where it was said."""
    stream = started()
    assert read(stream, AUDIO, 20.0) == [MediaIn(b"\1\2" * 160, 0, 0)]
    assert read(stream, AUDIO, 40.0 + GAP_MS) == [MediaIn(b"\1\2" * 160, 20, 1)]
    assert read(stream, AUDIO, 5020.0) == [MediaIn(b"\1\2" * 160, 5000, 2)]
    assert read(stream, AUDIO, 5040.0) == [MediaIn(b"\1\2" * 160, 5020, 3)]


@given(st.binary(max_size=400), st.lists(st.integers(0, 60), max_size=30), st.booleans())
def test_anything_cut_anyhow(data: bytes, cuts: list[int], begun: bool) -> None:
    """No byte raises, and the network's cuts change nothing."""
    whole = read(AudioSocketStream(), START + data if begun else data)
    stream, found, at = AudioSocketStream(), list[StreamMessage](), 0
    sent = START + data if begun else data
    for size in cuts:
        found += read(stream, sent[at : at + size])
        at += size
    found += read(stream, sent[at:])
    assert found == whole
    assert begun == (bool(whole) and isinstance(whole[0], StreamStarted)) or not begun
