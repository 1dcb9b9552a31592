"""What ringing a list would take, said before the first ring: whom, how long, for how much, and whom not and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from patter_cli.contracts.store import CallQuery, CallStore
from patter_cli.core.outcome import Direction
from patter_cli.errors import StoreError
from patter_cli.observe.prices import PriceTable

CALL_S: Final = 60.0
"""What a call takes, ringing included, as long as nobody knows better."""
RING_S: Final = 10.0
"""Of that, before somebody picks up: it is not in a record's duration."""
LOOKED_AT: Final = 50
"""The agent's last calls, from which the next are guessed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallGuess:
    """What one call will take."""

    seconds: float
    """Its ring included."""
    usd: float | None
    """None: nobody knows."""
    because: str
    """Whence that is known, as a clause."""


def guess_call(store: CallStore, agent: str, carrier: str, today: date) -> CallGuess:
    """From what the agent's calls took so far; without any, from the line's price alone."""
    try:
        found = [
            each
            for each in store.export(CallQuery(agent=agent, limit=LOOKED_AT))
            if each.row.direction == Direction.OUTBOUND and each.row.duration_s is not None
        ]
    except StoreError:
        found = []
    if found:
        seconds = sum(each.row.duration_s or 0.0 for each in found) / len(found)
        costs = [usd for each in found if (usd := _usd(each.facts)) is not None]
        usd = sum(costs) / len(costs) if len(costs) == len(found) else None
        return CallGuess(seconds=seconds + RING_S, usd=usd, because=f"as the last {len(found)} calls of {agent} did")
    price = PriceTable().find("telephony", carrier, Direction.OUTBOUND.value, day=today)
    minute = None if price is None else price.started_minute
    usd = None if minute is None else minute * math.ceil(CALL_S / 60)
    return CallGuess(seconds=CALL_S, usd=usd, because="for the line alone, at a minute a call")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a run would do. refused: (number, why)."""

    to_ring: tuple[tuple[str, Mapping[str, str]], ...]
    refused: tuple[tuple[str, str], ...]
    done: int
    concurrency: int
    calls_per_s: float
    guess: CallGuess

    @property
    def seconds(self) -> float:
        """Of the whole run, everybody rung once."""
        count = len(self.to_ring)
        return max(count / self.calls_per_s, math.ceil(count / self.concurrency) * self.guess.seconds)

    def render(self) -> str:
        lines = [f"not rung: {number}: {why}" for number, why in self.refused]
        cost = "cost unknown" if self.guess.usd is None else f"about ${self.guess.usd * len(self.to_ring):.2f}"
        lines.append(
            f"{len(self.to_ring)} to ring, {self.done} done before, {len(self.refused)} refused; "
            f"about {max(1, round(self.seconds / 60))} min, {cost} ({self.guess.because})"
        )
        return "\n".join(lines)


def _usd(facts: Mapping[str, Any]) -> float | None:
    cost = facts.get("cost")
    usd = cost.get("usd") if isinstance(cost, Mapping) else None
    return float(usd) if isinstance(usd, int | float) and not isinstance(usd, bool) else None
