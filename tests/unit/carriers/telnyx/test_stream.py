"""Telnyx's stream: every codec both ways, and nothing on the socket can break the reader."""

from __future__ import annotations

import json
import random
from base64 import b64encode
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.audio.frame import ULAW_8K, AudioFormat, Encoding
from patter_cli.audio.g711 import decode_alaw, decode_ulaw, encode_alaw, encode_ulaw
from patter_cli.audio.jitter import JitterBuffer
from patter_cli.audio.wire import wire_codec
from patter_cli.carriers.telnyx.carrier import Telnyx
from patter_cli.carriers.telnyx.stream import MAX_TEXT_CHARS, TelnyxLine, TelnyxStream
from patter_cli.contracts.carrier.stream import (
    ClearOut,
    DtmfIn,
    Ignored,
    MarkIn,
    MarkOut,
    MediaIn,
    MediaOut,
    Refused,
    StartRefused,
    StreamConnected,
    StreamStarted,
    StreamStopped,
)
from patter_cli.errors import BadSetting, InternalError
from tests.fuzz.stream_samples import TELNYX_LINE_SAMPLES, TELNYX_SAMPLES, messages

STREAM = "32de0dea-53cb-4b21-89a4-9e1819c043bc"
CALL = "v3:TESTcallcontrolid"
START: dict[str, Any] = {
    "user_id": "3e6f995f-85f7-4705-9741-53b116d28237",
    "call_control_id": CALL,
    "call_session_id": "22222222-2222-2222-2222-222222222222",
    "from": "+15550100001",
    "to": "+15550100002",
    "tags": [],
    "client_state": "eyJhZ2VudCI6ImRlbW8ifQ==",
    "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
}
PCMU = Telnyx()
PCMA = Telnyx(codec="PCMA")
L16 = Telnyx(codec="L16")
L16_BIG = Telnyx(codec="L16", l16_byte_order="big")
ALL = (PCMU, PCMA, L16, L16_BIG)


def start(**changed: Any) -> str:
    body = {**START, **changed}
    return json.dumps({"event": "start", "start": {k: v for k, v in body.items() if v != "gone"}, "stream_id": STREAM})


def media(sound: bytes, n: int = 1, **changed: Any) -> str:
    body = {"track": "inbound", "chunk": str(n), "timestamp": str(20 * (n - 1)), "payload": b64encode(sound).decode()}
    return json.dumps({"event": "media", "sequence_number": str(n), "media": {**body, **changed}, "stream_id": STREAM})


def started(carrier: Telnyx = PCMU, **changed: Any) -> TelnyxStream:
    stream = carrier.codec()
    assert isinstance(stream.receive(start(**changed)), StreamStarted)
    return stream


def test_the_documented_messages_are_read() -> None:
    """In their documented order, with their documented fields."""
    stream = PCMU.codec()
    assert [stream.receive(text) for text in TELNYX_SAMPLES] == [
        StreamConnected(),
        StreamStarted(stream_id=STREAM, call_id=CALL, format=ULAW_8K, parameters={"agent": "demo"}),
        MediaIn(b"\xff" * 8, 5, 4),
        DtmfIn(digit="1"),
        MarkIn(name="utt-7:end"),
        Refused(why="Telnyx reports 100003 malformed_frame"),
        StreamStopped(),
    ]


def test_what_we_send_is_as_documented() -> None:
    """No stream_id in it, and nothing but the audio."""
    stream = started()
    sound = bytes(range(160))
    assert json.loads(stream.media(sound)) == {"event": "media", "media": {"payload": b64encode(sound).decode()}}
    assert json.loads(stream.mark('a "b"')) == {"event": "mark", "mark": {"name": 'a "b"'}}
    assert stream.clear() == '{"event":"clear"}'


