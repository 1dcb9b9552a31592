"""How often the detector misses a short interruption, and how late it is: `python -m tests.bench.onsets [--gap-s 9]`.

No calls and no clock: the corpus's interruptions go through the line's model and the real way in (jitter buffer, ear),
and are scored for many calls at once. What decides is how long nobody had spoken before: the voice model grows used to
a noise, and then does not take a word above it for a voice. So the gap between interruptions is an option, and the
figures for 2 s and for 20 s differ much more than those of two thresholds.

A miss: no voice that lasts to the threshold begins with the words. Late: the agent would be told to stop more than
LIMIT_MS after their onset. Already: the noise had been taken for a voice just before. False: such a voice where
nothing was said, per minute. Tail: by how much the voice's end is dated after the words'. Hummed: of the voices that
were found, those that sound like an "mm-hm"; hums in the same noise show that this is how hums sound.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from patter_cli import wiring
from patter_cli.audio.frame import FRAME_MS, Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.jitter import JitterBuffer
from patter_cli.audio.vad import VoiceDetector, VoiceStarted, Window
from patter_cli.contracts.vad import VoiceModel
from patter_cli.engine.batched_vad import GATHER_S
from patter_cli.simulate.line import BAD, MOBILE, LineFilter, LineQuality
from tests.bench.barge_in import THRESHOLD_MS, onset_ms
from tests.bench.calls import NOISY
from tests.bench.corpus import Group, make, silence
from tests.bench.noises import hum
from tests.bench.verdicts import LIMIT_MS

ITEMS_A_CALL = 10
EARLY_MS = 100
"""A voice dated this much before the words is not theirs."""
QUALITIES = {"noisy": NOISY, "mobile": replace(MOBILE, echo_db=None), "bad": replace(BAD, echo_db=None)}
"""The lines whose noise is scored; echo needs an agent, and is tests.bench.turns's."""


@dataclass(slots=True)
class _Call:
    """Where words begin and end, and the windows with the moment at which each was complete; call time, ms."""

    line: str
    words: list[tuple[float, float]] = field(default_factory=list)
    windows: list[tuple[Window, float]] = field(default_factory=list)


