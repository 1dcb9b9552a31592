"""TurnMachine: what happens on a call, decided. Events and time in, commands out.

Theory of operation. Three small states (floor.py) say who is where: the call, the caller, the agent. At most one
reply exists at a time; everything about it carries its number, and what arrives for another number is dropped. A
reply is a list of clauses in a ledger (playback.py) and is over when all of it has been delivered and heard, or
when the floor was taken from it; only then does it enter the history, as what was heard.

The caller's voice opens a turn; silence closes it (endpointing.py), once its words are known. A voice while a reply
is under way starts the barge-in clock: at the threshold the line is silenced at once and the reply held. Words, or a
voice that goes on, take the floor; a backchannel or nothing gives it back and the reply goes on where it was.

Every wait has a deadline here, so a call in which nothing answers still speaks and still ends. The caller's silence
has a clock of its own: while it is the agent's turn, something is heard every SILENCE_MS, a bridge as long as the
reply is being made, an apology once it is stuck. What a reply wanted (to hang up, to transfer) is lost with it; what
the caller said never is: it waits for the floor, and is answered as long as nothing was heard after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.barge_in import Verdict, judge
from patter_cli.core.conversation import Conversation, Message, ToolUse
from patter_cli.core.deadlines import Deadlines, Timer
from patter_cli.core.draft import MAX_DRAFTS, Draft, draft_words
from patter_cli.core.end_of_turn import heard_delay
from patter_cli.core.endpointing import endpoint_delay
from patter_cli.core.events import Event, Ms
from patter_cli.core.floor import (
    AGENT_TABLE,
    CALL_TABLE,
    CALLER_TABLE,
    AgentState,
    CallerState,
    CallState,
    Place,
)
from patter_cli.core.guardrails import replacement_for
from patter_cli.core.plan import CallPlan
from patter_cli.core.reply import Purpose, Reply
from patter_cli.core.tool_calls import MAX_STEPS, Answer, allowed_number, decide, failed

REWIND_MS = 200
"""How far before the break a held reply resumes, so that no word is lost. The pacer's figure."""
SILENCE_MS = 3500
"""How long the caller may hear nothing while it is the agent's turn. Below the four seconds of SPEC 6.6."""
VOICE_START_MS = 1100
"""How long the voice may take for a clause even when the caller has waited for its words before: with the longest
silence before a bridge (Pace.filler_again_ms) less than four seconds."""
LINE_START_MS = 450
"""The same for a line of ours, whose audio is ready: what does not sound by then will not sound at all."""
ENDLESS_VOICE_MS = 30_000
"""A voice that goes on for so long without a new word is a noise: its turn is closed as if it had ended."""
HANG_UP_GRACE_MS = 2000
"""How long the carrier may take to close a line that we hung up."""
TRANSFER_MS = 40_000
"""How long a transfer may ring before we take the caller back."""
OF_A_RESPONSE = (
    fact.FirstToken,
    fact.ClauseReady,
    fact.ToolCallRequested,
    fact.ModelUsed,
    fact.EndRequested,
    fact.TransferRequested,
    fact.ResponseFinished,
    fact.ResponseFailed,
)
"""What a reply brings while it is only a draft."""
UNHEARD_VOICE_MS = 900
"""A voice this long without any recognised word is asked to repeat itself; a shorter one is taken for noise."""


