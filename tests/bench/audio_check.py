"""Does a recorded call sound right? `python -m tests.bench.audio_check call.wav`.

Reads what `patter simulate --stereo` wrote (caller left, agent right) and looks, in each channel, for what an ear
would mind:

- level: of the voiced parts, dB of full scale (rms), and how far apart the loudest and the softest stretch are;
- clipping: runs of samples at the end of the scale;
- clicks: a bend that stands out of all around it, and voice that begins or ends in a step instead of a slope; where
  the caller speaks over it, the step is the carrier's clear, and only told;
- gaps: exact digital silence shorter than GAP_MS inside a stretch of voice with speech close up to it on both sides,
  as a late or lost frame leaves it, but not the slope of a word that ends;
- offset: the mean of the whole channel, in dB of full scale.

Exits with 1 if something is found.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from patter_cli.audio.frame import Samples
from patter_cli.audio.wav import read_channel

GAP_MS = 250
"""A longer silence is a pause. The built-in voice pauses for 250 ms at a full stop and 120 ms at a comma."""
STRETCH_MS = 300
"""Silence that separates two stretches of voice."""
VOICED_DB = -45.0
CLICK_RATIO = 3.5
"""A bend this many times the sharpest of the CLICK_AROUND_MS on either side. The built-in voice has 2.9 at most; 311 s
of human telephone prompts have five over it, at hard consonants. It finds a pop between words and in soft sounds, and
half of those in the middle of a loud vowel; what a lost frame leaves is found as a gap."""
CLICK_AROUND_MS = 30
CLICK_LEAST = 1500
"""And this large, in steps of a sample: less is inaudible beside a voice."""
STEP_LEAST = 1000
"""A stretch must not begin or end with a larger sample than this: -30 dB."""
ABRUPT_LEAST = 800
"""A gap's edge this loud within EDGE_MS of it is torn; a word fades over more."""
EDGE_MS = 1
LEVELS_DB = (-32.0, -14.0)
"""Voiced speech outside of this is too soft or too loud on a telephone. Source: ITU-T P.56 aims at -26 dBov."""
OVERLAP_S = 0.4
"""A reply stops this soon after the caller's voice: the threshold of a barge-in, and a little."""
OFFSET_DB = -55.0
CLIPPED = 32_100
"""The last step of mu-law."""


@dataclass(slots=True)
class Heard:
    """One channel's findings. Times in seconds."""

    title: str
    voiced_s: float = 0.0
    level_db: float = -np.inf
    levels_db: list[float] = field(default_factory=list)
    """A stretch each."""
    peak_db: float = -np.inf
    clipped: int = 0
    clicks: list[tuple[float, float]] = field(default_factory=list)
    """(when, how many times its neighbourhood)."""
    steps: list[tuple[float, int]] = field(default_factory=list)
    """(when, how large)."""
    cut_off: list[float] = field(default_factory=list)
    """Steps that are the other side's doing."""
    gaps: list[tuple[float, float]] = field(default_factory=list)
    """(when, how long)."""
    pauses: list[float] = field(default_factory=list)
    """Exact silences inside stretches, torn or not."""
    offset_db: float = -np.inf

    @property
    def wrong(self) -> list[str]:
        """What is wrong, in words."""
        low, high = LEVELS_DB
        found = [f"click at {at:.3f} s, {ratio:.0f} times its surroundings" for at, ratio in self.clicks]
        found += [f"a stretch begins or ends at {at:.3f} s in a step to {size}" for at, size in self.steps]
        found += [f"gap at {at:.3f} s of {length * 1000:.0f} ms" for at, length in self.gaps]
        if self.clipped:
            found.append(f"{self.clipped} samples clipped")
        if self.voiced_s and not low <= self.level_db <= high:
            found.append(f"level {self.level_db:.1f} dB is not within {low:.0f} and {high:.0f}")
        if self.offset_db > OFFSET_DB:
            found.append(f"offset {self.offset_db:.0f} dB")
        return found


def listen(title: str, samples: Samples, rate_hz: int) -> Heard:
    """Judge one channel."""
    heard = Heard(title)
    signal = samples.astype(np.float64)
    voiced = _voiced_blocks(signal, rate_hz)
    if not len(voiced):
        return heard
    block = rate_hz // 100
    power = np.concatenate([signal[at : at + block] ** 2 for at in voiced * block])
    heard.voiced_s = len(voiced) * block / rate_hz
    heard.level_db = _db(float(np.sqrt(power.mean())))
    heard.peak_db = _db(float(np.abs(signal).max()))
    heard.offset_db = _db(abs(float(signal.mean())))
    heard.clipped = int((np.abs(signal) >= CLIPPED).sum())
    for begin, end in _stretches(voiced * block, block, rate_hz):
        stretch = signal[begin:end]
        loud = np.abs(stretch) > np.abs(stretch).max() / 30
        heard.levels_db.append(_db(float(np.sqrt(np.mean(stretch[loud] ** 2)))))
        heard.clicks += [((begin + at) / rate_hz, ratio) for at, ratio in _clicks(stretch, rate_hz)]
        _look_at_silences(heard, signal, begin, end, rate_hz)
    edges = [at for at, _ in heard.steps] + [at + part for at, length in heard.gaps for part in (0.0, length)]
    heard.clicks = [click for click in heard.clicks if all(abs(click[0] - edge) > 3 * EDGE_MS / 1000 for edge in edges)]
    return heard


