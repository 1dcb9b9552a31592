"""When the caller speaks: windows for a voice model, and speech edges from its probabilities.

Theory of operation. Windows of many calls are measured at once and scored in one inference, so a call's detector works
in three steps. `cut` cuts what the line brings into windows. `is_silent` takes their levels and says which are plainly
silent: those need no inference, their probability is 0. `decide` takes the probabilities back, in order, and turns them
into edges with hysteresis:
speech begins after a run of windows above `on_probability`, and is dated back to the window where the run began to
rise; it ends when `hangover_ms` have passed with nothing above `off_probability`, and is dated to the last such
window. Edges are in media time (samples heard), not in the time we got round to them, so a burst after a freeze of
the line looks like what it is.

Plainly silent is judged against the line's own noise: a floor that follows the quietest windows down at once and
rises slowly. It is capped, so that a loud steady sound goes to the model, which knows noise from speech. Inside
speech too a silent window counts as 0: the model goes on for 100-250 ms after the last word, the level does not, and
the end of an utterance is found that much sooner. Shorter silences, the closed lips of a p, are inside the hangover.

Other people's talk is a voice to any model. It is there all the time, so a voice only begins once it stands out of the
level that the line had before it.

While our own echo is being learned no voice is the caller's, and such windows are masked: they are never scored, but
their level is the line's. Were they taken for silence, a full café would stand out of it the moment they end.

A recogniser reads sentences into an "mm-hm" over street noise. What tells them apart is the sound: a hum is a murmur
below 500 Hz, and words stand out of the noise above it, somewhere. So each voice is also told to be hummed or not.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from patter_cli.audio.frame import FloatSamples, Samples
from patter_cli.audio.g711 import decode_ulaw

_FULL_SCALE = np.float32(1 / 32768)


@dataclass(frozen=True, slots=True, kw_only=True)
class VadPolicy:
    """When windows make speech. Probabilities 0..1, levels in dB of full scale (rms)."""

    on_probability: float = 0.6
    """A window above it may begin speech. Source: tests/bench/onsets.py."""
    on_windows: int = 3
    """How many in a row begin it: 96 ms, longer than a click, shorter than "no". Source: LOCAL-SPEECH 1."""
    strong_probability: float = 0.9
    """STRONG_WINDOWS of the last on_windows above it begin speech too. Source: tests/bench/onsets.py."""
    off_probability: float = 0.5
    """Speech goes on above it. Source: tests/bench/onsets.py; over babble a voice's end is dated 51 ms late and 178 at
    p95; at 0.35, which LOCAL-SPEECH 1 gives, 75 and 259."""
    hangover_ms: int = 192
    """Silence that ends an utterance: six windows, longer than the closure of a stop between two vowels."""
    silent_db: float = -66.0
    """Below it a window is silent on any line: within two steps of mu-law."""
    floor_margin_db: float = 6.0
    """A window this close above the line's noise floor is silent."""
    floor_cap_db: float = -60.0
    """The noise floor is not believed to be higher. Source: tests/bench/vad.py, the quiet ends of words."""
    floor_rise_db_per_s: float = 1.0
    """How fast the floor may rise: speech of ten seconds without a pause cannot lift it to its own level."""

    reach_windows: int = 3
    """How far before the model's onset the voice may have begun: soft consonants and breathy vowels, 96 ms."""
    reach_db: float = 20.0
    """A window this much below the loudest of the voice so far, and not silent, belongs to its beginning.
    Source: tests/bench/barge_in.py, 540 human onsets: those dated over 60 ms late fell from 15.5 to 8.3 %."""

    words_db: float = 7.5
    """By how much one window of a voice that says words, seen through `levels_db`, is above the background's average.
    Source: tests/bench/onsets.py --gap-s 20; over babble 155 of 164 hums stay below it and 3 of 180 interruptions do,
    over a mobile line 144 of 179 and none."""
    background_windows: int = 30
    """Over how many windows that average forgets: one second."""
    stands_out_db: float = 10.0
    """How far the loudest window of a voice must be above what the line brings while nobody speaks to it: other
    people's talk is voice too, but not much louder than itself, nor is what a canceller leaves of us there. Source:
    tests/bench/phantoms.py, a bad line: at 7 it holds the agent up once in five calls of 40 s, at 10 once in thirty;
    tests/bench/onsets.py --gap-s 6: there 3 of 120 interruptions are missed instead of 2, on other lines none."""
    quiet_db: float = -60.0
    """A line that brings less than this has no background."""


