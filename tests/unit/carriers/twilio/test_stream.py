"""Twilio's wire: the samples of its documentation, both ends against each other, and rubbish of every kind."""

from __future__ import annotations

import json
import re
from base64 import b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from patter_cli.audio.frame import ULAW_8K
from patter_cli.carriers.twilio.stream import MAX_TEXT_CHARS, TwilioLine, TwilioStream
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
from patter_cli.errors import InternalError
from tests.fuzz.stream_samples import LINE_SAMPLES, SAMPLES, STREAM_ID, line_message, stream_message

CONNECTED, START, MEDIA, DTMF, MARK, STOP = SAMPLES
SILENCE = b"\xff" * 8
STARTED = StreamStarted(
    stream_id=STREAM_ID,
    call_id="CA00000000000000000000000000000001",
    format=ULAW_8K,
    parameters={"token": "one-time-secret", "agent": "demo"},
)


def started() -> TwilioStream:
    stream = TwilioStream()
    assert stream.receive(START) == STARTED
    return stream


def changed(sample: str, **fields: object) -> str:
    """A sample with fields replaced; `media__timestamp` reaches into `media`, and None takes a field away."""
    message = json.loads(sample)
    for name, value in fields.items():
        *outer, last = name.split("__")
        place = message
        for part in outer:
            place = place[part]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return json.dumps(message)


def test_the_samples_of_the_documentation_are_read() -> None:
    """A whole call, word for word as Twilio documents it."""
    stream = TwilioStream()
    assert [stream.receive(sample) for sample in SAMPLES] == [
        StreamConnected(),
        STARTED,
        MediaIn(SILENCE, 40, 4),
        DtmfIn(digit="1"),
        MarkIn(name="utt-7:end"),
        StreamStopped(),
    ]


def test_our_messages_are_the_samples_of_the_documentation() -> None:
    """What we send is what Twilio documents, byte for byte."""
    stream = started()
    assert [stream.media(SILENCE), stream.mark("utt-7:end"), stream.clear()] == list(LINE_SAMPLES)


def test_the_line_reads_the_samples_of_the_documentation() -> None:
    """The carrier's end understands what a server may send."""
    line = TwilioLine(STREAM_ID)
    assert [line.receive(sample) for sample in LINE_SAMPLES] == [
        MediaOut(SILENCE),
        MarkOut(name="utt-7:end"),
        ClearOut(),
    ]


def test_the_line_writes_the_samples_of_the_documentation() -> None:
    """The carrier's end says what Twilio says; only the counts differ from the excerpts in its documentation."""
    line = TwilioLine(STREAM_ID)
    parameters = {"token": "one-time-secret", "agent": "demo"}
    written = [
        line.connected(),
        line.start(call_id="CA00000000000000000000000000000001", parameters=parameters),
        line.media(SILENCE, 40),
        line.dtmf("1"),
        line.mark("utt-7:end"),
        line.stop(),
    ]
    counted = [json.loads(text).get("sequenceNumber") for text in written]
    assert counted == [None, "1", "2", "3", "4", "5"]

    def uncounted(text: str) -> object:
        return json.loads(re.sub(r'"(sequenceNumber|chunk)":"[0-9]+"', r'"\1":"0"', text))

    assert [uncounted(text) for text in written] == [uncounted(sample) for sample in SAMPLES]


@given(payloads=st.lists(st.binary(min_size=1, max_size=400), max_size=5), name=st.text(min_size=1, max_size=256))
def test_both_ends_understand_each_other(payloads: list[bytes], name: str) -> None:
    """Whatever one end sends the other gets, any bytes, any mark."""
    stream, line = TwilioStream(), TwilioLine("MZ1", "AC1")
    assert stream.receive(line.connected()) == StreamConnected()
    assert isinstance(stream.receive(line.start(call_id="CA1", parameters={"say": name})), StreamStarted)
    for count, payload in enumerate(payloads):
        assert stream.receive(line.media(payload, 20 * count)) == MediaIn(payload, 20 * count, count + 2)
        assert line.receive(stream.media(payload)) == MediaOut(payload)
    assert line.receive(stream.mark(name)) == MarkOut(name=name)
    assert stream.receive(line.mark(name)) == MarkIn(name=name)
    assert line.receive(stream.clear()) == ClearOut()
    assert stream.receive(line.stop()) == StreamStopped()


