"""Many calls, added up: a fold over what an index knows of each."""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from patter_cli.contracts.store import STAGES, CallStats, Share, Spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WIDTH = len(STAGES)
MANY = 200_000
"""Turns from which on numpy pays for its loading, which takes 0.1 s."""
FEW = 100
"""Turns from which on it pays where it is loaded."""
_SHORT = 2**16 - 1


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
        waits = all_waits if self.calls == of else _spread_of_totals(b"".join(self.waits))
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
        self._legs: dict[tuple[str, str, str], _Sum] = {}
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

    def add_group(
        self,
        agent: str,
        day: str,
        number: str,
        outcome: str,
        calls: int,
        duration_s: float,
        known_usd: float,
        unpriced: int,
        waits: bytes,
    ) -> None:
        """Count calls that were added up before: all of one agent, day, number and outcome. waits: one after the
        other."""
        self._outcomes[outcome] += calls
        found = self._sums.setdefault((agent, day, number), _Sum())
        found.calls += calls
        found.duration_s += duration_s
        found.known_usd += known_usd
        found.unpriced += unpriced
        if waits:
            found.waits.append(waits)

    def add_legs(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Count what was used of vendors: (leg, provider, model, calls, duration_s, usd, unpriced) each."""
        for leg, provider, model, calls, duration_s, usd, unpriced in rows:
            found = self._legs.setdefault((leg, provider, model), _Sum())
            found.calls += calls
            found.duration_s += duration_s
            found.known_usd += usd or 0.0
            found.unpriced += unpriced

    def stats(self) -> CallStats:
        """What was added."""
        everything = _Sum()
        groups: tuple[dict[str, _Sum], ...] = ({}, {}, {})
        for names, each in self._sums.items():
            everything.join(each)
            for group, name in zip(groups, names, strict=True):
                group.setdefault(name, _Sum()).join(each)
        live = self._outcomes.pop(None, 0)
        stages = dict(zip(STAGES, _spreads(b"".join(everything.waits)), strict=True))
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
            vendors=_most_first(
                Share(
                    name=" ".join(filter(None, names)),
                    calls=each.calls,
                    duration_s=round(each.duration_s, 3),
                    known_usd=round(each.known_usd, 6),
                    unpriced=each.unpriced,
                )
                for names, each in self._legs.items()
            ),
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
    counts = Counter(values)
    ranks = _ranks(total)
    found: list[int] = []
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        while len(found) < len(ranks) and seen >= ranks[len(found)]:
            found.append(value)
    p50, p95, p99 = found
    return Spread(turns=total, p50=p50, p95=p95, p99=p99, most=max(counts))


def _ranks(total: int) -> list[int]:
    """Which of so many, from 1, in their order."""
    return [(total * percent + 99) // 100 for percent in (50, 95, 99)]


def _spreads(waits: bytes) -> list[Spread]:
    """Of each stage."""
    turns = _turns(waits)
    if len(turns) < MANY * _WIDTH:
        return [spread(turns[at::_WIDTH]) for at in range(_WIDTH)]
    import numpy as np  # only where it is quicker than to load it

    return [_spread_of_many(each) for each in _short(np.frombuffer(turns, np.int32).reshape(-1, _WIDTH)).T]


def _spread_of_totals(waits: bytes) -> Spread:
    if len(waits) < FEW * 4 * _WIDTH or "numpy" not in sys.modules:
        return spread(_turns(waits)[_WIDTH - 1 :: _WIDTH])
    import numpy as np

    return _spread_of_many(_short(np.frombuffer(_turns(waits), np.int32)[_WIDTH - 1 :: _WIDTH]))


def _short(values: NDArray[Any]) -> NDArray[Any]:
    """In 16 bits where they fit, which are sorted by their digits: 5 ms a million."""
    if len(values) and values.min() >= 0 and values.max() <= _SHORT:
        return values.astype("uint16")
    return values


def _spread_of_many(values: NDArray[Any]) -> Spread:
    import numpy as np

    values = np.sort(values, kind="stable")
    total = len(values)
    p50, p95, p99, most = (int(values[each - 1]) for each in (*_ranks(total), total))
    return Spread(turns=total, p50=p50, p95=p95, p99=p99, most=most)


def _turns(waits: bytes) -> array[int]:
    turns = array("i")
    turns.frombytes(waits[: len(waits) - len(waits) % (4 * _WIDTH)])
    return turns


def _most_first(shares: Iterable[Share]) -> tuple[Share, ...]:
    return tuple(sorted(shares, key=lambda each: (-each.calls, each.name)))
