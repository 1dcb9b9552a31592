"""Who may call us, and how often: numbers that are blocked, calls of one number at once and in an hour. Decisions only.

An agent that is called a hundred times at once costs a hundred times its vendors' minutes, and to somebody that is the
point. So a number has few calls at a time and an hour; whoever withholds theirs shares one such number. A call counts
from its webhook on, since its stream comes later; a stream that never comes is forgotten.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

HOUR_S: Final = 3600.0
STREAM_S: Final = 20.0
"""What an answered call has until its stream is here. Carriers take about two seconds."""
REMEMBERED: Final = 10_000
"""Numbers whose last hour is known; with ten calls each some 3 MB."""
WITHHELD: Final = "anonymous"

_BLOCKED: Final = re.compile(r"\+[1-9][0-9]{6,14}|\+[1-9][0-9]{0,13}\*|anonymous")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerRules:
    """What holds for whoever calls us."""

    at_once: int = 2
    an_hour: int = 10
    blocked: frozenset[str] = frozenset()
    """Numbers, their beginnings ("+4479*"), and WITHHELD."""
    busy_message: str = "Sorry, we cannot take your call just now. Please try again later. Goodbye."
    """What a caller hears who is not let in, or whom there is no room for, in the carrier's own voice; "": a busy
    line, which costs nothing."""

    def blocks(self, caller: str) -> bool:
        """caller: E.164, or "" for a number that is withheld."""
        if not caller:
            return WITHHELD in self.blocked
        return caller in self.blocked or any(f"{caller[:size]}*" in self.blocked for size in range(2, len(caller) + 1))


def read_blocked(words: Iterable[str]) -> frozenset[str]:
    """What `blocked` may hold. Raises ValueError with what is wanted."""
    given = frozenset(each.strip() for each in words) - {""}
    if not all(_BLOCKED.fullmatch(each) for each in given):
        raise ValueError('numbers like +14155550123, beginnings like +4479*, or "anonymous"')
    return given


class Callers:
    """One server's. Times are seconds of any clock that does not go back."""

    def __init__(self, rules: CallerRules) -> None:
        self.rules = rules
        self._begun: OrderedDict[str, deque[float]] = OrderedDict()
        """When each number's calls of the last hour came, the number that called last at the end."""
        self._awaited: dict[tuple[str, str], tuple[str, float]] = {}
        """(carrier, its call id) -> (number, when), of calls that were let in and have no stream yet."""

    def refusal(self, caller: str, live: Sequence[str], now_s: float) -> str:
        """Why a call may not come in; "" if it may. caller: "" when withheld. live: the numbers of the calls that came
        in and are live."""
        rules, shown = self.rules, caller or WITHHELD
        if rules.blocks(caller):
            return f"{shown} is blocked"
        self._forget(now_s)
        at_once = sum(each == caller for each in live) + sum(each == caller for each, _ in self._awaited.values())
        if at_once >= rules.at_once:
            return f"{shown} has {at_once} calls here already (max_per_caller)"
        within_hour = sum(at_s > now_s - HOUR_S for at_s in self._begun.get(caller, ()))
        if within_hour >= rules.an_hour:
            return f"{shown} has called {within_hour} times within an hour (max_per_caller_hour)"
        return ""

    def let_in(self, caller: str, carrier: str, carrier_call_id: str, now_s: float) -> None:
        """A call is let in: it waits for its stream."""
        self._awaited[carrier, carrier_call_id] = caller, now_s
        self._begun.setdefault(caller, deque(maxlen=self.rules.an_hour)).append(now_s)
        self._begun.move_to_end(caller)
        if len(self._begun) > REMEMBERED:
            self._begun.popitem(last=False)

    def arrived(self, carrier: str, carrier_call_id: str) -> None:
        """A call's stream is here, or the call is over; one that is not awaited is fine."""
        self._awaited.pop((carrier, carrier_call_id), None)

    def _forget(self, now_s: float) -> None:
        self._awaited = {key: each for key, each in self._awaited.items() if each[1] > now_s - STREAM_S}
        while self._begun and next(iter(self._begun.values()))[-1] <= now_s - HOUR_S:
            self._begun.popitem(last=False)
