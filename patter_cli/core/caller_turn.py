"""The caller's turn: a voice opens it, silence closes it once its words are known; keys are a turn of their own."""

from __future__ import annotations

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.agent_floor import AgentFloor
from patter_cli.core.barge_in import Verdict, judge
from patter_cli.core.call import Call
from patter_cli.core.deadlines import Timer
from patter_cli.core.draft import draft_words
from patter_cli.core.drafting import Drafting
from patter_cli.core.end_of_turn import heard_delay
from patter_cli.core.endpointing import endpoint_delay
from patter_cli.core.events import Ms
from patter_cli.core.floor import AgentState, CallerState, CallState
from patter_cli.core.history import History
from patter_cli.core.line_echo import LineEcho
from patter_cli.core.overlap import BargeIn
from patter_cli.core.reply import Purpose
from patter_cli.core.turns import Turns

ENDLESS_VOICE_MS = 30_000
"""A voice that goes on for so long without a new word is a noise: its turn is closed as if it had ended."""
UNHEARD_VOICE_MS = 900
"""A voice this long without any recognised word is asked to repeat itself; a shorter one is taken for noise."""
MAX_KEYS = 64
"""Of one entry. A card's number and its date are 23 with the signs between them."""


class CallerTurn:
    """Follows the caller's voice, words and keys, and closes the turn.

    A segment is what the recogniser makes one transcript of; each turn is a segment, numbered from 0.
    """

    __slots__ = (
        "_call", "_drafting", "_echo", "_endpoint_passed", "_finals_due", "_floor", "_history", "_hummed",
        "_likely_over", "_overlap", "_segment", "_turns", "_voice_since", "_voiced_until", "_wordless_segment",
        "_words_at",
    )  # fmt: skip

    def __init__(
        self,
        call: Call,
        history: History,
        drafting: Drafting,
        floor: AgentFloor,
        turns: Turns,
        overlap: BargeIn,
        echo: LineEcho,
    ) -> None:
        self._call = call
        self._history = history
        self._drafting = drafting
        self._floor = floor
        self._turns = turns
        self._overlap = overlap
        self._echo = echo
        self._segment = 0
        self._wordless_segment = -1
        """The last segment, if it was closed before its words came."""
        self._voice_since: Ms = 0
        self._voiced_until: Ms = 0
        self._hummed = False
        """All voices of this turn were hums."""
        self._words_at: Ms = 0
        """When the recogniser last said what the words are."""
        self._finals_due = 0
        """How many final transcripts were ordered and have not come."""
        self._likely_over: float | None = None
        """What a model that listened to this pause thinks."""
        self._endpoint_passed = False
        """The silence was long enough; only the words are missing."""

    # --- the voice -------------------------------------------------------------------------------------------

    def speech_started(self, event: fact.SpeechStarted) -> None:
        call = self._call
        if call.caller.now is CallerState.SPEAKING:
            return
        if call.caller.now is CallerState.SILENT:
            self._voice_since = min(event.at_ms, call.now)
            self._hummed = True
        call.caller.move(CallerState.SPEAKING)
        self._drafting.drop()
        self._likely_over = None
        self._endpoint_passed = False
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
        self._finals_due += 1
        call.issue(order.FinalizeTranscript())
        if call.plan.predicts_end_of_turn:
            call.issue(order.PredictEndOfTurn(segment=self._segment))
        self._set_endpoint()
        if self._words_at >= self._voiced_until:
            self._drafting.begin()

    def voice_due(self) -> None:
        """It goes on and on without a word: it ends here."""
        self.speech_ended(fact.SpeechEnded(at_ms=self._call.now))

    # --- its words -------------------------------------------------------------------------------------------

    def transcript_partial(self, event: fact.TranscriptPartial) -> None:
        if event.segment != self._segment:
            return
        call = self._call
        stable = draft_words(event.text) == draft_words(call.said.words)
        if not stable and call.caller.now is CallerState.SPEAKING:
            self._likely_over = None  # whoever thought that they had finished has not heard these
        self._words_at = call.now
        if event.text != call.said.words and call.deadlines.running(Timer.VOICE):
            call.deadlines.set(Timer.VOICE, call.now + ENDLESS_VOICE_MS)
        call.said.words = event.text
        if stable and call.caller.now is CallerState.PAUSED:
            self._drafting.begin()

    def transcript_final(self, event: fact.TranscriptFinal) -> None:
        if event.segment != self._segment:
            self._words_came_late(event)
            return
        call = self._call
        self._finals_due = max(0, self._finals_due - 1)
        call.said.words = event.text
        if call.caller.now is not CallerState.PAUSED or self._finals_due:
            return
        if self._settle_overlap():
            return
        if self._endpoint_passed and call.now >= self._voiced_until + self._patience_ms:
            self.close()
        else:
            self._endpoint_passed = False
            call.deadlines.cancel(Timer.TRANSCRIPT)
            self._set_endpoint()
            self._drafting.begin()

    def _words_came_late(self, event: fact.TranscriptFinal) -> None:
        """The words of a turn that was closed without any."""
        call, reply = self._call, self._call.reply
        if event.segment != self._wordless_segment or not event.text.strip():
            return
        self._wordless_segment = -1
        if self._echo.is_ours(event.text, self._voice_since):
            return
        if call.keeps_floor and self._floor.yields:
            self._echo.keep(event.text)
            return
        if self._overlap.parts(event.text):
            return
        ours = reply is not None and (reply.purpose is Purpose.LINE or reply.hang_up)
        if reply is not None and not ours and judge(event.text) is not Verdict.REAL:
            return
        call.said.add(event.text.strip())
        if self._floor.yields:
            self._floor.yield_reply()
        if call.agent.now is AgentState.IDLE:
            self._turns.floor_is_free()

    # --- its end ---------------------------------------------------------------------------------------------

    @property
    def _patience_ms(self) -> int:
        """How much silence ends this turn."""
        pace = self._call.plan.pace
        return heard_delay(endpoint_delay(self._call.said.words, pace), self._likely_over, pace)

    def _set_endpoint(self) -> None:
        self._call.deadlines.set(Timer.ENDPOINT, max(self._call.now, self._voiced_until + self._patience_ms))

    def end_of_turn_predicted(self, event: fact.EndOfTurnPredicted) -> None:
        if event.segment == self._segment and self._call.caller.now is not CallerState.SILENT:
            # A recogniser may know it before our own detector is sure that the voice has ended.
            self._likely_over = event.probability
            if self._call.caller.now is CallerState.PAUSED and self._call.deadlines.running(Timer.ENDPOINT):
                self._set_endpoint()

    def endpoint_due(self) -> None:
        """It is silent for long enough; words that are still to come get a little more time."""
        call = self._call
        if self._finals_due:
            self._endpoint_passed = True
            call.deadlines.set(Timer.TRANSCRIPT, call.now + call.plan.pace.transcript_wait_ms)
        else:
            self.close()

    def close(self) -> None:
        """The turn is over, whatever its words are."""
        call = self._call
        unread = self._finals_due > 0
        if self._settle_overlap():
            waits = call.state.now is CallState.ACTIVE and call.agent.now is AgentState.IDLE
            if unread and waits and not self._history.conversation.unanswered():
                self._turns.ask_again()  # all had been said when they spoke, and nobody knows what they said
            return
        if (stop_by := self._history.stop_by) is not None:
            call.deadlines.set(Timer.TRANSCRIPT, stop_by)  # these words come after what was heard of the reply they cut
            return
        words = call.said.words.strip()
        ours = self._echo.is_ours(words, self._voice_since)
        if ours:
            words = ""
            self._drafting.drop()
        else:
            self._echo.turn_taken(self._voice_since)
        unheard = self._finals_due > 0 or self._voiced_until - self._voice_since >= UNHEARD_VOICE_MS
        owes = call.broken_off or (unheard and not ours)  # a reply that was cut for nothing leaves it the agent's turn
        self._close_segment()
        self._drafting.turn_closed()
        call.said.add(words)
        if call.agent.now is not AgentState.IDLE or call.state.now is not CallState.ACTIVE:
            return
        self._history.stop_waiting()
        if owes and not call.said.keys and not call.said.turns and not self._history.conversation.unanswered():
            self._turns.ask_again()
        else:
            self._turns.floor_is_free()

    def playback_stopped(self, event: fact.PlaybackStopped) -> None:
        """The line says where it stopped: a turn that took the floor there closes, or its answer is begun."""
        call = self._call
        self._turns.playback_stopped(event)
        if call.caller.now is not CallerState.PAUSED or self._finals_due or self._history.stop_by is not None:
            return
        if call.deadlines.running(Timer.TRANSCRIPT):
            self.close()
        else:
            self._drafting.begin()

    def _settle_overlap(self) -> bool:
        """True if that was the end of the turn: it was spoken over a reply, and came to nothing."""
        if not self._overlap.settle(self._voiced_until - self._voice_since, hummed=self._hummed):
            return False
        self._close_segment()
        self._overlap.resume()
        return True

    def _close_segment(self) -> None:
        call = self._call
        call.deadlines.cancel(Timer.ENDPOINT, Timer.TRANSCRIPT, Timer.BARGE_IN, Timer.HOLD, Timer.VOICE)
        self._wordless_segment = self._segment if self._finals_due and not call.said.words.strip() else -1
        call.said.words = ""
        self._finals_due = 0
        self._endpoint_passed = False
        self._segment += 1
        call.caller.move(CallerState.SILENT)
        call.issue(order.CommitTranscript())

    # --- keys ------------------------------------------------------------------------------------------------

    def key_pressed(self, event: fact.DtmfReceived) -> None:
        call = self._call
        if len(call.said.keys) >= MAX_KEYS:
            return  # nobody enters so much: a line that never stops beeping must not keep the entry open for ever
        call.said.keys += event.digit
        if call.state.now is CallState.ENDING:
            return
        call.quiet_since = call.now
        call.deadlines.cancel(Timer.IDLE)
        call.deadlines.set(Timer.KEYS, call.now + call.plan.pace.keys_ms)
        if self._floor.yields:
            self._floor.yield_reply()

    def keys_due(self) -> None:
        """No further key came: the entry is over."""
        call = self._call
        call.said.add(call.said.take_keys())
        if call.agent.now is AgentState.IDLE:
            self._turns.floor_is_free()
