"""Steady single tones on a telephone line: the beep of an answering machine, and those of a fax.

Theory of operation. Every 10 ms the last 40 ms are looked at through a Hann window. A tone is a run of such looks in
which one line holds most of the sound, stays where it is, and is as loud as before. What else sounds like it is kept
out by what it does:

    vowels, hums     wander: a harmonic keeps neither its frequency nor its share for long; low ones must last longer
    keys, SIT, chord a second line stands beside the first, and is no harmonic of it
    ringback, busy   two lines; where they are too close to be told apart they beat, and the level is not steady
    melodies         one note follows the other: a tone that has another one as neighbour is none
    dial tone, hold  goes on and on

A tone over speech holds less of the sound, and is told from a vowel by lasting longer. It is reported SETTLE_MS after
its end, when nothing has followed it; two alike in a row are one signal, told after the second. A fax's answer lasts
for seconds and is told while it sounds. Times are media time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from patter_cli.audio.frame import Samples

LOWEST_HZ = 350.0
HIGHEST_HZ = 2500.0
SHORTEST_MS = 70
"""Of a tone that is nearly all there is; real ones of 80 ms lose some at their slopes."""
SHORTEST_LOW_MS = 170
"""The same below LOW_HZ, where the strongest line of a vowel lies. Source: 1250 s of recorded prompts, in which
SHORTEST_MS finds 30 tones, all below 420 Hz, most of 70 to 90 ms."""
SHORTEST_MIXED_MS = 260
"""Of one over speech."""
LONGEST_MS = 2060
"""What lasts longer is no beep: a dial tone, a fax, a monitor."""
LOW_HZ = 500.0
SETTLE_MS = 240
"""How long it is waited for another tone after one: it makes both a melody, or a double beep."""
MELODY_MS = 100
"""Another tone so close before one makes both a melody."""
CED_HZ = 2100.0
CED_OFF_HZ = 25.0
"""A fax that answers. Source: ITU-T T.30, 2100 Hz +- 15 for 2.6 to 4 s; some more for what the line does."""
CED_MS = 1000
"""So much of it is enough, in spite of the reversals of phase in it. Source: ITU-T V.8, every 450 ms."""

_LOOK_MS = 40
_HOP_MS = 10
_MIXED_SHARE = 0.4
_PURE_SHARE = 0.82
"""Of the sound above 200 Hz, in the line and its two neighbours on either side."""
_SECOND_DB = -11.0
"""A second line this much below the first is a second tone; keys differ by 8 dB at most. Source: ITU-T Q.24."""
_STEADY_DB = 3.0
_OFF_HZ = 8.0
_OFF_SHARE = 0.006
"""How far a look may be from the run's average: the larger of the two."""
_WANDERS_HZ = 4.0
"""The most that the looks of a short tone differ from their average, as a standard deviation."""
_FLOOR_DB = -42.0
"""Softer is no machine's beep. dB of full scale, rms."""
_HOLE_MS = 80
"""The longest gap that two lost frames tear into a tone, as the looks see it."""
_NOTE_MS = 60
"""A tone this long counts as a neighbour, whether or not it is steady enough for a beep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """A steady tone was on the line. start_ms, length_ms: media time, to 20 ms. answers_fax: a fax's, which goes on."""

    hz: float
    start_ms: int
    length_ms: int
    answers_fax: bool = False


@dataclass(slots=True)
class _Run:
    """Looks in a row at the same line."""

    start: int
    """The number of its first look."""
    hz: list[float]
    levels_db: list[float]
    pure: int = 0
    end: int = 0
    """The number of the first look after it."""

    @property
    def average_hz(self) -> float:
        return sum(self.hz) / len(self.hz)

    @property
    def length_ms(self) -> int:
        """A look counts once a good half of it is filled: each end of a tone is seen 10 ms too early or too late."""
        return (len(self.hz) - 1) * _HOP_MS + 20


