"""A recording drawn for a terminal: a lane for each side, louder is higher, and where the turns begin.

Right in any width, without colour, and where the terminal has no blocks. Pure: samples and times in, lines out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.cli.ink import Ink, cells_of, cut, duration, wrapped
from patter_cli.observe.utterances import AGENT, Utterance
from patter_cli.text.printable import printable

WIDTH = 100
"""Where no terminal has one."""
STEPS_S = (5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600)
"""How much of a call a strip may have."""
STRIPS = 12
"""So many at most, as long as a step is long enough."""
SECONDS_A_COLUMN = 0.35
"""Of a short call: a word is seen."""
_LEVELS = " ▁▂▃▄▅▆▇█"
_ASCII = " .:-=+*#@"
FLOOR_DB = -48.0
"""What is softer is silence: the noise of a line stays under it."""
_MARGIN = 14


def waveform(sides: Samples, rate_hz: int, said: Sequence[Utterance], begun_ms: int, ink: Ink) -> Iterator[str]:
    """The strips, and beneath each what was said in it. sides: int16, shape (n, 1 or 2). begun_ms: call time of the
    first sample."""
    width = max(40, ink.width or WIDTH)
    columns = width - _MARGIN
    seconds = max(len(sides) / rate_hz, 0.001)
    step_s = _step(seconds, columns)
    names = ("caller", "agent") if sides.shape[1] > 1 else ("both",)
    for number in range(-(-round(seconds * 1000) // (step_s * 1000))):
        begin_s = number * step_s
        if number:
            yield ""
        piece = sides[begin_s * rate_hz : (begin_s + step_s) * rate_hz]
        for side, name in enumerate(names):
            lane = _lane(piece[:, side], step_s * rate_hz, columns, ink)
            paint = ink.green if name == "agent" else ink.yellow
            head = ink.dim(f"{duration(begin_s):<7}") if not side else " " * 7
            yield f"{head}{name:<{_MARGIN - 7}}{paint(lane.rstrip())}".rstrip()
        inside = [each for each in said if begin_s * 1000 <= each.begin - begun_ms < (begin_s + step_s) * 1000]
        if marks := _marks(inside, begun_ms + begin_s * 1000, step_s, columns):
            yield " " * _MARGIN + ink.dim(marks)
        for each in inside:
            yield from _said(each, begun_ms, width, ink)


def _step(seconds: float, columns: int) -> int:
    """How much of the call a strip has: a word to be seen where there are few, few strips where it is long."""
    finest = columns * SECONDS_A_COLUMN
    least = next((each for each in reversed(STEPS_S) if each <= finest), STEPS_S[0])
    return next((each for each in STEPS_S if each >= least and seconds / each <= STRIPS), STEPS_S[-1])


def _lane(samples: Samples, whole: int, columns: int, ink: Ink) -> str:
    """A sign for each stretch of the strip, by its loudest sample. whole: samples that a full strip has."""
    signs = _LEVELS if ink.blocks else _ASCII
    edges = np.linspace(0, whole, columns + 1).astype(int)
    out = []
    for first, last in pairwise(edges):
        piece = samples[first:last]
        peak = int(np.abs(piece.astype(np.int32)).max(initial=0))
        level = 20 * np.log10(max(peak, 1) / 32768)
        out.append(signs[0 if level < FLOOR_DB else 1 + min(7, int((level - FLOOR_DB) / -FLOOR_DB * 8))])
    return "".join(out)


def _marks(said: Sequence[Utterance], begin_ms: int, step_s: int, columns: int) -> str:
    """The numbers of turns, where they begin; one that has no room is left out."""
    line = ""
    for each in said:
        if each.who == AGENT and each.turn:
            continue
        place = int((each.begin - begin_ms) * columns / (step_s * 1000))
        mark = f"^{each.turn}"
        if place >= len(line) + (1 if line else 0) and place + len(mark) <= columns:
            line = f"{line:<{place}}{mark}"
    return line


def _said(said: Utterance, begun_ms: int, width: int, ink: Ink) -> Iterator[str]:
    at = duration(max(0, said.begin - begun_ms) / 1000)
    number = f"^{said.turn}" if said.who != AGENT or not said.turn else ""
    head = f"  {at:>6} {number:<4}{said.who:<7}"
    room = max(20, width - cells_of(head))
    suffix = " [cut off]" if said.cut_off else ""
    first, *rest = wrapped(printable(said.text), room - len(suffix))
    shown = [first, cut(" ".join(rest), room - len(suffix))] if rest else [first]
    shown[-1] += suffix
    for place, line in enumerate(shown):
        yield (ink.bold(head) if not place else " " * cells_of(head)) + line
