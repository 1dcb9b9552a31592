"""How far a list is: counted as calls begin and end, so that a list of a million costs no more to look at than one of
ten. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from patter_cli.cli.forecast import CallGuess
from patter_cli.cli.people import DIALLING, NOT_RUNG, RINGS
from patter_cli.tui.view import ListProgress

_RINGING = (DIALLING, RINGS)


class ListCount:
    """Of one run."""

    def __init__(
        self, name: str, people: Iterable[str], *, guess: CallGuess, concurrency: int, calls_per_s: float
    ) -> None:
        """people: the numbers on the list."""
        self._name = name
        self._people = frozenset(people)
        self._guess = guess
        self._concurrency = concurrency
        self._calls_per_s = calls_per_s
        self._outcomes = Counter[str]()
        self._refused = self._again = 0
        self.left = 0
        """Still to be rung in this round."""
        self._held = 0
        self._held_s = 0.0
        self.stopping = False
        """Nobody else is rung."""

    def round(self, last: Mapping[str, str], *, left: int, refused: int) -> None:
        """Everybody is gone through anew. last: the last outcome of each number that was ever rung."""
        self._outcomes = Counter(outcome for number, outcome in last.items() if number in self._people)
        self.left, self._refused, self._again = left, refused, 0

    def moved(self, number: str, before: str | None, outcome: str, *, again: bool = False) -> None:
        """What is known of somebody has changed. before: None where nothing was. again: they are rung once more."""
        if number not in self._people:
            return
        if outcome == DIALLING:
            self.left -= 1
        if before is not None:
            self._outcomes[before] -= 1
        self._outcomes[outcome] += 1
        self._again += again

    def held(self, took_s: float) -> None:
        """A call is over. took_s: with its ring."""
        self._held += 1
        self._held_s += took_s

    def view(self) -> ListProgress:
        """As it is now."""
        # The guess counts as one call, and for less with each that was held.
        call_s = (self._guess.seconds + self._held_s) / (1 + self._held)
        to_come = self.left + self._again
        seconds = max(to_come / self._calls_per_s, math.ceil(to_come / self._concurrency) * call_s)
        usd = self._guess.usd
        known = ((name, count) for name, count in self._outcomes.most_common() if count > 0)
        return ListProgress(
            name=self._name,
            people=len(self._people),
            ringing=sum(self._outcomes[each] for each in _RINGING),
            left=self.left,
            again=self._again,
            refused=self._refused,
            outcomes=tuple((name, count) for name, count in known if name not in (*_RINGING, NOT_RUNG)),
            seconds_left=seconds,
            usd_left=None if usd is None else usd * to_come,
            stopping=self.stopping,
        )