class TurnMachine:
    """One call's decisions. `handle` is total: any event may come at any time and at worst changes nothing."""

    def __init__(self) -> None:
        self._call = Place(CallState.NEW, CALL_TABLE)
        self._caller = Place(CallerState.SILENT, CALLER_TABLE)
        self._agent = Place(AgentState.IDLE, AGENT_TABLE)
        self._deadlines = Deadlines()
        self._conversation = Conversation()
        self._plan = CallPlan(agent="", system_prompt="")
        self._out: list[order.Command] = []
        self._now: Ms = 0
        self._wall_time = 0.0
        self._connected_at: Ms = 0
        self._quiet_since: Ms = 0
        self._replies = 0
        self._reply: Reply | None = None
        self._stopping: Reply | None = None
        self._segment = 0
        self._wordless_segment = -1
        self._words = ""
        self._words_at: Ms = 0
        self._likely_over: float | None = None
        self._draft: Draft | None = None
        self._drafts = 0
        self._tool_calls = 0
        self._transfer_wish = ""
        self._finals_due = 0
        self._endpoint_passed = False
        self._voice_since: Ms = 0
        self._voiced_until: Ms = 0
        self._pending = ""
        self._keys = ""
        self._failures = 0
        self._asks = 0
        self._repeats = 0
        self._end_reason = ""
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            fact.CallConnected: self._connected,
            fact.CallPrepared: self._prepared,
            fact.SpeechStarted: self._speech_started,
            fact.SpeechEnded: self._speech_ended,
            fact.TranscriptPartial: self._transcript_partial,
            fact.TranscriptFinal: self._transcript_final,
            fact.EndOfTurnPredicted: self._end_of_turn_predicted,
            fact.ListenFailed: self._listen_failed,
            fact.KeyPressed: self._key_pressed,
            fact.ClauseReady: self._clause_ready,
            fact.ClauseJudged: self._clause_judged,
            fact.ToolCallRequested: self._tool_call_requested,
            fact.ToolFinished: self._tool_finished,
            fact.ResponseFinished: self._response_finished,
            fact.ResponseFailed: self._response_failed,
            fact.EndRequested: self._end_requested,
            fact.TransferRequested: self._transfer_requested,
            fact.TransferFinished: self._transfer_finished,
            fact.TransferFailed: self._transfer_failed,
            fact.ClauseVoiced: self._clause_voiced,
            fact.SpeakFailed: self._speak_failed,
            fact.PlayoutStarted: self._playout_started,
            fact.MarkReached: self._mark_reached,
            fact.PlaybackStopped: self._playback_stopped,
            fact.DrainRequested: self._drain_requested,
            fact.LineClosed: self._line_closed,
        }
        self._timers: dict[Timer, Callable[[], None]] = {
            Timer.PREPARE: self._begin,
            Timer.ENDPOINT: self._endpoint_due,
            Timer.TRANSCRIPT: self._end_caller_turn,
            Timer.BARGE_IN: self._barge_in_due,
            Timer.HOLD: self._yield_floor,
            Timer.VOICE: self._voice_due,
            Timer.FILLER: self._filler_due,
            Timer.GIVE_UP: self._give_up_due,
            Timer.PLAYOUT: self._playout_due,
            Timer.KEYS: self._keys_due,
            Timer.IDLE: self._idle_due,
            Timer.TIME_WARNING: self._time_warning_due,
            Timer.MAX_DURATION: self._max_duration_due,
            Timer.GOODBYE: self._goodbye_due,
        }

    @property
    def ended(self) -> bool:
        return self._call.now is CallState.ENDED

    @property
    def history(self) -> tuple[Message, ...]:
        """The conversation so far; the assistant's lines are what was heard."""
        return self._conversation.messages

    @property
    def plan(self) -> CallPlan:
        return self._plan

    @property
    def states(self) -> tuple[CallState, CallerState, AgentState]:
        """Where call, caller and agent are, for views and tests."""
        return self._call.now, self._caller.now, self._agent.now

    @property
    def quiet(self) -> bool:
        """Nothing is under way: the next word is the caller's. True as well once the call is over."""
        waits = self._call.now is CallState.ACTIVE and self._agent.now is AgentState.IDLE
        return self.ended or (waits and self._caller.now is CallerState.SILENT and not self._keys)

    @property
    def waits_for(self) -> frozenset[Timer]:
        """Which deadlines are running, for views and tests."""
        return self._deadlines.waiting

    def next_deadline(self) -> Ms | None:
        """When to come back with a Tick if nothing else happens."""
        return None if self.ended else self._deadlines.next()

    def handle(self, event: Event, now: Ms) -> list[order.Command]:
        """Take one fact at call time `now` and return the orders it leads to, in order."""
        self._out = []
        self._now = max(now, self._now)
        while not self.ended and (timer := self._deadlines.pop_due(self._now)) is not None:
            self._timers[timer]()
        draft = self._draft
        if draft is not None and isinstance(event, OF_A_RESPONSE) and event.response_id == draft.id:
            draft.events.append(event)
        else:
            self._take(event)
        return self._out

    def _take(self, event: Event) -> None:
        handler = self._handlers.get(type(event))
        if handler is not None and not self.ended:
            handler(event)

    # --- the call begins -------------------------------------------------------------------------------------

    def _connected(self, event: fact.CallConnected) -> None:
        if self._call.now is not CallState.NEW:
            return
        self._plan = event.plan
        self._wall_time = event.wall_time
        self._connected_at = self._quiet_since = self._now
        self._call.move(CallState.PREPARING)
        self._deadlines.set(Timer.PREPARE, self._now + self._plan.pace.prepare_ms)
        self._limit_duration()
        self._out.append(order.PrepareCall())

    def _limit_duration(self) -> None:
        pace = self._plan.pace
        end = self._connected_at + pace.max_duration_ms
        self._deadlines.set(Timer.MAX_DURATION, max(self._now, end))
        self._deadlines.cancel(Timer.TIME_WARNING)
        if pace.max_duration_ms > 2 * pace.time_warning_ms:
            self._deadlines.set(Timer.TIME_WARNING, max(self._now, end - pace.time_warning_ms))

    def _prepared(self, event: fact.CallPrepared) -> None:
        if self._call.now is CallState.PREPARING:
            self._plan = event.plan
            self._limit_duration()
            self._begin()

    def _begin(self) -> None:
        self._deadlines.cancel(Timer.PREPARE)
        self._call.move(CallState.ACTIVE)
        if self._plan.first_message.strip():
            self._read_out(self._plan.first_message, Purpose.GREETING)
        else:
            self._floor_is_free()

    # --- the caller speaks -----------------------------------------------------------------------------------

    def _speech_started(self, event: fact.SpeechStarted) -> None:
        if self._caller.now is CallerState.SPEAKING:
            return
        if self._caller.now is CallerState.SILENT:
            self._voice_since = min(event.at_ms, self._now)
        self._caller.move(CallerState.SPEAKING)
        self._drop_draft()
        self._likely_over = None
        self._endpoint_passed = False
        self._deadlines.cancel(Timer.ENDPOINT, Timer.TRANSCRIPT, Timer.IDLE)
        self._deadlines.set(Timer.VOICE, self._now + ENDLESS_VOICE_MS)
        if self._agent.now is AgentState.HELD:
            self._deadlines.set(Timer.HOLD, self._now + self._plan.pace.hold_max_ms)
        else:
            self._watch_barge_in(min(max(event.at_ms, 0), self._now))

    def _watch_barge_in(self, onset: Ms) -> None:
        """The caller speaks while a reply is under way: from the threshold on the line is theirs."""
        threshold = self._plan.pace.barge_in_threshold_ms
        if threshold and self._interruptible:
            self._deadlines.set(Timer.BARGE_IN, max(self._now, onset + threshold))

    def _speech_ended(self, event: fact.SpeechEnded) -> None:
        if self._caller.now is not CallerState.SPEAKING:
            return
        self._caller.move(CallerState.PAUSED)
        self._deadlines.cancel(Timer.BARGE_IN, Timer.HOLD, Timer.VOICE)
        self._voiced_until = min(max(event.at_ms, 0), self._now)
        self._quiet_since = max(self._quiet_since, self._voiced_until)
        self._finals_due += 1
        self._out.append(order.FinalizeTranscript())
        if self._plan.predicts_end_of_turn:
            self._out.append(order.PredictEndOfTurn(segment=self._segment))
        self._set_endpoint()
        if self._words_at >= self._voiced_until:
            self._begin_draft()

    def _end_of_turn_predicted(self, event: fact.EndOfTurnPredicted) -> None:
        if event.segment == self._segment and self._caller.now is CallerState.PAUSED:
            self._likely_over = event.probability
            if self._deadlines.running(Timer.ENDPOINT):
                self._set_endpoint()

    def _transcript_partial(self, event: fact.TranscriptPartial) -> None:
        if event.segment != self._segment:
            return
        stable = draft_words(event.text) == draft_words(self._words)
        self._words_at = self._now
        if event.text != self._words and self._deadlines.running(Timer.VOICE):
            self._deadlines.set(Timer.VOICE, self._now + ENDLESS_VOICE_MS)
        self._words = event.text
        if self._agent.now is AgentState.HELD and judge(event.text) is Verdict.REAL:
            self._yield_floor()
        elif stable and self._caller.now is CallerState.PAUSED:
            self._begin_draft()

    def _transcript_final(self, event: fact.TranscriptFinal) -> None:
        if event.segment != self._segment:
            self._words_came_late(event)
            return
        self._finals_due = max(0, self._finals_due - 1)
        self._words = event.text
        if self._caller.now is not CallerState.PAUSED or self._finals_due:
            return
        if self._settle_overlap():
            return
        if self._endpoint_passed and self._now >= self._voiced_until + self._patience_ms:
            self._end_caller_turn()
        else:
            self._endpoint_passed = False
            self._deadlines.cancel(Timer.TRANSCRIPT)
            self._set_endpoint()
            self._begin_draft()

    def _words_came_late(self, event: fact.TranscriptFinal) -> None:
        """The words of a turn that was closed without any."""
        if event.segment != self._wordless_segment or not event.text.strip():
            return
        self._wordless_segment = -1
        reply = self._reply
        if reply is not None and reply.purpose is not Purpose.LINE and judge(event.text) is not Verdict.REAL:
            return
        self._pending = f"{self._pending} {event.text.strip()}".strip()
        if self._yields:
            self._yield_floor()
        if self._agent.now is AgentState.IDLE:
            self._floor_is_free()

    @property
    def _patience_ms(self) -> int:
        """How much silence ends this turn."""
        delay_ms = endpoint_delay(self._words, self._plan.pace)
        return heard_delay(delay_ms, self._likely_over, self._plan.pace)

    def _set_endpoint(self) -> None:
        self._deadlines.set(Timer.ENDPOINT, max(self._now, self._voiced_until + self._patience_ms))

    # --- answers begun early ---------------------------------------------------------------------------------

    def _begin_draft(self) -> None:
        """The caller pauses and their words are known: begin the answer that is due if they say no more."""
        text = f"{self._pending} {self._words}".strip()
        words = draft_words(text)
        idle = self._call.now is CallState.ACTIVE and self._agent.now is AgentState.IDLE
        if not (self._plan.drafts and words and idle) or self._keys:
            return
        if self._draft is not None and self._draft.words == words:
            return
        self._drop_draft()
        if self._drafts >= MAX_DRAFTS:
            return
        self._drafts += 1
        self._record_stopping()
        self._replies += 1
        self._draft = Draft(self._replies, words)
        self._out.append(order.DraftResponse(response_id=self._draft.id, text=text))

    def _drop_draft(self) -> None:
        draft, self._draft = self._draft, None
        if draft is not None:
            self._out.append(order.CancelResponse(response_id=draft.id))

    def _adopt_draft(self, words: str) -> bool:
        """Make the draft the answer if it answers just these words; what it has come to so far happens now."""
        draft = self._draft
        if draft is None or draft.failed or draft.words != draft_words(words):
            return False
        self._draft = None
        reply = self._open_reply(Purpose.ANSWER, draft.id)
        self._out.append(order.AdoptResponse(response_id=reply.id, text=words))
        for event in draft.events:
            self._take(event)
        return True

    def _endpoint_due(self) -> None:
        if self._finals_due:
            self._endpoint_passed = True
            self._deadlines.set(Timer.TRANSCRIPT, self._now + self._plan.pace.transcript_wait_ms)
        else:
            self._end_caller_turn()

    def _end_caller_turn(self) -> None:
        """The turn is closed, whatever its words are."""
        if self._settle_overlap():
            return
        words = self._words.strip()
        missed = self._finals_due > 0 or self._voiced_until - self._voice_since >= UNHEARD_VOICE_MS
        self._close_segment()
        self._drafts = 0
        self._pending = f"{self._pending} {words}".strip()
        if self._agent.now is not AgentState.IDLE or self._call.now is not CallState.ACTIVE:
            return
        self._record_stopping()
        if missed and not self._pending and not self._conversation.unanswered():
            self._ask_again()
        else:
            self._floor_is_free()

    def _ask_again(self) -> None:
        """Somebody spoke and no word of it is known: once that is an accident, then it is as good as silence."""
        self._repeats += 1
        if self._repeats == 1:
            self._read_out(self._plan.lines.repeat, Purpose.LINE)
        else:
            self._idle_due()

    def _voice_due(self) -> None:
        self._speech_ended(fact.SpeechEnded(at_ms=self._now))

    def _close_segment(self) -> None:
        self._deadlines.cancel(Timer.ENDPOINT, Timer.TRANSCRIPT, Timer.BARGE_IN, Timer.HOLD, Timer.VOICE)
        self._wordless_segment = self._segment if self._finals_due and not self._words.strip() else -1
        self._words = ""
        self._finals_due = 0
        self._endpoint_passed = False
        self._segment += 1
        self._caller.move(CallerState.SILENT)
        self._out.append(order.CommitTranscript())

    def _listen_failed(self, event: fact.ListenFailed) -> None:
        self._goodbye(self._plan.lines.trouble, "listen_failed")

    def _key_pressed(self, event: fact.KeyPressed) -> None:
        self._keys += event.digit
        if self._call.now is CallState.ENDING:
            return
        self._quiet_since = self._now
        self._deadlines.cancel(Timer.IDLE)
        self._deadlines.set(Timer.KEYS, self._now + self._plan.pace.keys_ms)
        if self._yields:
            self._yield_floor()

    def _keys_due(self) -> None:
        keys, self._keys = self._keys, ""
        self._pending = f"{self._pending} [DTMF: {keys}]".strip()
        if self._agent.now is AgentState.IDLE:
            self._floor_is_free()

    # --- the caller speaks over the agent --------------------------------------------------------------------

    @property
    def _interruptible(self) -> bool:
        return self._call.now is CallState.ACTIVE and self._agent.now in (
            AgentState.THINKING,
            AgentState.SPEAKING,
        )

    @property
    def _yields(self) -> bool:
        """There is a reply that the caller may take the floor from."""
        under_way = self._interruptible or self._agent.now is AgentState.HELD
        return under_way and self._plan.pace.barge_in_threshold_ms > 0

    def _barge_in_due(self) -> None:
        if self._reply is not None and self._interruptible:
            self._agent.move(AgentState.HELD)
            self._reply.silenced_at = self._now
            self._reply.stop_known = False
            self._deadlines.cancel(Timer.PLAYOUT, Timer.FILLER)
            self._deadlines.set(Timer.HOLD, self._now + self._plan.pace.hold_max_ms)
            self._out.append(order.PausePlayback(response_id=self._reply.id))

    def _settle_overlap(self) -> bool:
        """The caller paused while a reply is under way: decide what their words do to it.

        True if that was the end of the turn (nothing worth answering was said).
        """
        reply = self._reply
        if reply is None or not self._yields:
            return False
        verdict = judge(self._words)
        if verdict is Verdict.REAL:
            self._yield_floor()
            return False
        if verdict is Verdict.BACKCHANNEL:
            self._asks = 0
            stopped_at = self._now if reply.silenced_at is None else reply.silenced_at
            remaining = reply.ledger.remaining_ms(stopped_at)
            whole = reply.delivered and not reply.waiting
            if whole and remaining is not None and remaining <= self._plan.pace.backchannel_tail_ms:
                if self._agent.now is AgentState.HELD:
                    self._yield_floor()
                return False
        self._close_segment()
        self._resume()
        return True

    def _resume(self) -> None:
        reply = self._reply
        if self._agent.now is not AgentState.HELD or reply is None:
            return
        if not reply.stop_known and reply.silenced_at is not None:
            reply.ledger.assume_played(reply.silenced_at)
        reply.ledger.resumed(self._now, REWIND_MS)
        reply.silenced_at = None
        reply.stop_known = False
        self._agent.move(AgentState.SPEAKING if reply.audible else AgentState.THINKING)
        self._out.append(order.ResumePlayback(response_id=reply.id))
        self._watch_playout()
        self._complete_if_heard()

    def _yield_floor(self) -> None:
        """Stop the reply for good; the history gets what was heard of it."""
        reply = self._reply
        if reply is None:
            return
        if reply.silenced_at is None:
            reply.silenced_at = self._now
        if reply.audible:
            self._quiet_since = max(self._quiet_since, reply.silenced_at)
        self._leave_reply()
        self._out.append(order.ClearPlayback(response_id=reply.id))
        self._out.append(order.CancelResponse(response_id=reply.id))
        if reply.wish:
            self._note_result(reply.wish, failed("not done: this reply was broken off"))
        if reply.stop_known or not reply.audible:
            self._record(reply, interrupted=True)
        else:
            self._stopping = reply

    def _playback_stopped(self, event: fact.PlaybackStopped) -> None:
        if self._stopping is not None and event.response_id == self._stopping.id:
            reply, self._stopping = self._stopping, None
            reply.ledger.stopped(event.clause, event.played_ms)
            self._record(reply, interrupted=True)
        elif (held := self._current(event.response_id)) is not None and self._agent.now is AgentState.HELD:
            held.ledger.stopped(event.clause, event.played_ms)
            held.stop_known = True

    def _record_stopping(self) -> None:
        """The reply that lost the floor enters the history by the clock: nobody told us where the ear was."""
        reply, self._stopping = self._stopping, None
        if reply is not None:
            reply.ledger.assume_played(self._now if reply.silenced_at is None else reply.silenced_at)
            self._record(reply, interrupted=True)

    # --- the agent answers -----------------------------------------------------------------------------------

    def _answer(self) -> None:
        """Have all that the caller said and nobody answered answered."""
        self._asks = 0
        words, self._pending = self._pending, ""
        if words:
            self._say_it_happened("user", words, interrupted=False)
        if self._adopt_draft(words):
            return
        text = " ".join(self._conversation.unanswered())
        reply = self._open_reply(Purpose.ANSWER)
        self._out.append(order.StartResponse(response_id=reply.id, text=text))

    def _read_out(self, text: str, purpose: Purpose) -> Reply:
        self._record_stopping()
        reply = self._open_reply(purpose)
        self._out.append(order.ReadOut(response_id=reply.id, text=text))
        return reply

    def _open_reply(self, purpose: Purpose, response_id: int = 0) -> Reply:
        """A new reply has the floor; response_id: that of the draft it was."""
        self._drop_draft()
        if not response_id:
            self._replies += 1
        self._reply = Reply(response_id or self._replies, purpose, self._now)
        self._agent.move(AgentState.THINKING)
        self._deadlines.cancel(Timer.IDLE)
        self._deadlines.set(Timer.GIVE_UP, self._now + self._plan.pace.give_up_ms)
        self._watch_playout()
        if self._caller.now is CallerState.SPEAKING:
            self._watch_barge_in(self._now)
        return self._reply

    def _current(self, response_id: int) -> Reply | None:
        """The reply an event speaks of, if it is still the one under way."""
        return self._reply if self._reply is not None and self._reply.id == response_id else None

    def _clause_ready(self, event: fact.ClauseReady) -> None:
        reply = self._current(event.response_id)
        if reply is None or reply.delivered or not event.text.strip():
            return
        reply.waiting.append(event.text)
        if len(reply.waiting) == 1:
            self._judge_next(reply)

    def _judge_next(self, reply: Reply) -> None:
        """Speak waiting clauses up to the first that a code guardrail still has to judge.

        Our own lines are not for the agent's code to judge: an apology for it must not wait for it.
        """
        ours = reply.purpose in (Purpose.LINE, Purpose.GOODBYE)
        checks = () if ours else self._plan.checks
        while reply.waiting:
            text = reply.waiting[0]
            before = " ".join(clause.text for clause in reply.ledger.clauses[-8:])
            replacement = replacement_for(text, before, self._plan.blocked)
            if replacement is None and reply.rule < len(checks):
                name = checks[reply.rule]
                reply.judged = len(reply.ledger.clauses)
                self._out.append(order.JudgeClause(response_id=reply.id, clause=reply.judged, rule=name, text=text))
                return
            reply.waiting.pop(0)
            reply.rule = 0
            self._speak(reply, text if replacement is None else replacement)

    def _clause_judged(self, event: fact.ClauseJudged) -> None:
        reply = self._current(event.response_id)
        if reply is None or not reply.waiting or event.clause != reply.judged:
            return
        if reply.rule >= len(self._plan.checks) or event.rule != self._plan.checks[reply.rule]:
            return
        if event.replacement is None:
            reply.rule += 1
        else:
            reply.waiting.pop(0)
            reply.rule = 0
            self._speak(reply, event.replacement)
        self._judge_next(reply)
        self._complete_if_heard()

    def _speak(self, reply: Reply, text: str, *, bridge: bool = False) -> None:
        if not text.strip():
            return
        clause = reply.ledger.order(text, self._now, bridge=bridge)
        self._out.append(order.Speak(response_id=reply.id, clause=clause, text=text))
        self._watch_playout()

    def _tool_call_requested(self, event: fact.ToolCallRequested) -> None:
        reply = self._current(event.response_id)
        if reply is None or reply.delivered or reply.step_over:
            return
        reply.called = True
        step = f"{reply.id}.{reply.steps}"
        tool = ToolUse(id=event.tool_call_id, name=event.name, arguments=event.arguments, step=step)
        self._conversation.begin_tool(tool, self._wall_time + self._now / 1000)
        if not reply.may_call:
            self._note_result(event.tool_call_id, failed("no tool can be used now; answer in words"))
            return
        decision = decide(event.name, event.arguments, self._plan, self._tool_calls)
        self._tool_calls += 1
        if isinstance(decision, Answer):
            self._note_result(event.tool_call_id, decision.result)
            if decision.ends or decision.transfer:
                reply.wish = event.tool_call_id
            reply.hang_up = reply.hang_up or ("agent" if decision.ends else "")
            reply.transfer = decision.transfer or reply.transfer
            return
        if not reply.tools_out:
            reply.tools_since = self._now
        reply.tools_out.add(event.tool_call_id)
        reply.tools_until = max(reply.tools_until, self._now + decision.timeout_ms)
        self._deadlines.set(Timer.GIVE_UP, reply.tools_until + self._plan.pace.give_up_ms)
        self._out.append(
            order.RunTool(
                response_id=reply.id,
                tool_call_id=event.tool_call_id,
                name=event.name,
                arguments=event.arguments,
                timeout_ms=decision.timeout_ms,
            )
        )
        self._watch_playout()

    def _tool_finished(self, event: fact.ToolFinished) -> None:
        """A result is noted whenever it comes; only the reply that asked for it goes on because of it."""
        self._note_result(event.tool_call_id, event.result)
        reply = self._current(event.response_id)
        if reply is not None and event.tool_call_id in reply.tools_out:
            reply.tools_out.remove(event.tool_call_id)
            self._continue_if_answered(reply)
            self._watch_playout()

    def _note_result(self, tool_call_id: str, result: str) -> None:
        line = self._conversation.finish_tool(tool_call_id, result)
        if line is not None:
            self._out.append(order.ReportTranscript(role="tool", text=line.text, interrupted=False, at_ms=self._now))

    def _continue_if_answered(self, reply: Reply) -> None:
        """Once a step is delivered and all its tools have answered, the model goes on; unless it wants to leave."""
        if not reply.step_over or reply.tools_out:
            return
        leaves = bool(reply.hang_up or reply.transfer)
        if leaves and reply.said:
            reply.delivered = True
            self._complete_if_heard()
            return
        reply.steps += 1
        reply.called = reply.step_over = False
        reply.said_before_tools = reply.said
        reply.may_call = reply.steps < MAX_STEPS and not leaves
        self._out.append(order.ContinueResponse(response_id=reply.id, said=reply.said, may_call=reply.may_call))

    def _response_finished(self, event: fact.ResponseFinished) -> None:
        reply = self._current(event.response_id)
        if reply is None or reply.delivered:
            return
        if reply.called and reply.may_call:
            reply.step_over = True
            self._continue_if_answered(reply)
        else:
            reply.delivered = True
            self._complete_if_heard()

    def _response_failed(self, event: fact.ResponseFailed) -> None:
        reply = self._current(event.response_id)
        if reply is not None and not reply.delivered:
            reply.delivered = True
            reply.broke_off = True
            self._complete_if_heard()

    def _end_requested(self, event: fact.EndRequested) -> None:
        reply = self._current(event.response_id)
        if reply is not None:
            reply.hang_up = reply.hang_up or "agent"

    def _transfer_requested(self, event: fact.TransferRequested) -> None:
        reply = self._current(event.response_id)
        if reply is not None and not reply.hang_up:
            number = allowed_number(event.number, self._plan)
            reply.transfer, reply.refused = number or "", number is None

    def _filler_due(self) -> None:
        reply = self._reply
        if reply is not None:
            lines = self._plan.lines
            reply.bridges += 1
            self._speak(reply, lines.filler if reply.bridges == 1 else lines.still_working, bridge=True)

    def _give_up_due(self) -> None:
        """Nothing of the reply itself became audible in time, or nobody took the transfer."""
        if self._call.now is CallState.TRANSFERRING:
            self._transfer_failed(fact.TransferFailed(message="no answer"))
        elif self._reply is not None:
            self._fail_reply()

    def _fail_reply(self) -> None:
        """Give the reply up; apologise, and end the call if apologising does not help."""
        reply = self._reply
        if reply is None:
            return
        self._failures += 1
        hopeless = reply.purpose in (Purpose.LINE, Purpose.GOODBYE) or self._failures > 1
        self._yield_floor()
        if self._call.now is CallState.ENDING or (hopeless and reply.purpose is Purpose.LINE):
            self._hang_up("agent_failed")
        elif hopeless:
            self._goodbye(self._plan.lines.trouble, "agent_failed")
        else:
            self._read_out(self._plan.lines.apology, Purpose.LINE)

    # --- the caller hears ------------------------------------------------------------------------------------

    def _clause_voiced(self, event: fact.ClauseVoiced) -> None:
        reply = self._current(event.response_id)
        clause = reply.ledger.get(event.clause) if reply else None
        if reply is None or clause is None or clause.voiced_ms is not None:
            return
        clause.voiced_ms = max(0, event.duration_ms)
        if clause.voiced_ms == 0:
            clause.failed = True
        self._watch_playout()
        self._complete_if_heard()

    def _playout_started(self, event: fact.PlayoutStarted) -> None:
        reply = self._current(event.response_id)
        clause = reply.ledger.get(event.clause) if reply else None
        if reply is None or clause is None or clause.confirmed:
            return
        clause.started_at = self._now - max(0, clause.heard_ms - REWIND_MS)
        reply.audible = True
        if self._agent.now is AgentState.THINKING:
            self._agent.move(AgentState.SPEAKING)
        if not clause.bridge:
            self._deadlines.cancel(Timer.GIVE_UP)
        self._watch_playout()

    def _mark_reached(self, event: fact.MarkReached) -> None:
        reply = self._current(event.response_id)
        if reply is None or reply.ledger.get(event.clause) is None:
            return
        reply.ledger.confirm(event.clause)
        self._quiet_since = self._now
        self._watch_playout()
        self._complete_if_heard()

    def _watch_playout(self) -> None:
        """Set the deadline by which the caller must hear more of the reply, or must have heard it all."""
        reply = self._reply
        if reply is None or self._agent.now is AgentState.HELD:
            return
        pace, ledger = self._plan.pace, reply.ledger
        self._deadlines.cancel(Timer.PLAYOUT, Timer.FILLER)
        silent_too_long = self._quiet_since + SILENCE_MS
        if not ledger.settled:
            end = ledger.expected_end()
            if end is not None:
                due = end + pace.mark_grace_ms
            else:
                start_ms = VOICE_START_MS if reply.purpose is Purpose.ANSWER else LINE_START_MS
                due = max(silent_too_long, ledger.sounds_until() + SILENCE_MS, ledger.waiting_since() + start_ms)
            self._deadlines.set(Timer.PLAYOUT, max(self._now + 1, due))
        elif reply.purpose is not Purpose.ANSWER:
            due = max(silent_too_long, reply.opened_at + LINE_START_MS)
            self._deadlines.set(Timer.PLAYOUT, max(self._now + 1, due))
        elif reply.waiting or not reply.delivered:
            due = self._quiet_since + pace.filler_again_ms
            if not ledger.clauses:
                due = min(due, reply.opened_at + pace.filler_ms)
            if reply.tools_out and not reply.bridges:
                due = min(due, max(reply.tools_since, self._quiet_since) + pace.tool_filler_ms)
            self._deadlines.set(Timer.FILLER, max(self._now, due))
            if not self._deadlines.running(Timer.GIVE_UP):
                tools_until = reply.tools_until if reply.tools_out else self._now
                self._deadlines.set(Timer.GIVE_UP, max(self._now, tools_until) + pace.give_up_ms)

    def _playout_due(self) -> None:
        """No mark came. What was voiced has been heard by the clock; what never was voiced is lost."""
        reply = self._reply
        if reply is None:
            return
        end = reply.ledger.expected_end()
        if end is None:
            self._fail_reply()
            return
        reply.ledger.confirm(len(reply.ledger.clauses) - 1)
        self._quiet_since = max(self._quiet_since, min(end, self._now))
        self._watch_playout()
        self._complete_if_heard()

    def _speak_failed(self, event: fact.SpeakFailed) -> None:
        reply = self._current(event.response_id)
        clause = reply.ledger.get(event.clause) if reply else None
        if clause is not None and clause.voiced_ms is None:
            clause.failed = clause.started_at is None
            self._fail_reply()

    def _complete_if_heard(self) -> None:
        """The reply is over once all of it was delivered and heard."""
        reply = self._reply
        if reply is None or not reply.delivered or reply.waiting or not reply.ledger.settled:
            return
        if self._agent.now is AgentState.HELD:
            return
        self._leave_reply()
        self._record(reply, interrupted=False)
        if reply.hang_up or self._call.now is CallState.ENDING:
            self._hang_up(reply.hang_up)
        elif reply.broke_off:
            self._after_failure(reply)
        elif reply.transfer and self._call.now is CallState.ACTIVE:
            self._announce_transfer(reply)
        elif reply.refused and self._call.now is CallState.ACTIVE:
            self._read_out(self._plan.lines.no_transfer, Purpose.LINE)
        elif not reply.ledger.answered and reply.purpose is Purpose.ANSWER and not self._repeats:
            self._repeats += 1
            self._read_out(self._plan.lines.repeat, Purpose.LINE)
        elif not reply.ledger.answered:
            self._after_failure(reply)
        elif reply.trails_off:
            self._read_out(self._plan.lines.anything_else, Purpose.LINE)
        else:
            if reply.purpose is Purpose.ANSWER:
                self._failures = self._repeats = 0
            self._floor_is_free()

    def _after_failure(self, reply: Reply) -> None:
        self._failures += 1
        if self._failures > 1 or reply.purpose is Purpose.LINE:
            self._goodbye(self._plan.lines.trouble, "agent_failed")
        else:
            self._read_out(self._plan.lines.apology, Purpose.LINE)

    def _leave_reply(self) -> None:
        """The agent no longer has or wants the floor."""
        self._reply = None
        self._agent.move(AgentState.IDLE)
        self._deadlines.cancel(Timer.FILLER, Timer.GIVE_UP, Timer.PLAYOUT, Timer.BARGE_IN, Timer.HOLD)

    def _record(self, reply: Reply, *, interrupted: bool) -> None:
        heard = reply.ledger.heard_text()
        if heard:
            self._say_it_happened("assistant", heard, interrupted=interrupted)

    def _say_it_happened(self, role: str, text: str, *, interrupted: bool) -> None:
        timestamp = self._wall_time + self._now / 1000
        self._conversation.add(Message(role=role, text=text, timestamp=timestamp, interrupted=interrupted))
        self._out.append(order.ReportTranscript(role=role, text=text, interrupted=interrupted, at_ms=self._now))

    def _floor_is_free(self) -> None:
        """Nobody is speaking for the agent: answer what waited, or wait for the caller."""
        if self._call.now is not CallState.ACTIVE or self._caller.now is not CallerState.SILENT:
            return
        self._record_stopping()
        if self._pending or self._conversation.unanswered():
            self._answer()
        else:
            self._deadlines.set(Timer.IDLE, self._now + self._plan.pace.idle_ms)

    def _idle_due(self) -> None:
        self._asks += 1
        if self._asks > self._plan.pace.idle_asks:
            self._goodbye(self._plan.lines.idle_goodbye, "idle")
        else:
            self._read_out(self._plan.lines.still_there, Purpose.LINE)

    # --- the call ends ---------------------------------------------------------------------------------------

    def _time_warning_due(self) -> None:
        free = self._agent.now is AgentState.IDLE and self._caller.now is CallerState.SILENT
        if self._call.now is CallState.ACTIVE and free:
            self._read_out(self._plan.lines.time_warning, Purpose.LINE)
        else:
            self._deadlines.set(Timer.TIME_WARNING, self._now + 1000)

    def _max_duration_due(self) -> None:
        self._goodbye(self._plan.lines.time_goodbye, "max_duration")

    def _drain_requested(self, event: fact.DrainRequested) -> None:
        if self._call.now is CallState.NEW:
            self._finish("drain")
        else:
            self._goodbye(self._plan.lines.drain_goodbye, "drain")

    def _goodbye(self, line: str, reason: str) -> None:
        """Say the last words, uninterruptible, and hang up."""
        if self._call.now not in (CallState.PREPARING, CallState.ACTIVE, CallState.TRANSFERRING):
            return
        self._yield_floor()
        self._end_reason = reason
        self._call.move(CallState.ENDING)
        self._deadlines.clear()
        reply = self._read_out(line, Purpose.GOODBYE)
        reply.hang_up = reason
        self._deadlines.set(Timer.GOODBYE, self._now + self._plan.pace.goodbye_ms)

    def _goodbye_due(self) -> None:
        if self._reply is not None:
            self._yield_floor()
            self._hang_up(self._end_reason)
        else:
            self._finish(self._end_reason)

    def _hang_up(self, reason: str) -> None:
        """Order the end; the line's closing is the fact that completes it, or its deadline."""
        self._end_reason = self._end_reason or reason
        self._deadlines.clear()
        self._call.move(CallState.ENDING)
        self._deadlines.set(Timer.GOODBYE, self._now + HANG_UP_GRACE_MS)
        self._out.append(order.HangUp(reason=self._end_reason))

    def _announce_transfer(self, reply: Reply) -> None:
        """Connect the caller, who must have heard something before it rings."""
        if reply.ledger.answered or reply.purpose is not Purpose.ANSWER:
            self._transfer_wish = reply.wish
            self._transfer(reply.transfer)
            return
        line = self._read_out(self._plan.lines.filler, Purpose.LINE)
        line.transfer, line.wish = reply.transfer, reply.wish

    def _transfer(self, number: str) -> None:
        self._call.move(CallState.TRANSFERRING)
        self._deadlines.cancel(Timer.IDLE)
        self._deadlines.set(Timer.GIVE_UP, self._now + TRANSFER_MS)
        self._out.append(order.Transfer(number=number))

    def _transfer_finished(self, event: fact.TransferFinished) -> None:
        if self._call.now is CallState.TRANSFERRING:
            self._end_reason = "transferred"
            self._call.move(CallState.ENDING)
            self._deadlines.clear()
            self._deadlines.set(Timer.GOODBYE, self._now + HANG_UP_GRACE_MS)

    def _transfer_failed(self, event: fact.TransferFailed) -> None:
        if self._call.now is CallState.TRANSFERRING:
            self._call.move(CallState.ACTIVE)
            self._deadlines.cancel(Timer.GIVE_UP)
            self._quiet_since = self._now
            if self._transfer_wish:
                self._note_result(self._transfer_wish, failed(f"not connected: {event.message or 'no answer'}"))
            self._read_out(self._plan.lines.no_transfer, Purpose.LINE)

    def _line_closed(self, event: fact.LineClosed) -> None:
        self._record_stopping()
        if (reply := self._reply) is not None:
            self._leave_reply()
            self._out.append(order.CancelResponse(response_id=reply.id))
            if not reply.stop_known:
                reply.ledger.assume_played(self._now if reply.silenced_at is None else reply.silenced_at)
            self._record(reply, interrupted=True)
        self._finish(self._end_reason or event.cause)

    def _finish(self, reason: str) -> None:
        self._record_stopping()
        keys = f"[DTMF: {self._keys}]" if self._keys else ""
        words = " ".join(filter(None, (self._pending, self._words.strip(), keys)))
        if words:
            self._say_it_happened("user", words, interrupted=False)
        self._deadlines.clear()
        self._drop_draft()
        outcome = "answered" if self._call.now is not CallState.NEW else "failed"
        self._call.move(CallState.ENDED)
        self._out.append(order.FinishCall(outcome=outcome, reason=reason))
