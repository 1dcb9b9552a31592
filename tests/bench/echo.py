"""How much of our own voice is taken out of the line, and at what price: `python -m tests.bench.echo [--quick]`.

Scenes of real speech (tests/bench/echo_scene.py): the agent is the built-in voice or a human reading, the caller
another human. Our canceller stands beside WebRTC's (the extra `aec`) in the same run, if that is installed. Printed:
ERLE after 2 s at each delay, the caller's loss in double talk and what is left beside the caller, a delay and a room
that change in mid-call, an echo that comes at another time with each utterance, how soon a call's first echo is gone,
a line without echo, and the time of a frame.
Exits with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

import numpy as np

from patter_cli.audio.echo import NlmsEchoCanceller
from patter_cli.audio.frame import Samples
from patter_cli.errors import MissingExtra
from patter_cli.providers import webrtc
from tests.bench.echo_scene import (
    Call,
    Canceller,
    Scene,
    beside_caller_db,
    caller_gain_db,
    erle_db,
    make,
    other_room,
    run,
    spliced,
    unsteady,
)

ERLE_DB, LOSS_DB, FRAME_MS = 15.0, 1.0, 0.5
"""The targets: at least, at most, at most."""
ROOMS = ((20, -6, 10), (60, -10, 30), (120, -10, 60), (200, -20, 30), (300, -6, 60), (450, -10, 30))
"""Delay in ms, level in dB, tail in ms."""
OVER = ((-6, 0, 30), (-6, -6, 30), (-10, 0, 30), (-20, 0, 60), (-10, -12, 10))
"""Echo's level, caller's level, tail."""

Maker = Callable[[int], Canceller]


def cancellers() -> dict[str, Maker]:
    """Who takes part."""
    makers: dict[str, Maker] = {"ours": lambda rate_hz: NlmsEchoCanceller(sample_rate=rate_hz)}
    try:
        webrtc.EchoCanceller()
    except MissingExtra as error:
        print(f"without WebRTC's: {error.hint}")
    else:
        makers["webrtc"] = webrtc.EchoCanceller
    return makers


def columns(values: dict[str, str]) -> str:
    """One row's figures, and the distance to the second if there is one."""
    return "   ".join(f"{who} {value}" for who, value in values.items())


def delays(makers: dict[str, Maker], rates: tuple[int, ...]) -> float:
    """ERLE after two seconds. Returns our worst."""
    worst = np.inf
    print("\nERLE in dB, 2-8 s of the call")
    for rate_hz in rates:
        for agent in ("joe", "two_cities"):
            for delay_ms, level_db, tail_ms in ROOMS:
                scene = Scene(rate_hz=rate_hz, agent=agent, delay_ms=delay_ms, level_db=level_db, tail_ms=tail_ms)
                call = make(scene)
                got = {who: erle_db(call, run(maker(rate_hz), call)) for who, maker in makers.items()}
                worst = min(worst, got["ours"])
                behind = f"   {got['ours'] - got['webrtc']:+6.1f}" if "webrtc" in got else ""
                title = f"{rate_hz} Hz {agent:10} {delay_ms:3} ms {level_db:4} dB tail {tail_ms:2} ms"
                print(f"  {title}  {columns({who: f'{value:5.1f}' for who, value in got.items()})}{behind}")
    return float(worst)


