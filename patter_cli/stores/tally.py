"""Many calls, added up: a fold over what an index knows of each."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from patter_cli.contracts.store import STAGES, CallStats, Share, Spread

_WIDTH = len(STAGES)
MANY = 200_000
"""Turns from which on numpy pays for its loading, which takes 0.1 s."""


@dataclass(slots=True)
class _Sum:
    """What is counted of some calls."""

    calls: int = 0
    duration_s: float = 0.0
    known_usd: float = 0.0
    unpriced: int = 0
    waits: list[bytes] = field(default_factory=list)

    def add(self, duration_s: float, known_usd: float, waits: bytes, *, priced: bool) -> None:
        self.calls += 1
        self.duration_s += duration_s
        self.known_usd += known_usd
        self.unpriced += not priced
        if waits:
            self.waits.append(waits)

    def join(self, other: _Sum) -> None:
        self.calls += other.calls
        self.duration_s += other.duration_s
        self.known_usd += other.known_usd
        self.unpriced += other.unpriced
        self.waits += other.waits

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
        self._outcomes: Counter[str | None] = Counter()
        self._sums: dict[tuple[str, str, str], _Sum] = {}
        """By agent, day and number: many calls have the same, and each is added once."""
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
        self._outcomes[outcome] += 1
        begins, ends, day = self._today
        if not begins <= started_at < ends:
            day = self._day(started_at)
        found = self._sums.get((agent, day, number))
        if found is None:
            found = self._sums[agent, day, number] = _Sum()
        found.add(duration_s or 0.0, known_usd, waits, priced=usd is not None or outcome is None)

    def stats(self, vendors: Iterable[Share]) -> CallStats:
        """What was added. vendors: what was used of each."""
        everything = _Sum()
        groups: tuple[dict[str, _Sum], ...] = ({}, {}, {})
        for names, each in self._sums.items():
            everything.join(each)
            for group, name in zip(groups, names, strict=True):
                group.setdefault(name, _Sum()).join(each)
        live = self._outcomes.pop(None, 0)
        turns = _turns(everything.waits)
        stages = {stage: spread(turns[at::_WIDTH]) for at, stage in enumerate(STAGES)}
        whole = (stages[STAGES[-1]], everything.calls)
        agents, days, numbers = groups
        return CallStats(
            calls=everything.calls,
            live=live,
            duration_s=round(everything.duration_s, 3),
            known_usd=round(everything.known_usd, 6),
            unpriced=everything.unpriced,
            outcomes={name: count for name, count in self._outcomes.most_common() if name is not None},
            stages=stages,
            agents=_most_first(each.share(name, *whole) for name, each in agents.items()),
            days=tuple(each.share(name, *whole) for name, each in sorted(days.items())),
            numbers=_most_first(each.share(name, *whole) for name, each in numbers.items()),
            vendors=_most_first(vendors),
        )

    def _day(self, at: float) -> str:
        try:
            day = datetime.fromtimestamp(at).replace(hour=0, minute=0, second=0, microsecond=0)
            self._today = (day.timestamp(), (day + timedelta(days=1)).timestamp(), day.strftime("%Y-%m-%d"))
        except (ValueError, OverflowError, OSError):  # no year that a calendar has
            return ""
        return self._today[2]


def spread(values: array[int]) -> Spread:
    """How these spread, in ms: by counting, which for figures that repeat is quicker than to sort them."""
    total = len(values)
    if not total:
        return Spread()
    ranks = [(total * percent + 99) // 100 for percent in (50, 95, 99)]
    if total >= MANY:
        return _spread_of_many(values, ranks)
    counts = Counter(values)
    found: list[int] = []
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        while len(found) < len(ranks) and seen >= ranks[len(found)]:
            found.append(value)
    p50, p95, p99 = found
    return Spread(turns=total, p50=p50, p95=p95, p99=p99, most=max(counts))


def _spread_of_many(values: array[int], ranks: list[int]) -> Spread:
    import numpy as np  # only where it is quicker than to load it

    places = [*(each - 1 for each in ranks), len(values) - 1]
    parted = np.partition(np.frombuffer(values, np.int32), places)
    p50, p95, p99, most = (int(parted[each]) for each in places)
    return Spread(turns=len(values), p50=p50, p95=p95, p99=p99, most=most)


def _turns(waits: Iterable[bytes]) -> array[int]:
    turns = array("i")
    joined = b"".join(waits)
    turns.frombytes(joined[: len(joined) - len(joined) % (4 * _WIDTH)])
    return turns


def _most_first(shares: Iterable[Share]) -> tuple[Share, ...]:
    return tuple(sorted(shares, key=lambda each: (-each.calls, each.name)))
