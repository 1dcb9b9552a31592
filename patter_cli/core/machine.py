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
    Dialling    placed, ringing, answered, given up        Onlooker    somebody else wants something said or done
    OffRecord   nothing is heard of the caller, and nothing recorded

With a speech-to-speech engine two parts take the place of those that need the caller's words or make clauses:

    EngineReplies  what it opens is accepted or rejected, its items become spans, its words are judged
    EngineCaller   the voice opens and closes the turn; what was said is the engine's to know, and comes later
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

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
from patter_cli.core.off_record import OffRecord
from patter_cli.core.onlooker import Onlooker
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
Part = TypeVar("Part")


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
        onlooker = Onlooker(call, history, drafting, floor, endings, turns, transfers)
        off_record = OffRecord(call)
        engine_replies = EngineReplies(call, history, silence, floor, endings, turns, playout, delivery)
        engine_caller = EngineCaller(call, history, floor, turns, overlap, echo)

        parts = (
            call,
            floor,
            echo,
            endings,
            turns,
            transfers,
            playout,
            delivery,
            overlap,
            caller,
            screening,
            opening,
            dialling,
            onlooker,
            off_record,
            engine_replies,
            engine_caller,
        )
        self._parts: dict[type[object], Any] = {type(part): part for part in parts}

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
        due = call.said.keys or call.deadlines.running(Timer.STOP)
        return self.ended or (waits and call.caller.now is CallerState.SILENT and not due)

    @property
    def taken(self) -> bool:
        """A colleague talks with the caller in the agent's place."""
        return self._call.taken

    @property
    def waits_for(self) -> frozenset[Timer]:
        """Which deadlines are running, for views and tests."""
        return self._call.deadlines.waiting

    def next_deadline(self) -> Ms | None:
        """When to come back with a Tick if nothing else happens."""
        return None if self.ended else self._call.deadlines.next()

    def branch(self, plan: CallPlan | None = None) -> TurnMachine:
        """A machine that is where this one is and goes its own way from here, by another plan perhaps."""
        other = copy.deepcopy(self, {id(self._call.plan): plan or self._call.plan})
        other._call.plan = plan or self._call.plan
        return other

    def handle(self, event: Event, now: Ms) -> list[Command]:
        """Take one fact at call time `now` and return the orders it leads to, in order."""
        call = self._call
        call.ordered = []
        call.now = max(now, call.now)
        while not self.ended and (timer := call.deadlines.pop_due(call.now)) is not None:
            due = _DUE[timer]
            if call.plan.engine is not None:
                due = _DUE_WITH_ENGINE.get(timer, due)
            part, act = due
            act(self._parts[part])
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
        taker = _TAKEN.get(type(event))
        if self._call.plan.engine is not None:
            taker = _TAKEN_WITH_ENGINE.get(type(event), taker)
        if taker is not None and not self.ended:
            part, take = taker
            take(self._parts[part], event)


def _not_ours(call: Call, event: Event) -> None:
    """Recognition has no part in a call with an engine."""


# Which part takes which fact, once for all calls: bound methods would cost each call a twentieth of its memory.
_TAKEN: dict[type[object], tuple[type[object], Callable[[Any, Any], None]]] = {}
_TAKEN_WITH_ENGINE: dict[type[object], tuple[type[object], Callable[[Any, Any], None]]] = {}
"""Those that come first when the plan has an engine."""
_DUE: dict[Timer, tuple[type[object], Callable[[Any], None]]] = {}
_DUE_WITH_ENGINE: dict[Timer, tuple[type[object], Callable[[Any], None]]] = {}


def _on(kind: type[Kind], part: type[Part], take: Callable[[Part, Kind], None]) -> None:
    _TAKEN[kind] = part, take


def _on_engine(kind: type[Kind], part: type[Part], take: Callable[[Part, Kind], None]) -> None:
    _TAKEN_WITH_ENGINE[kind] = part, take


