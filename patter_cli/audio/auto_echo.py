"""Echo cancellation for a line that turns out to need it: found by comparing what was played with what comes back.

Theory of operation. Most lines cancel their own echo, and a canceller costs a quarter of a millisecond a frame. So at
first the line is only searched: a canceller listens, and what it is given passes through it unchanged until it has
found our voice in what the line brings. Then it stays for the rest of the call. Where nothing is found in TRIAL_MS of
our voice the search rests, for a caller may put the telephone on the table later. And while the line brings next to
nothing in answer to our voice there is nothing to search: a clean line costs a look at its level.

    quiet --the line brings something--> trial --found--> cancelling
      ^  ^                               |  | nothing in TRIAL_MS
      |  +-- nothing for TRAIL_MS -------+  |
      +----- REST_MS of our voice ----------+

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
from patter_cli.audio.frame import Samples

TRIAL_MS = 4000
"""How much of our voice is searched for; -12 dB are found in 0.2 s, -34 dB in about 2. Source: tests.bench.lines."""
REST_MS = 20_000
UNSURE_MS = 700
"""An echo louder than -20 dB has been found by then. Source: tests.bench.lines."""

FAINT = 1e-4
"""The line's power against the loudest of ours of late, below which it is left alone: an echo 40 dB below our voice is
no voice to any detector."""
KEPT_MS = 600
"""How much of the past a search is given to begin with: the longest delay it can find, and a little."""
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

    Costs about 0.08 ms a frame of our voice and 0.16 MB while it searches, next to nothing else.
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
        self._past: deque[tuple[Samples, Samples]] = deque()
        """Near and far of late, as long as a trial may follow."""
        self._past_samples = 0
        self._kept = rate_hz * KEPT_MS // 1000
        self._faint = 0
        """Samples since the line last brought something."""
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

    def process(self, near: Samples, far: Samples) -> Samples:
        """See contracts/echo.py."""
        if self._cancelling and self._canceller is not None:
            return self._canceller.process(near, far)
        count = len(near)
        sounds = bool(np.count_nonzero(far))  # a third of what `any` takes
        if sounds:
            self._silent = 0
            self._unsure -= count
            self._rest -= count
        else:
            self._silent = min(self._reach, self._silent + count)
        if self._rest > 0 or (self._canceller is None and self._silent >= self._reach):
            self._forget()
            return near
        self._look(near, far)
        if self._canceller is not None and self._faint >= self._reach:
            self._canceller = None
        if self._canceller is not None:
            return self._search(self._canceller, near, far, sounds)
        self._keep(near, far)
        if not self._faint:
            self._canceller = self._make(self._rate_hz)  # what is kept is searched with the next frame: it takes long
        return near

    def _look(self, near: Samples, far: Samples) -> None:
        """Compare the line's level with our voice's."""
        self._loudest = max(self._loudest, _power(far))
        self._faint = 0 if _power(near) > FAINT * self._loudest else self._faint + len(near)

    def _keep(self, near: Samples, far: Samples) -> None:
        """Remember what a trial will begin with."""
        self._past.append((near, far))
        self._past_samples += len(near)
        while self._past_samples > self._kept:
            self._past_samples -= len(self._past.popleft()[0])

    def _forget(self) -> None:
        self._past.clear()
        self._past_samples = 0
        self._loudest = 0.0

    def _search(self, canceller: FindingCanceller, near: Samples, far: Samples, sounds: bool) -> Samples:
        for before, played in self._past:
            canceller.process(before, played)
        self._past.clear()
        self._past_samples = 0
        out = canceller.process(near, far)
        if sounds:
            self._trial -= len(near)
        delay_ms = canceller.delay_ms
        if delay_ms is not None:
            self._cancelling = True
            self._forget()
            self._found(round(delay_ms))
        elif self._trial <= 0:
            self._canceller = None
            self._trial = self._rate_hz * TRIAL_MS // 1000
            self._rest = self._rate_hz * REST_MS // 1000
        return out


def _power(samples: Samples) -> float:
    """Mean power of a frame."""
    linear = samples.astype(np.float32)
    return float(np.dot(linear, linear)) / max(1, len(samples))