class ToneDetector:
    """One line's. rate_hz: of the samples, a multiple of 100."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._hop = rate_hz * _HOP_MS // 1000
        size = rate_hz * _LOOK_MS // 1000
        self._held: npt.NDArray[np.float64] = np.zeros(size)
        self._rest: Samples = np.zeros(0, np.int16)
        self._window = np.hanning(size + 1)[:size]
        self._bin_hz = 1000.0 / _LOOK_MS
        self._lowest = round(200.0 / self._bin_hz)
        self._first, self._last = round(LOWEST_HZ / self._bin_hz) - 1, round(HIGHEST_HZ / self._bin_hz) + 1
        self._scale = 2.0 / (float(np.sum(self._window**2)) * size * 32768.0**2)
        self._looks = 0
        self._run: _Run | None = None
        self._waiting: _Run | None = None
        """A tone that is over, until it is known whether another follows it."""
        self._note_end = -1_000_000
        """The look after the last note that was none, or that has been told."""
        self._note_hz = 0.0
        self._ced_ms = 0
        self._ced_told = False

    def push(self, samples: Samples) -> list[Tone]:
        """Take the next samples, int16, any number; the tones that are known by now."""
        found: list[Tone] = []
        rest = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(rest) // self._hop * self._hop
        for at in range(0, whole, self._hop):
            self._held[: -self._hop] = self._held[self._hop :]
            self._held[-self._hop :] = rest[at : at + self._hop]
            self._look(found)
        self._rest = rest[whole:]
        return found

    @property
    def sounding(self) -> bool:
        """A tone sounds, or has just ended, that may turn out to be a beep."""
        run = self._run
        return self._waiting is not None or (run is not None and run.length_ms >= _NOTE_MS)

    def _look(self, found: list[Tone]) -> None:
        number = self._looks
        self._looks += 1
        seen = self._line()
        self._answer_of_fax(seen, found)
        run = self._run
        if run is not None:
            if seen is not None and _goes_on(run, seen):
                run.hz.append(seen[0])
                run.levels_db.append(seen[1])
                run.pure += seen[2]
                return
            run.end = number
            self._run = None
            self._over(run)
        if seen is not None:
            self._run = _Run(number, [seen[0]], [seen[1]], int(seen[2]))
        waiting = self._waiting
        if waiting is not None and number - waiting.end >= SETTLE_MS // _HOP_MS and self._run_is_no_note():
            self._waiting, self._note_end, self._note_hz = None, waiting.end, waiting.average_hz
            found.append(self._told(waiting))

    def _run_is_no_note(self) -> bool:
        return self._run is None or self._run.length_ms < _NOTE_MS

    def _over(self, run: _Run) -> None:
        """A run has ended: it may be a beep, and it may spoil one that came just before it."""
        if run.length_ms < _NOTE_MS:
            return
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            apart = run.start - self._note_end > (MELODY_MS + _LOOK_MS) // _HOP_MS
            lone = apart or abs(self._note_hz - run.average_hz) <= 2 * _OFF_HZ
        elif lone := abs(waiting.average_hz - run.average_hz) <= 2 * _OFF_HZ:
            gap = run.start - waiting.end
            if gap * _HOP_MS <= _HOLE_MS:  # one tone, with lost frames in it
                filled = [run.average_hz] * gap
                run.hz = waiting.hz + filled + run.hz
                run.pure += waiting.pure + gap
        if lone and _is_beep(run):
            self._waiting = run
        else:
            piece = lone and run.length_ms <= LONGEST_MS  # of a tone that lost frames may go on
            self._note_end, self._note_hz = run.end, run.average_hz if piece else 0.0

    def _told(self, run: _Run) -> Tone:
        end_ms = run.end * _HOP_MS
        return Tone(hz=round(run.average_hz, 1), start_ms=max(0, end_ms - run.length_ms - 10), length_ms=run.length_ms)

    def _answer_of_fax(self, seen: tuple[float, float, bool] | None, found: list[Tone]) -> None:
        if seen is not None and seen[2] and abs(seen[0] - CED_HZ) <= CED_OFF_HZ:
            self._ced_ms += _HOP_MS
        else:
            self._ced_ms = max(0, self._ced_ms - 3 * _HOP_MS)
        if self._ced_ms >= CED_MS and not self._ced_told:
            self._ced_told = True
            start_ms = max(0, self._looks * _HOP_MS - self._ced_ms)
            found.append(Tone(hz=CED_HZ, start_ms=start_ms, length_ms=self._ced_ms, answers_fax=True))

    def _line(self) -> tuple[float, float, bool] | None:
        """(Hz, dB, whether it is nearly all there is) of the line in this look; None where there is no single one."""
        heard = self._held
        if not heard.any():
            return None
        power = np.abs(np.fft.rfft(heard * self._window)) ** 2
        power[: self._lowest] = 0.0
        total = float(power.sum())
        top = self._first + int(np.argmax(power[self._first : self._last + 1]))
        line = float(power[top - 2 : top + 3].sum())
        level_db = 10.0 * np.log10(line * self._scale + 1e-12)
        share = line / (total + 1e-9)
        if level_db < _FLOOR_DB or share < _MIXED_SHARE:
            return None
        hz = (top + _peak_offset(power[top - 1 : top + 2])) * self._bin_hz
        if not LOWEST_HZ <= hz <= HIGHEST_HZ or self._second(power, top, hz, line):
            return None
        return hz, float(level_db), share >= _PURE_SHARE

    def _second(self, power: npt.NDArray[np.float64], top: int, hz: float, line: float) -> bool:
        """Whether a second tone sounds beside the first, one that is not its overtone. power is written over."""
        power[max(0, top - 3) : top + 4] = 0.0
        other = int(np.argmax(power))
        beside = power[max(0, other - 2) : other + 3]
        second = float(beside.sum())
        if second < line * 10.0 ** (_SECOND_DB / 10.0) or second < 0.6 * float(power.sum()):
            return False
        times = (other + _peak_offset(power[other - 1 : other + 2])) * self._bin_hz / hz
        return abs(times - round(times)) > 0.03 or round(times) < 2


def _peak_offset(around: npt.NDArray[np.float64]) -> float:
    """Where between the bins the peak is, -0.5..0.5. around: the power of three bins, the middle one the highest."""
    if len(around) < 3:
        return 0.0
    below, at, above = np.log(around + 1e-9)
    bend = below - 2 * at + above
    return float(np.clip(0.5 * (below - above) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _goes_on(run: _Run, seen: tuple[float, float, bool]) -> bool:
    hz, level_db, _ = seen
    off_hz = max(_OFF_HZ, _OFF_SHARE * hz)
    rises = len(run.levels_db) < 3 and level_db > run.levels_db[-1]  # the look is still being filled
    return abs(hz - run.average_hz) <= off_hz and (rises or abs(level_db - max(run.levels_db)) <= _STEADY_DB)


def _is_beep(run: _Run) -> bool:
    length_ms = run.length_ms
    if length_ms > LONGEST_MS or float(np.std(run.hz)) > _WANDERS_HZ:
        return False
    if run.pure * 10 >= len(run.hz) * 7:
        return length_ms >= (SHORTEST_LOW_MS if run.average_hz < LOW_HZ else SHORTEST_MS)
    return length_ms >= SHORTEST_MIXED_MS
