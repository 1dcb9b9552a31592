"""How a call ends: with last words and a line put down, or because the line closed."""

from __future__ import annotations

from dataclasses import replace

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.agent_floor import AgentFloor
from patter_cli.core.call import Call
from patter_cli.core.deadlines import Timer
from patter_cli.core.drafting import Drafting
from patter_cli.core.farewell import STOPPABLE
from patter_cli.core.floor import AgentState, CallerState, CallState
from patter_cli.core.history import History
from patter_cli.core.outcome import AnsweredBy, Outcome
from patter_cli.core.reply import Purpose, Reply

HANG_UP_GRACE_MS = 2000
"""How long the carrier may take to close a line that we hung up."""
HAND_OVER_MS = 10_000
"""How long the carrier may take to connect two calls, which closes their lines."""
OUR_FAULTS = ("agent_failed", "listen_failed")
"""A call that ends for one of these has failed, whoever picked up."""
WARN_AGAIN_MS = 1000
"""When to look again whether a warning interrupts nobody."""
MOST_SPENT = 80
ALL_SPENT = 100
"""Percent of what a call may cost, at which it wraps up and ends."""


class Endings:
    """Brings the call to its end, once, with a reason."""

    __slots__ = ("_call", "_drafting", "_floor", "_history", "_reason")

    def __init__(self, call: Call, history: History, drafting: Drafting, floor: AgentFloor) -> None:
        self._call = call
        self._history = history
        self._drafting = drafting
        self._floor = floor
        self._reason = ""

    @property
    def reason(self) -> str:
        """Why the call ends; "" as long as it does not."""
        return self._reason

    # --- last words ------------------------------------------------------------------------------------------

    def goodbye(self, line: str, reason: str) -> None:
        """Say the last words, which the caller may stop only for some reasons, and hang up."""
        call = self._call
        if call.state.now not in (CallState.PREPARING, CallState.ACTIVE, CallState.TRANSFERRING):
            return
        self.end_takeover()
        if call.state.now is CallState.TRANSFERRING:
            call.issue(order.CancelTransfer())
            self._floor.stop_music()
        self._floor.yield_reply()
        if reason in STOPPABLE and call.state.now is CallState.ACTIVE:
            self._floor.read_out(line, Purpose.GOODBYE).hang_up = reason
            return
        self.say_last(line, reason, Purpose.GOODBYE, call.plan.pace.goodbye_ms)

    def end_takeover(self) -> None:
        """No colleague is heard by the caller any more; nothing happens where none was."""
        if self._call.taken:
            self._call.taken = False
            self._call.issue(order.PassColleague(passes=False))

    def say_last(self, line: str, reason: str, purpose: Purpose, within_ms: int) -> None:
        """Say this, whatever the caller does, and hang up when it was heard or its time is over."""
        call = self._call
        self._floor.yield_reply()
        self._reason = reason
        call.state.move(CallState.ENDING)
        call.deadlines.clear()
        self._floor.read_out(line, purpose).hang_up = reason
        call.deadlines.set(Timer.GOODBYE, call.now + within_ms)

    def last_words_over(self, reply: Reply) -> None:
        """What was said last has been heard, or will never be."""
        if reply.purpose is Purpose.MESSAGE and reply.ledger.answered:
            self._reason = "message_left"
        self.hang_up(reply.hang_up)

    def goodbye_due(self) -> None:
        """The last words took too long, or the carrier to close the line."""
        if self._call.reply is not None:
            self._floor.yield_reply()
            self.hang_up(self._reason)
        else:
            self.finish(self._reason)

    def hang_up(self, reason: str) -> None:
        """Order the end; the line's closing is the fact that completes it, or its deadline."""
        self.await_closing(self._reason or reason)
        self._call.issue(order.HangUp(reason=self._reason))

    def await_closing(self, reason: str) -> None:
        """The line is about to close; it has a little time for that."""
        call = self._call
        self._reason = reason
        call.parting = None
        call.deadlines.clear()
        call.state.move(CallState.ENDING)
        call.deadlines.set(Timer.GOODBYE, call.now + HANG_UP_GRACE_MS)

    def hand_over(self) -> None:
        """Whoever was rung for a caller who waits has heard what it is about: they are connected now."""
        self.await_closing("handed_over")
        self._call.deadlines.set(Timer.GOODBYE, self._call.now + HAND_OVER_MS)
        self._call.issue(order.HandOver())

    def expect_closing(self, reason: str) -> None:
        """Should the line close now, this is why; "": whatever it is then said to be."""
        self._reason = reason

    # --- why -------------------------------------------------------------------------------------------------

    def time_warning_due(self) -> None:
        call = self._call
        free = call.agent.now is AgentState.IDLE and call.caller.now is CallerState.SILENT and not call.taken
        if call.state.now is CallState.ACTIVE and free and call.parting is None:
            self._floor.read_out(call.plan.lines.time_warning, Purpose.LINE)
        else:
            call.deadlines.set(Timer.TIME_WARNING, call.now + WARN_AGAIN_MS)

    def max_duration_due(self) -> None:
        self.goodbye(self._call.plan.lines.time_goodbye, "max_duration")

    def cost_reached(self, event: fact.CostReached) -> None:
        """Most of what the call may cost is spent: the agent comes to an end. All of it: the call does."""
        call = self._call
        if event.percent >= ALL_SPENT:
            self.goodbye(call.plan.lines.cost_goodbye, "max_cost")
        elif event.percent >= MOST_SPENT and not call.plan.wraps_up and call.state.now is not CallState.ENDING:
            call.plan = replace(call.plan, wraps_up=True)
            call.issue(order.Instruct())
            call.deadlines.set(Timer.COST_WARNING, call.now)

    def cost_warning_due(self) -> None:
        """Tell the caller, as soon as that interrupts nobody."""
        call = self._call
        free = call.agent.now is AgentState.IDLE and call.caller.now is CallerState.SILENT and not call.taken
        if call.state.now is CallState.ACTIVE and free and call.parting is None:
            self._floor.read_out(call.plan.lines.cost_warning, Purpose.LINE)
        else:
            call.deadlines.set(Timer.COST_WARNING, call.now + WARN_AGAIN_MS)

    # --- the end ---------------------------------------------------------------------------------------------

    def line_closed(self, event: fact.LineClosed) -> None:
        call, reply = self._call, self._call.reply
        self._history.stop_waiting()
        if reply is not None:
            self._floor.leave()
            call.issue(order.CancelResponse(response_id=reply.id))
            if reply.by_engine:
                call.issue(order.MuteReply(response_id=reply.id))
            if not reply.stop_known:
                reply.ledger.assume_played(call.now if reply.silenced_at is None else reply.silenced_at)
            self._history.add_reply(reply, interrupted=True)
        self.finish(self._reason or event.cause)

    def finish(self, reason: str) -> None:
        """Nothing is ordered after this. What the caller said and nobody answered is still written down."""
        call, said = self._call, self._call.said
        self._history.stop_waiting()
        keys = said.take_keys() if said.keys else ""
        words = " ".join(filter(None, (said.turns, said.words.strip(), keys)))
        if words:
            self._history.add_words(words)
        call.deadlines.clear()
        self._drafting.drop()
        if call.owes_verdict:
            call.issue(order.ReportMachine(answered_by=AnsweredBy.UNKNOWN, raw=""))
        outcome = call.outcome or (Outcome.ANSWERED if call.answered else Outcome.FAILED)
        if reason in OUR_FAULTS:
            outcome = Outcome.FAILED
        call.state.move(CallState.ENDED)
        call.issue(order.FinishCall(outcome=outcome, reason=reason))