def _when(timer: Timer, part: type[Part], act: Callable[[Part], None]) -> None:
    _DUE[timer] = part, act


def _when_engine(timer: Timer, part: type[Part], act: Callable[[Part], None]) -> None:
    _DUE_WITH_ENGINE[timer] = part, act


_on(carrier.DialRequested, Dialling, Dialling.requested)
_on(carrier.CallPlaced, Dialling, Dialling.placed)
_on(carrier.Ringing, Dialling, Dialling.ringing)
_on(carrier.Answered, Dialling, Dialling.answered)
_on(carrier.DialFailed, Dialling, Dialling.failed)
_on(carrier.CancelRequested, Dialling, Dialling.cancel_requested)
_on(carrier.TransferRinging, Transfers, Transfers.ringing)
_on(carrier.TransferAnswered, Transfers, Transfers.answered)
_on(carrier.TransferLeftLine, Transfers, Transfers.left)
_on(carrier.DtmfSent, Delivery, Delivery.keys_sent)
_on(carrier.DtmfFailed, Delivery, Delivery.keys_failed)
_on(carrier.MachineDetected, Screening, Screening.detected)
_on(carrier.BeepHeard, Screening, Screening.beep_heard)
_on(carrier.OffRecordRequested, OffRecord, OffRecord.requested)
_on(carrier.RecordingPaused, OffRecord, OffRecord.paused)
_on(fact.CallConnected, Dialling, Dialling.connected)
_on(fact.CallPrepared, Opening, Opening.prepared)
_on(fact.AgentChanged, Opening, Opening.changed)
_on(fact.SpeechStarted, CallerTurn, CallerTurn.speech_started)
_on(fact.SpeechEnded, CallerTurn, CallerTurn.speech_ended)
_on(fact.TranscriptPartial, CallerTurn, CallerTurn.transcript_partial)
_on(fact.TranscriptFinal, CallerTurn, CallerTurn.transcript_final)
_on(fact.EndOfTurnPredicted, CallerTurn, CallerTurn.end_of_turn_predicted)
_on(fact.DtmfReceived, CallerTurn, CallerTurn.key_pressed)
_on(fact.ClauseReady, Delivery, Delivery.clause_ready)
_on(fact.ClauseJudged, Delivery, Delivery.clause_judged)
_on(fact.ToolCallRequested, Delivery, Delivery.tool_call_requested)
_on(fact.ToolFinished, Delivery, Delivery.tool_finished)
_on(fact.EndRequested, Delivery, Delivery.end_requested)
_on(fact.TransferRequested, Delivery, Delivery.transfer_requested)
_on(fact.ResponseFinished, Delivery, Delivery.response_finished)
_on(fact.ResponseFailed, Delivery, Delivery.response_failed)
_on(fact.WordsTimed, Playout, Playout.words_timed)
_on(fact.ClauseVoiced, Playout, Playout.clause_voiced)
_on(fact.VoiceLate, Playout, Playout.voice_late)
_on(fact.SpeakFailed, Playout, Playout.speak_failed)
_on(fact.PlayoutStarted, Playout, Playout.playout_started)
_on(fact.MarkReached, Playout, Playout.mark_reached)
_on(fact.PlaybackStopped, CallerTurn, CallerTurn.playback_stopped)
_on(fact.EchoFound, LineEcho, LineEcho.found)
_on(fact.ListenFailed, Dialling, Dialling.listen_failed)
_on(fact.TransferFinished, Transfers, Transfers.finished)
_on(fact.TransferFailed, Transfers, Transfers.failed)
_on(fact.CostReached, Endings, Endings.cost_reached)
_on(fact.DrainRequested, Dialling, Dialling.drain_requested)
_on(fact.HangUpRequested, Dialling, Dialling.hang_up_requested)
_on(fact.MuteRequested, Dialling, Dialling.mute_requested)
_on(fact.SayRequested, Onlooker, Onlooker.say_requested)
_on(fact.PutThroughRequested, Onlooker, Onlooker.put_through_requested)
_on(fact.TakeOverRequested, Onlooker, Onlooker.take_over_requested)
_on(fact.ColleagueSaid, Onlooker, Onlooker.colleague_said)
_on(fact.LineClosed, Endings, Endings.line_closed)

