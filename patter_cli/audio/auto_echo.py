"""Echo cancellation for a line that turns out to need it: found by comparing what was played with what comes back.

Theory of operation. Most lines cancel their own echo, and a canceller costs a quarter of a millisecond a frame. So the
line is first looked at, now and then and cheaply, for something of our voice in what it brings (audio/echo_gate.py). If
there seems to be, it is searched: a canceller listens, and what it is given passes through it unchanged until it has
found our voice. Then it stays for the rest of the call. Where nothing is found in TRIAL_MS of our voice the search
rests, for a caller may put the telephone on the table later. And while the line brings next to nothing in answer to
our voice there is nothing to look for: a clean line costs a look at its level.

    quiet --something of ours?--> trial --found--> cancelling
      ^  ^                         |  | nothing in TRIAL_MS
      |  +-- nothing for TRAIL_MS -+  |
      +----- REST_MS of our voice ----+

Our first words are a question, not an answer: for UNSURE_MS of our voice nobody knows yet whose voice comes back, and
it is not taken for the caller's, nor is what comes within TRAIL_MS of our voice. A caller who really speaks goes on,
and is heard after it: recognition keeps what came before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np

from patter_cli.audio.echo import NlmsEchoCanceller
from patter_cli.audio.echo_gate import HOP_MS, LOOK_MS, EchoGate
from patter_cli.audio.frame import FRAME_MS, Samples
from patter_cli.audio.wire import LineAudio, joined

TRIAL_MS = 4000
"""How much of our voice is searched for; -12 dB are found in 0.2 s, -34 dB in about 2. Source: tests.bench.lines."""
REST_MS = 20_000
UNSURE_MS = 700
"""An echo louder than -20 dB has been found by then. Source: tests.bench.lines."""

FAINT = 1e-4
"""The line's power against the loudest of ours of late, below which it is left alone: an echo 40 dB below our voice is
no voice to any detector."""
OFTEN = 5
"""So many looks are taken one after the other: what the line does to us it does from the beginning."""
SELDOM = 4
"""Then one in so many hops of our voice: a telephone may be put on a table later."""
NOTHING = 16.0
"""A line of no more power than this brings silence."""
KEPT_MS = LOOK_MS
"""How much of the past a search is given to begin with: what the look that called for it has seen."""
TRAIL_MS = 300
"""How long after our voice its echo may come: a bad mobile line takes 240 ms. Longer would cost callers who answer at
once their first words, for engine.listen keeps little more of the past."""


class FindingCanceller(Protocol):
    """A canceller that says where the echo is."""

    @property
    def trusted(self) -> bool: ...

    @property
    def delay_ms(self) -> float | None: ...

    def process(self, near: Samples, far: Samples) -> Samples: ...


class AutoEchoCanceller:
    """One call's; keeps contracts.echo.EchoCanceller. Nothing is changed on a line without echo.

    Costs about 0.06 ms for HOP_MS of our voice while the line brings something, 0.08 ms a frame and 0.16 MB while it
    searches, next to nothing else.
    """

    def __init__(
        self,
        rate_hz: int,
        found: Callable[[int], None],
        make: Callable[[int], FindingCanceller] = lambda rate_hz: NlmsEchoCanceller(sample_rate=rate_hz),
    ) -> None:
        """rate_hz: 8000 or 16000. found: told the echo's delay in ms, once."""
        self._rate_hz = rate_hz
        self._found = found
        self._make = make
        self._canceller: FindingCanceller | None = None
        self._cancelling = False
        self._reach = rate_hz * TRAIL_MS // 1000
        self._silent = self._reach
        """Samples since we were last heard."""
        self._unsure = rate_hz * UNSURE_MS // 1000
        """Samples of our voice still to come before a voice on the line may be the caller's."""
        self._trial = rate_hz * TRIAL_MS // 1000
        """Samples of our voice that the trial still takes."""
        self._rest = 0
        """The same of a rest."""
        self._line: deque[LineAudio] = deque()
        """What it brought of late, as long as a trial may follow."""
        self._line_samples = 0
        self._past: tuple[Samples, Samples] | None = None
        """Near and far that a trial begins with, until it has."""
        self._kept = rate_hz * KEPT_MS // 1000
        self._gate = EchoGate(rate_hz)
        self._hop = rate_hz * HOP_MS // 1000
        self._frame = rate_hz * FRAME_MS // 1000
        self._unseen = 0
        """Samples of our voice, and what comes right after it, since the last look."""
        self._often = OFTEN
        """Looks still to come one after the other."""
        self._faint = 0
        """Samples of a trial since the line last brought something."""
        self._loudest = 0.0
        """The greatest power of our voice of late."""

    @property
    def trusted(self) -> bool:
        """Whether a voice in what was given last may be taken for the caller's."""
        if self._cancelling and self._canceller is not None:
            return self._canceller.trusted
        return self._unsure <= 0 or self._silent >= self._reach

    @property
    def heavy(self) -> bool:
        """Whether it searches or cancels."""
        return self._canceller is not None

    def passes(self, near: LineAudio, sounds: bool, played: Callable[[int], Samples]) -> bool:
        """See contracts/echo.py. Here the line is looked at."""
        if self._canceller is not None:
            return False
        if not sounds and self._silent >= self._reach:  # most of a call
            self._forget()
            return True
        self._count(near.count, sounds)
        if self._rest > 0 or self._silent >= self._reach:
            self._forget()
            return True
        self._keep(near)
        self._unseen += near.count
        due = self._hop if self._often else SELDOM * self._hop
        if self._unseen >= due and self._line_samples >= self._hop:
            self._unseen = 0
            self._look(played)
        return True

    def process(self, near: Samples, far: Samples) -> Samples:
        """See contracts/echo.py. near and far: what `passes` has just not let go past."""
        if self._canceller is None:
            return near
        if self._cancelling:
            return self._canceller.process(near, far)
        self._count(len(near), bool(np.count_nonzero(far)))  # a third of what `any` takes
        self._loudest = max(self._loudest, _power(far))
        self._faint = 0 if _power(near) > FAINT * self._loudest else self._faint + len(near)
        if self._rest <= 0 and self._faint < self._reach:
            return self._search(self._canceller, near, far)
        self._canceller = None
        self._loudest = 0.0
        return near

    def _count(self, count: int, sounds: bool) -> None:
        if sounds:
            self._silent = 0
            self._unsure -= count
            self._rest -= count
            self._trial -= 0 if self._canceller is None else count
        else:
            self._silent = min(self._reach, self._silent + count)

    def _keep(self, near: LineAudio) -> None:
        """Remember what a trial will begin with."""
        self._line.append(near)
        self._line_samples += near.count
        while self._line_samples - self._line[0].count >= self._kept:
            self._line_samples -= self._line.popleft().count

    def _look(self, played: Callable[[int], Samples]) -> None:
        """Begin a trial if the last hop of the line is loud enough to hold an echo, and seems to."""
        line = self._last(self._hop)
        loudest = _loudest(line, self._frame)
        if loudest <= NOTHING:
            return
        far = played(self._kept)
        self._loudest = max(self._loudest, _loudest(far, self._frame))
        if loudest <= FAINT * self._loudest:
            return
        self._often = max(0, self._often - 1)
        suspicious = self._gate.look(line, far)
        if not self._often:
            self._gate.forget()  # the next look is far off
        if suspicious:
            line = self._last(self._kept)
            self._past = line, far[-len(line) :]
            self._forget()
            self._faint = 0
            self._canceller = self._make(self._rate_hz)  # the past is searched with the next frame: it takes long

    def _last(self, count: int) -> Samples:
        """What is kept of the line's last so many samples."""
        frames: list[LineAudio] = []
        missing = count
        for each in reversed(self._line):
            frames.append(each)
            missing -= each.count
            if missing <= 0:
                break
        return joined(frames[::-1])[-count:]

    def _forget(self) -> None:
        if self._line_samples:
            self._line.clear()
            self._line_samples = 0
            self._loudest = 0.0
            self._gate.forget()

    def _search(self, canceller: FindingCanceller, near: Samples, far: Samples) -> Samples:
        if self._past is not None:
            canceller.process(*self._past)
            self._past = None
        out = canceller.process(near, far)
        delay_ms = canceller.delay_ms
        if delay_ms is not None:
            self._cancelling = True
            self._found(round(delay_ms))
        elif self._trial <= 0:
            self._canceller = None
            self._trial = self._rate_hz * TRIAL_MS // 1000
            self._rest = self._rate_hz * REST_MS // 1000
        return out


def _loudest(samples: Samples, frame: int) -> float:
    """The greatest mean power of a frame of so many samples, of which there are whole ones."""
    linear = samples[len(samples) % frame :].astype(np.float32).reshape(-1, frame)
    return float(np.einsum("ij,ij->i", linear, linear).max()) / frame


def _power(samples: Samples) -> float:
    """Mean power of a frame."""
    linear = samples.astype(np.float32)
    return float(np.dot(linear, linear)) / max(1, len(samples))