PIECES = st.sampled_from([*MEDIA.split('"'), '"', "\\", "\x00", "٣", "=", "A", "{", "0" * 15])


@st.composite
def nearly_media(draw: st.DrawFn) -> str:
    """A media message, cut and mended in up to three places."""
    text = MEDIA
    for _ in range(draw(st.integers(0, 3))):
        begin = draw(st.integers(0, len(text)))
        end = draw(st.integers(begin, min(len(text), begin + 12)))
        text = text[:begin] + "".join(draw(st.lists(PIECES, max_size=2))) + text[end:]
    return text


@given(nearly_media())
@example(MEDIA.replace("//////////8=", ""))
@example(MEDIA.replace("//////////8=", "AA==AA=="))
@example(MEDIA.replace("//////////8=", 'AAAA","payload":"BBBB'))
@example(MEDIA.replace('"4"', '"٤"'))
def test_the_quick_way_and_the_long_way_agree(text: str) -> None:
    """A blank in front changes nothing in JSON, and sends a message the long way."""
    assert started().receive(text) == started().receive(" " + text)


@given(nearly_media())
@example(MEDIA[: MEDIA.index("8=") + 3])
def test_before_the_start_everything_goes_the_long_way(text: str) -> None:
    """Nothing is taken for audio that is not JSON only because no stream is known yet."""
    assert TwilioStream().receive(text) == TwilioStream().receive(" " + text)


