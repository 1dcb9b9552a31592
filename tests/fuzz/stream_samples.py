"""One of each message of the carriers' streams, and how to spoil them."""

from __future__ import annotations

import json
import random

from hypothesis import strategies as st

STREAM_ID = "MZ00000000000000000000000000000001"
_SID = f'"streamSid":"{STREAM_ID}"'
_ACCOUNT = '"accountSid":"AC00000000000000000000000000000001"'
_CALL = '"callSid":"CA00000000000000000000000000000001"'

SAMPLES = (
    '{"event":"connected","protocol":"Call","version":"1.0.0"}',
    '{"event":"start","sequenceNumber":"1","start":{'
    + f'{_ACCOUNT},{_SID},{_CALL},"tracks":["inbound"],'
    + '"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},'
    + f'"customParameters":{{"token":"one-time-secret","agent":"demo"}}}},{_SID}}}',
    '{"event":"media","sequenceNumber":"4","media":{"track":"inbound","chunk":"2","timestamp":"40",'
    + f'"payload":"//////////8="}},{_SID}}}',
    f'{{"event":"dtmf",{_SID},"sequenceNumber":"57","dtmf":{{"track":"inbound_track","digit":"1"}}}}',
    f'{{"event":"mark","sequenceNumber":"91",{_SID},"mark":{{"name":"utt-7:end"}}}}',
    f'{{"event":"stop","sequenceNumber":"1204",{_SID},"stop":{{{_ACCOUNT},{_CALL}}}}}',
)
"""One of each message from Twilio. Source: Twilio docs, Media Streams WebSocket messages."""

LINE_SAMPLES = (
    f'{{"event":"media",{_SID},"media":{{"payload":"//////////8="}}}}',
    f'{{"event":"mark",{_SID},"mark":{{"name":"utt-7:end"}}}}',
    f'{{"event":"clear",{_SID}}}',
)
"""One of each message to Twilio. Source: the same."""

TELNYX_ID = "32de0dea-53cb-4b21-89a4-9e1819c043bc"
_LEG = f'"stream_id":"{TELNYX_ID}"'

TELNYX_SAMPLES = (
    '{"event":"connected","version":"1.0.0"}',
    '{"event":"start","sequence_number":"1","start":{"user_id":"3e6f995f","call_control_id":"v3:TESTcallcontrolid",'
    '"call_session_id":"22222222","from":"+15550100001","to":"+15550100002","tags":[],"client_state":"eyJhIjoxfQ==",'
    '"custom_parameters":[{"name":"agent","value":"demo"}],'
    f'"media_format":{{"encoding":"PCMU","sample_rate":8000,"channels":1}}}},{_LEG}}}',
    '{"event":"media","sequence_number":"4","media":{"track":"inbound","chunk":"2","timestamp":"5",'
    f'"payload":"//////////8="}},{_LEG}}}',
    f'{{"event":"dtmf",{_LEG},"occurred_at":"2026-11-21T12:00:07.123456Z","sequence_number":"5","dtmf":{{"digit":"1"}}}}',
    f'{{"event":"mark",{_LEG},"sequence_number":"91","mark":{{"name":"utt-7:end"}}}}',
    f'{{"event":"error","payload":{{"code":100003,"title":"malformed_frame","detail":"no"}},{_LEG}}}',
    f'{{"event":"stop","sequence_number":"9","stop":{{"call_control_id":"v3:TESTcallcontrolid"}},{_LEG}}}',
)
"""One of each message from Telnyx. Source: Telnyx docs, media streaming over WebSockets."""

TELNYX_LINE_SAMPLES = (
    f'{{"event":"media","media":{{"payload":"{"/" * 213}w=="}}}}',  # 20 ms, the least that Telnyx takes
    '{"event":"mark","mark":{"name":"utt-7:end"}}',
    '{"event":"clear"}',
)
"""One of each message to Telnyx. Source: the same."""

_ODD = (
    *(
        "",
        "0",
        "-1",
        "1e999",
        "NaN",
        "true",
        "null",
        "{}",
        "[]",
        '"',
        "\\",
        '\\"',
        "\\u0000",
        "\\ud800",
        "\x00",
        "\ud800",
    ),
    *(
        "\ufeff",
        "\u202e",
        "٣",
        "😀",
        "=",
        "====",
        "A",
        "/" * 9,
        "9" * 20,
        "9" * 5000,
        "[" * 3000,
        '{"a":' * 3000,
        "]",
        "}",
    ),
    *(
        "start",
        "media",
        "mark",
        "dtmf",
        "stop",
        "clear",
        "event",
        "payload",
        "streamSid",
        "customParameters",
        STREAM_ID,
    ),
)

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(_ODD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def messages(samples: tuple[str, ...]) -> st.SearchStrategy[str]:
    """A sample, a sample spoiled, or anything at all."""

    @st.composite
    def cut(draw: st.DrawFn) -> str:
        return mutated(draw(st.sampled_from(samples)), random.Random(draw(st.integers(0, 2**32))))

    @st.composite
    def refilled(draw: st.DrawFn) -> str:
        message = json.loads(draw(st.sampled_from(samples)))
        place = message
        inner = message.get(message["event"])
        if isinstance(inner, dict) and draw(st.booleans()):
            place = inner
        place[draw(st.sampled_from([*place]))] = draw(_JSON)
        return json.dumps(message)

    return st.one_of(st.sampled_from(samples), cut(), refilled(), st.text(max_size=40), _JSON.map(json.dumps))


def stream_message() -> st.SearchStrategy[str]:
    """What a peer might send to our end: a sample, a sample spoiled, or anything at all."""
    return messages(SAMPLES)


def line_message() -> st.SearchStrategy[str]:
    """What a server might send to the line."""
    return messages(LINE_SAMPLES)


def mutated(text: str, dice: random.Random) -> str:
    """A text with up to four places cut, doubled, replaced by another of its own or by something odd."""
    for _ in range(dice.randrange(5)):
        begin = dice.randrange(len(text) + 1)
        end = min(len(text), begin + dice.choice((0, 1, 1, 2, 5, 20, 200)))
        match dice.randrange(4):
            case 0:
                piece = dice.choice(_ODD)
            case 1:
                piece = text[begin:end] * dice.choice((0, 2, 3, 50))
            case 2:
                piece = chr(dice.randrange(0x250))
            case _:
                place = dice.randrange(len(text) + 1)
                piece = text[place : place + dice.randrange(30)]
        text = text[:begin] + piece + text[end:]
    return text
