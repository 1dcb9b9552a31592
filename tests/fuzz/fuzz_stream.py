"""Carrier frames, mutated by the million: `python -m tests.fuzz.fuzz_stream [N] [SEED]`; prints what it saw.

It stops with the text that did it when a decoder raises, or takes more than a millisecond per kilobyte.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections import Counter

from hypothesis import strategies as st

from patter_cli.carriers.twilio.stream import TwilioLine, TwilioStream

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


def _messages(samples: tuple[str, ...]) -> st.SearchStrategy[str]:
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
    return _messages(SAMPLES)


def line_message() -> st.SearchStrategy[str]:
    """What a server might send to the line."""
    return _messages(LINE_SAMPLES)


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


def main(count: int, seed: int) -> None:
    """Read `count` mutated texts with both ends; raises what they raise, with the text on stderr."""
    dice = random.Random(seed)
    seen: Counter[str] = Counter()
    slowest, slowest_text = 0.0, ""
    stream, line = TwilioStream(), TwilioLine(STREAM_ID)
    at_first_kb = 0
    began = time.perf_counter()
    for number in range(count):
        if number % 50 == 0:
            stream = TwilioStream()
            if dice.random() < 0.9:
                stream.receive(SAMPLES[1])
        end, samples = (stream, SAMPLES) if dice.random() < 0.7 else (line, LINE_SAMPLES)
        text = mutated(dice.choice(samples), dice)
        before = time.thread_time()
        try:
            message = end.receive(text)
        except BaseException:
            print(f"seed {seed}, input {number}: {text!a}", file=sys.stderr)
            raise
        ms_per_kb = (time.thread_time() - before) * 1e3 / (1 + len(text) / 1024)
        if ms_per_kb > slowest:
            ms_per_kb = min(ms_per_kb, _again(text))  # the machine stumbles too
        if ms_per_kb > slowest:
            slowest, slowest_text = ms_per_kb, text
        seen[type(message).__name__] += 1
        if number == count // 10:
            at_first_kb = _peak_kb()
    growth_kb = _peak_kb() - at_first_kb
    print(f"{count} inputs, seed {seed}, {time.perf_counter() - began:.1f} s, 0 exceptions; {dict(seen)}")
    print(f"slowest {slowest:.3f} ms per KB ({slowest_text[:50]!a}…), grown {growth_kb} KB after the first tenth")
    if slowest > 1.0:
        sys.exit(1)


def _again(text: str) -> float:
    """The best of five: milliseconds per started KB of the slower end."""
    stream, line = TwilioStream(), TwilioLine(STREAM_ID)
    stream.receive(SAMPLES[1])

    def once() -> float:
        before = time.thread_time()
        stream.receive(text)
        line.receive(text)
        return time.thread_time() - before

    return min(once() for _ in range(5)) * 1e3 / (1 + len(text) / 1024)


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    main(*(arguments + [100_000, random.randrange(2**32)][len(arguments) :]))
