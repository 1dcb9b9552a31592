"""Many calls, added up: a fold over what an index knows of each."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from patter_cli.contracts.store import STAGES, CallStats, Share, Spread

_WIDTH = len(STAGES)


@dataclass(slots=True)
class _Sum:
    """What is counted of some calls."""

    calls: int = 0
    duration_s: float = 0.0
    known_usd: float = 0.0
    unpriced: int = 0
    waits: list[bytes] = field(default_factory=list)

    def add(self, duration_s: float, usd: float | None, known_usd: float, waits: bytes) -> None:
        self.calls += 1
        self.duration_s += duration_s
        self.known_usd += known_usd
        self.unpriced += usd is None
        if waits:
            self.waits.append(waits)

    def share(self, name: str, all_waits: Spread, of: int) -> Share:
        """all_waits, of: what callers waited in all calls, and how many those are; often they are one agent's."""
        waits = all_waits if self.calls == of else spread(_turns(self.waits)[_WIDTH - 1 :: _WIDTH])
        return Share(
            name=name,
            calls=self.calls,
            duration_s=round(self.duration_s, 3),
            known_usd=round(self.known_usd, 6),
            unpriced=self.unpriced,
            waits=waits,
        )


class Tally:
    """Feed it calls; `stats` is what they come to."""

    def __init__(self) -> None:
        self._all = _Sum()
        self._live = 0
        self._outcomes: Counter[str] = Counter()
        self._agents: dict[str, _Sum] = {}
        self._days: dict[str, _Sum] = {}
        self._numbers: dict[str, _Sum] = {}
        self._today = (0.0, 0.0, "")
        """The day of the last call: from, to and name; calls come mostly in their order."""

    def add(
        self,
        started_at: float,
        agent: str,
        number: str,
        outcome: str | None,
        duration_s: float | None,
        usd: float | None,
        known_usd: float,
        waits: bytes,
    ) -> None:
        """Count a call; what each of them means is said at CallRow and IndexedCall."""
        if outcome is None:
            self._live += 1
            usd = 0.0
        else:
            self._outcomes[outcome] += 1
        told = (duration_s or 0.0, usd, known_usd, waits)
        self._all.add(*told)
        for sums, name in ((self._agents, agent), (self._days, self._day(started_at)), (self._numbers, number)):
            if (found := sums.get(name)) is None:
                found = sums[name] = _Sum()
            found.add(*told)

    def stats(self, vendors: Iterable[Share]) -> CallStats:
        """What was added. vendors: what was used of each."""
        turns = _turns(self._all.waits)
        stages = {stage: spread(turns[at::_WIDTH]) for at, stage in enumerate(STAGES)}
        whole = (stages[STAGES[-1]], self._all.calls)
        return CallStats(
            calls=self._all.calls,
            live=self._live,
            duration_s=round(self._all.duration_s, 3),
            known_usd=round(self._all.known_usd, 6),
            unpriced=self._all.unpriced,
            outcomes=dict(self._outcomes.most_common()),
            stages=stages,
            agents=_most_first(each.share(name, *whole) for name, each in self._agents.items()),
            days=tuple(each.share(name, *whole) for name, each in sorted(self._days.items())),
            numbers=_most_first(each.share(name, *whole) for name, each in self._numbers.items()),
            vendors=_most_first(vendors),
        )

    def _day(self, at: float) -> str:
        begins, ends, name = self._today
        if begins <= at < ends:
            return name
        try:
            day = datetime.fromtimestamp(at).replace(hour=0, minute=0, second=0, microsecond=0)
            self._today = (day.timestamp(), (day + timedelta(days=1)).timestamp(), day.strftime("%Y-%m-%d"))
        except (ValueError, OverflowError, OSError):  # no year that a calendar has
            return ""
        return self._today[2]


def spread(values: Iterable[int]) -> Spread:
    """How these spread, in ms; by counting, which for figures that repeat is quicker than to sort them."""
    counts = Counter(values)
    total = counts.total()
    if not total:
        return Spread()
    found: list[int] = []
    ranks = [(total * percent + 99) // 100 for percent in (50, 95, 99)]
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        while len(found) < len(ranks) and seen >= ranks[len(found)]:
            found.append(value)
    p50, p95, p99 = found
    return Spread(turns=total, p50=p50, p95=p95, p99=p99, most=max(counts))


def _turns(waits: Iterable[bytes]) -> array[int]:
    turns = array("i")
    joined = b"".join(waits)
    turns.frombytes(joined[: len(joined) - len(joined) % (4 * _WIDTH)])
    return turns


def _most_first(shares: Iterable[Share]) -> tuple[Share, ...]:
    return tuple(sorted(shares, key=lambda each: (-each.calls, each.name)))
