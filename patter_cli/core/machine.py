"""TurnMachine: what happens on a call, decided. Events and time in, commands out.

Theory of operation. Three small states (floor.py) say who is where: the call, the caller, the agent; a fourth, of an
outbound call, whether a human or a machine answered it. At most one reply exists at a time; everything about it
carries its number, and what arrives for another number is dropped. A reply is a list of clauses in a ledger
(playback.py) and is over when all of it has been delivered and heard, or when the floor was taken from it; only then
does it enter the history, as what was heard.

The caller's voice opens a turn; silence closes it (endpointing.py), once its words are known; a model that listens
may make that silence shorter or longer (end_of_turn.py). While it lasts an answer to the words so far may already be
drafted: what the model brings for it is kept, and handled as if it came just then when the turn is closed with the
same words. A voice while a reply is under way starts the barge-in clock: at the threshold the line is silenced at
once and the reply held. Words, or a voice that goes on, take the floor; a backchannel or nothing gives it back and
the reply goes on where it was.

A reply is made in steps. A step that ends with tool calls is not the end of the reply: once it is delivered and all
its tools have answered, or were answered for, the model goes on. A result is noted whenever it comes.

Every wait has a deadline here, so a call in which nothing answers still speaks and still ends. The caller's silence has
a clock of its own: while it is the agent's turn, something is heard every SILENCE_MS, or a filler that tells them why
nothing is and holds for longer, as long as the reply is being made; an apology once it is stuck. What a reply wanted
(to hang up, to transfer) is lost with it; what the caller said never is: it waits for the floor, and is answered as
long as nothing was heard after it.

The parts, each a file. They share one Call, which is plain state; a part calls only those named before it.

    Call        now, plan, states, deadlines, the reply, what the caller said, what is ordered
    History     what was said, heard and answered by tools      Drafting    answers begun early
    LineEcho    our own voice on the line, and a line that never lets us speak
    Silence     by when the caller must hear something          AgentFloor  a reply takes the floor, yields it
    Endings     last words, hanging up                          Transfers   somebody else takes the caller
    Turns       who is next when the floor is free
    Playout     voiced, heard, lost; what follows a reply       Delivery    clauses, guardrails, tools
    BargeIn     the caller speaks over the agent                CallerTurn  voice, words, keys; the turn's end
    Screening   who answered, a human or a machine              Opening     connected, prepared, begun
    Dialling    placed, ringing, answered, given up

With a speech-to-speech engine two parts take the place of those that need the caller's words or make clauses:

    EngineReplies  what it opens is accepted or rejected, its items become spans, its words are judged
    EngineCaller   the voice opens and closes the turn; what was said is the engine's to know, and comes later
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from patter_cli.core import carrier_events as carrier
from patter_cli.core import events as fact
from patter_cli.core.agent_floor import AgentFloor
from patter_cli.core.call import Call
from patter_cli.core.caller_turn import CallerTurn
from patter_cli.core.commands import Command
from patter_cli.core.conversation import Message
from patter_cli.core.deadlines import Timer
from patter_cli.core.delivery import Delivery
from patter_cli.core.dialling import Dialling
from patter_cli.core.drafting import Drafting
from patter_cli.core.endings import Endings
from patter_cli.core.events import Event, Ms
from patter_cli.core.floor import AgentState, CallerState, CallState
from patter_cli.core.history import History
from patter_cli.core.line_echo import LineEcho
from patter_cli.core.opening import Opening
from patter_cli.core.overlap import BargeIn
from patter_cli.core.plan import CallPlan
from patter_cli.core.playout import REWIND_MS, Playout
from patter_cli.core.s2s_caller import EngineCaller
from patter_cli.core.s2s_replies import EngineReplies
from patter_cli.core.screening import Screening
from patter_cli.core.silence import SILENCE_MS, Silence
from patter_cli.core.transfers import Transfers
from patter_cli.core.turns import Turns

__all__ = ["REWIND_MS", "SILENCE_MS", "TurnMachine"]

Kind = TypeVar("Kind", bound=Event)


class TurnMachine:
    """One call's decisions. `handle` is total: any event may come at any time and at worst changes nothing."""

    def __init__(self) -> None:
        self._call = call = Call()
        self._history = history = History(call)
        self._drafting = drafting = Drafting(call, history)
        silence = Silence(call)
        echo = LineEcho(call)
        floor = AgentFloor(call, history, drafting, silence, echo)
        endings = Endings(call, history, drafting, floor)
        turns = Turns(call, history, drafting, floor, endings)
        transfers = Transfers(call, history, floor, endings)
        playout = Playout(call, history, silence, floor, endings, turns, transfers)
        delivery = Delivery(call, history, silence, playout)
        overlap = BargeIn(call, silence, floor, turns, playout, echo)
        caller = CallerTurn(call, history, drafting, floor, turns, overlap, echo)
        screening = Screening(call, drafting, floor, endings, turns)
        opening = Opening(call, history, floor, turns, screening)
        dialling = Dialling(call, history, endings, opening)
        engine_replies = EngineReplies(call, history, silence, floor, endings, turns, playout, delivery)
        engine_caller = EngineCaller(call, history, floor, turns, overlap, echo)

        self._handlers: dict[type[object], Callable[[Event], None]] = {}
        self._engine_handlers: dict[type[object], Callable[[Event], None]] = {}
        """Those that come first when the plan has an engine."""
        self._on(carrier.DialRequested, dialling.requested)
        self._on(carrier.CallPlaced, dialling.placed)
        self._on(carrier.Ringing, dialling.ringing)
        self._on(carrier.Answered, dialling.answered)
        self._on(carrier.DialFailed, dialling.failed)
        self._on(carrier.CancelRequested, dialling.cancel_requested)
        self._on(carrier.TransferRinging, transfers.ringing)
        self._on(carrier.TransferAnswered, transfers.answered)
        self._on(carrier.TransferLeftLine, transfers.left)
        self._on(carrier.DtmfSent, delivery.keys_sent)
        self._on(carrier.DtmfFailed, delivery.keys_failed)
        self._on(carrier.MachineDetected, screening.detected)
        self._on(carrier.BeepHeard, screening.beep_heard)
        self._on(fact.CallConnected, dialling.connected)
        self._on(fact.CallPrepared, opening.prepared)
        self._on(fact.SpeechStarted, caller.speech_started)
        self._on(fact.SpeechEnded, caller.speech_ended)
        self._on(fact.TranscriptPartial, caller.transcript_partial)
        self._on(fact.TranscriptFinal, caller.transcript_final)
        self._on(fact.EndOfTurnPredicted, caller.end_of_turn_predicted)
        self._on(fact.DtmfReceived, caller.key_pressed)
        self._on(fact.ClauseReady, delivery.clause_ready)
        self._on(fact.ClauseJudged, delivery.clause_judged)
        self._on(fact.ToolCallRequested, delivery.tool_call_requested)
        self._on(fact.ToolFinished, delivery.tool_finished)
        self._on(fact.EndRequested, delivery.end_requested)
        self._on(fact.TransferRequested, delivery.transfer_requested)
        self._on(fact.ResponseFinished, delivery.response_finished)
        self._on(fact.ResponseFailed, delivery.response_failed)
        self._on(fact.WordsTimed, playout.words_timed)
        self._on(fact.ClauseVoiced, playout.clause_voiced)
        self._on(fact.VoiceLate, playout.voice_late)
        self._on(fact.SpeakFailed, playout.speak_failed)
        self._on(fact.PlayoutStarted, playout.playout_started)
        self._on(fact.MarkReached, playout.mark_reached)
        self._on(fact.PlaybackStopped, floor.playback_stopped)
        self._on(fact.EchoFound, echo.found)
        self._on(fact.ListenFailed, dialling.listen_failed)
        self._on(fact.TransferFinished, transfers.finished)
        self._on(fact.TransferFailed, transfers.failed)
        self._on(fact.DrainRequested, dialling.drain_requested)
        self._on(fact.LineClosed, endings.line_closed)
        self._timers: dict[Timer, Callable[[], None]] = {
            Timer.TRANSFER: transfers.due,
            Timer.DIAL: dialling.dial_due,
            Timer.SCREENING: screening.window_due,
            Timer.BEEP: screening.beep_due,
            Timer.PREPARE: opening.prepare_due,
            Timer.ENDPOINT: caller.endpoint_due,
            Timer.TRANSCRIPT: caller.close,
            Timer.VOICE: caller.voice_due,
            Timer.KEYS: caller.keys_due,
            Timer.BARGE_IN: overlap.barge_in_due,
            Timer.HOLD: overlap.hold_due,
            Timer.FILLER: delivery.filler_due,
            Timer.PLAYOUT: playout.playout_due,
            Timer.GIVE_UP: playout.give_up_due,
            Timer.IDLE: turns.idle_due,
            Timer.TIME_WARNING: endings.time_warning_due,
            Timer.MAX_DURATION: endings.max_duration_due,
            Timer.GOODBYE: turns.goodbye_due,
        }
        self._on_engine(fact.SpeechStarted, engine_caller.speech_started)
        self._on_engine(fact.SpeechEnded, engine_caller.speech_ended)
        self._on_engine(fact.EndOfTurnPredicted, engine_caller.end_of_turn_predicted)
        self._on_engine(fact.TranscriptPartial, _not_ours)
        self._on_engine(fact.TranscriptFinal, _not_ours)
        self._on_engine(fact.EngineTurnTaken, engine_caller.turn_taken)
        self._on_engine(fact.EngineTranscript, engine_caller.transcript)
        self._on_engine(fact.EngineLost, engine_caller.lost)
        self._on_engine(fact.SpeechResponseOpened, engine_replies.opened)
        self._on_engine(fact.EngineInterrupted, engine_caller.interrupted)
        self._on_engine(fact.EngineLeft, engine_replies.left)
        self._on_engine(fact.SpanOpened, engine_replies.span_opened)
        self._on_engine(fact.SpanGrew, engine_replies.span_grew)
        self._on_engine(fact.SpanWords, engine_replies.span_words)
        self._on_engine(fact.ClauseVoiced, engine_replies.clause_voiced)
        self._on_engine(fact.ClauseJudged, engine_replies.clause_judged)
        self._on_engine(fact.RuleBroken, engine_replies.rule_broken)
        self._on_engine(fact.ToolCallRequested, engine_replies.tool_call_requested)
        self._engine_timers: dict[Timer, Callable[[], None]] = {
            Timer.ENDPOINT: engine_caller.close,
            Timer.TRANSCRIPT: engine_caller.words_due,
            Timer.VOICE: engine_caller.voice_due,
        }

    def _on(self, kind: type[Kind], handler: Callable[[Kind], None]) -> None:
        # The table is read by an event's own type, so a handler never gets an event of another.
        self._handlers[kind] = cast("Callable[[Event], None]", handler)

    def _on_engine(self, kind: type[Kind], handler: Callable[[Kind], None]) -> None:
        self._engine_handlers[kind] = cast("Callable[[Event], None]", handler)

    @property
    def ended(self) -> bool:
        return self._call.state.now is CallState.ENDED

    @property
    def history(self) -> tuple[Message, ...]:
        """The conversation so far; the assistant's lines are what was heard."""
        return self._history.conversation.messages

    @property
    def plan(self) -> CallPlan:
        return self._call.plan

    @property
    def states(self) -> tuple[CallState, CallerState, AgentState]:
        """Where call, caller and agent are, for views and tests."""
        return self._call.state.now, self._call.caller.now, self._call.agent.now

    @property
    def quiet(self) -> bool:
        """Nothing is under way: the next word is the caller's. True as well once the call is over."""
        call = self._call
        waits = call.state.now is CallState.ACTIVE and call.agent.now is AgentState.IDLE and call.parting is None
        return self.ended or (waits and call.caller.now is CallerState.SILENT and not call.said.keys)

    @property
    def waits_for(self) -> frozenset[Timer]:
        """Which deadlines are running, for views and tests."""
        return self._call.deadlines.waiting

    def next_deadline(self) -> Ms | None:
        """When to come back with a Tick if nothing else happens."""
        return None if self.ended else self._call.deadlines.next()

    def handle(self, event: Event, now: Ms) -> list[Command]:
        """Take one fact at call time `now` and return the orders it leads to, in order."""
        call = self._call
        call.ordered = []
        call.now = max(now, call.now)
        while not self.ended and (timer := call.deadlines.pop_due(call.now)) is not None:
            due = self._timers[timer]
            if call.plan.engine is not None:
                due = self._engine_timers.get(timer, due)
            due()
            self._catch_up()
        if not self._drafting.keep(event):
            self._take(event)
            self._catch_up()
        return call.ordered

    def _catch_up(self) -> None:
        """What an adopted draft has come to so far happens now."""
        adopted = self._drafting.adopted
        if adopted:
            self._drafting.adopted = []
            for event in adopted:
                self._take(event)

    def _take(self, event: Event) -> None:
        handler = self._handlers.get(type(event))
        if self._call.plan.engine is not None:
            handler = self._engine_handlers.get(type(event), handler)
        if handler is not None and not self.ended:
            handler(event)


def _not_ours(event: Event) -> None:
    """Recognition has no part in a call with an engine."""