@pytest.mark.parametrize(
    "text",
    [
        changed(MEDIA, sequenceNumber=4),
        changed(MEDIA, media__timestamp=40),
        changed(MEDIA, media__track=None),
        changed(MEDIA, media__chunk=None, extra={"a": [1]}),
        json.dumps(json.loads(MEDIA), indent=1),
        MEDIA.replace("/", "\\/"),
    ],
)
def test_media_may_be_written_otherwise(text: str) -> None:
    """Numbers as numbers, other order, blanks, escapes, unknown fields: the same message."""
    assert started().receive(text) == MediaIn(SILENCE, 40, 4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "\ufeff" + MEDIA,
        MEDIA + "x",
        changed(MEDIA, event=None),
        changed(MEDIA, event=7),
        changed(MEDIA, streamSid=None),
        changed(MEDIA, streamSid="MZ00000000000000000000000000000002"),
        changed(MEDIA, media=None),
        changed(MEDIA, media=[]),
        changed(MEDIA, media__payload=None),
        changed(MEDIA, media__payload=""),
        changed(MEDIA, media__payload=5),
        changed(MEDIA, media__payload="AAA"),
        changed(MEDIA, media__payload="AA==\n"),
        changed(MEDIA, media__payload="A A="),
        changed(MEDIA, media__payload="-_=="),
        changed(MEDIA, media__payload="ÄÄÄÄ"),
        changed(MEDIA, media__timestamp="-20"),
        changed(MEDIA, media__timestamp=-20),
        changed(MEDIA, media__timestamp=1.5),
        changed(MEDIA, media__timestamp=True),
        changed(MEDIA, media__timestamp="1" * 16),
        changed(MEDIA, media__timestamp=10**15),
        changed(MEDIA, media__timestamp="٤"),
        changed(MEDIA, sequenceNumber=None),
        changed(MEDIA, sequenceNumber=""),
        changed(DTMF, dtmf__digit="12"),
        changed(DTMF, dtmf__digit="a"),
        changed(DTMF, dtmf__digit="A"),
        changed(DTMF, dtmf__digit="D"),
        changed(DTMF, dtmf__digit="+"),
        changed(DTMF, dtmf__digit=" "),
        changed(DTMF, dtmf__digit="١"),
        changed(DTMF, dtmf__digit=1),
        changed(DTMF, dtmf="1"),
        changed(MARK, mark__name=""),
        changed(MARK, mark__name="x" * 257),
        changed(MARK, mark__name="\ud800"),
        changed(MARK, mark__name=None),
        START,
        changed(STOP, streamSid="MZ2"),
    ],
)
def test_what_is_wrong_is_refused(text: str) -> None:
    """A message that is not of this stream or not of this wire is refused, and the stream goes on."""
    stream = started()
    assert isinstance(stream.receive(text), Refused)
    assert stream.receive(MEDIA) == MediaIn(SILENCE, 40, 4)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"start__mediaFormat": None}, "mediaFormat"),
        ({"start__callSid": None}, "callSid"),
        ({"start__callSid": 7}, "callSid"),
        ({"start__mediaFormat__encoding": "audio/l16"}, "audio/l16"),
        ({"start__mediaFormat__sampleRate": "16000"}, "sampleRate"),
        ({"start__mediaFormat__sampleRate": 8000.5}, "sampleRate is 8000.5, not 8000"),
        ({"start__mediaFormat__sampleRate": "8 kHz"}, 'sampleRate is "8 kHz", not 8000'),
        ({"start__mediaFormat__sampleRate": True}, "sampleRate is true, not 8000"),
        ({"start__mediaFormat__sampleRate": 1e300}, "sampleRate is 1e+300"),
        ({"start__mediaFormat__channels": 2}, "channels"),
        ({"start__mediaFormat__channels": 2.0}, "channels is 2.0, not 1"),
        ({"start__mediaFormat__channels": "stereo"}, 'channels is "stereo", not 1'),
        ({"start__mediaFormat__channels": False}, "channels is false, not 1"),
        ({"start__mediaFormat__encoding": "audio/x-mulaw;rate=16000"}, "encoding"),
        ({"start__mediaFormat__encoding": "audio/x-alaw"}, "audio/x-alaw"),
        ({"start__mediaFormat": "audio/x-mulaw"}, "mediaFormat is no object"),
        ({"start__streamSid": "MZ2"}, "two stream ids: streamSid"),
        ({"start__streamSid": 7}, "two stream ids: streamSid"),
        ({"start__streamSid": ""}, "two stream ids: streamSid"),
        ({"start__customParameters": [1]}, "customParameters is not a table"),
        ({"start__customParameters": {"name": None}}, "customParameters.name is null, not a text"),
        ({"start__customParameters": {"name": 5}}, "customParameters.name is 5, not a text"),
        ({"start__customParameters": {"name": "x" * 4097}}, "customParameters.name is too long"),
        ({"start": 5}, "start without its object"),
        ({"streamSid": None, "start__streamSid": None}, "streamSid"),
        ({"streamSid": 7}, "streamSid"),
    ],
)
def test_a_bad_start_says_which_field(fields: dict[str, object], why: str) -> None:
    """The stream cannot go on, and whoever wrote the other side has to know why."""
    message = TwilioStream().receive(changed(START, **fields))
    assert isinstance(message, StartRefused)
    assert why in message.why


@pytest.mark.parametrize(
    "fields",
    [
        {"start__mediaFormat__sampleRate": "8000"},
        {"start__mediaFormat__sampleRate": 8000.0},
        {"start__mediaFormat__sampleRate": "8000.0"},
        {"start__mediaFormat__sampleRate": " 8000 "},
        {"start__mediaFormat__channels": "1"},
        {"start__mediaFormat__channels": 1.0},
        {"start__mediaFormat__channels": "1.0"},
        {"start__mediaFormat__encoding": "audio/PCMU"},
        {"start__mediaFormat__encoding": "audio/mulaw "},
        {"start__mediaFormat__encoding": "PCMU"},
        {"start__mediaFormat__channels": None},
        {"start__mediaFormat__encoding": "AUDIO/X-MULAW"},
    ],
)
def test_what_can_be_read_unmistakably_is_read(fields: dict[str, object]) -> None:
    """Numbers as text, a field whose only value is known, another case."""
    assert TwilioStream().receive(changed(START, **fields)) == STARTED


