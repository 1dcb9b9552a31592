"""How well the first look for an echo tells our voice from others': `python -m tests.bench.echo_gate`.

Scenes of real speech (tests/bench/echo_scene.py). Printed: when an echo at each delay and level is first seen, alone
and while the caller speaks over it; how often somebody else's voice is taken for ours; the time of a look, and of the
search that it saves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter

import numpy as np

from patter_cli.audio.echo import NlmsEchoCanceller
from patter_cli.audio.echo_gate import HOP_MS, LOOK_MS, EchoGate
from patter_cli.audio.frame import Samples
from tests.bench.echo_scene import Call, Scene, make

AUDIBLE = 30.0
"""Below this rms what we play is silence, and there is no look."""
VOICES = ("two_cities", "beckett")


def looks(call: Call) -> Iterator[tuple[int, Samples, Samples]]:
    """What a gate is shown of a call: ms since its start, near, far."""
    rate_hz = call.scene.rate_hz
    hop, kept = (ms * rate_hz // 1000 for ms in (HOP_MS, LOOK_MS))
    before: Samples = np.zeros(kept, np.int16)
    near, far = (np.concatenate((before, each)) for each in (call.near, call.far))
    for at in range(kept + hop, len(near) + 1, hop):
        played = far[at - kept : at]
        if float(np.mean(played.astype(np.float32) ** 2)) >= AUDIBLE**2:
            yield (at - kept) * 1000 // rate_hz, near[at - hop : at], played


def first_sight_ms(call: Call) -> int | None:
    """When the echo of a call is first seen."""
    gate = EchoGate(call.scene.rate_hz)
    return next((at_ms for at_ms, near, far in looks(call) if gate.look(near, far)), None)


def strangers(*, rate_hz: int = 8000, seconds: float = 20.0) -> tuple[int, int]:
    """Calls without an echo in which somebody speaks over us: how many looks, and how many of them were alarms."""
    seen = []
    for agent in VOICES:
        for caller in VOICES:
            for at_s in (0.0, 0.7, 1.3, 2.1, 3.0):
                scene = Scene(rate_hz=rate_hz, agent=agent, seconds=seconds, level_db=-300, caller=caller)
                if agent == caller and at_s < 1.0:
                    continue  # the same words a moment later are an echo
                call, gate = make(replace(scene, caller_at_s=at_s)), EchoGate(rate_hz)
                seen += [gate.look(near, far) for _, near, far in looks(call)]
    return len(seen), sum(seen)


def main() -> None:
    """Print it all."""
    print("an echo is first seen after, ms     alone   with somebody who speaks over it all the time")
    for delay_ms, level_db in ((60, -10), (120, -12), (240, -20), (300, -6), (180, -26), (120, -30), (120, -34)):
        scene = Scene(agent="two_cities", delay_ms=delay_ms, level_db=level_db)
        alone = first_sight_ms(make(scene))
        over = first_sight_ms(make(replace(scene, caller="beckett", caller_at_s=0.0)))
        print(f"  {delay_ms:4} ms {level_db:4} dB {alone!s:>22} {over!s:>8}")
    count, alarms = strangers()
    print(f"taken for an echo of ours: {alarms} of {count} looks at somebody else's voice")
    call = make(Scene(agent="two_cities", level_db=-300, caller="beckett", caller_at_s=0.0))
    shown, gate = list(looks(call)), EchoGate(8000)
    began = perf_counter()
    for _, near, far in shown:
        gate.look(near, far)
    look_us = (perf_counter() - began) / len(shown) * 1e6
    canceller, frames = NlmsEchoCanceller(sample_rate=8000), len(call.near) // 160
    began = perf_counter()
    for at in range(0, frames * 160, 160):
        canceller.process(call.near[at : at + 160], call.far[at : at + 160])
    search_us = (perf_counter() - began) / frames * 1e6
    print(f"a look: {look_us:.0f} us for {HOP_MS} ms, {look_us / HOP_MS / 10:.3f} % of a core", end="; ")
    print(f"a search: {search_us:.0f} us a frame of 20 ms, {search_us / 200:.3f} % of a core")


if __name__ == "__main__":
    main()
