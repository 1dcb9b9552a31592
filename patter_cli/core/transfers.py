"""Somebody else takes the caller: what a reply wished for is asked of the carrier, and fails or is the call's end.

The caller hears the other telephone ring, so this is the one time in a call when nothing of ours need be heard; where
whoever answers is told first what it is about, the caller hears music of ours until they are connected. It has a
deadline of its own, anew when the carrier says that it rings; at its end the caller is taken back, and it is to ring
there no longer. The model is told what became of it, so that it does not promise the same again.

A carrier may take the caller off our line for it. Then this call is over, and if nobody was reached the caller comes
back as another one, which has this one's history and is told what became of the transfer (opening.py).
"""

from __future__ import annotations

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.agent_floor import AgentFloor
from patter_cli.core.call import Call
from patter_cli.core.carrier_events import TransferAnswered, TransferLeftLine, TransferRinging
from patter_cli.core.deadlines import Timer
from patter_cli.core.endings import Endings
from patter_cli.core.floor import CallState
from patter_cli.core.history import History
from patter_cli.core.outcome import TransferOutcome
from patter_cli.core.reply import Purpose, Reply
from patter_cli.core.tool_calls import failed

TRANSFER_MS = 40_000
"""How long it may take to ring, and then to be answered, before we take the caller back."""

TELL_MS = 60_000
"""The same for whoever picked up and is told what it is about, a switchboard before them included."""

WHY = {
    TransferOutcome.BUSY: "the line is busy",
    TransferOutcome.NO_ANSWER: "nobody answered",
    TransferOutcome.DECLINED: "whoever was rung declined",
    TransferOutcome.VOICEMAIL: "an answering machine picked up",
    TransferOutcome.DROPPED: "the connection was lost at once",
}


class Transfers:
    """Asks for the one transfer that a reply may wish for, and follows it."""

    __slots__ = ("_call", "_endings", "_floor", "_history", "_pending_action", "_rings")

    def __init__(self, call: Call, history: History, floor: AgentFloor, endings: Endings) -> None:
        self._call = call
        self._history = history
        self._floor = floor
        self._endings = endings
        self._pending_action = ""
        """The tool call that asked for it."""
        self._rings = False

    def begin(self, reply: Reply) -> None:
        """Do what this reply wanted: connect the caller, who must have heard something before it rings."""
        call = self._call
        if reply.ledger.answered or reply.purpose is not Purpose.ANSWER:
            self._pending_action = reply.pending_action
            self._ask(reply.transfer, reply.about)
            if reply.about:
                call.music = True
                call.issue(order.PlayMusic())
            return
        line = self._floor.read_out(call.plan.lines.filler, Purpose.LINE)
        line.transfer, line.about, line.pending_action = reply.transfer, reply.about, reply.pending_action

    def order(self, number: str) -> None:
        """Somebody who looks on wants it, so nothing is said first."""
        self._floor.yield_reply()
        self._pending_action = ""
        self._ask(number, "")

    def _ask(self, number: str, about: str) -> None:
        call = self._call
        self._rings = False
        call.state.move(CallState.TRANSFERRING)
        call.deadlines.cancel(Timer.IDLE)
        call.deadlines.set(Timer.TRANSFER, call.now + TRANSFER_MS)
        call.issue(order.Transfer(number=number, about=about))

    def ringing(self, event: TransferRinging) -> None:
        """It has as long again, once."""
        call = self._call
        if call.state.now is CallState.TRANSFERRING and not self._rings:
            self._rings = True
            call.deadlines.set(Timer.TRANSFER, call.now + TRANSFER_MS)

    def answered(self, event: TransferAnswered) -> None:
        """They are told what it is about, which takes its time."""
        call = self._call
        if call.state.now is CallState.TRANSFERRING:
            call.deadlines.set(Timer.TRANSFER, call.now + TELL_MS)

    def left(self, event: TransferLeftLine) -> None:
        """Whatever becomes of it, this line is over; should it come to nothing, the caller comes back on another."""
        if self._call.state.now is CallState.TRANSFERRING:
            self._endings.expect_closing("transferred")

    def finished(self, event: fact.TransferFinished) -> None:
        if self._call.state.now is CallState.TRANSFERRING:
            self._floor.stop_music()
            self._endings.await_closing("transferred")

    def failed(self, event: fact.TransferFailed) -> None:
        """The caller is ours again."""
        call = self._call
        if call.state.now is not CallState.TRANSFERRING:
            return
        call.state.move(CallState.ACTIVE)
        self._endings.expect_closing("")
        self._floor.stop_music()
        call.deadlines.cancel(Timer.TRANSFER)
        call.quiet_since = call.now
        if self._pending_action:
            self._history.finish_tool(self._pending_action, not_connected(event.outcome, event.message))
        self._floor.read_out(call.plan.lines.no_transfer, Purpose.LINE)

    def due(self) -> None:
        """Nobody took the caller in time."""
        self._call.issue(order.CancelTransfer())
        self.failed(fact.TransferFailed(message="no answer", outcome=TransferOutcome.NO_ANSWER))


def not_connected(outcome: TransferOutcome, message: str = "") -> str:
    """What the model is told of a transfer that failed. message: the carrier's words, where none of ours fit."""
    return failed(f"not connected: {WHY.get(outcome) or message or 'it could not be connected'}")