NULLS = [("start", "streamSid"), ("start", "mediaFormat", "channels"), ("start", "customParameters"), ("streamSid",)]


@pytest.mark.parametrize("path", NULLS, ids=".".join)
def test_a_null_says_no_more_than_a_missing_field(path: tuple[str, ...]) -> None:
    """A client that writes null has nothing to say there, and each of these is known without it."""
    message = json.loads(START)
    holder = message
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = None
    started = TwilioStream().receive(json.dumps(message))
    assert isinstance(started, StreamStarted)
    assert (started.stream_id, started.call_id) == (STARTED.stream_id, STARTED.call_id)
    if path[-1] == "customParameters":
        assert started.parameters == {}


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (("start", "callSid"), "callSid"),
        (("start", "mediaFormat"), "mediaFormat"),
        (("start", "mediaFormat", "encoding"), "encoding is null"),
        (("start", "mediaFormat", "sampleRate"), "sampleRate is null"),
        (("start",), "start without its object"),
    ],
)
def test_a_null_where_something_must_be_known_is_named(path: tuple[str, ...], why: str) -> None:
    """Nobody can say what was meant."""
    message = json.loads(START)
    holder = message
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = None
    refused = TwilioStream().receive(json.dumps(message))
    assert isinstance(refused, StartRefused)
    assert why in refused.why


@pytest.mark.parametrize(
    "text",
    [
        changed(START, streamSid=""),
        changed(START, streamSid='MZ"1'),
        changed(START, streamSid="MZ\n1"),
        changed(START, streamSid="M" * 129),
        changed(START, start__streamSid="MZ2"),
        changed(START, start__callSid=None),
        changed(START, start__callSid="CA 1"),
        changed(START, start__mediaFormat=None),
        changed(START, start__mediaFormat__sampleRate=16000),
        changed(START, start__mediaFormat__encoding="audio/l16"),
        changed(START, start__customParameters=[]),
        changed(START, start__customParameters={"a": 1}),
        changed(START, start__customParameters={"a": "\udfff"}),
        changed(START, start__customParameters={"a": "x" * 4097}),
        changed(START, start__customParameters={"x" * 4097: "a"}),
        changed(START, start__customParameters={str(i): "" for i in range(65)}),
    ],
)
def test_a_bad_start_starts_nothing(text: str) -> None:
    """A refused start leaves the stream free for the right one."""
    stream = TwilioStream()
    assert isinstance(stream.receive(text), Refused)
    assert stream.receive(START) == STARTED


def test_parameters_may_be_missing() -> None:
    """A start without customParameters has none."""
    message = TwilioStream().receive(changed(START, start__customParameters=None))
    assert isinstance(message, StreamStarted)
    assert message.parameters == {}


def test_media_before_the_start_is_read() -> None:
    """Whether audio that overtook its start is kept is for the server to say."""
    assert TwilioStream().receive(MEDIA) == MediaIn(SILENCE, 40, 4)


def test_what_we_do_not_know_is_ignored() -> None:
    """An event of a later version and the other track's audio are none of our business; names are cut short."""
    stream = started()
    assert stream.receive(changed(MARK, event="x" * 100)) == Ignored(event="x" * 64)
    assert isinstance(stream.receive(changed(MEDIA, media__track="outbound")), Ignored)


