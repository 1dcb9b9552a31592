"""Whether another call may begin: what this machine carries, measured and observed. Decisions only.

Theory of operation. Speech that runs on this machine limits how many calls it holds, and what hurts is not the average
but the moment when all callers have finished a sentence at once: then the last of them waits for everybody's work. So
a call counts as what its caller waits for in a turn, in seconds of one core (measured where the models run, see
contracts.provider.OnThisMachine), and together they may not keep the cores busy for longer than TOGETHER_S. A call
whose speech is a vendor's counts as next to nothing.

    pace * work of the calls + this one's  >  cores * TOGETHER_S   refused: the machine is full
    the loop late, or awaited work waiting, over the last 5 s      refused, but for a quarter of that: it is strained

Pace is how much longer than on a core of its own speech takes now, because other programs use the machine; what our own
threads cost each other is within USUAL_PACE. The second rule is for what was not measured: an agent's own code, callers
who talk without a pause. A first call is always taken. A number that somebody set takes the place of all this.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

TOGETHER_S: Final = 0.5
"""How long the answers of all callers may take who finish at once. With the end of their turn (0.4 s) less than what
sounds like hesitation. Source: tests/bench/overload.py."""
MOST_CALLS: Final = 100
"""What one event loop carries of calls that cost no speech. Source: tests/bench/load.py."""
USUAL_PACE: Final = 1.25
"""How much longer work takes beside our own event loop. Source: tests/bench/overload.py, on a quiet machine."""
PACE_WINDOW_S: Final = 60.0
"""For how long what other programs did counts."""
STRAINED_LAG_MS: Final = 30.0
"""The loop's lateness, 99th percentile: a frame of 20 ms and half the caller's jitter buffer."""
STRAINED_WAIT_S: Final = 0.4
"""How long awaited speech work waits for a core, 90th percentile."""
WINDOW_S: Final = 5.0
"""What counts as now."""
STRAINED_SHARE: Final = 0.25
"""Of what the machine was measured to carry, what it takes even then."""
_FEWEST_LAGS, _FEWEST_WAITS = 40, 5
"""Below this, one hiccup is no strain."""


class SpeechThreads(Protocol):
    """The threads that built-in speech of all calls runs in."""

    @property
    def threads(self) -> int:
        """How many, that is at most the machine's cores."""

    def waits_s(self, over_s: float) -> list[float]:
        """How long what somebody waited for in silence had to wait for one, in the last so many seconds."""

    def slowness(self, over_s: float) -> float:
        """How many times longer than on a core of its own their work took, in the last so many seconds."""


class Admission:
    """One server's. Agents go by their names; work is in seconds of one core, times in seconds of any clock."""

    def __init__(self, *, max_calls: int | None = None, cores: int = 1) -> None:
        """max_calls: so many, whatever they cost; None: as many as are carried. cores: for speech."""
        self._max_calls = max_calls
        self._budget_s = cores * TOGETHER_S
        self._least_s = self._budget_s / MOST_CALLS
        self._work_s: dict[str, float] = {}
        self._lags: deque[tuple[float, float]] = deque()
        self._waits_s: Sequence[float] = ()
        self._pace = 1.0

    @property
    def measures(self) -> bool:
        """Whether anything that is learnt or observed matters."""
        return self._max_calls is None

    def learn(self, agent: str, work_s: float) -> None:
        """What a caller of this agent waits for in a turn."""
        self._work_s[agent] = work_s

    def observe(self, lag_ms: float, now_s: float) -> None:
        """How late the event loop was just now."""
        self._lags.append((now_s, lag_ms))
        while now_s - self._lags[0][0] > WINDOW_S:
            self._lags.popleft()

    def observe_waits(self, waits_s: Sequence[float]) -> None:
        """How long awaited speech work waited for a core, in the last WINDOW_S."""
        self._waits_s = waits_s

    def observe_pace(self, slowness: float) -> None:
        """How many times longer than on a core of its own speech work took, in the last PACE_WINDOW_S."""
        self._pace = max(1.0, slowness / USUAL_PACE)

    def strain(self, now_s: float) -> str:
        """What shows that the machine has more to do than it can; "" if nothing does."""
        lags = [lag_ms for at_s, lag_ms in self._lags if now_s - at_s <= WINDOW_S]
        if len(lags) >= _FEWEST_LAGS and (late := float(np.percentile(lags, 99))) > STRAINED_LAG_MS:
            return f"the event loop is {late:.0f} ms late"
        if (
            len(self._waits_s) >= _FEWEST_WAITS
            and (wait_s := float(np.percentile(self._waits_s, 90))) > STRAINED_WAIT_S
        ):
            return f"speech waits {wait_s * 1000:.0f} ms for a core"
        return ""

    def carries(self, agent: str) -> int:
        """How many calls of this agent there may be, if there are no others."""
        return self._max_calls or max(1, int(self._budget_s / self._work_of(agent) + 1e-9))

    def refusal(self, live: Sequence[str], agent: str, now_s: float) -> str:
        """Why a call of this agent cannot begin beside those of the live ones; "" if it can.

        agent: "" where it is not known yet: the call is then taken for one of those that cost least.
        """
        if self._max_calls is not None:
            return f"all {self._max_calls} lines are busy" if len(live) >= self._max_calls else ""
        if not live:
            return ""
        work_s = sum(map(self._work_of, live)) + self._work_of(agent)
        if work_s > self._budget_s * (1 + 1e-9):
            return f"all lines are busy: {len(live)} calls are what this machine carries"
        if work_s > self._budget_s * STRAINED_SHARE and (strain := self.strain(now_s)):
            return f"all lines are busy: this machine is strained, {strain}"
        return ""

    def _work_of(self, agent: str) -> float:
        return max(self._pace * self._work_s.get(agent, 0.0), self._least_s)
