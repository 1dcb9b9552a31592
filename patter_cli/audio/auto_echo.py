"""Echo cancellation for a line that turns out to need it: found by comparing what was played with what comes back.

Theory of operation. Most lines cancel their own echo, and a canceller costs a quarter of a millisecond a frame. So at
first the line is only searched: a canceller listens, and what it is given passes through it unchanged until it has
found our voice in what the line brings. Then it stays for the rest of the call. Where nothing is found in TRIAL_MS of
our voice the search rests, for a caller may put the telephone on the table later.

    trial --found--> cancelling
      ^  | nothing in TRIAL_MS
      +--+ REST_MS of our voice

Our first words are a question, not an answer: for UNSURE_MS of our voice nobody knows yet whose voice comes back, and
it is not taken for the caller's, nor is what comes within TRAIL_MS of our voice. A caller who really speaks goes on,
and is heard after it: recognition keeps what came before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from patter_cli.audio.echo import NlmsEchoCanceller
from patter_cli.audio.frame import Samples

TRIAL_MS = 4000
"""How much of our voice is searched for; -12 dB are found in 0.2 s, -34 dB in about 2. Source: tests.bench.lines."""
REST_MS = 20_000
UNSURE_MS = 700
"""An echo louder than -20 dB has been found by then. Source: tests.bench.lines."""


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

    Costs about 0.08 ms a frame of our voice while it searches, next to nothing else.
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
        self._left = 0
        """Samples of our voice that this trial, or this rest, still takes."""

    @property
    def trusted(self) -> bool:
        """Whether a voice in what was given last may be taken for the caller's."""
        if self._cancelling and self._canceller is not None:
            return self._canceller.trusted
        return self._unsure <= 0 or self._silent >= self._reach

    def process(self, near: Samples, far: Samples) -> Samples:
        """See contracts/echo.py."""
        if self._cancelling and self._canceller is not None:
            return self._canceller.process(near, far)
        count = len(near)
        sounds = bool(far.any())
        self._silent = 0 if sounds else min(self._reach, self._silent + count)
        if sounds:
            self._unsure -= count
            self._left -= count
        if self._canceller is None:
            if self._left > 0 or not sounds:
                return near
            self._canceller = self._make(self._rate_hz)
            self._left = self._rate_hz * TRIAL_MS // 1000
        out = self._canceller.process(near, far)
        delay_ms = self._canceller.delay_ms
        if delay_ms is not None:
            self._cancelling = True
            self._found(round(delay_ms))
        elif self._left <= 0:
            self._canceller = None
            self._left = self._rate_hz * REST_MS // 1000
        return out
