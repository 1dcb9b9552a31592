"""What the server does for every 20 ms of a call, and what it costs: `python -m tests.bench.frames`.

In: the bytes of a masked WebSocket frame become a message, samples, windows for the voice detector. Out: 60 ms of
wire audio become the bytes of a message. Beside them: an event through machine and journal. One process, one call;
the figures are medians over thousands, in microseconds. "Plain" is the same done the way one writes it first: stock
`json`, `base64`, and G.711 sample by sample.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from time import perf_counter_ns

import numpy as np
from websockets.utils import apply_mask

from patter_cli.audio.frame import FloatSamples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.jitter import JitterBuffer
from patter_cli.audio.pacer import Pacer
from patter_cli.audio.vad import VadPolicy, VoiceDetector, VoiceEdge
from patter_cli.audio.wire import ULAW_8K_WIRE, LineAudio
from patter_cli.carriers.twilio.stream import TwilioLine, TwilioStream
from patter_cli.contracts.carrier.stream import MediaIn
from patter_cli.core.journal import render_entry
from patter_cli.core.machine import TurnMachine
from patter_cli.engine.batched_vad import BatchedVad
from patter_cli.engine.clock import CallClock
from patter_cli.engine.inbound import InboundPath
from patter_cli.engine.listen import Listener
from patter_cli.engine.mailbox import Mailbox
from patter_cli.providers import silero
from patter_cli.providers.local import LocalSTT
from patter_cli.server.frames import FrameReader, text_frame
from patter_cli.server.limits import Limits
from tests.bench.core import ten_minutes
from tests.bench.load import caller_speech

FRAMES = 3000
CHUNK_MS = 60
BATCHES = 25


def median_us(title: str, work: Callable[[int], object], count: int = FRAMES, *, against: float = 0.0) -> float:
    """Print and return the median cost of work(index); batches of a few calls hide the clock's own cost."""
    for index in range(100):
        work(index)
    gc.disable()
    size, times = BATCHES, []
    for first in range(100, count, size):
        began = perf_counter_ns()
        for index in range(first, first + size):
            work(index)
        times.append((perf_counter_ns() - began) / size / 1000)
    gc.enable()
    middle, p95 = np.percentile(times, [50, 95])
    ratio = f"   {against / middle:5.1f} times as fast as plain" if against else ""
    print(f"  {title:42} {middle:8.2f}   p95 {p95:7.2f}{ratio}")
    return float(middle)


# --- in --------------------------------------------------------------------------------------------------------


def inbound_texts(count: int) -> tuple[str, list[str]]:
    """The start message of a line, and its media messages: a recorded sentence, then silence, and so on."""
    line = TwilioLine()
    start = line.start(call_id="CA1", parameters={})
    speech = caller_speech()
    payloads = [speech[at : at + 160] for at in range(0, len(speech), 160)]
    return start, [line.media(payload, 20 * at) for at, payload in zip(range(count), cycle(payloads), strict=False)]


def masked(text: str) -> bytes:
    """A client's text frame."""
    data, mask = text.encode(), os.urandom(4)
    size = len(data).to_bytes(2, "big")
    return b"\x81\xfe" + size + mask + apply_mask(data, mask)


def plain_in(text: str) -> list[int]:
    """A message to samples, the way one writes it first."""
    message = json.loads(text)
    samples = []
    for code in base64.b64decode(message["media"]["payload"]):
        code = ~code & 0xFF
        magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
        samples.append(-magnitude if code & 0x80 else magnitude)
    return samples


