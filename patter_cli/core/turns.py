"""Whose turn it is when nobody has the floor: what the caller said is answered, or the caller is waited for."""

from __future__ import annotations

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.agent_floor import AgentFloor
from patter_cli.core.call import Call, Parting
from patter_cli.core.deadlines import Timer
from patter_cli.core.drafting import Drafting
from patter_cli.core.endings import Endings
from patter_cli.core.farewell import IDLE, keeps_call
from patter_cli.core.floor import AgentState, CallerState, CallState
from patter_cli.core.history import History
from patter_cli.core.reply import Purpose, Reply

LISTEN_MS = 400
"""How long the line stays open after the last words: a voice that began under them is detected this much later."""


class Turns:
    """Gives the free floor to whoever is next."""

    __slots__ = ("_asks", "_call", "_drafting", "_endings", "_floor", "_history", "_repeats")

    def __init__(self, call: Call, history: History, drafting: Drafting, floor: AgentFloor, endings: Endings) -> None:
        self._call = call
        self._history = history
        self._drafting = drafting
        self._floor = floor
        self._endings = endings
        self._asks = 0
        """How often a silent caller was asked whether they are there."""
        self._repeats = 0
        """How often a caller who was not understood was asked to repeat themselves."""

    @property
    def may_ask_again(self) -> bool:
        return not self._repeats

    def floor_is_free(self) -> None:
        """Nobody is speaking for the agent: answer what waited, or wait for the caller."""
        call = self._call
        if call.state.now is not CallState.ACTIVE or call.caller.now is not CallerState.SILENT:
            return
        if call.to_say and not call.taken:
            self._floor.read_out(call.to_say.pop(0), Purpose.LINE).by_onlooker = True
            return
        if (stop_by := self._history.stop_by) is not None:
            call.deadlines.set(Timer.STOP, stop_by)
            return
        if call.taken:
            self._listen()
            return
        if call.parting is not None:
            if call.said.spoken and not call.said.heard:
                return  # an engine heard something after the last words, and will say what it was
            if not keeps_call(f"{call.said.turns} {call.said.heard}", call.parting.reason):
                self._endings.hang_up(call.parting.reason)
                return
            self._floor.stay()
        self._history.stop_waiting()
        if call.plan.engine is not None and (call.said.turns or call.said.spoken):
            self._ask_engine()
        elif call.plan.engine is None and (call.said.turns or self._history.conversation.unanswered()):
            self._answer()
        elif call.owes_notice:
            self._floor.tell_recording()  # there was no greeting, or they talked over it
        else:
            call.deadlines.set(Timer.IDLE, call.now + call.plan.pace.idle_ms)

    def playback_stopped(self, event: fact.PlaybackStopped) -> None:
        """The line says where it stopped; what waited for that goes on."""
        self._floor.playback_stopped(event)
        if self._call.deadlines.running(Timer.STOP) and self._history.stop_by is None:
            self.stop_due()

    def stop_due(self) -> None:
        """What was heard of the reply that lost the floor is known, or will be told by nobody."""
        self._call.deadlines.cancel(Timer.STOP)
        if self._call.agent.now is AgentState.IDLE:
            self.floor_is_free()

    def _listen(self) -> None:
        """A colleague talks with the caller: what the caller says is written down, and answered by nobody else."""
        said = self._call.said
        said.take_spoken()
        if words := said.take_turns():
            self._history.add_words(words)

    def part_after(self, reply: Reply) -> None:
        """The last words were heard: hang up soon, unless the caller has something to say or is saying it."""
        call = self._call
        call.parting = Parting(reply.hang_up, reply.pending_action, call.now + call.plan.pace.goodbye_ms)
        call.deadlines.set(Timer.GOODBYE, call.now + LISTEN_MS)
        if call.said.turns or call.said.heard:
            self.floor_is_free()

    def goodbye_due(self) -> None:
        """The line has been open for long enough after the last words, or whatever ends the call took too long."""
        call, parting = self._call, self._call.parting
        if parting is None:
            self._endings.goodbye_due()
        elif call.now < parting.until and (
            call.said.keys or call.said.spoken or call.caller.now is not CallerState.SILENT
        ):
            call.deadlines.set(Timer.GOODBYE, parting.until)
        elif keeps_call(f"{call.said.turns} {call.said.words} {call.said.heard}", parting.reason):
            self._floor.stay()
            self.floor_is_free()
        else:
            self._endings.hang_up(parting.reason)

    def _answer(self) -> None:
        """Have all that the caller said and nobody answered answered."""
        self._asks = 0
        words = self._call.said.take_turns()
        if words:
            self._history.add_words(words)
        draft = self._drafting.adopt(words)
        if draft is not None:
            reply = self._floor.open_reply(Purpose.ANSWER, draft)
            self._call.issue(order.AdoptResponse(response_id=reply.id, text=words))
            return
        text = " ".join(self._history.conversation.unanswered())
        reply = self._floor.open_reply(Purpose.ANSWER)
        self._call.issue(order.StartResponse(response_id=reply.id, text=text))

    def _ask_engine(self) -> None:
        """Have the engine reply to what it heard, and to what was typed."""
        self._asks = 0
        said = self._call.said
        typed = said.take_turns()
        said.take_spoken()
        if typed:
            self._history.add_words(typed)
        reply = self._floor.open_engine_reply(Purpose.ANSWER)
        self._call.issue(order.AskEngine(response_id=reply.id, text=typed))

    def ask_again(self) -> None:
        """No word of the caller's or the agent's is known: once that is an accident, then it is as good as silence."""
        if self._call.taken:
            return
        self._repeats += 1
        if self._repeats == 1:
            self._floor.read_out(self._call.plan.lines.repeat, Purpose.LINE)
        else:
            self.idle_due()

    def ask_otherwise(self) -> None:
        """The agent had no words for what the caller said, which is no fault of theirs."""
        self._repeats += 1
        self._floor.read_out(self._call.plan.lines.no_answer, Purpose.LINE)

    def idle_due(self) -> None:
        """The caller says nothing: ask whether they are there, and hang up when nobody is. One who is muted cannot."""
        call, lines = self._call, self._call.plan.lines
        if call.muted or call.off_record:
            call.deadlines.set(Timer.IDLE, call.now + call.plan.pace.idle_ms)
            return
        self._asks += 1
        if self._asks > self._call.plan.pace.idle_asks:
            self._endings.goodbye(lines.idle_goodbye, IDLE)
        else:
            self._floor.read_out(lines.still_there, Purpose.LINE)

    def wait_for_caller(self) -> None:
        """Nobody speaks, and what was said needs no answer."""
        call = self._call
        if call.state.now is CallState.ACTIVE and call.caller.now is CallerState.SILENT and not call.taken:
            call.deadlines.set(Timer.IDLE, call.now + call.plan.pace.idle_ms)

    def caller_is_there(self) -> None:
        """They made it known, if only by an "mm-hm"."""
        self._asks = 0

    def answer_heard(self) -> None:
        """The two understand each other."""
        self._repeats = 0
