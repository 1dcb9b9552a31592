"""Somebody who looks on steps in: the agent says what they wrote, the caller is put through, or they talk themselves.

What they wrote has the floor next: a reply that is under way yields, a caller who is speaking is let finish. It is said
and may be interrupted like any line, and the history gets what was heard of it.

Who takes a call over talks with the caller in the agent's place. The agent is quiet meanwhile: it says nothing, asks
nothing and ends nothing, but what both say is in its history when it is given the call back.
"""

from __future__ import annotations

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.agent_floor import AgentFloor
from patter_cli.core.call import Call
from patter_cli.core.deadlines import Timer
from patter_cli.core.drafting import Drafting
from patter_cli.core.endings import Endings
from patter_cli.core.floor import AgentState, CallerState, CallState
from patter_cli.core.history import History
from patter_cli.core.reply import Purpose
from patter_cli.core.transfers import Transfers
from patter_cli.core.turns import Turns

UNHEARD = "(talked with the caller; what was said is not known)"
YOURS_AGAIN = "(The caller is yours again. Of what you said while a colleague had the call, nobody heard anything.)"
"""For an engine that replies when it likes: it did, and believes that it was heard."""
MOST_WAITING = 20
"""Lines that wait to be said; more than that is a mistake of whoever sends them."""
_LATER = (CallState.PREPARING, CallState.TRANSFERRING)


class Onlooker:
    """Does what they want."""

    __slots__ = ("_call", "_drafting", "_endings", "_floor", "_heard", "_history", "_transfers", "_turns")

    def __init__(
        self,
        call: Call,
        history: History,
        drafting: Drafting,
        floor: AgentFloor,
        endings: Endings,
        turns: Turns,
        transfers: Transfers,
    ) -> None:
        self._call = call
        self._history = history
        self._drafting = drafting
        self._floor = floor
        self._endings = endings
        self._heard = False
        """Something of what the colleague says is known."""
        self._turns = turns
        self._transfers = transfers

    def say_requested(self, event: fact.SayRequested) -> None:
        call, text = self._call, event.text.strip()
        if not text or len(call.to_say) >= MOST_WAITING or call.taken:
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
            self._endings.end_takeover()
            self._transfers.order(event.number)

    def take_over_requested(self, event: fact.TakeOverRequested) -> None:
        call = self._call
        if event.taken and call.state.now is CallState.ACTIVE and not call.taken:
            self._take()
        elif not event.taken and call.taken:
            self._give_back(lost=event.lost)

    def _take(self) -> None:
        """A reply that is under way yields; what the agent was about to do is not done."""
        call = self._call
        self._drafting.drop()
        self._floor.yield_reply()
        self._floor.stay()
        call.taken, self._heard = True, False
        call.broken_off = False
        call.to_say.clear()
        call.deadlines.cancel(Timer.IDLE)
        call.issue(order.PassColleague(passes=True))
        self._turns.floor_is_free()

    def _give_back(self, *, lost: bool) -> None:
        """The agent goes on: it answers what the caller said last, if nobody has. Where nobody knows what the colleague
        said, or they are gone in the middle of it, it asks: the caller may still wait for something."""
        call = self._call
        asks = lost or not self._heard
        if not self._heard:
            self._history.add_colleague(UNHEARD)
        self._endings.end_takeover()
        if call.plan.engine is not None and call.plan.engine.server_turns:
            self._history.remind_engine("system", YOURS_AGAIN)
        call.quiet_since = call.now
        self._turns.floor_is_free()
        waits = call.agent.now is AgentState.IDLE and call.caller.now is CallerState.SILENT
        if asks and waits and call.state.now is CallState.ACTIVE:
            self._floor.read_out(call.plan.lines.anything_else, Purpose.LINE)

    def colleague_said(self, event: fact.ColleagueSaid) -> None:
        """It may be known only after the call was given back."""
        text = event.text.strip()
        if text:
            self._heard = True
            self._history.stop_waiting()
            self._history.add_colleague(text)