_REMEMBERED = 32
"""Windows whose level is kept: a second, for a voice that begins is dated back by a few."""
_WAITING = 80
"""Windows that may wait for their probability at once."""

QUIET_WINDOWS = 16
"""So many windows in a row that bring nothing are no lost frames but silence: half a second."""
AT_FIRST_DB = -45.0
"""What is taken to surround a caller, on a line that brings something, before it was heard: they may begin to speak at
once, and a single window says little about a café."""
HOLE_DB = 15.0
"""The most that a window may be below the line's level and still count in full: frames are lost, rooms are steady."""
STRONG_WINDOWS = 2
"""Two windows that leave no doubt are as good as three: 32 ms sooner."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window of the line. samples: float32, shape (window_samples,), -1..1; end_ms: media time of its end."""

    samples: FloatSamples
    end_ms: int
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceStarted:
    """The caller began to speak at onset_ms of media time."""

    onset_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceStopped:
    """The caller stopped; the last window with voice in it ended at last_voiced_ms of media time."""

    last_voiced_ms: int
    hummed: bool = False
    """Nothing in it rose above the background where consonants and the upper half of vowels are: an "mm-hm"."""


Piece: TypeAlias = Samples | bytes
"""A stretch of a line: int16, shape (n,), or G.711, n bytes."""

Cut: TypeAlias = tuple[list[Piece], int, bool]
"""A window as it was cut: window_samples in pieces, media time of its end in ms, and whether some of it is masked."""

VoiceEdge: TypeAlias = VoiceStarted | VoiceStopped


