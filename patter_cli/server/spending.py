"""What calls have cost within a day, so that new ones stop before they cost too much.

Theory of operation. What is over is known from the store when the server starts, so a restart forgets nothing; what
ends afterwards is told by its call, and what still goes on is asked of it. It is the list's prices times what was used:
what has no price counts for nothing, and the bill may say another thing.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from patter_cli.contracts.store import CallQuery, CallStore
from patter_cli.errors import CallRejected, StoreError

log = logging.getLogger("patter.server")

DAY_S: Final = 24 * 3600


class DailySpending:
    """One server's."""

    def __init__(self, most_usd: float | None) -> None:
        """most_usd: within 24 hours; None: whatever it costs."""
        self._most_usd = most_usd
        self._over: deque[tuple[float, float]] = deque()
        """When calls were over, in order, and what they cost."""
        self._live: dict[str, Callable[[], float]] = {}

    def load(self, store: CallStore, now_s: float) -> None:
        """Count what was kept of the last day. Reads files, so keep it off the event loop; never raises."""
        if self._most_usd is None:
            return
        try:
            found = []
            for record in store.export(CallQuery(since=now_s - DAY_S, limit=None)):
                cost = record.facts.get("cost")
                usd = cost.get("known_usd") if isinstance(cost, dict) else None
                if isinstance(usd, int | float):
                    found.append((record.row.started_at + (record.row.duration_s or 0.0), float(usd)))
            self._over = deque(sorted([*found, *self._over]))
        except (StoreError, OSError) as error:
            log.warning("what the calls of the last day cost cannot be read: %s", error)

    def began(self, call_id: str, usd: Callable[[], float]) -> None:
        """A call goes on. usd: what it has cost so far."""
        self._live[call_id] = usd

    def ended(self, call_id: str, now_s: float) -> None:
        """It is over. One that never began is fine."""
        usd = self._live.pop(call_id, None)
        if usd is not None:
            self._over.append((now_s, usd()))

    def usd(self, now_s: float) -> float:
        """Of the last 24 hours."""
        while self._over and self._over[0][0] <= now_s - DAY_S:
            self._over.popleft()
        return sum(usd for _, usd in self._over) + sum(usd() for usd in self._live.values())

    def check(self, now_s: float) -> None:
        """Whether one more call may be begun. Raises CallRejected."""
        if self._most_usd is not None and (usd := self.usd(now_s)) >= self._most_usd:
            raise CallRejected(
                f"the calls of the last 24 hours have cost ${usd:.2f}, and ${self._most_usd:.2f} is the most",
                hint="wait, or raise max_spend_per_day",
            )
