"""Somebody who looks on steps in: the agent says what they wrote, or the caller is put through to whom they chose.

What they wrote has the floor next: a reply that is under way yields, a caller who is speaking is let finish. It is said
and may be interrupted like any line, and the history gets what was heard of it.
"""

from __future__ import annotations

from patter_cli.core import events as fact
from patter_cli.core.agent_floor import AgentFloor
from patter_cli.core.call import Call
from patter_cli.core.deadlines import Timer
from patter_cli.core.floor import CallState
from patter_cli.core.transfers import Transfers
from patter_cli.core.turns import Turns

MOST_WAITING = 20
"""Lines that wait to be said; more than that is a mistake of whoever sends them."""
_LATER = (CallState.PREPARING, CallState.TRANSFERRING)


class Onlooker:
    """Does what they want."""

    __slots__ = ("_call", "_floor", "_transfers", "_turns")

    def __init__(self, call: Call, floor: AgentFloor, turns: Turns, transfers: Transfers) -> None:
        self._call = call
        self._floor = floor
        self._turns = turns
        self._transfers = transfers

    def say_requested(self, event: fact.SayRequested) -> None:
        call, text = self._call, event.text.strip()
        if not text or len(call.to_say) >= MOST_WAITING:
            return
        if call.state.now is CallState.ACTIVE:
            call.to_say.append(text)
            if call.reply is None or not call.reply.by_onlooker:
                self._floor.yield_reply()
                self._turns.floor_is_free()
        elif call.state.now in _LATER:
            call.to_say.append(text)

    def put_through_requested(self, event: fact.PutThroughRequested) -> None:
        """What was to be said is not any more: the caller talks with somebody else."""
        call = self._call
        if call.state.now is CallState.ACTIVE:
            call.to_say.clear()
            call.parting = None
            call.deadlines.cancel(Timer.GOODBYE)
            self._transfers.order(event.number)