def excuse(agent: Heard, caller: Samples, rate_hz: int) -> None:
    """A step of the agent's while the caller speaks is a reply cut off."""
    blame = _voiced_blocks(caller.astype(np.float64), rate_hz) / 100
    for step in tuple(agent.steps):
        if np.any(np.abs(blame - step[0]) < OVERLAP_S):
            agent.steps.remove(step)
            agent.cut_off.append(step[0])


def _voiced_blocks(signal: npt.NDArray[np.float64], rate_hz: int) -> npt.NDArray[np.int64]:
    """The 10 ms blocks with voice in them."""
    block = rate_hz // 100
    levels = np.sqrt(np.mean(signal[: len(signal) // block * block].reshape(-1, block) ** 2, axis=1))
    return np.flatnonzero(levels > 32768 * 10 ** (VOICED_DB / 20))


def _stretches(starts: npt.NDArray[np.int64], block: int, rate_hz: int) -> list[tuple[int, int]]:
    """Voiced blocks as stretches of samples, what is between their blocks included."""
    cuts = [0, *(int(at) for at in np.flatnonzero(np.diff(starts) > rate_hz * STRETCH_MS // 1000) + 1), len(starts)]
    return [(int(starts[begin]), int(starts[end - 1]) + block) for begin, end in pairwise(cuts)]


def _clicks(stretch: npt.NDArray[np.float64], rate_hz: int) -> list[tuple[int, float]]:
    """Sharp bends (second differences) that stand out, as (sample, how many times the sharpest around)."""
    bend = np.abs(np.diff(stretch, 2))
    size = rate_hz // 1000
    count = len(bend) // size
    sharpest = bend[: count * size].reshape(count, size).max(axis=1)
    found: list[tuple[int, float]] = []
    for at in map(int, np.flatnonzero(sharpest > CLICK_LEAST)):
        before = sharpest[max(0, at - CLICK_AROUND_MS) : max(0, at - 1)]
        after = sharpest[at + 2 : at + CLICK_AROUND_MS + 1]
        ratio = sharpest[at] / max(before.max(initial=0.0), after.max(initial=0.0), CLICK_LEAST / CLICK_RATIO)
        if ratio > CLICK_RATIO and (not found or at * size - found[-1][0] > 2 * size):
            found.append((at * size, float(ratio)))
    return found


def _look_at_silences(heard: Heard, signal: npt.NDArray[np.float64], begin: int, end: int, rate_hz: int) -> None:
    """Exact zeros inside a stretch, and how it begins and ends."""
    margin = rate_hz // 50
    begin, end = max(0, begin - margin), min(len(signal), end + margin)
    zero = np.concatenate([[False], np.abs(signal[begin:end]) == 0, [False]])
    edges = np.flatnonzero(np.diff(zero.astype(np.int8)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        length, edge = last - first, rate_hz * EDGE_MS // 1000
        if length < rate_hz // 200:
            continue
        left = float(np.abs(signal[max(0, begin + first - edge) : begin + first]).max(initial=0.0))
        right = float(np.abs(signal[begin + last : begin + last + edge]).max(initial=0.0))
        inside = first > margin and last < end - begin - margin
        if inside:
            heard.pauses.append(length / rate_hz)
        if inside and length < rate_hz * GAP_MS // 1000 and max(left, right) > ABRUPT_LEAST:
            heard.gaps.append(((begin + first) / rate_hz, length / rate_hz))
        else:
            for at, size in ((begin + first, left), (begin + last, right)):
                if size > STEP_LEAST:
                    heard.steps.append((at / rate_hz, int(size)))


def _db(amplitude: float) -> float:
    return 20.0 * float(np.log10(max(amplitude, 1e-3) / 32768))


def report(heard: Sequence[Heard]) -> int:
    """Print what was heard; how much of it is wrong."""
    for each in heard:
        print(f"{each.title}: {each.voiced_s:.1f} s voiced in {len(each.levels_db)} stretches")
        if not each.levels_db:
            continue
        print(
            f"  level {each.level_db:.1f} dB, stretches from {min(each.levels_db):.1f} to {max(each.levels_db):.1f}; "
            f"peak {each.peak_db:.1f} dB; offset {each.offset_db:.0f} dB"
        )
        if each.pauses:
            lengths = ", ".join(f"{length * 1000:.0f}" for length in sorted(each.pauses))
            print(f"  digital silence inside stretches, ms: {lengths}")
        for at in each.cut_off:
            print(f"  cut off by the caller at {at:.3f} s")
        for what in each.wrong:
            print(f"  WRONG: {what}")
    wrong = sum(len(each.wrong) for each in heard)
    print("sounds right" if not wrong else f"{wrong} things are wrong")
    return wrong


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", type=Path, help="caller left, agent right")
    recording = parser.parse_args().recording
    caller, rate_hz = read_channel(recording, 0)
    agent, _ = read_channel(recording, 1)
    heard = listen("agent", agent, rate_hz)
    excuse(heard, caller, rate_hz)
    sys.exit(1 if report([listen("caller", caller, rate_hz), heard]) else 0)


if __name__ == "__main__":
    main()
