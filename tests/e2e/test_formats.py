"""A call on every format a carrier's stream may have: the same words are heard, both ways."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from patter_cli import wiring
from patter_cli.audio.frame import L16_16K, ULAW_8K, AudioFormat, Encoding
from patter_cli.audio.resample import resample_all
from patter_cli.audio.wire import wire_codec
from patter_cli.contracts.carrier.stream import MarkIn, MediaIn
from patter_cli.core import commands as order
from patter_cli.core.journal import Entry
from patter_cli.core.outcome import Direction
from patter_cli.engine.batched_vad import BatchedVad
from patter_cli.engine.build import build_call
from patter_cli.engine.call import CallSession
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import CallInfo
from patter_cli.engine.speak import TtsCache
from patter_cli.observe.metrics import CallMeasure
from tests.e2e.conftest import LOUDNESS, RATE_HZ, SENTENCES, Told, agent, letters_in, spoken

ALAW_8K = AudioFormat(encoding=Encoding.ALAW, rate_hz=8000)
L16_LE_16K = AudioFormat(encoding=Encoding.L16_LE, rate_hz=16000)
FRAME_MS = 20


class Line:
    """A carrier that hands over raw audio, and its caller: plays what it gets, sends a frame every 20 ms."""

    def __init__(self, format: AudioFormat) -> None:
        self.wire = wire_codec(format)
        self.played = bytearray()
        self.to_say = bytearray()
        self.transcript: list[tuple[str, str]] = []
        self.call: CallSession

    # What a call knows of it.

    def media(self, payload: bytes) -> None:
        self.played += payload

    def mark(self, name: str) -> None:
        asyncio.get_running_loop().call_soon(self.call.on_stream, MarkIn(name=name))

    def clear(self) -> None:
        pass

    async def hang_up(self) -> None:
        pass

    async def transfer(self, number: str) -> None:
        pass

    def __call__(self, call_id: str, entry: Entry) -> None:
        self.transcript += [
            (each.role, each.text) for each in entry.commands if isinstance(each, order.ReportTranscript)
        ]

    # The caller.

    @property
    def heard(self) -> str:
        samples = self.wire.decode(bytes(self.played))
        return letters_in(resample_all(samples, self.wire.rate_hz, RATE_HZ))

    def say(self, sentence: str) -> None:
        self.to_say += self.wire.encode(resample_all(spoken(sentence), RATE_HZ, self.wire.rate_hz))

    async def send_frames(self) -> None:
        size = self.wire.bytes_per_ms * FRAME_MS
        began = time.monotonic()
        for number in range(10_000):
            payload = bytes(self.to_say[:size])
            del self.to_say[:size]
            payload += self.wire.silence * ((size - len(payload)) // len(self.wire.silence))
            self.call.on_stream(MediaIn(payload, number * FRAME_MS, number))
            await asyncio.sleep(max(0.0, began + (number + 1) * FRAME_MS / 1000 - time.monotonic()))

    async def until(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(15):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "format", [ULAW_8K, ALAW_8K, L16_16K, L16_LE_16K], ids=lambda f: f"{f.encoding.value}-{f.rate_hz}"
)
async def test_the_same_call_on_every_format(format: AudioFormat) -> None:
    """A greeting from the cache, a question and its answer: heard and written down alike, echo search included."""
    line = Line(format)
    ready = wiring.ready_agent(
        "shop",
        agent("Hello there.", echo_cancellation=None, barge_in_threshold_ms=0),
        Hooks(on_message=lambda event: "From nine until six."),
    )
    cache, vad = TtsCache(), BatchedVad(LOUDNESS)
    await cache.prepare(ready.tts, ["Hello there."], language="en")
    line.call = build_call(
        info=CallInfo(call_id="one", caller="+1", callee="shop", direction=Direction.INBOUND, carrier="toy"),
        agent=ready,
        format=format,
        line=line,
        control=line,
        vad=vad,
        cache=cache,
        journal=Told(line),
        measure=CallMeasure(),
    )
    call, frames = asyncio.create_task(line.call.run()), asyncio.create_task(line.send_frames())
    try:
        await line.until(lambda: len(line.transcript) == 1)
        await asyncio.sleep(0.5)
        line.say(SENTENCES[0])
        await line.until(lambda: len(line.transcript) == 3)
    finally:
        line.call.on_closed("caller_hung_up")
        await call
        frames.cancel()
        vad.close()
    assert line.transcript == [
        ("assistant", "Hello there."),
        ("user", SENTENCES[0]),
        ("assistant", "From nine until six."),
    ]
    assert line.heard == "hello there.from nine until six."
    peak = int(np.abs(line.wire.decode(bytes(line.played)).astype(int)).max())
    assert 7000 < peak < 10_000  # hard joins of tones overshoot a little where they are resampled
