"""The caller's turn with a speech-to-speech engine: we hear the voice, and only the engine hears the words.

Theory of operation. The detector's edges open and close the turn as ever. Where turns are ours, silence ends it: what
was said is committed, which makes it an item of the engine's memory, and a reply is asked for at once, for the words
are the engine's business. They reach us later, if at all; the turn has its place in the history from the beginning.
Where the engine decides, the turn is over when it says so, and its reply is waited for; a voice of some length that it
makes nothing of is asked to repeat itself.

A voice over a reply holds it, as ever. Where turns are ours, its words are fetched by a commit and judged; where the
engine does not say words, a voice that was neither short nor hummed counts as words. An engine that decides on turns
has a moment to interrupt its own reply; if it does not, the reply goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.agent_floor import AgentFloor
from patter_cli.core.call import Call, Parting
from patter_cli.core.caller_turn import ENDLESS_VOICE_MS, UNHEARD_VOICE_MS
from patter_cli.core.deadlines import Timer
from patter_cli.core.end_of_turn import heard_delay
from patter_cli.core.events import Ms
from patter_cli.core.floor import AgentState, CallerState, CallState
from patter_cli.core.history import History
from patter_cli.core.line_echo import LineEcho
from patter_cli.core.overlap import BargeIn
from patter_cli.core.plan import EnginePlan
from patter_cli.core.reply import Purpose
from patter_cli.core.silence import SILENCE_MS
from patter_cli.core.turns import Turns

SHORTEST_MS = 160
"""No word takes less; a shorter voice is no turn. Source: as in barge_in.py."""
MEANT_MS = 600
"""A voice over a reply that lasts as long is meant, where nobody knows its words. Source: as in barge_in.py."""
WORDS_MS = 1000
"""How long a held reply waits for the words of the voice that held it."""
LAST_WORDS_MS = 2500
"""How long the line stays open for what the caller said after the agent's goodbye to be known."""
INTERRUPT_MS = 400
"""How long it waits for an engine that decides to interrupt it."""


@dataclass(slots=True)
class _Heard:
    """One item of the caller's. place: in the history, None where words never come."""

    place: int | None
    doubtful: bool = False
    """Spoken over a reply, and not judged yet."""
    words: str = ""