@pytest.mark.parametrize("carrier", ALL)
def test_both_ends_understand_each_other(carrier: Telnyx) -> None:
    """In every codec: sound, keys, marks, the clear and the end, and what was handed out with the call."""
    line, stream = carrier.line(), carrier.codec()
    assert isinstance(stream.receive(line.connected()), StreamConnected)
    began = stream.receive(line.start(call_id=CALL, parameters={"tier": "gold"}))
    assert isinstance(began, StreamStarted)
    assert (began.call_id, began.format, began.parameters) == (CALL, carrier.format, {"tier": "gold"})
    sound = bytes(range(256)) * (carrier.format.bytes_per_ms * 20 // 160)
    assert stream.receive(line.media(sound, 40)) == MediaIn(sound, 40, 2)
    assert stream.receive(line.dtmf("#")) == DtmfIn(digit="#")
    assert stream.receive(line.mark("m")) == MarkIn(name="m")
    assert line.receive(stream.media(sound)) == MediaOut(sound)
    assert line.receive(stream.mark("m")) == MarkOut(name="m")
    assert line.receive(stream.clear()) == ClearOut()
    assert isinstance(stream.receive(line.stop()), StreamStopped)


@pytest.mark.parametrize("carrier", ALL)
def test_a_short_tail_is_filled_up_with_silence(carrier: Telnyx) -> None:
    """Telnyx plays nothing under 20 ms, and the end of a word is often shorter."""
    codec = wire_codec(carrier.format)
    tail = codec.encode(np.full(40, 4000, np.int16))
    heard = carrier.line().receive(carrier.codec().media(tail))
    assert isinstance(heard, MediaOut)
    assert len(heard.payload) == 20 * carrier.format.bytes_per_ms
    assert heard.payload[: len(tail)] == tail
    assert np.abs(codec.decode(heard.payload[len(tail) :])).max() <= 8


def test_the_byte_order_of_l16_is_a_setting() -> None:
    """The same samples, each way round; the wrong way would be noise."""
    samples = (np.sin(np.arange(320) / 5) * 8000).astype(np.int16)
    formats = {each.format: wire_codec(each.format).encode(samples) for each in (L16, L16_BIG)}
    little, big = formats.values()
    assert little == samples.astype("<i2").tobytes()
    assert big == samples.astype(">i2").tobytes()
    assert all(each == AudioFormat(encoding=each.encoding, rate_hz=16_000) for each in formats)
    assert {each.encoding for each in formats} == {Encoding.L16, Encoding.L16_LE}


def test_half_a_sample_does_not_shift_the_rest() -> None:
    """The odd byte of a careless sender is dropped; alone it is nothing."""
    wide = {"encoding": "L16", "sample_rate": 16000, "channels": 1}
    stream = started(L16, media_format=wide)
    assert stream.receive(media(b"abc")) == MediaIn(b"ab", 0, 1)
    assert stream.receive(media(b"a")) == Refused(why="empty payload")


@pytest.mark.parametrize("carrier", [PCMU, PCMA])
def test_the_legs_own_law_is_turned_into_ours(carrier: Telnyx) -> None:
    """Calls from Europe come in A-law though mu-law was asked for; heard as mu-law they would be a roar."""
    ours_is_mu = carrier is PCMU
    encode = encode_alaw if ours_is_mu else encode_ulaw
    theirs, ours = (decode_alaw, decode_ulaw) if ours_is_mu else (decode_ulaw, decode_alaw)
    other = {"encoding": "PCMA" if ours_is_mu else "PCMU", "sample_rate": "8000", "channels": 1}
    stream = started(carrier, media_format=other)
    sound = encode((np.sin(np.arange(160) / 5) * 12_000).astype(np.int16))
    got = stream.receive(media(sound))
    assert isinstance(got, MediaIn)
    error = ours(got.payload).astype(int) - theirs(sound).astype(int)
    assert np.abs(error).max() <= 512  # a step of the coarser law at this level
    assert got.payload != sound


@pytest.mark.parametrize(
    ("carrier", "changed", "names"),
    [
        (PCMU, {"media_format": "gone"}, "media_format"),
        (PCMU, {"media_format": 7}, "media_format"),
        (PCMU, {"media_format": {"encoding": "OPUS", "sample_rate": 48000}}, "encoding"),
        (PCMU, {"media_format": {"encoding": "L16", "sample_rate": 16000}}, "encoding"),
        (PCMU, {"media_format": {"encoding": None, "sample_rate": 8000}}, "encoding"),
        (PCMU, {"media_format": {"encoding": "PCMU", "sample_rate": 16000}}, "sample_rate"),
        (PCMU, {"media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 2}}, "channels"),
        (L16, {"media_format": {"encoding": "L16", "sample_rate": 8000}}, "sample_rate"),
        (L16, {}, "encoding"),
        (PCMU, {"call_control_id": "gone"}, "call_control_id"),
        (PCMU, {"call_control_id": 7}, "call_control_id"),
        (PCMU, {"call_control_id": "v3:../../x"}, "call_control_id"),
        (PCMU, {"custom_parameters": 7}, "custom_parameters"),
        (PCMU, {"custom_parameters": [{"name": "a", "value": 7}]}, "custom_parameters"),
        (PCMU, {"custom_parameters": {"a": "\ud800"}}, "custom_parameters"),
    ],
)
def test_a_start_that_cannot_be_used_names_its_field(carrier: Telnyx, changed: dict[str, Any], names: str) -> None:
    """It would be noise, or nobody's call: the stream ends, and a later start is looked at again."""
    stream = carrier.codec()
    got = stream.receive(start(**changed))
    assert isinstance(got, StartRefused)
    assert names in got.why


def test_other_streams_and_second_starts_are_refused() -> None:
    """The first start settles whose stream it is."""
    stream = started()
    assert stream.receive(start()) == Refused(why="second start")
    assert stream.receive(media(b"x").replace(STREAM, "other")) == Refused(why="wrong stream_id")
    assert stream.receive(media(b"x", track="outbound")) == Ignored(event="media of another track")
    assert stream.receive('{"event":"tomorrow"}') == Ignored(event="tomorrow")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "7",
        "{}",
        "[" * 3000,
        '{"event":7}',
        '{"event":"media"}',
        f'{{"event":"media","media":7,"stream_id":"{STREAM}"}}',
        media(b""),
        media(b"x", payload="*"),
        media(b"x", payload=7),
        media(b"x", timestamp="-1"),
        media(b"x", timestamp="9" * 5000),
        media(b"x", timestamp=None),
        media(b"x").replace('"sequence_number": "1"', '"sequence_number": true'),
        *(f'{{"event":"dtmf","dtmf":{{"digit":"{key}"}},"stream_id":"{STREAM}"}}' for key in ("x", "E", "", "12", "+")),
        f'{{"event":"mark","mark":{{"name":""}},"stream_id":"{STREAM}"}}',
        f'{{"event":"mark","mark":{{"name":"\\ud800"}},"stream_id":"{STREAM}"}}',
        '{"event":"error"}',
        '{"event":"error","payload":{"code":"100005","title":"\\n\\u202e"}}',
        " " * (MAX_TEXT_CHARS + 1),
    ],
)
def test_a_malformed_message_leaves_the_stream_alive(text: str) -> None:
    """It is refused with a printable reason, and the next is heard."""
    stream = started()
    got = stream.receive(text)
    assert isinstance(got, Refused)
    assert got.why.isprintable()
    assert stream.receive(media(b"x")) == MediaIn(b"x", 0, 1)


@given(st.lists(messages(TELNYX_SAMPLES), max_size=8))
def test_no_text_breaks_our_end(texts: list[str]) -> None:
    """A sample, one spoiled, or anything at all, before a start and after it, in every codec."""
    for stream in (PCMU.codec(), started(), L16.codec(), started(PCMA)):
        for text in texts:
            stream.receive(text)


@given(messages(TELNYX_LINE_SAMPLES))
def test_no_text_breaks_the_line(text: str) -> None:
    """Whatever a server sends."""
    TelnyxLine().receive(text)


@pytest.mark.parametrize("carrier", ALL)
def test_messages_out_of_order_are_put_right(carrier: Telnyx) -> None:
    """Telnyx does not promise an order; what is heard is what was said."""
    line, stream = carrier.line(), carrier.codec()
    stream.receive(line.start(call_id=CALL, parameters={}))
    size = 20 * carrier.format.bytes_per_ms
    said = [bytes([n]) * size for n in range(1, 41)]
    sent = [line.media(each, 20 * n) for n, each in enumerate(said)]
    chance = random.Random(3)
    for at in range(1, len(sent) - 1, 2):  # neighbours change places; the first says where time begins
        if chance.random() < 0.5:
            sent[at : at + 2] = sent[at : at + 2][::-1]
    codec = wire_codec(carrier.format)
    jitter = JitterBuffer(bytes_per_ms=codec.bytes_per_ms, silence=codec.silence)
    heard = b""
    for text in sent:
        got = stream.receive(text)
        assert isinstance(got, MediaIn)
        heard += b"".join(jitter.push(got.sequence, got.timestamp_ms, got.payload))
    assert heard + b"".join(jitter.flush()) == b"".join(said)
    assert jitter.counts.lost_ms == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"event":"media","media":{"payload":"//8="}}', "100004"),
        ('{"event":"media","media":{"payload":"*"}}', "100004"),
        ('{"event":"media","media":{"payload":"' + b64encode(bytes(8 * 30_001)).decode() + '"}}', "100004"),
        ('{"event":"media"}', "100003"),
        ('{"event":"mark","mark":{}}', "100003"),
        ('{"event":"sing"}', "100003"),
        ("[]", "100003"),
    ],
)
def test_the_line_is_as_strict_as_telnyx(text: str, code: str) -> None:
    """What Telnyx would answer with an error, by its code."""
    got = TelnyxLine().receive(text)
    assert isinstance(got, Refused)
    assert got.why.startswith(code)


def test_settings_that_are_none_are_refused() -> None:
    """Before the first ring, with what there is."""
    with pytest.raises(BadSetting, match="codec") as caught:
        Telnyx(codec="opus")  # type: ignore[arg-type]
    assert "L16" in caught.value.hint
    with pytest.raises(BadSetting, match="byte_order"):
        Telnyx(l16_byte_order="middle")  # type: ignore[arg-type]
    with pytest.raises(BadSetting, match="base_url"):
        Telnyx(base_url="ftp://x")
    with pytest.raises(InternalError):
        TelnyxLine(stream_id="a b")
