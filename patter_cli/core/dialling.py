"""How an outbound call begins: it is placed, rings, and is answered or not; and how it is given up before that.

Every stage has a deadline: the carrier's reply, the ring, the stream of an answered call. What the carrier tells may
come late, twice or in another order, and the stream may be there before any of it: the furthest fact holds. Once we
have given up, our own word for it is the outcome; but whoever picks up just then is still hung up on, and so is a call
that the carrier only names afterwards.
"""

from __future__ import annotations

from patter_cli.core import carrier_events as carrier
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.call import Call
from patter_cli.core.deadlines import Timer
from patter_cli.core.endings import HANG_UP_GRACE_MS, Endings
from patter_cli.core.events import Ms
from patter_cli.core.floor import CallState
from patter_cli.core.history import History
from patter_cli.core.opening import Opening
from patter_cli.core.outcome import Direction, Outcome

PLACE_MS = 20_000
"""How long the carrier may take to say whether it places a call."""
QUEUE_MS = 60_000
"""How long a placed call may wait before it rings: carriers queue what is above their pace, and some never tell us."""
LONGEST_RING_MS = 600_000
"""The carriers' own limit, for a call that is to ring for as long as it may. Source: Twilio, Timeout of a call."""
STREAM_MS = 10_000
"""How long the stream of an answered call may take: somebody is holding a silent telephone."""

_UNANSWERED = (CallState.DIALLING, CallState.RINGING)
_UNCONNECTED = (*_UNANSWERED, CallState.CONNECTING)
_NO_LINE = (CallState.NEW, *_UNCONNECTED)
_NOBODY = (Outcome.BUSY, Outcome.NO_ANSWER, Outcome.CANCELED)


