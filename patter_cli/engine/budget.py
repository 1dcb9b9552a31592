"""What a call may cost at most, and how far it has come: the machine is told at four fifths and at all of it.

What is charged by time is told at a call's end only, so the line and an engine's session are counted as if they ended
now. What has no price counts for nothing, and a line of the log says so: nobody can promise more than the list knows.
"""

from __future__ import annotations

import logging

from patter_cli.core.endings import ALL_SPENT, MOST_SPENT
from patter_cli.core.events import CostReached, Event, LineUsed, Ms
from patter_cli.engine.context import CallContext
from patter_cli.engine.usage import session_used

log = logging.getLogger(__name__)


class Budget:
    """One call's."""

    def __init__(self, call: CallContext) -> None:
        self._call = call
        self._told = 0

    def running(self, since: Ms, now: Ms) -> tuple[Event, ...]:
        """What is charged by time, if it ended now. since: there is a line."""
        info, engine = self._call.info, self._call.agent.engine
        line = LineUsed(carrier=info.carrier, direction=info.direction, duration_ms=now - since)
        return (line,) if engine is None else (line, session_used(engine, now - since))

    def look(self, max_usd: float, usd: float, *, all_known: bool) -> None:
        """Tell the machine if it has come so far. usd: the cost until now. all_known: everything used has a price."""
        percent = next((each for each in (ALL_SPENT, MOST_SPENT) if usd * 100 >= each * max_usd), 0)
        if percent <= self._told:
            return
        self._told = percent
        beside = "" if all_known else ", beside what has no price"
        log.info("call %s has cost $%.4f, %d %% of what it may%s", self._call.info.call_id, usd, percent, beside)
        self._call.post(CostReached(percent=percent))