def double_talk(makers: dict[str, Maker], rates: tuple[int, ...]) -> float:
    """What becomes of the caller. Returns our worst gain."""
    worst = 0.0
    late = {(who, rate_hz): lateness(maker, rate_hz) for who, maker in makers.items() for rate_hz in rates}
    print("\nsamples that each holds the voice back:", ", ".join(f"{who} {at} Hz {n}" for (who, at), n in late.items()))
    print(
        "double talk from 3 s on, the delay made up for: the caller's gain in dB, and all else against the caller, dB"
    )
    for rate_hz in rates:
        for agent in ("joe", "two_cities"):
            for level_db, caller_db, tail_ms in OVER:
                scene = Scene(rate_hz=rate_hz, agent=agent, level_db=level_db, tail_ms=tail_ms, seconds=11.0)
                call = make(replace(scene, caller="beckett", caller_db=caller_db))
                shown = {"line": f"{beside_caller_db(call, call.near):5.1f}"}
                for who, maker in makers.items():
                    out = ahead(run(maker(rate_hz), call), late[who, rate_hz])
                    gain = caller_gain_db(call, out)
                    worst = min(worst, gain) if who == "ours" else worst
                    shown[who] = f"{gain:5.2f} / {beside_caller_db(call, out):5.1f}"
                print(f"  {rate_hz} Hz {agent:10} echo {level_db:4} caller {caller_db:4}  {columns(shown)}")
    return worst