def play(sounds: Sequence[Samples], line: str, quality: LineQuality, gap_s: float, seed: int) -> _Call:
    """One call with these interruptions."""
    rng, call, pieces, at = np.random.default_rng(seed), _Call(line), [], 0
    for sound in sounds:
        # Not always at the same place between two frames, nor in the noise.
        pieces += [silence(int(1000 * gap_s * rng.uniform(0.9, 1.1))), sound]
        at += len(pieces[-2])
        call.words.append((at / 8 + onset_ms(sound), (at + len(sound)) / 8))
        at += len(sound)
    near = np.concatenate([*pieces, silence(2000)])
    line_filter, jitter, detector = LineFilter(quality, seed), JitterBuffer(), VoiceDetector()
    frames = [line_filter.process(frame) for frame in near[: len(near) // 160 * 160].reshape(-1, 160)]
    for frame in sorted((each for each in frames if each is not None), key=lambda each: each.arrives_ms):
        number = frame.at // 160
        for payload in jitter.push(number + 1, number * FRAME_MS, encode_ulaw(frame.samples)):
            call.windows += [(each, frame.arrives_ms) for each in detector.windows(decode_ulaw(payload))]
    return call


def score(calls: Sequence[_Call], model: VoiceModel) -> list[list[float]]:
    """Every window's probability, silent ones 0: one window of each call a run."""
    found = [[0.0] * len(call.windows) for call in calls]
    states = [model.initial_state() for _ in calls]
    for at in range(max(len(call.windows) for call in calls)):
        some = [n for n, call in enumerate(calls) if at < len(call.windows) and not call.windows[at][0].silent]
        windows = [calls[n].windows[at][0].samples for n in some]
        scored, after = model.score(np.stack(windows), [states[n] for n in some]) if some else ([], [])
        for n, probability, state in zip(some, scored, after, strict=True):
            found[n][at], states[n] = float(probability), state
    return found


@dataclass(frozen=True, slots=True)
class _Voice:
    """One that lasts to the threshold: its dates, when the agent would be told to stop, whether it is hummed."""

    onset: float
    end: float
    stop: float
    hummed: bool


def voices(call: _Call, probabilities: Sequence[float]) -> list[_Voice]:
    """What the detector makes of a call."""
    detector, found = VoiceDetector(), []
    date = stop = float("nan")
    for (window, arrived_ms), probability in zip(call.windows, probabilities, strict=True):
        detector.windows(np.rint(window.samples * 32768).astype(np.int16))  # levels, which date the onset
        edge = detector.decide(probability, window.end_ms)
        now = arrived_ms + GATHER_S * 1000
        if isinstance(edge, VoiceStarted):
            date = edge.onset_ms  # a frame arrives when it ends: by the least delay, media time is call time
            stop = max(now, date + THRESHOLD_MS)
        elif edge is not None and stop <= now:
            found.append(_Voice(date, edge.last_voiced_ms, stop, edge.hummed))
    return found


async def _measure(options: argparse.Namespace) -> None:
    model = wiring.voice_model()
    words = [item.sound for item in await make(options.count) if item.group is Group.INTERRUPTION]
    rng = np.random.default_rng(5)
    hums = [(hum(rng) * 32767).astype(np.int16) for _ in words]
    for line, quality in QUALITIES.items():
        for what, sounds in (("interruptions", words), ("hums", hums)):
            calls = []
            for seed in range(options.seeds):
                order = np.random.default_rng(seed).permutation(len(sounds))
                for at in range(0, len(order), ITEMS_A_CALL):
                    some = [sounds[n] for n in order[at : at + ITEMS_A_CALL]]
                    calls.append(play(some, line, quality, options.gap_s, 1000 * seed + at))
            report(f"{line}, {what}", calls, score(calls, model))


def report(title: str, calls: Sequence[_Call], probabilities: Sequence[Sequence[float]]) -> None:
    """Print the figures of these calls."""
    counts: dict[str, int] = defaultdict(int)
    took, tails, idle_ms = [], [], 0.0
    for call, scored in zip(calls, probabilities, strict=True):
        heard = voices(call, scored)
        idle_ms += call.windows[-1][0].end_ms
        for onset, end in call.words:
            idle_ms -= end - onset
            ours = [each for each in heard if onset - EARLY_MS <= each.onset <= end]
            before = any(each.onset < onset - EARLY_MS and each.stop > onset for each in heard)
            counts["words"] += 1
            counts["already"] += before and not ours
            counts["missed"] += not ours and not before
            counts["hummed"] += bool(ours) and all(each.hummed for each in ours)
            took += [each.stop - onset for each in ours[:1]]
            tails += [each.end - end for each in ours[-1:]]
        spoken = [any(onset - EARLY_MS <= each.onset <= end + EARLY_MS for onset, end in call.words) for each in heard]
        counts["false"] += spoken.count(False)
    late = sum(each > LIMIT_MS for each in took)
    middle, slow = np.percentile(took, [50, 95])
    tail, long_tail = np.percentile(tails, [50, 95])
    words, missed, already = counts["words"], counts["missed"], counts["already"]
    print(
        f"{title}: {words}, missed {missed}, late {late}, already {already}, hummed {counts['hummed']} of {len(took)}; "
        f"onset to stop p50 {middle:.0f} p95 {slow:.0f} ms; tail p50 {tail:.0f} p95 {long_tail:.0f} ms; "
        f"false {counts['false'] / idle_ms * 60_000:.2f} a minute in {idle_ms / 60_000:.0f}"
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", dest="count", type=int, default=90, help="interruptions: 90 are all words in all voices")
    parser.add_argument("--seeds", type=int, default=2, help="so often, in other noise")
    parser.add_argument("--gap-s", type=float, default=9.0, help="how long nobody speaks before each")
    asyncio.run(_measure(parser.parse_args()))


if __name__ == "__main__":
    main()