class Dialling:
    """Takes an outbound call from wished for to connected, or to its early end."""

    __slots__ = ("_call", "_endings", "_history", "_opening", "_place_until", "_placed", "_ring_ms")

    def __init__(self, call: Call, history: History, endings: Endings, opening: Opening) -> None:
        self._call = call
        self._history = history
        self._endings = endings
        self._opening = opening
        self._placed = False
        """The carrier has the call, so that it can be told to end it."""
        self._place_until: Ms = 0
        self._ring_ms = LONGEST_RING_MS

    def requested(self, event: carrier.DialRequested) -> None:
        call = self._call
        if call.state.now is not CallState.NEW:
            return
        call.plan = event.plan
        call.direction = Direction.OUTBOUND
        self._history.wall_time = event.wall_time
        if event.ring_timeout_ms is not None:
            self._ring_ms = max(0, event.ring_timeout_ms)
        call.state.move(CallState.DIALLING)
        self._place_until = call.now + PLACE_MS
        call.deadlines.set(Timer.DIAL, self._place_until)
        call.issue(
            order.PlaceCall(
                caller=event.caller,
                callee=event.callee,
                ring_timeout_ms=event.ring_timeout_ms,
                detect_machine=event.plan.screens_machines,
            )
        )

    def placed(self, event: carrier.CallPlaced) -> None:
        call = self._call
        if self._placed or call.direction is not Direction.OUTBOUND:
            return
        self._placed = True
        if call.state.now is CallState.DIALLING:
            call.deadlines.set(Timer.DIAL, call.now + QUEUE_MS + self._ring_ms)
        elif call.state.now is CallState.ENDING:
            self._hang_up_again()

    def ringing(self, event: carrier.Ringing) -> None:
        call = self._call
        if call.state.now is CallState.DIALLING:
            self._placed = True
            call.state.move(CallState.RINGING)
            call.deadlines.set(Timer.DIAL, call.now + self._ring_ms)

    def answered(self, event: carrier.Answered) -> None:
        call = self._call
        if call.state.now in _UNANSWERED:
            self._placed = call.answered = True
            call.state.move(CallState.CONNECTING)
            call.deadlines.set(Timer.DIAL, call.now + STREAM_MS)
            self._opening.prepare()
        else:
            self._picked_up_too_late()

    def connected(self, event: fact.CallConnected) -> None:
        """The stream is up; of an outbound call it proves that somebody answered."""
        call = self._call
        if call.state.now in _UNCONNECTED:
            call.deadlines.cancel(Timer.DIAL)
            self._placed = True
            self._opening.stream_up()
        elif call.state.now is CallState.NEW:
            self._opening.connected(event)
        else:
            self._picked_up_too_late()

    def _picked_up_too_late(self) -> None:
        """We had given up; whoever is there now must not be left with nobody."""
        call = self._call
        if call.state.now is CallState.ENDING and call.direction is Direction.OUTBOUND and not call.answered:
            self._placed = call.answered = True
            self._hang_up_again()

    def _hang_up_again(self) -> None:
        call = self._call
        call.deadlines.set(Timer.GOODBYE, call.now + HANG_UP_GRACE_MS)
        call.issue(order.HangUp(reason=self._endings.reason))

    # --- nobody ----------------------------------------------------------------------------------------------

    def failed(self, event: carrier.DialFailed) -> None:
        """Nobody picked up; told of a call that somebody did pick up, it is not true."""
        call = self._call
        if call.state.now in _UNANSWERED:
            call.outcome = event.outcome if event.outcome in _NOBODY else Outcome.FAILED
            self._endings.finish(event.reason or call.outcome)
        elif call.state.now is CallState.ENDING and call.direction is Direction.OUTBOUND and not call.answered:
            self._endings.finish(self._endings.reason)

    def dial_due(self) -> None:
        """The stage that the call is in took too long."""
        if self._call.state.now is CallState.CONNECTING:
            self._give_up(Outcome.FAILED, "no_media")
        elif self._placed:
            self._give_up(Outcome.NO_ANSWER, "ring_timeout")
        else:
            self._give_up(Outcome.FAILED, "not_placed")

    def _give_up(self, outcome: Outcome, reason: str) -> None:
        """End it before a word was said. A carrier that has not named the call yet gets its time to do so."""
        call = self._call
        call.outcome = outcome
        self._endings.hang_up(reason)
        if not self._placed:
            call.deadlines.set(Timer.GOODBYE, max(self._place_until, call.now + HANG_UP_GRACE_MS))

    # --- no longer wanted ------------------------------------------------------------------------------------

    def cancel_requested(self, event: carrier.CancelRequested) -> None:
        self._end(self._call.plan.lines.drain_goodbye, "canceled")

    def drain_requested(self, event: fact.DrainRequested) -> None:
        self._end(self._call.plan.lines.drain_goodbye, "drain")

    def hang_up_requested(self, event: fact.HangUpRequested) -> None:
        self._end(self._call.plan.lines.drain_goodbye, "operator")

    def mute_requested(self, event: fact.MuteRequested) -> None:
        """There may be no line yet, and then nothing to mute."""
        if self._call.state.now not in _NO_LINE:
            self._call.muted = event.muted
            self._call.issue(order.MuteCaller(muted=event.muted or self._call.off_record))

    def listen_failed(self, event: fact.ListenFailed) -> None:
        """Nobody is to be rung by a deaf agent."""
        if self._call.state.now in _UNCONNECTED:
            self._give_up(Outcome.FAILED, "listen_failed")
        elif self._call.state.now is not CallState.VOICEMAIL:  # a message needs no ears
            self._endings.goodbye(self._call.plan.lines.trouble, "listen_failed")

    def _end(self, line: str, reason: str) -> None:
        call = self._call
        if call.state.now is CallState.NEW:
            self._endings.finish(reason)
        elif call.state.now in _UNCONNECTED:
            self._give_up(Outcome.CANCELED, reason)
        elif call.state.now is CallState.VOICEMAIL:
            self._endings.hang_up(reason)
        else:
            call.deadlines.hasten(Timer.GOODBYE, call.now + call.plan.pace.goodbye_ms)
            self._endings.goodbye(line, reason)
