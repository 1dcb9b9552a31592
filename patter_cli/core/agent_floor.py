"""The agent's side of the floor: a reply takes it, and leaves it when it was heard or yields it to the caller."""

from __future__ import annotations

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.call import Call
from patter_cli.core.deadlines import Timer
from patter_cli.core.drafting import Drafting
from patter_cli.core.events import Ms
from patter_cli.core.floor import AgentState, CallerState, CallState
from patter_cli.core.history import History
from patter_cli.core.line_echo import LineEcho
from patter_cli.core.reply import Purpose, Reply
from patter_cli.core.silence import Silence
from patter_cli.core.tool_calls import failed


class AgentFloor:
    """Opens and closes the one reply there may be."""

    __slots__ = ("_call", "_drafting", "_echo", "_history", "_silence")

    def __init__(self, call: Call, history: History, drafting: Drafting, silence: Silence, echo: LineEcho) -> None:
        self._call = call
        self._history = history
        self._drafting = drafting
        self._silence = silence
        self._echo = echo

    @property
    def interruptible(self) -> bool:
        """There is a reply that the caller may talk over."""
        call = self._call
        return call.state.now is CallState.ACTIVE and call.agent.now in (AgentState.THINKING, AgentState.SPEAKING)

    @property
    def yields(self) -> bool:
        """There is a reply that the caller may take the floor from."""
        under_way = self.interruptible or self._call.agent.now is AgentState.HELD
        return under_way and self._call.plan.pace.barge_in_threshold_ms > 0

    def open_reply(self, purpose: Purpose, response_id: int = 0) -> Reply:
        """A new reply has the floor; response_id: that of the draft it was."""
        call = self._call
        self._drafting.drop()
        if not response_id:
            call.replies += 1
        call.broken_off = False
        call.reply = reply = Reply(response_id or call.replies, purpose, call.now)
        call.agent.move(AgentState.THINKING)
        if call.parting is not None:
            self.stay()
        call.deadlines.cancel(Timer.IDLE)
        call.deadlines.set(Timer.GIVE_UP, call.now + call.plan.pace.give_up_ms)
        self._silence.watch()
        if call.caller.now is CallerState.SPEAKING:
            self.watch_barge_in(call.now)
        return reply

    def open_engine_reply(self, purpose: Purpose) -> Reply:
        """The engine has the floor, once it begins."""
        self._history.stop_waiting()
        reply = self.open_reply(purpose)
        reply.by_engine = True
        return reply

    def read_out(self, text: str, purpose: Purpose) -> Reply:
        """Say these words of ours."""
        reply = self.open_reply(purpose)
        if self._call.owes_notice and purpose is Purpose.GREETING:
            reply.tells_recording = True
            text = self._call.plan.lines.told_of_recording(text)
        self._call.issue(order.ReadOut(response_id=reply.id, text=text))
        return reply

    def tell_recording(self) -> None:
        """Say that the call is recorded from now on."""
        self.read_out(self._call.plan.lines.recording_notice, Purpose.LINE).tells_recording = True

    def watch_barge_in(self, onset: Ms) -> None:
        """The caller speaks while a reply is under way: from the threshold on the line is theirs.

        An answer of which nothing was heard yet waits at once: whoever goes on talking had not finished.
        """
        threshold, reply = self._call.plan.pace.barge_in_threshold_ms, self._call.reply
        if threshold and self.interruptible and not self._call.keeps_floor:
            if reply is not None and reply.purpose is Purpose.ANSWER and not reply.audible:
                threshold = 0
            self._call.deadlines.set(Timer.BARGE_IN, max(self._call.now, onset + threshold))

    def stop_music(self) -> None:
        """The line is wanted for something else."""
        if self._call.music:
            self._call.music = False
            self._call.issue(order.StopMusic())

    def stay(self) -> None:
        """The caller goes on, so we do not hang up."""
        call, parting = self._call, self._call.parting
        call.parting = None
        call.deadlines.cancel(Timer.GOODBYE)
        if parting is not None and parting.action:
            self._history.finish_tool(parting.action, failed("not done: the caller went on"))

    def leave(self, *, yielded: bool = False) -> None:
        """The agent no longer has or wants the floor."""
        call = self._call
        if call.reply is not None:
            self._echo.left(call.reply, yielded=yielded)
        call.reply = None
        call.agent.move(AgentState.IDLE)
        call.deadlines.cancel(Timer.FILLER, Timer.GIVE_UP, Timer.PLAYOUT, Timer.BARGE_IN, Timer.HOLD)

    def yield_reply(self) -> None:
        """Stop the reply for good; the history gets what was heard of it."""
        call, reply = self._call, self._call.reply
        if reply is None:
            return
        if reply.silenced_at is None:
            reply.silenced_at = call.now
        if reply.audible:  # what was heard of it may have been over long before
            call.quiet_since = max(call.quiet_since, min(reply.silenced_at, reply.ledger.sounds_until()))
        self.leave(yielded=True)
        call.broken_off = True
        call.issue(order.ClearPlayback(response_id=reply.id))
        call.issue(order.CancelResponse(response_id=reply.id))
        if reply.by_engine:
            call.issue(order.MuteReply(response_id=reply.id))
        if reply.pending_action:
            self._history.finish_tool(reply.pending_action, failed("not done: this reply was broken off"))
        if reply.stop_known or not reply.audible:
            self._history.add_broken_off(reply)
        else:
            self._history.add_once_stopped(reply)

    def playback_stopped(self, event: fact.PlaybackStopped) -> None:
        """The line says where the ear was when a reply was held, or stopped for good."""
        if self._history.playback_stopped(event):
            return
        held = self._call.current(event.response_id)
        if held is not None and (event.line_closed or self._call.agent.now is AgentState.HELD):
            held.ledger.stopped(event.clause, event.played_ms)
            held.stop_known = True