async def measure_inbound() -> None:
    """One frame, whole and by stage."""
    total = FRAMES + 200
    start, texts = inbound_texts(total)
    frames = [masked(text) for text in texts]
    print("a frame in (20 ms of one call)")
    plain = median_us("plain: json, base64, G.711 in a loop", lambda at: plain_in(texts[at]))

    limits = Limits()
    reader = FrameReader(max_bytes=limits.message_bytes, frames_per_turn=limits.frames_per_turn)
    codec = TwilioStream()
    codec.receive(start)
    jitter = JitterBuffer()
    messages = [message for message in map(codec.receive, texts) if isinstance(message, MediaIn)]
    assert len(messages) == total
    audio = [LineAudio(coded=message.payload, wire=ULAW_8K_WIRE) for message in messages]
    stages = 0.0
    stages += median_us("bytes of the socket -> text", lambda at: reader.feed(frames[at]))
    stages += median_us("text -> message", lambda at: codec.receive(texts[at]))
    stages += median_us(
        "jitter buffer",
        lambda at: jitter.push(messages[at].sequence, 20 * at, messages[at].payload),
    )
    to_samples = stages
    median_us("G.711, if somebody listens", lambda at: decode_ulaw(messages[at].payload))
    to_samples = stages
    detector = VoiceDetector(VadPolicy())
    stages += median_us("cut into windows for the detector", lambda at: detector.cut(messages[at].payload))
    listener = Listener(LocalSTT(), line_rate_hz=8000, post=lambda event: None)
    stages += median_us("listener, nobody speaks: kept for later", lambda at: listener.push(audio[at]))
    print(f"  {'the stages together':42} {stages:8.2f}")
    print(f"  {'up to samples':42} {to_samples:8.2f}{'':15}{plain / to_samples:5.1f} times as fast as plain")

    model = silero.VoiceModel()
    room = BatchedVad(model)

    def edge(_: VoiceEdge) -> None:
        pass

    clock = CallClock(asyncio.get_running_loop())
    mailbox = Mailbox(clock)
    whole_codec = TwilioStream()
    whole_codec.receive(start)
    whole_reader = FrameReader(max_bytes=limits.message_bytes, frames_per_turn=limits.frames_per_turn)
    hearing = Listener(LocalSTT(), line_rate_hz=8000, post=mailbox.post)
    path = InboundPath(clock=clock, room=room, hearing=hearing, post=mailbox.post)

    def one(at: int) -> None:
        for text in whole_reader.feed(frames[at]):
            assert isinstance(text, str)
            message = whole_codec.receive(text)
            assert isinstance(message, MediaIn)
            path.push(message)

    times = []
    for at in range(total):
        began = perf_counter_ns()
        one(at)
        times.append((perf_counter_ns() - began) / 1000)
        if at % 50 == 49:
            await asyncio.sleep(0.02)  # the room scores what waits; not in the figure
    middle, p95, p99 = np.percentile(times[100:], [50, 95, 99])
    print(f"  {'all of it, frame by frame, on the loop':42} {middle:8.2f}   p95 {p95:7.2f}   p99 {p99:.2f}")
    print(f"  that is {middle * 50 / 10_000:.2f} % of a core for a call that listens")
    room.close()
    rng = np.random.default_rng(0)
    for calls in (1, 16, 100):
        windows = (rng.standard_normal((calls, model.window_samples)) * 0.1).astype(np.float32)
        score = partial(_score, model, windows)
        cost_us = median_us(f"in a thread: windows of {calls} calls scored", score, 700)
        print(f"  {'a window of it':42} {cost_us / calls:8.2f}")


def _score(model: silero.VoiceModel, windows: FloatSamples, _: int) -> None:
    model.score(windows, [model.initial_state()] * len(windows))


# --- out -------------------------------------------------------------------------------------------------------


def plain_out(samples: Sequence[int]) -> str:
    """Samples to a message, the way one writes it first."""
    codes = bytearray()
    for sample in samples:
        magnitude = min(abs(sample), 32635) + 0x84
        segment = magnitude.bit_length() - 8
        codes.append(~((0x80 if sample < 0 else 0) | segment << 4 | (magnitude >> (segment + 3)) & 0x0F) & 0xFF)
    payload = base64.b64encode(bytes(codes)).decode()
    return json.dumps({"event": "media", "streamSid": "MZ1", "media": {"payload": payload}})


def measure_outbound() -> None:
    """One message of CHUNK_MS."""
    print(f"a message out ({CHUNK_MS} ms)")
    rng = np.random.default_rng(1)
    samples = (rng.standard_normal(CHUNK_MS * 8) * 3000).astype(np.int16)
    listed = samples.tolist()
    plain = median_us("plain: G.711 in a loop, base64, json", lambda _: plain_out(listed))
    codec = TwilioStream()
    codec.receive(inbound_texts(1)[0])
    payload = encode_ulaw(samples)
    text = codec.media(payload)
    stages = median_us("G.711", lambda _: encode_ulaw(samples))
    pacer = Pacer(lead_ms=200, chunk_ms=CHUNK_MS)

    def pace(at: int) -> None:
        pacer.push(payload, 1)
        sent = pacer.release(1000.0 + CHUNK_MS * at)
        assert sent
        pacer.next_release_ms()

    stages += median_us("pacer: push, release, when next", pace)
    stages += median_us("payload -> text", lambda _: codec.media(payload))
    stages += median_us("text -> bytes of the socket", lambda _: text_frame(text))
    print(f"  {'the stages together':42} {stages:8.2f}{'':15}{plain / stages:5.1f} times as fast as plain")
    print(f"  that is {stages * 1000 / CHUNK_MS / 10_000:.2f} % of a core for a call that speaks, sending not counted")


# --- decisions -------------------------------------------------------------------------------------------------


def measure_decisions() -> None:
    """An event through machine and journal line."""
    call = ten_minutes()
    print(f"an event ({len(call.log)} of a call of {call.now / 1000:.0f} s)")
    handled, written = [], []
    for _ in range(10):
        machine = TurnMachine()
        for at, event, _ordered in call.log:
            began = perf_counter_ns()
            ordered = machine.handle(event, at)
            middle = perf_counter_ns()
            render_entry(at, event, ordered)
            written.append((perf_counter_ns() - middle) / 1000)
            handled.append((middle - began) / 1000)
    for title, times in (("machine", handled), ("journal line", written)):
        p50, p95 = np.percentile(times, [50, 95])
        print(f"  {title:42} {p50:8.2f}   p95 {p95:7.2f}")
    rate = len(call.log) / call.now * 1000
    both = float(np.median(handled) + np.median(written))
    print(f"  {rate:.1f} events a second of talk: {both * rate / 10_000:.3f} % of a core")


def main() -> None:
    """Print the figures."""
    print("medians in microseconds")
    asyncio.run(measure_inbound())
    measure_outbound()
    measure_decisions()


if __name__ == "__main__":
    main()