@pytest.mark.parametrize(
    "text",
    [
        LINE_SAMPLES[0].replace("MZ", "mz"),
        LINE_SAMPLES[0].replace("streamSid", "stream_sid"),
        LINE_SAMPLES[0].replace("8=", "8"),
        changed(LINE_SAMPLES[0], media__track="outbound"),
        changed(LINE_SAMPLES[0], sequenceNumber="1"),
        changed(LINE_SAMPLES[0], media=[]),
        changed(LINE_SAMPLES[0], media__payload=5),
        changed(LINE_SAMPLES[1], mark__name=""),
        changed(LINE_SAMPLES[1], mark__name=None),
        changed(LINE_SAMPLES[2], clear={}),
        changed(LINE_SAMPLES[2], event="stop"),
        changed(LINE_SAMPLES[2], event=["clear"]),
        changed(LINE_SAMPLES[2], streamSid=None),
        "5",
        "{",
    ],
)
def test_the_line_is_as_strict_as_twilio(text: str) -> None:
    """Whatever Twilio would drop with a warning is refused here too, so that it shows before the first real call."""
    assert isinstance(TwilioLine(STREAM_ID).receive(text), Refused)


def test_the_line_takes_long_audio() -> None:
    """A server may send a whole minute at once."""
    payload = bytes(range(256)) * 1875
    stream = started()
    assert TwilioLine(STREAM_ID).receive(stream.media(payload)) == MediaOut(payload)


@pytest.mark.parametrize(
    "text",
    [
        "[" * MAX_TEXT_CHARS,
        '{"event":' * (MAX_TEXT_CHARS // 9),
        '{"event":"media","media":' + "[" * 20000 + "]" * 20000 + "}",
        changed(MEDIA, media__timestamp=0).replace(": 0,", ": " + "9" * 60000 + ","),
        changed(MEDIA, media__timestamp=0).replace(": 0,", ": " + "9" * 4000 + ","),
        changed(MEDIA, media__payload=b64encode(bytes(3 * 1024 * 1024)).decode()),
        MEDIA.replace("//////////8=", "A" * MAX_TEXT_CHARS),
    ],
)
def test_monsters_are_refused(text: str) -> None:
    """Depth, length and huge numbers are refused like anything else, by both ends."""
    assert isinstance(started().receive(text), Refused)
    assert isinstance(TwilioLine(STREAM_ID).receive(text), Refused)


@given(st.lists(stream_message(), max_size=12))
def test_no_text_raises(texts: list[str]) -> None:
    """Whatever comes in whatever order gives a message, and at most one start."""
    stream = TwilioStream()
    starts = [message for text in texts if isinstance(message := stream.receive(text), StreamStarted)]
    assert len(starts) <= 1


@given(line_message())
def test_no_text_raises_at_the_carriers_end(text: str) -> None:
    """The line is total too, and what it takes as audio it would have written in the same words or in JSON."""
    line = TwilioLine(STREAM_ID)
    assert line.receive(text) == line.receive(" " + text)


def test_nothing_is_sent_before_the_start() -> None:
    """Without the stream's id a message would be silently dropped by the carrier, so making one is our bug."""
    stream = TwilioStream()
    for send in (lambda: stream.media(SILENCE), lambda: stream.mark("a"), stream.clear):
        with pytest.raises(InternalError):
            send()


def test_the_lines_own_ids_need_no_escaping() -> None:
    """An id that would break the messages we build by joining is our bug."""
    with pytest.raises(InternalError):
        TwilioLine('MZ"')


@pytest.mark.parametrize("deep", ["[]", "{}"])
def test_a_start_may_be_nested_as_deep_as_json_can_be_read(deep: str) -> None:
    """What is wrong with it is said without looking into it, or the reader would be the one to run out of depth."""
    for depth in range(600, 1000):
        nested = "[" * depth + "]" * depth if deep == "[]" else '{"a":' * depth + "1" + "}" * depth
        text = SAMPLES[1].replace('"audio/x-mulaw"', nested)
        assert isinstance(TwilioStream().receive(text), Refused)