_when(Timer.TRANSFER, Transfers, Transfers.due)
_when(Timer.DIAL, Dialling, Dialling.dial_due)
_when(Timer.SCREENING, Screening, Screening.window_due)
_when(Timer.BEEP, Screening, Screening.beep_due)
_when(Timer.PREPARE, Opening, Opening.prepare_due)
_when(Timer.ENDPOINT, CallerTurn, CallerTurn.endpoint_due)
_when(Timer.TRANSCRIPT, CallerTurn, CallerTurn.close)
_when(Timer.VOICE, CallerTurn, CallerTurn.voice_due)
_when(Timer.STOP, Turns, Turns.stop_due)
_when(Timer.KEYS, CallerTurn, CallerTurn.keys_due)
_when(Timer.BARGE_IN, BargeIn, BargeIn.barge_in_due)
_when(Timer.HOLD, BargeIn, BargeIn.hold_due)
_when(Timer.FILLER, Delivery, Delivery.filler_due)
_when(Timer.PLAYOUT, Playout, Playout.playout_due)
_when(Timer.GIVE_UP, Playout, Playout.give_up_due)
_when(Timer.IDLE, Turns, Turns.idle_due)
_when(Timer.TIME_WARNING, Endings, Endings.time_warning_due)
_when(Timer.COST_WARNING, Endings, Endings.cost_warning_due)
_when(Timer.MAX_DURATION, Endings, Endings.max_duration_due)
_when(Timer.GOODBYE, Turns, Turns.goodbye_due)

_on_engine(fact.SpeechStarted, EngineCaller, EngineCaller.speech_started)
_on_engine(fact.SpeechEnded, EngineCaller, EngineCaller.speech_ended)
_on_engine(fact.EndOfTurnPredicted, EngineCaller, EngineCaller.end_of_turn_predicted)
_on_engine(fact.TranscriptPartial, Call, _not_ours)
_on_engine(fact.TranscriptFinal, Call, _not_ours)
_on_engine(fact.PlaybackStopped, Turns, Turns.playback_stopped)
_on_engine(fact.EngineTurnTaken, EngineCaller, EngineCaller.turn_taken)
_on_engine(fact.EngineTranscript, EngineCaller, EngineCaller.transcript)
_on_engine(fact.EngineLost, EngineCaller, EngineCaller.lost)
_on_engine(fact.SpeechResponseOpened, EngineReplies, EngineReplies.opened)
_on_engine(fact.EngineInterrupted, EngineCaller, EngineCaller.interrupted)
_on_engine(fact.EngineLeft, EngineReplies, EngineReplies.left)
_on_engine(fact.SpanOpened, EngineReplies, EngineReplies.span_opened)
_on_engine(fact.SpanGrew, EngineReplies, EngineReplies.span_grew)
_on_engine(fact.SpanWords, EngineReplies, EngineReplies.span_words)
_on_engine(fact.ClauseVoiced, EngineReplies, EngineReplies.clause_voiced)
_on_engine(fact.ClauseJudged, EngineReplies, EngineReplies.clause_judged)
_on_engine(fact.RuleBroken, EngineReplies, EngineReplies.rule_broken)
_on_engine(fact.ToolCallRequested, EngineReplies, EngineReplies.tool_call_requested)

_when_engine(Timer.ENDPOINT, EngineCaller, EngineCaller.close)
_when_engine(Timer.TRANSCRIPT, EngineCaller, EngineCaller.words_due)
_when_engine(Timer.VOICE, EngineCaller, EngineCaller.voice_due)