class VoiceDetector:
    """One call's ear for speech."""

    def __init__(self, policy: VadPolicy | None = None, *, rate_hz: int = 8000, window_samples: int = 256) -> None:
        """rate_hz and window_samples: those of the voice model."""
        self._policy = policy or VadPolicy()
        self._rate_hz = rate_hz
        self._size = window_samples
        self._window_ms = window_samples * 1000 // rate_hz
        self._partial: list[Piece] = []
        """What the next window has so far."""
        self._fill = 0
        self._masked = False
        """Some of that is not to be taken for a voice."""
        self._cut = 0
        """Windows cut so far."""
        self._floor_db = self._policy.silent_db
        self._speaking = False
        self._recent: list[float] = [0.0] * self._policy.on_windows
        """The last probabilities, newest last."""
        self._onset_ms: int | None = None
        """Where the present run of windows above off_probability began; one window below does not end it."""
        self._below = 0
        """Windows since the last one above off_probability."""
        self._last_voiced_ms = 0
        self._levels: deque[tuple[int, float, bool]] = deque(maxlen=_REMEMBERED)
        """Of the last windows cut: end_ms, level in dB, silent. Probabilities come later, hence the length."""
        self._highs: list[tuple[int, float]] = []
        """Of the windows that wait for their probability: end_ms, level of the high frequencies in dB."""
        self._background_db: float | None = None
        """The line's high frequencies while nobody speaks."""
        self._highest_db = -math.inf
        """Of the present run of voiced windows, or the last one."""
        self._around_db: float | None = None
        """The line's level while nobody speaks."""
        self._quiet_windows = 0
        """Windows in a row below quiet_db."""
        self._wanted_db = -math.inf
        """The level that a voice must reach to begin."""
        self._loudest_db = -math.inf
        """Of the present run of voiced windows."""

    @property
    def speaking(self) -> bool:
        """Whether the last edge was a VoiceStarted."""
        return self._speaking

    @property
    def last_voiced_ms(self) -> int:
        """Media time of the end of the last window above off_probability; 0 before there was one."""
        return self._last_voiced_ms

    def cut(self, piece: Piece, *, masked: bool = False) -> list[Cut]:
        """Take the next samples of the line and return the windows they complete, usually none or one.

        piece: of any length, at the model's rate, joining the last one without a hole. masked: whatever sounds in it is
        not the caller.
        """
        out: list[Cut] = []
        while len(piece) + self._fill >= self._size:
            missing = self._size - self._fill
            self._partial.append(piece[:missing])
            piece = piece[missing:]
            self._cut += 1
            out.append((self._partial, self._cut * self._size * 1000 // self._rate_hz, self._masked or masked))
            self._partial, self._fill, self._masked = [], 0, False
        if len(piece):
            self._partial.append(piece)
            self._fill += len(piece)
            self._masked = self._masked or masked
        return out

    def windows(self, piece: Piece, *, masked: bool = False) -> list[Window]:
        """`cut`, and each window measured and judged at once. Bytes are mu-law."""
        out: list[Window] = []
        whole = decode_ulaw(piece) if isinstance(piece, bytes) else piece.copy()
        for pieces, end_ms, hidden in self.cut(whole, masked=masked):
            full = to_float(np.concatenate(pieces))
            ((level_db, high_db),) = levels_db(full[np.newaxis])
            out.append(Window(full, end_ms, self.is_silent(level_db, high_db, end_ms, masked=hidden)))
        return out

    def is_silent(self, level_db: float, high_db: float, end_ms: int, *, masked: bool = False) -> bool:
        """Take the levels of the next window, see `levels_db`, and judge it against the line's noise floor, which
        follows. A masked one is silent, whatever its level."""
        policy = self._policy
        silent = masked or level_db < max(policy.silent_db, self._floor_db + policy.floor_margin_db)
        rise = policy.floor_rise_db_per_s * self._window_ms / 1000.0
        followed = min(level_db, self._floor_db + rise, policy.floor_cap_db)
        self._floor_db = max(followed, policy.silent_db - policy.floor_margin_db)
        self._levels.append((end_ms, level_db, silent))
        if not masked:  # what a canceller leaves of consonants is not the background
            self._highs.append((end_ms, high_db))
        del self._highs[:-_WAITING]
        return silent

    def decide(self, probability: float, end_ms: int) -> VoiceEdge | None:
        """Take the probability of the next window, in order, 0 for a silent one, and say if it makes an edge."""
        policy = self._policy
        self._recent.append(probability)
        del self._recent[0]
        high_db = self._high_db_of(end_ms)
        level_db = self._level_db_of(end_ms)
        if not probability and self._onset_ms is None and not self._speaking:  # most of a call: nobody says anything
            self._below += 1
            if high_db < math.inf:
                self._follow_background(high_db)
            if level_db < math.inf:
                self._follow_surroundings(level_db)
            return None
        if probability > policy.off_probability:
            if self._onset_ms is None:
                self._onset_ms = end_ms - self._window_ms
                self._highest_db = self._loudest_db = -math.inf
                self._wanted_db = -math.inf
                around_db = self._first_around_db(level_db) if self._around_db is None else self._around_db
                if around_db > policy.quiet_db:
                    self._wanted_db = around_db + policy.stands_out_db
            self._loudest_db = max(self._loudest_db, level_db)
            self._highest_db = max(self._highest_db, high_db)
            self._last_voiced_ms = end_ms
            self._below = 0
        else:
            self._below += 1
            if self._below > 1 and not self._speaking:
                self._onset_ms = None
            if not self._speaking and high_db < math.inf:
                self._follow_background(high_db)
        if not self._speaking and level_db < math.inf:
            self._follow_surroundings(level_db)
        if self._speaking:
            if end_ms - self._last_voiced_ms < policy.hangover_ms:
                return None
            self._speaking = False
            self._onset_ms = None
            return VoiceStopped(last_voiced_ms=self._last_voiced_ms, hummed=self._hummed)
        if self._onset_ms is None or not self._begins():
            return None
        self._speaking = True
        return VoiceStarted(onset_ms=self._reach_back(self._onset_ms, end_ms))

    def _follow_background(self, high_db: float) -> None:
        """Let the level of the high frequencies follow a window without a voice."""
        before = high_db if self._background_db is None else self._background_db
        self._background_db = before + (high_db - before) / self._policy.background_windows

    def _follow_surroundings(self, level_db: float) -> None:
        """Let the level around the caller follow a window in which nobody is known to speak."""
        policy = self._policy
        self._quiet_windows = self._quiet_windows + 1 if level_db < policy.quiet_db else 0
        if self._quiet_windows >= QUIET_WINDOWS:
            self._around_db = level_db
            return
        if self._around_db is None:
            self._around_db = self._first_around_db(level_db)
        # A hole in the line is no silence around the caller.
        self._around_db += max(-HOLE_DB, level_db - self._around_db) / policy.background_windows

    def _first_around_db(self, level_db: float) -> float:
        """What is taken to surround a caller when all that is known is one window."""
        return AT_FIRST_DB if level_db > self._policy.quiet_db else level_db

    def _reach_back(self, onset_ms: int, now_ms: int) -> int:
        """Where the voice began: the model needs a vowel to be sure, and people begin with less."""
        loudest = max((level for end_ms, level, _ in self._levels if onset_ms < end_ms <= now_ms), default=0.0)
        reached = onset_ms
        for end_ms, level, silent in reversed(self._levels):
            if end_ms > reached:
                continue
            steps = (onset_ms - end_ms) // self._window_ms
            if steps >= self._policy.reach_windows or silent or level < loudest - self._policy.reach_db:
                break
            reached = end_ms - self._window_ms
        return max(0, reached)

    @property
    def _hummed(self) -> bool:
        return self._background_db is not None and self._highest_db < self._background_db + self._policy.words_db

    def _high_db_of(self, end_ms: int) -> float:
        """What was kept of this window, and of none before it; infinite if it was not cut here."""
        high_db, waiting = math.inf, self._highs
        while waiting and waiting[0][0] <= end_ms:
            high_db = waiting.pop(0)[1]
        return high_db

    def _level_db_of(self, end_ms: int) -> float:
        """The level of this window; infinite if it was not cut here."""
        levels = self._levels
        if levels and levels[-1][0] == end_ms:  # usually: windows are decided as they are measured
            return levels[-1][1]
        for at, level, _ in reversed(levels):
            if at <= end_ms:
                return level if at == end_ms else math.inf
        return math.inf

    def _begins(self) -> bool:
        if self._loudest_db < self._wanted_db:
            return False
        above = sum(p > self._policy.on_probability for p in self._recent)
        strong = sum(p > self._policy.strong_probability for p in self._recent)
        return above == len(self._recent) or strong >= STRONG_WINDOWS


def to_float(windows: Samples) -> FloatSamples:
    """int16 of any shape as float32 of the same, -1..1: what the model takes."""
    return windows * _FULL_SCALE


def levels_db(windows: FloatSamples) -> list[tuple[float, float]]:
    """The level of each window in dB, and that of its second difference: 34 dB less of a hum at 250 Hz than of a
    consonant at 2 kHz. float32, shape (n, window_samples), -1..1."""
    steps = windows[:, 1:] - windows[:, :-1]
    bends = steps[:, 1:] - steps[:, :-1]
    size = windows.shape[1]
    powers = np.einsum("ij,ij->i", windows, windows) / size + 1e-12
    bent = np.einsum("ij,ij->i", bends, bends) / size + 1e-9
    return list(zip((10.0 * np.log10(powers)).tolist(), (10.0 * np.log10(bent)).tolist(), strict=True))