def lateness(maker: Maker, rate_hz: int) -> int:
    """By how many samples a canceller delays a caller whom nobody talks over."""
    call = make(Scene(rate_hz=rate_hz, seconds=6.0, level_db=-300.0, caller="beckett", caller_at_s=0.0))
    alone = Call(call.scene, np.zeros_like(call.far), call.echo, call.caller, call.noise)
    out = run(maker(rate_hz), alone).astype(np.float64)
    held = range(rate_hz // 20)
    brought = alone.near[rate_hz : 5 * rate_hz].astype(np.float64)
    return int(np.argmax([brought @ out[rate_hz + n : 5 * rate_hz + n] for n in held]))


def ahead(out: Samples, samples: int) -> Samples:
    """The same, so much earlier."""
    return np.concatenate((out[samples:], np.zeros(samples, np.int16)))


def changes(makers: dict[str, Maker], rates: tuple[int, ...]) -> None:
    """What happens when the echo is not what it was."""
    print("\nchanges at 5 s: ERLE in each half second after, then from 2 s after on")
    for rate_hz in rates:
        scene = Scene(rate_hz=rate_hz, seconds=12.0)
        for title, then in (
            ("120 -> 200 ms", replace(scene, delay_ms=200.0)),
            ("120 -> 60 ms", replace(scene, delay_ms=60.0)),
            ("120 -> 123 ms", replace(scene, delay_ms=123.0)),
            ("another room", other_room(scene)),
            ("6 dB louder", replace(scene, level_db=-4.0)),
        ):
            call = spliced(make(scene), make(then), 5.0)
            for who, maker in makers.items():
                out = run(maker(rate_hz), call)
                halves = [erle_db(call, out, 5 + n / 2, 5.5 + n / 2) for n in range(4)]
                steps = " ".join(f"{value:5.1f}" for value in halves)
                print(f"  {rate_hz} Hz {title:14} {who:7} {steps}   {erle_db(call, out, 7.0):5.1f}")
    print("\nan echo up to 20 ms later, another time every 3.5 s: ERLE of the whole call from 2 s on")
    for rate_hz in rates:
        call = unsteady(Scene(rate_hz=rate_hz, seconds=35.0), 20.0, 3.5)
        got = {who: f"{erle_db(call, run(maker(rate_hz), call)):5.1f}" for who, maker in makers.items()}
        print(f"  {rate_hz} Hz  {columns(got)}")


def first_words(makers: dict[str, Maker], rates: tuple[int, ...]) -> None:
    """How long a call's first echo is heard."""
    print(
        "\nthe first echo of a call: ms of it in which more than -50 dB is left, and of how many ms in its first second"
    )
    for rate_hz in rates:
        for agent in ("joe", "two_cities"):
            call = make(Scene(rate_hz=rate_hz, agent=agent, level_db=-6.0, seconds=5.0))
            begin = int(np.argmax(_loud(call.echo, rate_hz))) * rate_hz // 50
            second = slice(begin, begin + rate_hz)
            there = int(_loud(call.near[second], rate_hz).sum()) * 20
            left = {
                who: int(_loud(run(maker(rate_hz), call)[second], rate_hz).sum()) * 20 for who, maker in makers.items()
            }
            print(f"  {rate_hz} Hz {agent:10} {columns({who: str(ms) for who, ms in left.items()})}   of {there}")


def _loud(signal: np.ndarray, rate_hz: int) -> np.ndarray:
    frames = signal[: len(signal) // (rate_hz // 50) * (rate_hz // 50)].reshape(-1, rate_hz // 50).astype(np.float64)
    return np.sqrt((frames**2).mean(axis=1)) > 32768 * 10 ** (-50 / 20)


def no_echo(makers: dict[str, Maker], rates: tuple[int, ...]) -> int:
    """Samples of ours that are not what the line brought."""
    changed = 0
    print("\nno echo, both speaking for 25 s: samples changed, and the caller's gain")
    for rate_hz in rates:
        call = make(Scene(rate_hz=rate_hz, seconds=25.0, level_db=-300.0, caller="endgame_nagg_nell", caller_at_s=0.5))
        shown = {}
        for who, maker in makers.items():
            out = run(maker(rate_hz), call)
            touched = int(np.count_nonzero(out != call.near))
            changed += touched if who == "ours" else 0
            heard = ahead(out, lateness(maker, rate_hz))
            shown[who] = f"{touched} of {len(out)}, {caller_gain_db(call, heard):.2f} dB"
        print(f"  {rate_hz} Hz  {columns(shown)}")
    return changed


def cost(makers: dict[str, Maker], rates: tuple[int, ...]) -> float:
    """Time of a frame in ms. Returns our slowest median."""
    slowest = 0.0
    print("\nms a frame of 20 ms: median, p95, longest; the agent speaking, then silent")
    for rate_hz in rates:
        call = make(Scene(rate_hz=rate_hz, seconds=17.0))
        for who, maker in makers.items():
            speaking = _times(maker(rate_hz), call)
            silent = _times(
                maker(rate_hz), Call(call.scene, np.zeros_like(call.far), call.echo, call.caller, call.noise)
            )
            slowest = max(slowest, float(np.median(speaking))) if who == "ours" else slowest
            figures = f"{np.median(speaking):.3f} {np.percentile(speaking, 95):.3f} {speaking.max():.3f}"
            print(f"  {rate_hz} Hz {who:7} {figures}   silent {np.median(silent[100:]):.4f}")
    return slowest


def _times(canceller: Canceller, call: Call) -> np.ndarray:
    size = call.scene.rate_hz // 50
    times = []
    gc.disable()
    for at in range(0, len(call.near) - size + 1, size):
        near, far = call.near[at : at + size], call.far[at : at + size]
        began = perf_counter()
        canceller.process(near, far)
        times.append((perf_counter() - began) * 1000)
    gc.enable()
    return np.array(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 kHz only")
    rates = (8000,) if parser.parse_args().quick else (8000, 16000)
    makers = cancellers()
    erle, gain = delays(makers, rates), double_talk(makers, rates)
    changes(makers, rates)
    first_words(makers, rates)
    changed, slowest = no_echo(makers, rates), cost(makers, rates)
    print("\ntargets")
    kept = [
        (erle >= ERLE_DB, f"ERLE at least {ERLE_DB:.0f} dB: {erle:.1f}"),
        (-gain <= LOSS_DB, f"the caller loses at most {LOSS_DB:.0f} dB: {-gain:.2f}"),
        (changed == 0, f"without an echo nothing is changed: {changed} samples"),
        (slowest <= FRAME_MS, f"at most {FRAME_MS} ms a frame: {slowest:.3f}"),
    ]
    for good, text in kept:
        print(f"  {'kept  ' if good else 'MISSED'} {text}")
    return 0 if all(good for good, _ in kept) else 1


if __name__ == "__main__":
    sys.exit(main())
