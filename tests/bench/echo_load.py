"""What speakerphones cost everybody else: `python -m tests.bench.echo_load [--calls 24]`.

That many calls whose line returns our voice, each with a canceller at work, a frame every 20 ms in one process; the
canceller on the event loop, then in its thread. Prints how late the loop was for somebody who wanted to run every
5 ms, and what the process took of a core.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import replace

import numpy as np

from patter_cli.audio.auto_echo import AutoEchoCanceller
from patter_cli.audio.frame import Samples
from patter_cli.audio.wire import LineAudio
from patter_cli.engine.echo_thread import EchoLane, EchoThread
from tests.bench.echo_scene import Call, Scene, make

SECONDS = 8.0
FRAME_S = 0.02


class Played:
    """What the calls' phones play: all the same."""

    def __init__(self, call: Call) -> None:
        self._far = call.far

    def sounds(self, start: int, count: int) -> bool:
        return bool(self._far[start : start + count].any())

    def read(self, start: int, count: int) -> Samples:
        before: Samples = np.zeros(max(0, -start), np.int16)
        return np.concatenate((before, self._far[max(0, start) : start + count]))


async def hold(calls: int, thread: EchoThread | None) -> tuple[float, float, float]:
    """(loop lateness p50 and p99 in ms, cores)."""
    scene = make(replace(Scene(agent="two_cities"), rate_hz=8000, delay_ms=120, level_db=-12, seconds=SECONDS))
    lanes = [
        EchoLane(AutoEchoCanceller(8000, lambda delay_ms: None), Played(scene), lambda audio, trusted: None, thread)
        for _ in range(calls)
    ]
    near = scene.near[: len(scene.near) // 160 * 160].reshape(-1, 160)
    late: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            late.append((time.perf_counter() - before - 0.005) * 1000)

    async def feed(lane: EchoLane, phase: float) -> None:
        began = time.perf_counter() + phase
        for number, frame in enumerate(near):
            await asyncio.sleep(max(0.0, began + number * FRAME_S - time.perf_counter()))
            lane.push(LineAudio(frame), number * 160)

    watching = asyncio.create_task(watch())
    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(feed(lane, FRAME_S * number / calls) for number, lane in enumerate(lanes)))
    watching.cancel()
    p50, p99 = np.percentile(late, [50, 99])
    return float(p50), float(p99), (time.process_time() - cpu) / (time.perf_counter() - began)


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=24)
    calls = parser.parse_args().calls
    import uvloop

    for title, thread in (("on the loop", None), ("in a thread", EchoThread())):
        p50, p99, cores = uvloop.run(hold(calls, thread))
        print(f"{calls} cancellers {title}: loop late p50 {p50:.2f} ms, p99 {p99:.2f} ms; {cores:.2f} cores")


if __name__ == "__main__":
    main()
