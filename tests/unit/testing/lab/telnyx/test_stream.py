"""The lab's media messages: what it sends, and what it takes of what a server sends."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.carriers.telnyx.stream import TelnyxStream, format_of
from patter_cli.contracts.carrier.stream import (
    ClearOut,
    DtmfIn,
    MarkIn,
    MarkOut,
    MediaIn,
    MediaOut,
    StreamConnected,
    StreamStarted,
    StreamStopped,
)
from patter_cli.testing.lab.telnyx import stream as lab_stream
from patter_cli.testing.lab.telnyx.leg import Leg, LegState, StreamWanted
from patter_cli.testing.lab.telnyx.stream import Fault, Writer, read

ULAW = AudioFormat(encoding=Encoding.ULAW, rate_hz=8000)
FORMATS: list[Any] = [("PCMU", "little"), ("PCMA", "little"), ("L16", "little"), ("L16", "big")]


def writer(format: AudioFormat, **wanted: Any) -> Writer:
    leg = Leg(
        caller="+15550100001",
        callee="+15550100002",
        connection_id="1494404757140276705",
        webhook_url="",
        started_s=0.0,
        incoming=True,
        state=LegState.ANSWERED,
        client_state="eyJhZ2VudCI6ImRlbW8ifQ==",
    )
    stream = StreamWanted(url="wss://voice.example.com/1", **wanted)
    return Writer(leg=leg, wanted=stream, format=format, stream_id="32de0dea-53cb-4b21-89a4-9e1819c043bc")


@pytest.mark.parametrize(("codec", "order"), FORMATS)
def test_our_end_reads_what_the_lab_writes(codec: Any, order: Any) -> None:
    """Every message of a call, in every codec; the lab's names for the formats are ours."""
    rate_hz = 16_000 if codec == "L16" else 8000
    format = lab_stream.format_of(codec, rate_hz, order)
    assert format == format_of(codec, order)
    assert format is not None
    there = writer(format, parameters=(("tier", "gold"),))
    ours = TelnyxStream(format)
    assert ours.receive(there.connected()) == StreamConnected()
    started = ours.receive(there.start())
    assert isinstance(started, StreamStarted)
    assert (started.call_id, started.format) == (there.leg.control_id, format)
    assert started.parameters == {"tier": "gold"}
    frame = bytes(range(250)) * 3
    frame = frame[: 20 * format.bytes_per_ms]
    assert ours.receive(there.media(frame)) == MediaIn(frame, 0, 2)
    assert ours.receive(there.media(frame)) == MediaIn(frame, 20, 3)
    assert ours.receive(there.mark("utt-7:end")) == MarkIn(name="utt-7:end")
    assert ours.receive(there.dtmf("5", 0.0)) == DtmfIn(digit="5")
    assert ours.receive(there.stop()) == StreamStopped()


@pytest.mark.parametrize(("codec", "order"), FORMATS)
def test_the_lab_reads_what_our_end_writes(codec: Any, order: Any) -> None:
    """Audio of any length, marks and clears; what is shorter than 20 ms was filled up."""
    format = format_of(codec, order)
    ours = TelnyxStream(format)
    frame = bytes(20 * format.bytes_per_ms)
    assert read(ours.media(frame), format) == MediaOut(frame)
    short = read(ours.media(frame[:32]), format)
    assert isinstance(short, MediaOut)
    assert len(short.payload) == len(frame)
    assert read(ours.mark("m"), format) == MarkOut(name="m")
    assert read(ours.clear(), format) == ClearOut()


def test_a_start_says_all_that_telnyx_says() -> None:
    """Who calls whom, our own state, and the codec that comes."""
    body = json.loads(writer(ULAW).start())
    assert body["start"].keys() == {
        "user_id", "call_control_id", "call_session_id", "from", "to", "tags", "client_state", "media_format",
    }  # fmt: skip
    assert body["start"]["media_format"] == {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    assert (body["sequence_number"], body["stream_id"]) == ("1", "32de0dea-53cb-4b21-89a4-9e1819c043bc")


def audio(ms: float) -> str:
    return b64encode(bytes(round(ms * 8))).decode()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x00\x01", 100003),
        ("", 100003),
        ("[" * 100_000, 100003),
        ("[]", 100003),
        ('{"event":"start"}', 100003),
        ('{"event":"mark"}', 100003),
        ('{"event":"mark","mark":{"name":""}}', 100003),
        ('{"event":"mark","mark":{"name":7}}', 100003),
        ('{"event":"media","media":{}}', 100003),
        ('{"event":"media","media":{"payload":"%%%"}}', 100004),
        (json.dumps({"event": "media", "media": {"payload": audio(19)}}), 100004),
        (json.dumps({"event": "media", "media": {"payload": audio(30_001)}}), 100004),
    ],
)
def test_a_wrong_message_is_answered_with_an_error(sent: str | bytes, code: int) -> None:
    """With the number that Telnyx has for it; nothing is played."""
    fault = read(sent, ULAW)
    assert isinstance(fault, Fault)
    assert json.loads(writer(ULAW).error(fault))["payload"]["code"] == code
