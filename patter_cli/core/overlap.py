"""The caller speaks over the agent: the reply is held, until their words take the floor or give it back."""

from __future__ import annotations

from patter_cli.core import commands as order
from patter_cli.core.agent_floor import AgentFloor
from patter_cli.core.barge_in import Verdict, judge
from patter_cli.core.call import Call
from patter_cli.core.deadlines import Timer
from patter_cli.core.events import Ms
from patter_cli.core.farewell import keeps_call
from patter_cli.core.floor import AgentState, CallState
from patter_cli.core.line_echo import LineEcho
from patter_cli.core.playout import REWIND_MS, Playout
from patter_cli.core.reply import Purpose
from patter_cli.core.silence import Silence
from patter_cli.core.turns import Turns


class BargeIn:
    """Holds a reply, resumes it or has it yield."""

    __slots__ = ("_call", "_echo", "_floor", "_playout", "_silence", "_turns")

    def __init__(
        self, call: Call, silence: Silence, floor: AgentFloor, turns: Turns, playout: Playout, echo: LineEcho
    ) -> None:
        self._call = call
        self._silence = silence
        self._floor = floor
        self._turns = turns
        self._playout = playout
        self._echo = echo

    def voice_started(self, onset: Ms) -> None:
        """From the threshold on the line is theirs; a reply that is held already yields to a voice that goes on."""
        if self._call.agent.now is AgentState.HELD:
            self._limit_hold()
        else:
            self._floor.watch_barge_in(onset)

    def voice_ended(self) -> None:
        """Whoever waits for a reply that is still being made, and has spoken meanwhile, waits from here."""
        reply = self._call.reply
        if reply is not None and reply.fillers and self._call.agent.now is not AgentState.HELD:
            self._silence.watch()

    def _limit_hold(self, more_ms: int = 0) -> None:
        self._call.deadlines.set(Timer.HOLD, self._call.now + self._call.plan.pace.hold_max_ms + more_ms)

    def barge_in_due(self) -> None:
        """Their voice has lasted: silence the line at once, and find out what it means."""
        call, reply = self._call, self._call.reply
        if reply is not None and self._floor.interruptible:
            call.agent.move(AgentState.HELD)
            reply.silenced_at = call.now
            reply.stop_known = False
            call.deadlines.cancel(Timer.PLAYOUT, Timer.FILLER)
            # One that nobody heard yet was held at once, and yields no sooner for it.
            self._limit_hold(0 if reply.audible else call.plan.pace.barge_in_threshold_ms)
            call.issue(order.PausePlayback(response_id=reply.id))

    def hold_due(self) -> None:
        """A voice that goes on takes the floor; one that has only said "oh, okay" so far gets as long again.

        From our last words only words take it: a noisy line must not keep a call whose caller is gone.
        """
        call, reply = self._call, self._call.reply
        if reply is None or reply.silenced_at is None:
            return
        if reply.purpose is Purpose.GOODBYE and not keeps_call(call.said.words, reply.hang_up):
            self.resume()
            return
        longest = reply.silenced_at + 2 * call.plan.pace.hold_max_ms
        doubtful = judge(call.said.words) is Verdict.BACKCHANNEL or self._echo.is_ours(call.said.words, call.now)
        if doubtful and call.now < longest:
            call.deadlines.set(Timer.HOLD, longest)
        else:
            self._floor.yield_reply()

    def settle(self, voiced_ms: int, *, hummed: bool) -> bool:
        """The caller paused: decide what their words do to the reply, if one is under way.

        voiced_ms: how long the voice was. hummed: whether it sounded like an "mm-hm".
        True if nothing worth answering was said; then the turn is over, and the reply is to `resume`.
        """
        call, reply = self._call, self._call.reply
        if reply is None or not self._floor.yields:
            return False
        if self._echo.is_ours(call.said.words, call.now):
            return True
        verdict = judge(call.said.words, voiced_ms, hummed=hummed)
        if verdict is Verdict.REAL and call.keeps_floor:
            self._echo.keep(call.said.words)
            return True
        if self.parts(call.said.words):
            return True
        if verdict is Verdict.REAL or reply.hang_up:
            self._floor.yield_reply()
            return False
        if verdict is Verdict.BACKCHANNEL:
            self._turns.caller_is_there()
            stopped_at = call.now if reply.silenced_at is None else reply.silenced_at
            remaining = reply.ledger.remaining_ms(stopped_at)
            whole = reply.delivered and not reply.waiting
            if whole and remaining is not None and remaining <= call.plan.pace.backchannel_tail_ms:
                if call.agent.now is AgentState.HELD:
                    self._floor.yield_reply()
                return False
        return not (call.said.words.strip() and self.was_over(call.now))

    def was_over(self, at: Ms) -> bool:
        """By the clock all of the reply had been heard at that moment, or when it was held, and only its mark is late:
        they had the floor, and whatever they said is a turn. What the reply was to lead to comes now."""
        call, reply = self._call, self._call.reply
        if reply is None or not reply.audible or not reply.delivered or reply.waiting:
            return False
        if reply.ledger.remaining_ms(at if reply.silenced_at is None else reply.silenced_at) != 0:
            return False
        reply.ledger.confirm(reply.ledger.spans[-1].number)
        if call.agent.now is AgentState.HELD:
            self.resume()
        else:
            self._playout.complete_if_heard()
        return call.agent.now is AgentState.IDLE and call.state.now is CallState.ACTIVE

    def parts(self, words: str) -> bool:
        """True if the agent is about to hang up and these words do not keep it; a "bye" of theirs is still noted."""
        reply = self._call.reply
        if reply is None or not reply.hang_up or keeps_call(words, reply.hang_up):
            return False
        if judge(words) is Verdict.REAL:
            self._call.said.add(words.strip())
        return True

    def resume(self) -> None:
        """A held reply goes on, a little before where it stopped."""
        call, reply = self._call, self._call.reply
        if call.agent.now is not AgentState.HELD or reply is None:
            return
        if not reply.stop_known and reply.silenced_at is not None:
            reply.ledger.assume_played(reply.silenced_at)
        reply.ledger.resumed(call.now, REWIND_MS)
        reply.silenced_at = None
        reply.stop_known = False
        call.agent.move(AgentState.SPEAKING if reply.audible else AgentState.THINKING)
        call.issue(order.ResumePlayback(response_id=reply.id))
        self._silence.watch()
        self._playout.complete_if_heard()