class EngineCaller:
    """Follows the caller's voice, and what the engine says of it. A segment is what was said between two commits."""

    __slots__ = (
        "_call", "_doubtful", "_echo", "_floor", "_history", "_hummed", "_items", "_likely_over", "_overlap",
        "_segment", "_turns", "_unbound", "_uncommitted", "_voice_since", "_voiced_until",
    )  # fmt: skip

    def __init__(
        self, call: Call, history: History, floor: AgentFloor, turns: Turns, overlap: BargeIn, echo: LineEcho
    ) -> None:
        self._call = call
        self._history = history
        self._floor = floor
        self._turns = turns
        self._overlap = overlap
        self._echo = echo
        self._segment = 0
        self._voice_since: Ms = 0
        self._voiced_until: Ms = 0
        self._hummed = False
        self._likely_over: float | None = None
        self._uncommitted = False
        """There was a voice since the last commit."""
        self._unbound: list[_Heard] = []
        """Commits that the engine has not named yet."""
        self._items: dict[str, _Heard] = {}
        """Items whose words are still to come."""
        self._doubtful: list[_Heard] = []
        """Those of this turn that were spoken over a reply."""

    @property
    def _engine(self) -> EnginePlan:
        return self._call.plan.engine or EnginePlan()

    @property
    def _voiced_ms(self) -> int:
        return self._voiced_until - self._voice_since

    # --- the voice -------------------------------------------------------------------------------------------

    def speech_started(self, event: fact.SpeechStarted) -> None:
        call = self._call
        if call.caller.now is CallerState.SPEAKING:
            return
        if call.caller.now is CallerState.SILENT:
            self._voice_since = min(event.at_ms, call.now)
            self._hummed = True
        call.caller.move(CallerState.SPEAKING)
        self._uncommitted = True
        self._likely_over = None
        call.deadlines.cancel(Timer.ENDPOINT, Timer.TRANSCRIPT, Timer.IDLE)
        call.deadlines.set(Timer.VOICE, call.now + ENDLESS_VOICE_MS)
        self._overlap.voice_started(min(max(event.at_ms, 0), call.now))

    def speech_ended(self, event: fact.SpeechEnded) -> None:
        call = self._call
        if call.caller.now is not CallerState.SPEAKING:
            return
        call.caller.move(CallerState.PAUSED)
        call.deadlines.cancel(Timer.BARGE_IN, Timer.HOLD, Timer.VOICE)
        self._voiced_until = min(max(event.at_ms, 0), call.now)
        self._hummed = self._hummed and event.hummed
        call.quiet_since = max(call.quiet_since, self._voiced_until)
        self._overlap.voice_ended()
        free = not self._floor.yields or self._overlap.was_over(self._voiced_until)
        if not free and call.agent.now is AgentState.HELD:
            self._wait_for_a_verdict()
        elif not free:
            self._drop_turn()  # too short to have held it
        else:
            if call.plan.predicts_end_of_turn and not self._engine.server_turns:
                call.issue(order.PredictEndOfTurn(segment=self._segment))
            self._set_endpoint()

    def voice_due(self) -> None:
        """It goes on and on: it ends here."""
        self.speech_ended(fact.SpeechEnded(at_ms=self._call.now))

    # --- over a reply ----------------------------------------------------------------------------------------

    def _wait_for_a_verdict(self) -> None:
        """The reply is held: find out what was said, if anybody can tell."""
        call, engine = self._call, self._engine
        wait_ms = INTERRUPT_MS
        if not engine.server_turns:
            wait_ms = WORDS_MS if engine.transcribes else 0
            if engine.transcribes:
                self._commit(doubtful=True)
        call.deadlines.set(Timer.TRANSCRIPT, call.now + wait_ms)

    def words_due(self) -> None:
        """No verdict came; or the engine has made nothing of a voice."""
        call = self._call
        if call.agent.now is AgentState.HELD:
            self._settle()
        elif call.caller.now is CallerState.PAUSED:
            self.close()
        elif call.state.now is CallState.ACTIVE and call.agent.now is AgentState.IDLE:
            self._turns.ask_again()

    def _settle(self) -> None:
        """The voice over the reply is over: it takes the floor, or the reply goes on."""
        words_known = bool(self._call.said.words.strip())
        by_length = not self._engine.server_turns and not words_known
        if by_length and not self._hummed and self._voiced_ms >= MEANT_MS:
            self._floor.yield_reply()
        elif self._overlap.settle(self._voiced_ms, hummed=self._hummed):
            self._drop_turn()
            self._overlap.resume()
            return
        self._believe()
        self._call.deadlines.cancel(Timer.TRANSCRIPT)
        self._set_endpoint()

    def _believe(self) -> None:
        """What was spoken over a reply was meant."""
        for heard in self._doubtful:
            heard.doubtful = False
            self._write(heard)
        self._doubtful = []

    def _drop_turn(self) -> None:
        """It was nothing that anybody has to answer."""
        self._doubtful = []
        self._end_turn()

    # --- its end ---------------------------------------------------------------------------------------------

    def _set_endpoint(self) -> None:
        call, pace = self._call, self._call.plan.pace
        patience_ms = heard_delay(pace.endpoint_ms, self._likely_over, pace)
        call.deadlines.set(Timer.ENDPOINT, max(call.now, self._voiced_until + patience_ms))

    def end_of_turn_predicted(self, event: fact.EndOfTurnPredicted) -> None:
        if event.segment == self._segment and self._call.deadlines.running(Timer.ENDPOINT):
            self._likely_over = event.probability
            self._set_endpoint()

    def close(self) -> None:
        """It was silent for long enough: the turn is over."""
        call = self._call
        if call.agent.now is AgentState.HELD:
            self._settle()
            return
        spoke = self._voiced_ms >= SHORTEST_MS
        self._echo.turn_taken(self._voice_since)
        self._believe()
        self._end_turn()
        if self._engine.server_turns:
            if self._voiced_ms >= UNHEARD_VOICE_MS or call.broken_off:
                self._expect_words()
        elif spoke or call.broken_off:
            self._commit()
            call.said.spoken = True
        if spoke and call.parting is not None:
            self._said_after_last_words(call.parting)
        if call.agent.now is AgentState.IDLE:
            self._turns.floor_is_free()

    def _said_after_last_words(self, parting: Parting) -> None:
        """The agent has said goodbye, and the caller said something: what it was decides whether we hang up."""
        call = self._call
        if self._engine.transcribes:
            call.said.spoken = True
            until = min(parting.until, call.now + LAST_WORDS_MS)
            call.parting = replace(parting, until=until)
            call.deadlines.hasten(Timer.GOODBYE, until)
        elif self._voiced_ms >= MEANT_MS:
            self._floor.stay()

    def _understood(self, words: str) -> None:
        """What a turn says that was not asked about yet; after the agent's goodbye, that decides."""
        said = self._call.said
        if said.spoken and words:
            said.heard = f"{said.heard} {words}".strip()
            if self._call.parting is not None:
                self._turns.floor_is_free()

    def _expect_words(self) -> None:
        """The engine has heard somebody, or should have: it has so long to make something of it."""
        if self._call.agent.now is AgentState.IDLE and not self._call.taken:
            self._call.deadlines.set(Timer.TRANSCRIPT, max(self._call.quiet_since + SILENCE_MS, self._call.now))

    def _end_turn(self) -> None:
        call = self._call
        call.deadlines.cancel(Timer.ENDPOINT, Timer.TRANSCRIPT, Timer.BARGE_IN, Timer.HOLD, Timer.VOICE)
        call.said.words = ""
        call.caller.move(CallerState.SILENT)

    def _commit(self, *, doubtful: bool = False) -> None:
        """What was said up to now is an item, with a place in the history if its words will be known."""
        if not self._uncommitted:
            return
        self._uncommitted = False
        self._segment += 1
        heard = _Heard(self._history.reserve("user") if self._engine.transcribes else None, doubtful)
        self._unbound.append(heard)
        if doubtful:
            self._doubtful.append(heard)
        self._call.issue(order.CommitSpeech())

    # --- what the engine says of it --------------------------------------------------------------------------

    def interrupted(self, event: fact.EngineInterrupted) -> None:
        """It heard the caller and gave a reply up; where nobody may interrupt, what came of it is heard.

        It hears them sooner than our detector does, or was wrong.
        """
        call, reply = self._call, self._call.current(event.response_id)
        if reply is None or not reply.by_engine or not self._floor.yields:
            return
        self._floor.yield_reply()
        self._turns.wait_for_caller()
        if call.caller.now is CallerState.SILENT:
            self._expect_words()

    def turn_taken(self, event: fact.EngineTurnTaken) -> None:
        """An item has its name; where the engine decides, it is a turn that it will reply to."""
        call = self._call
        if event.item in self._items:
            return
        if self._unbound:
            heard = self._unbound.pop(0)
        else:
            heard = _Heard(self._history.reserve("user") if self._engine.transcribes else None)
        self._items[event.item] = heard
        if not self._engine.server_turns:
            return
        self._turns.caller_is_there()
        if call.caller.now is CallerState.SILENT:
            call.deadlines.cancel(Timer.TRANSCRIPT)
        if call.parting is not None and self._engine.transcribes:
            call.said.spoken = True
            return
        call.deadlines.cancel(Timer.IDLE)
        if call.state.now is CallState.ACTIVE and call.agent.now is AgentState.IDLE and not call.taken:
            reply = self._floor.open_engine_reply(Purpose.ANSWER)
            call.issue(order.AwaitReply(response_id=reply.id))

    def transcript(self, event: fact.EngineTranscript) -> None:
        """What an item says. Its line stands where it was spoken, whenever that is known."""
        call = self._call
        if not event.final:
            if call.caller.now is not CallerState.SILENT:
                call.said.words = event.text
            return
        heard = self._items.get(event.item)
        if heard is None or heard.words:
            return
        heard.words = event.text.strip()
        if not heard.doubtful:
            self._write(heard)
            self._understood(heard.words)
        elif heard in self._doubtful:
            call.said.words = " ".join(each.words for each in self._doubtful if each.words)
            waits = call.caller.now is CallerState.PAUSED and call.agent.now is AgentState.HELD
            if waits and heard is self._doubtful[-1]:
                self._settle()

    def lost(self, event: fact.EngineLost) -> None:
        """Nobody will say any more what was said before, and the next session may use the same names."""
        self._unbound.clear()
        self._items.clear()

    def _write(self, heard: _Heard) -> None:
        if heard.words and heard.place is not None:
            self._history.fill(heard.place, heard.words)
            heard.place = None
