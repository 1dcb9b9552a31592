"""Events in any order cannot break the turn machine: random walks, wild and plausible, with every claim checked.

`python -m tests.fuzz.test_event_orders 1000000` walks longer; a second number is the first seed. A failure names its
seed and its kind, and `walk(kind, seed)` is that walk again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random

import pytest

from patter_cli.core import carrier_events as carrier
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.deadlines import Timer
from patter_cli.core.dialling import PLACE_MS
from patter_cli.core.events import Event, Ms
from patter_cli.core.floor import AgentState, CallerState, CallState
from patter_cli.core.journal import parse_journal, render_entry, replay
from patter_cli.core.machine import TurnMachine
from patter_cli.core.outcome import AnsweredBy, Direction, Outcome, TransferOutcome, VerdictSource
from patter_cli.core.plan import BlockedTerms, CallPlan, EnginePlan, PlannedTool, TurnTiming
from patter_cli.core.tool_calls import MAX_CALLS, MAX_STEPS
from patter_cli.testing import Answer, FarEnd, Fault, VirtualCall, VirtualTool
from patter_cli.testing.speech_peer import TURNS_OURS, TURNS_THEIRS, PeerFault, Said, SpeechPeer

WALKS = 30_000
STEPS = 25
REPLAYED = 200
"""One walk in so many is also replayed from its journal."""

MODEL = {
    "drafts": True,
    "predicts_end_of_turn": True,
    "tools": (PlannedTool(name="book", timeout_ms=4000),),
    "transfer_numbers": ("+3",),
}
ENGINE = {key: MODEL[key] for key in ("tools", "transfer_numbers")}
OURS = EnginePlan(truncates=True)
THEIRS = EnginePlan(server_turns=True)
MESSAGE = "Please call us back."
SCREENED = {"screens_machines": True, "first_message": "Hello, this is Luigi's.", "voicemail_message": MESSAGE}
PLANS = tuple(
    CallPlan(agent="fuzz", system_prompt="", **each)
    for each in (
        MODEL,
        {**MODEL, "first_message": "Hello.", "pace": TurnTiming(tool_filler_ms=100, give_up_ms=2000)},
        {"first_message": "Hello there. How can I help?"},
        {},
        {"pace": TurnTiming(barge_in_threshold_ms=0), "first_message": "This call may be recorded."},
        {
            "checks": ("polite", "brief"),
            "blocked": (BlockedTerms(name="b", terms=("two", "red car"), replacement="No."),),
        },
        {"pace": TurnTiming(max_duration_ms=20_000, time_warning_ms=4000, idle_ms=900, give_up_ms=3000, filler_ms=500)},
        {"pace": TurnTiming(max_duration_ms=5000, goodbye_ms=300, hold_max_ms=50), "first_message": " "},
        {
            "pace": TurnTiming(
                filler_again_ms=0, keys_ms=0, idle_ms=0, mark_grace_ms=0, transcript_wait_ms=0, endpoint_ms=0
            )
        },
        {**ENGINE, "engine": OURS, "first_message": "Hello.", "predicts_end_of_turn": True},
        {**ENGINE, "engine": THEIRS, "checks": ("polite",)},
        {"engine": EnginePlan(transcribes=False), "pace": TurnTiming(hold_max_ms=50, endpoint_ms=0, idle_ms=900)},
        {"engine": THEIRS, "pace": TurnTiming(barge_in_threshold_ms=0), "first_message": "Hello there."},
        {**SCREENED, **MODEL, "records": True},
        {**SCREENED, "voicemail_message": ""},
    )
)  # type: tuple[CallPlan, ...]
TEXTS = ("", " ", "okay", "stop", "I want a red", "car and", "What time is it?", "two", "mm-hm yeah", "One. Two three.")
PAUSES = (*(0, 1, 20, 20, 60, 120, 200, 320) * 4, 480, 700, 1500, 11_000)

AUDIBLE = (order.Speak, order.ReadOut, order.StartResponse, order.AdoptResponse)
PROOF_OF_ANSWER = (carrier.Answered, carrier.MachineDetected, carrier.BeepHeard)
TAKEN = (Outcome.ANSWERED, Outcome.VOICEMAIL)
DIAL_STATES = (CallState.DIALLING, CallState.RINGING, CallState.CONNECTING)
Waiting = frozenset[Timer]
AGENT_WAITS: dict[AgentState, Waiting] = {
    AgentState.THINKING: frozenset({Timer.GIVE_UP, Timer.FILLER, Timer.PLAYOUT}),
    AgentState.SPEAKING: frozenset({Timer.GIVE_UP, Timer.FILLER, Timer.PLAYOUT}),
    AgentState.HELD: frozenset({Timer.HOLD, Timer.ENDPOINT, Timer.TRANSCRIPT}),
}
CALLER_WAITS: dict[CallerState, Waiting] = {
    CallerState.SILENT: frozenset({Timer.IDLE, Timer.KEYS, Timer.GOODBYE, Timer.STOP}),
    CallerState.SPEAKING: frozenset({Timer.VOICE}),
    CallerState.PAUSED: frozenset({Timer.ENDPOINT, Timer.TRANSCRIPT}),
}


class Watch:
    """A machine that is checked after each event."""

    def __init__(self, *, keep: bool) -> None:
        self.machine = TurnMachine()
        self.now: Ms = 0
        self.finishes = 0
        self.reply = 0
        self.last = 0
        """The highest number a reply has had, drafts included."""
        self.draft = 0
        self.drafted = False
        """The draft is already all there."""
        self.tools: set[str] = set()
        self.steps = 0
        self.segment = 0
        self.open = False
        """The current reply was neither cancelled nor delivered."""
        self.cancelled = False
        self.placed = False
        self.line = False
        """There is, or was, a stream."""
        self.picked_up = False
        self.screened = False
        self.reports = 0
        self.transfers = 0
        self.recorded = False
        self.off_record = False
        self.messages = 0
        self.taken: AnsweredBy | None = None
        """Whom the far end is taken for."""
        self.spoken: dict[int, list[str]] = {}
        self.mute: set[tuple[int, int]] = set()
        """Clauses that may have made no sound."""
        self.growing: set[tuple[int, int]] = set()
        """Clauses that an engine says: their words come when they come."""
        self.growing_over: set[tuple[int, int]] = set()
        """Those of them whose words are all there."""
        self.lines: list[str] | None = [] if keep else None

    def tell(self, event: Event, now: Ms) -> list[order.Command]:
        self.now = now
        self.line = self.line or isinstance(event, fact.CallConnected)
        self.picked_up = self.line or self.picked_up or (self.placed and isinstance(event, PROOF_OF_ANSWER))
        ordered = self.machine.handle(event, now)
        held = self.placed and self.machine.states[0] in (CallState.PREPARING, CallState.ACTIVE)
        self.screened = self.screened or (held and self.machine.plan.screens_machines)
        if isinstance(event, fact.ResponseFinished | fact.ResponseFailed):
            self.open = self.open and event.response_id != self.reply
            self.drafted = self.drafted or event.response_id == self.draft
        elif (
            isinstance(event, fact.SpanWords) and (event.response_id, event.clause) in self.growing - self.growing_over
        ):
            self.spoken[event.response_id][event.clause] += event.text
            if event.over:
                self.growing_over.add((event.response_id, event.clause))
        elif isinstance(event, fact.SpeakFailed) or (isinstance(event, fact.ClauseVoiced) and event.duration_ms <= 0):
            self.mute.add((event.response_id, event.clause))
        for each in ordered:
            self._check(each)
        if isinstance(event, fact.SpeechResponseOpened) and not self.machine.ended:
            answers = [each for each in ordered if isinstance(each, order.AcceptReply | order.RejectReply)]
            engine = self.machine.plan.engine is not None
            claim(len(answers) == engine, f"{len(answers)} answers to an opened reply")
        self._check_waiting()
        if self.lines is not None:
            self.lines.append(render_entry(now, event, ordered))
        return ordered

    def _check(self, command: order.Command) -> None:
        claim(not self.finishes, f"{command} after the end")
        claim(self.line or not isinstance(command, AUDIBLE), f"{command} without a line")
        match command:
            case order.TakeFor(answered_by=taken):
                claim(self.placed and taken is not self.taken, f"{taken} is no news")
                self.taken = taken
            case order.ReportMachine(answered_by=taken):
                self.reports += 1
                claim(self.reports == 1, "who answered is reported twice")
            case order.PlaceCall():
                claim(not self.placed, "a call is placed twice")
                self.placed = True
            case order.DraftResponse(response_id=reply):
                claim(reply == self.last + 1 and not self.draft, "two drafts at once")
                claim(not self.open, f"draft {reply} begins while {self.reply} is under way")
                self.last = self.draft = reply
                self.drafted = False
            case order.AdoptResponse(response_id=reply):
                claim(reply == self.draft, "what is adopted was no draft")
                self.draft = 0
                self._opens(reply, command.text)
                self.open = not self.drafted
            case order.StartResponse(response_id=reply) | order.ReadOut(response_id=reply):
                claim(reply == self.last + 1, "replies are not numbered in order")
                claim(not self.draft, "a draft is left working")
                self.last = reply
                self._opens(reply, command.text)
                if command.text == MESSAGE:
                    self.messages += 1
                    claim(self.taken is AnsweredBy.MACHINE and self.messages <= 2, "a message nobody is to hear")
            case order.RunTool(response_id=reply, tool_call_id=tool):
                claim(reply == self.reply and not self.cancelled, "a tool of a reply that is gone")
                claim(len(self.tools) < MAX_CALLS, "more tools than a call may use")
                self.tools.add(tool)
            case order.SendDtmf(response_id=reply, digits=digits):
                claim(reply == self.reply and not self.cancelled, "keys of a reply that is gone")
                claim(digits == "12#", f"{digits} are pressed")
            case order.StartRecording():
                claim(not self.recorded, "a call is recorded twice")
                claim(not self.off_record, "it is recorded off the record")
                self.recorded = True
            case order.PauseRecording(paused=paused):
                claim(paused is not self.off_record, "a recording that holds is to hold")
                self.off_record = paused
            case order.CancelTransfer():
                claim(self.transfers, "there was no transfer")
                self.transfers -= 1
            case order.ContinueResponse(response_id=reply, may_call=may_call):
                claim(reply == self.reply and not self.cancelled, "a reply that is gone goes on")
                self.steps += 1
                claim(self.steps < MAX_STEPS or not may_call, "too many tool steps in a turn")
                self.open = True
            case order.Greet(response_id=reply) | order.AwaitReply(response_id=reply):
                claim(reply == self.last + 1, "replies are not numbered in order")
                self.last = reply
                self._opens(reply, "the engine's")
            case order.AskEngine(response_id=reply, continues=True, may_call=may_call):
                claim(reply == self.reply and not self.cancelled, "a reply that is gone goes on")
                self.steps += 1
                claim(self.steps < MAX_STEPS or not may_call, "too many tool steps in a turn")
                self.open = True
            case order.AskEngine(response_id=reply):
                claim(reply == self.last + 1, "replies are not numbered in order")
                self.last = reply
                self._opens(reply, "the engine's")
            case order.AcceptReply(response_id=reply) if reply == self.reply:
                claim(not self.cancelled, "a reply that is gone is accepted")
                self.open = True
            case order.AcceptReply(response_id=reply):
                claim(reply == self.last + 1, "replies are not numbered in order")
                self.last = reply
                self._opens(reply, "the engine's")
            case order.AcceptSpan(response_id=reply, clause=clause):
                claim(reply == self.reply and not self.cancelled, f"span of reply {reply}, current {self.reply}")
                claim(clause == len(self.spoken[reply]), "spans out of order")
                self.spoken[reply].append("")
                self.growing.add((reply, clause))
            case order.MuteReply(response_id=reply):
                claim(reply == self.reply and self.cancelled, "a reply that is not cancelled is muted")
            case order.TruncateSpan(response_id=reply, clause=clause, heard_ms=heard_ms):
                claim((reply, clause) in self.growing and heard_ms >= 0, "what is truncated was never said")
            case order.CommitSpeech():
                self.segment += 1
            case order.Transfer(number=number):
                claim(number == "+3", f"a transfer to {number}")
                self.transfers += 1
            case order.Speak(response_id=reply, clause=clause, text=text):
                claim(reply == self.reply and not self.cancelled, f"clause of reply {reply}, current {self.reply}")
                claim(clause == len(self.spoken[reply]) and text.strip(), "clauses out of order")
                self.spoken[reply].append(text)
            case order.JudgeClause(response_id=reply) | order.PausePlayback(response_id=reply):
                claim(reply == self.reply and not self.cancelled, "a reply that is gone")
            case order.ResumePlayback(response_id=reply) | order.ClearPlayback(response_id=reply):
                claim(reply == self.reply and not self.cancelled, "a reply that is gone")
            case order.CancelResponse(response_id=reply) if reply == self.draft:
                self.draft = 0
            case order.CancelResponse(response_id=reply):
                claim(reply == self.reply and not self.cancelled, "cancelled twice")
                self.open, self.cancelled = False, True
            case order.ReportTranscript(role="assistant", text=text):
                claim(any(self._was_spoken(reply, text.split()) for reply in self.spoken), f"never said: {text}")
            case order.CommitTranscript():
                self.segment += 1
            case order.FinishCall(outcome=outcome):
                claim(not self.draft, "a draft outlives the call")
                claim(self.reports or not self.screened, "nobody is told who answered")
                claim(outcome is not Outcome.VOICEMAIL or self.taken is AnsweredBy.MACHINE, "voicemail of a human")
                claim(self.picked_up or outcome not in TAKEN, f"{outcome}, and nobody picked up")
                self.finishes += 1

    def _says(self, event: fact.SpanWords) -> None:
        """An engine's words are there; none come after the last."""
        span = (event.response_id, event.clause)
        if span in self.growing - self.growing_over:
            self.spoken[event.response_id][event.clause] += event.text
            if event.over:
                self.growing_over.add(span)

    def _opens(self, reply: int, text: str) -> None:
        claim(not self.open, f"reply {reply} begins while {self.reply} is under way")
        claim(text.strip(), "an empty turn is answered")
        self.reply, self.open, self.cancelled, self.steps = reply, True, False, 0
        self.spoken[reply] = []

    def _was_spoken(self, reply: int, heard: list[str], clause: int = 0) -> bool:
        """What was heard of a reply is a prefix of what was ordered, but for clauses that made no sound."""
        if not heard:
            return True
        if clause == len(self.spoken[reply]):
            return False
        if (reply, clause) in self.mute and self._was_spoken(reply, heard, clause + 1):
            return True
        words = self.spoken[reply][clause].split()
        if (reply, clause) in self.growing:  # it may have been broken off, and gone on
            same = next((at for at, (said, told) in enumerate(zip(heard, words, strict=False)) if said != told), None)
            most = min(len(heard), len(words)) if same is None else same
            return any(self._was_spoken(reply, heard[count:], clause + 1) for count in range(most, -1, -1))
        if heard[: len(words)] == words:
            return self._was_spoken(reply, heard[len(words) :], clause + 1)
        return words[: len(heard)] == heard

    def _check_waiting(self) -> None:
        """Nobody waits for ever: what must come next has a deadline, and none has passed unnoticed."""
        machine = self.machine
        call, caller, agent = machine.states
        due = machine.next_deadline()
        if call is CallState.ENDED:
            claim(due is None and self.finishes == 1, "ended without saying so once")
            return
        if call is CallState.NEW:
            return
        claim(due is not None and due >= self.now, f"deadline {due} at {self.now}")
        waits = machine.waits_for
        if call is CallState.ACTIVE:
            wanted = CALLER_WAITS[caller] if agent is AgentState.IDLE else AGENT_WAITS[agent]
            taken = machine.taken and (caller, agent) == (CallerState.SILENT, AgentState.IDLE)
            claim(taken or waits & wanted, f"{caller} {agent} wait for {waits}")
        elif call in DIAL_STATES:
            claim(Timer.DIAL in waits, f"{call} waits for {waits}")
        elif call is CallState.VOICEMAIL:
            claim(Timer.BEEP in waits and agent is AgentState.IDLE, f"{call} {agent} waits for {waits}")
        elif call is not CallState.PREPARING:
            claim((Timer.TRANSFER if call is CallState.TRANSFERRING else Timer.GOODBYE) in waits, f"{call}: {waits}")

    def finish(self, how: int) -> None:
        """End it: the line closes, the server drains, or nothing ever happens again."""
        if self.machine.states[0] is CallState.NEW:
            how %= 2
        if how == 0:
            self.tell(fact.LineClosed(cause="carrier_stop"), self.now)
        elif how == 1:
            self.tell(fact.DrainRequested(), self.now)
        self.tell(carrier.OffRecordRequested(off=False), self.now)  # the tool that wants it has a deadline
        began = self.now
        for _ in range(3000):
            due = self.machine.next_deadline()
            if due is None:
                break
            self.tell(TICK, max(due, self.now))
        claim(self.machine.ended and self.finishes == 1, f"no end: {self.machine.states}")
        longest = 8000 + 2000 if self.line else PLACE_MS
        claim(how != 1 or self.now - began <= longest, "the goodbye takes too long")
        self.tell(fact.LineClosed(cause="again"), self.now + 1)


TICK = fact.Tick()


def claim(holds: object, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


@cache
def _prelude(plan: CallPlan, direction: Direction = Direction.INBOUND) -> tuple[Event, Event]:
    connected = fact.CallConnected(
        call_id="c", caller="+1", callee="+2", direction=direction, carrier="fuzz", plan=plan, wall_time=0.0
    )
    return connected, fact.CallPrepared(plan=plan)


@cache
def _dialled(plan: CallPlan) -> tuple[Event, ...]:
    """An outbound call that comes about, in order."""
    requested = carrier.DialRequested(
        call_id="c", caller="+1", callee="+2", carrier="fuzz", plan=plan, ring_timeout_ms=25_000, wall_time=0.0
    )
    placed = carrier.CallPlaced(carrier_call_id="CA1")
    connected, prepared = _prelude(plan, Direction.OUTBOUND)
    return requested, placed, carrier.Ringing(), carrier.Answered(), connected, prepared


# --- wild: anything at any time --------------------------------------------------------------------------------------


@cache
def _clauses(reply: int) -> tuple[Event, ...]:
    return tuple(fact.ClauseReady(response_id=reply, text=text) for text in TEXTS)


@cache
def _about(reply: int) -> tuple[Event, ...]:
    """Every kind of fact about one reply."""
    facts: list[Event] = [
        fact.FirstToken(response_id=reply),
        fact.ResponseFinished(response_id=reply),
        fact.ResponseFinished(response_id=reply),
        fact.ResponseFailed(response_id=reply, provider="p", message="m"),
        fact.EndRequested(response_id=reply),
        fact.TransferRequested(response_id=reply, number="+3"),
        fact.ToolCallRequested(response_id=reply, tool_call_id=f"{reply}.a", name="book", arguments="{}"),
        fact.ToolCallRequested(response_id=reply, tool_call_id=f"{reply}.b", name="book", arguments="{"),
        fact.ToolCallRequested(response_id=reply, tool_call_id=f"{reply}.c", name="end_call", arguments=""),
        fact.ToolCallRequested(
            response_id=reply, tool_call_id=f"{reply}.d", name="transfer_call", arguments='{"number": "+3"}'
        ),
        fact.ToolCallRequested(
            response_id=reply, tool_call_id=f"{reply}.e", name="transfer_call", arguments='{"number": "+4"}'
        ),
        fact.TransferRequested(response_id=reply, number="+4"),
        fact.ToolFinished(response_id=reply, tool_call_id=f"{reply}.a", result="1"),
        fact.ToolFinished(response_id=reply, tool_call_id=f"{reply}.b", result="2"),
        fact.ModelUsed(response_id=reply, model="m", input_tokens=1, output_tokens=1, cached_tokens=0),
        fact.ToolCallRequested(
            response_id=reply, tool_call_id=f"{reply}.f", name="press_keys", arguments='{"keys": "12#"}'
        ),
        fact.ToolCallRequested(
            response_id=reply, tool_call_id=f"{reply}.g", name="press_keys", arguments='{"keys": "x"}'
        ),
        carrier.DtmfSent(response_id=reply, tool_call_id=f"{reply}.f"),
        carrier.DtmfFailed(response_id=reply, tool_call_id=f"{reply}.f", message="refused"),
    ]
    facts += _clauses(reply)
    for clause in range(-1, 3):
        facts += [
            fact.ClauseJudged(response_id=reply, clause=clause, rule="polite", replacement=None),
            fact.ClauseJudged(response_id=reply, clause=clause, rule="brief", replacement=TEXTS[clause]),
            fact.FirstAudio(response_id=reply, clause=clause),
            fact.WordsTimed(response_id=reply, clause=clause, starts_ms=(0, 300), ends_ms=(200, 250 * clause)),
            fact.SpeakFailed(response_id=reply, clause=clause, provider="p", message="m"),
        ]
        for _ in range(2):
            facts += [
                fact.SpanGrew(response_id=reply, clause=clause, received_ms=300 * clause),
                fact.SpanWords(response_id=reply, clause=clause, text="And so ", over=clause == 2),
                fact.ClauseVoiced(response_id=reply, clause=clause, duration_ms=400 * clause),
                fact.PlayoutStarted(response_id=reply, clause=clause),
                fact.MarkReached(response_id=reply, clause=clause),
                fact.PlaybackStopped(response_id=reply, clause=clause, played_ms=170 * clause),
            ]
    facts += [fact.SpanOpened(response_id=reply, item=item) for item in ("a", "b", "a")]
    facts += [
        fact.RuleBroken(response_id=reply, replacement="Let us talk of something else."),
        fact.RuleBroken(response_id=reply, replacement=" "),
        fact.EngineInterrupted(response_id=reply),
        *(fact.SpeechResponseOpened(vendor_id=f"v{reply}", asked=asked) for asked in (None, None, None, reply, reply)),
    ]
    return tuple(facts)


OF_A_DIAL: tuple[Event, ...] = (
    *_dialled(PLANS[2])[1:],
    *(carrier.DialFailed(outcome=each) for each in Outcome),
    fact.LineClosed(cause="carrier_stop"),
)
OF_SCREENING: tuple[Event, ...] = (
    *(carrier.BeepHeard(source=each) for each in VerdictSource),
    *(
        carrier.MachineDetected(answered_by=who, source=source, greeting_over=over)
        for who in AnsweredBy
        for source in VerdictSource
        for over in (False, True)
    ),
)
ANYTHING: tuple[Event, ...] = (
    *OF_SCREENING,
    carrier.TransferRinging(),
    carrier.RecordingReady(recording_id="RE1"),
    carrier.RecordingFailed(message="no"),
    *(carrier.OffRecordRequested(off=off) for off in (True, False, False)),
    carrier.RecordingPaused(paused=True, message="no"),
    *OF_A_DIAL[:6],
    *(fact.SpeechStarted(at_ms=at) for at in (0, 300, 2000, 50_000)),
    *(fact.SpeechStarted(at_ms=at) for at in (0, 300, 2000, 50_000)),
    *(fact.SpeechEnded(at_ms=at) for at in (0, 500, 3000, 50_000)),
    *(fact.SpeechEnded(at_ms=at) for at in (0, 500, 3000, 50_000)),
    *(fact.DtmfReceived(digit=digit) for digit in "1#"),
    *(fact.EngineTurnTaken(item=item) for item in ("i1", "i2", "i3")),
    *(fact.EngineTranscript(item=item, text="stop", final=True) for item in ("i1", "i2", "i9")),
    fact.EngineTranscript(item="i1", text="I want", final=False),
    fact.SpeechResponseOpened(vendor_id="v", asked=None),
    fact.SpeechResponseOpened(vendor_id="w", asked=99),
    fact.EngineLost(provider="p", message="gone"),
    fact.EngineLeft(reason="end_call"),
    fact.SayRequested(text="One moment."),
    fact.PutThroughRequested(number="+3"),
    fact.ListenedIn(listens=True),
    fact.TakeOverRequested(taken=True),
    fact.TakeOverRequested(taken=False),
    fact.ColleagueSaid(text="I am a colleague."),
    *(fact.TranscriptPartial(segment=segment, text=text) for segment in range(3) for text in TEXTS[2:5]),
    *(fact.TranscriptFinal(segment=segment, text=text) for segment in range(3) for text in TEXTS[2:5]),
    fact.TransferFinished(),
    fact.TransferFailed(message="busy"),
    fact.ListenFailed(provider="p", message="m"),
    fact.CostReached(percent=80),
    fact.CostReached(percent=100),
    fact.DrainRequested(),
    carrier.CancelRequested(),
    fact.LineClosed(cause="carrier_close"),
    *(event for plan in PLANS[:2] for event in _prelude(plan)),
)


@cache
def _heard(segment: int) -> tuple[Event, ...]:
    """Every kind of words for one segment."""
    finals = tuple(fact.TranscriptFinal(segment=segment, text=text) for text in TEXTS)
    likely = tuple(fact.EndOfTurnPredicted(segment=segment, probability=each) for each in (0.1, 0.9))
    return finals + likely + tuple(fact.TranscriptPartial(segment=segment, text=text) for text in TEXTS)


def wild(random: Random, watch: Watch) -> None:
    """Half about what goes on now, half about anything."""
    now = 0
    if random.random() < 0.95:
        connected, prepared = _prelude(random.choice(PLANS))
        watch.tell(connected, now)
        if random.random() < 0.9:
            watch.tell(prepared, now)
    _walk_wildly(random, watch, now)


def outbound(random: Random, watch: Watch) -> None:
    """A call is dialled, and what the carrier tells of it comes late, twice, in another order or never."""
    now = 0
    screened = random.random() < 0.5
    requested, *facts = _dialled(random.choice(PLANS[-2:] if screened else PLANS))
    watch.tell(requested, now)
    facts = [each for each in facts if random.random() < 0.9]
    facts += random.choices(OF_SCREENING if screened else OF_A_DIAL, k=random.randrange(6 if screened else 3))
    for _ in range(random.randrange(3) if facts else 0):
        first, second = random.randrange(len(facts)), random.randrange(len(facts))
        facts[first], facts[second] = facts[second], facts[first]
    for event in facts:
        due = watch.machine.next_deadline()
        if due is not None and random.random() < 0.1:
            now = max(now, due)
            watch.tell(TICK, now)
        if watch.finishes:
            return
        now += random.choice(PAUSES)
        watch.tell(event, now)
        if random.random() < 0.05:
            watch.tell(random.choice((carrier.CancelRequested(), fact.DrainRequested())), now)
    _walk_wildly(random, watch, now)


def _walk_wildly(random: Random, watch: Watch, now: Ms) -> None:
    for _ in range(STEPS):
        if watch.finishes:
            break
        now += random.choice(PAUSES)
        draw = random.random()
        if draw < 0.55:
            event = random.choice(_about(max(0, watch.reply - (draw < 0.05))))
        elif draw < 0.7:
            event = random.choice(_heard(max(0, watch.segment - (draw < 0.58))))
        elif draw < 0.99:
            event = random.choice(ANYTHING[:-10])
        else:
            event = random.choice(ANYTHING)
        watch.tell(event, now)


# --- plausible: the world answers what it is asked, in its own time ---------------------------------------------------


def _timed(reply: int, clause: int, text: str, length_ms: int, random: Random) -> Event:
    """Word times as a voice gives them, all or the first few; one in ten lies."""
    words = len(text.split())
    known = range(random.randrange(words + 3 if random.random() < 0.1 else words + 1))
    starts = [length_ms * at // max(1, words) for at in known]
    if random.random() < 0.1:
        random.shuffle(starts)
    ends = tuple(start + 100 for start in starts)
    return fact.WordsTimed(response_id=reply, clause=clause, starts_ms=tuple(starts), ends_ms=ends)


def _spoken(reply: int, random: Random) -> list[Event]:
    """What an engine makes of a reply that was accepted."""
    about = _about(reply)
    items: list[Event] = [fact.SpanOpened(response_id=reply, item=item) for item in "ab"[: random.randrange(3)]]
    if random.random() < 0.3:
        items.append(about[random.choice((3, 6, 6, 6, 7, 8, 9, 10, -6, -8))])
    if random.random() < 0.1:
        items.append(fact.SpeechResponseOpened(vendor_id=f"more{reply}"))
    return [*items, about[1]]


def _sounded(reply: int, clause: int, random: Random) -> list[Event]:
    """What an engine says in one span: words and sound side by side, the words sometimes late, or too many."""
    text = random.choice(TEXTS)
    length = random.choice((0, 65 * len(text), 65 * len(text), 20 * len(text)))
    said = text.split()
    half = len(said) // 2
    words: list[Event] = [
        fact.SpanWords(response_id=reply, clause=clause, text=" " + " ".join(said[:half])),
        fact.SpanWords(response_id=reply, clause=clause, text=" " + " ".join(said[half:]), over=random.random() < 0.8),
    ]
    sound: list[Event] = [
        fact.PlayoutStarted(response_id=reply, clause=clause),
        fact.SpanGrew(response_id=reply, clause=clause, received_ms=length),
        fact.ClauseVoiced(response_id=reply, clause=clause, duration_ms=length),
        fact.MarkReached(response_id=reply, clause=clause),
    ]
    for each in words:
        sound.insert(random.randrange(len(sound) + 1), each)
    if random.random() < 0.3:
        sound.insert(0, _timed(reply, clause, text, length, random))
    return sound


def _consequences(command: order.Command, segment: int, random: Random) -> list[Event]:
    """What follows from a command, in order; each step of it may come late, or never."""
    match command:
        case order.FinalizeTranscript():
            return [fact.TranscriptFinal(segment=segment, text=random.choice(TEXTS))]
        case (
            order.StartResponse(response_id=reply)
            | order.ReadOut(response_id=reply)
            | order.DraftResponse(response_id=reply)
            | order.ContinueResponse(response_id=reply)
        ):
            about = _about(reply)
            said: list[Event] = [_clauses(reply)[random.randrange(2, len(TEXTS))] for _ in range(random.randrange(4))]
            if random.random() < 0.3:
                said.append(about[random.choice((3, 4, 5, 5, 5, 6, 6, 6, 7, 8, 9, 10, 11, 15, 16))])
            return [*said, about[1]]
        case order.RunTool(response_id=reply, tool_call_id=tool):
            return [fact.ToolFinished(response_id=reply, tool_call_id=tool, result="ok")]
        case order.SendDtmf(response_id=reply, tool_call_id=tool):
            sent = carrier.DtmfSent(response_id=reply, tool_call_id=tool)
            return [sent, carrier.DtmfFailed(response_id=reply, tool_call_id=tool, message="late")]
        case order.PredictEndOfTurn(segment=segment):
            return [fact.EndOfTurnPredicted(segment=segment, probability=random.random())]
        case order.JudgeClause(response_id=reply, clause=clause, rule=rule):
            replacement = random.choice((None, None, None, "", "Let us talk of something else."))
            return [fact.ClauseJudged(response_id=reply, clause=clause, rule=rule, replacement=replacement)]
        case order.Speak(response_id=reply, clause=clause, text=text):
            if random.random() < 0.04:
                return [fact.SpeakFailed(response_id=reply, clause=clause, provider="p", message="m")]
            length = random.choice((0, 65 * len(text), 65 * len(text)))
            voiced = fact.ClauseVoiced(response_id=reply, clause=clause, duration_ms=length)
            started = fact.PlayoutStarted(response_id=reply, clause=clause)
            first: list[Event] = [voiced, started] if random.random() < 0.5 else [started, voiced]
            if random.random() < 0.5:
                first.insert(random.randrange(3), _timed(reply, clause, text, length, random))
            return [*first, fact.MarkReached(response_id=reply, clause=clause)]
        case order.PausePlayback(response_id=reply) | order.ClearPlayback(response_id=reply):
            return [
                fact.PlaybackStopped(response_id=reply, clause=random.randrange(2), played_ms=random.randrange(900))
            ]
        case order.OpenEngine():
            return [fact.EngineTurnTaken(item="i0")] if random.random() < 0.3 else []
        case order.Greet(response_id=reply) | order.AskEngine(response_id=reply) | order.AwaitReply(response_id=reply):
            asked = random.choice((None, reply))
            return [fact.SpeechResponseOpened(vendor_id=f"v{reply}", asked=asked)]
        case order.AcceptReply(response_id=reply):
            return _spoken(reply, random)
        case order.AcceptSpan(response_id=reply, clause=clause):
            return _sounded(reply, clause, random)
        case order.CommitSpeech():
            item = f"i{random.randrange(10**6)}"
            words = fact.EngineTranscript(item=item, text=random.choice(TEXTS), final=True)
            return [fact.EngineTurnTaken(item=item), words]
        case order.Transfer():
            missed = fact.TransferFailed(message="", outcome=random.choice(tuple(TransferOutcome)))
            return [carrier.TransferRinging(), fact.TransferFinished() if random.random() < 0.5 else missed]
        case order.HangUp():
            return [fact.LineClosed(cause="carrier_stop")]
    return []


def plausible(random: Random, watch: Watch) -> None:
    """A caller who talks, and a world that does what it is told, mostly."""
    connected, prepared = _prelude(random.choice(PLANS))
    threads: list[list[Event]] = [[prepared]]
    segment, now, voice = 0, 0, False
    ordered = watch.tell(connected, now)
    for _ in range(2 * STEPS):
        if watch.finishes:
            break
        for command in ordered:
            if type(command) is order.CommitTranscript:
                segment += 1
            elif (coming := _consequences(command, segment, random)) and random.random() < 0.96:
                threads.append(coming)
        due = watch.machine.next_deadline()
        draw = random.random()
        if due is not None and random.random() < (0.3 if due - now < 800 else 0.03):
            now = max(now, due)
            ordered = watch.tell(TICK, now)
            continue
        event: Event
        if draw < 0.8 and threads:
            thread = random.choice(threads)
            event = thread.pop(0)
            if not thread:
                threads.remove(thread)
        elif draw < 0.95:
            voice = not voice
            event = fact.SpeechStarted(at_ms=now - 60) if voice else fact.SpeechEnded(at_ms=now - 200)
        elif draw < 0.96:
            event = fact.DtmfReceived(digit="5")
        elif draw < 0.996:
            event = random.choice(_heard(segment))
        else:
            event = random.choice(ANYTHING[-10:-4])
        now += random.choice(PAUSES)
        ordered = watch.tell(event, now)


KINDS: dict[str, Callable[[Random, Watch], None]] = {"wild": wild, "outbound": outbound, "plausible": plausible}


def walk(kind: str, seed: int) -> None:
    """One walk and its end. Raises AssertionError, with the seed, if a claim does not hold."""
    random = Random(seed)
    watch = Watch(keep=seed % REPLAYED == 0)
    try:
        KINDS[kind](random, watch)
        watch.finish(seed % 3)
        if watch.lines is not None:
            text = "\n".join(watch.lines) + "\n"
            again = (render_entry(each.at, each.event, each.commands) for each in replay(parse_journal(text)))
            claim(list(again) == watch.lines, "the replay orders something else")
    except Exception as error:
        raise AssertionError(f"walk({kind!r}, {seed}): {error}") from error


@pytest.mark.parametrize("kind", KINDS)
def test_no_order_of_events_breaks_the_machine(kind: str) -> None:
    """Whatever comes in whatever order, nothing raises, nobody waits for ever and a call ends exactly once."""
    for seed in range(WALKS // len(KINDS)):
        walk(kind, seed)


# --- told: a caller with something to say, and one thing broken -------------------------------------------------------

SAYINGS = (
    "When do you open?",
    "Yes.",
    "okay",
    "stop",
    "mm-hm",
    "I would like a table for two and",
    "No, wait, I meant the other one on Sunday evening.",
    "",
)
ANSWERS: tuple[str | Answer, ...] = (
    "We open at nine. And we close at ten in the evening, every day.",
    "Certainly.",
    Answer(clauses=("Let me look that up for you.", "Here it is, a table by the window.")),
    Answer(clauses=("Just a second.", "There it is.", "Is that all right?"), after_ms=4500),
    Answer(clauses=()),
    Answer(calls=(("book", "{}"),)),
    Answer(clauses=("Let me see.",), calls=(("book", "{}"), ("book", "{"))),
    Answer(clauses=("Goodbye then.",), calls=(("end_call", "{}"),)),
    Answer(clauses=("I'll put you through.",), calls=(("transfer_call", '{"number": "+3"}'),)),
)


INAUDIBLE = (Fault.LINES_HANG, Fault.EARS_EMPTY)
"""Nothing could be said, or nobody can know that a short sound was meant as a word."""


def story(seed: int) -> VirtualCall:
    """A call of about a minute. Raises AssertionError if the caller waits in silence or the history is not true."""
    random = Random(seed)
    fault = random.choice((*Fault, *(None,) * 8))
    answers = [random.choice(ANSWERS) for _ in range(20)]
    tools = {"book": VirtualTool("{}", random.choice((50, 400, 2500, 6000, None)))}
    plan = PLANS[random.choice((0, 1, 2, 3, 4, 5))]
    call = VirtualCall(plan, answers, faults=[fault] if fault else [], tools=tools, end_of_turn=lambda _: 0.4)
    at = 0
    for _ in range(random.randrange(8)):
        at += random.choice((300, 900, 2000, 5000, 9000))
        if random.random() < 0.1:
            call.presses("12", at)
            continue
        at = call.says(random.choice(SAYINGS), at, lasts_ms=random.choice((None, None, 200, 500, 1100)))
    if random.random() < 0.5:
        call.tells(fact.DrainRequested(), at + random.choice((0, 400, 6000)))
    try:
        call.run(200_000)
        length, since = call.longest_wait()
        claim(length <= 4000 or fault in INAUDIBLE, f"silence of {length} ms at {since}")
        if fault not in (Fault.NO_STOPS, Fault.NO_MARKS):
            said = " ".join(each.text for each in call.history if each.role == "assistant")
            claim(said == call.heard, f"the history has {said!r}, the ear {call.heard!r}")
    except Exception as error:
        raise AssertionError(f"story({seed}) with {fault}: {error}") from error
    return call


SPOKEN: tuple[str | Said, ...] = (
    "We open at nine. And we close at ten in the evening, every day.",
    "Certainly.",
    Said(items=("Let me look that up for you.", "Here it is, a table by the window.")),
    Said(),
    Said(calls=(("book", "{}"),)),
    Said(items=("Let me see.",), calls=(("book", "{}"), ("book", "{"))),
    Said(items=("Goodbye then.",), calls=(("end_call", "{}"),)),
    Said(items=("I'll put you through.",), calls=(("transfer_call", '{"number": "+3"}'),)),
    Said(items=("Goodbye then.",), leaves=True),
)


HALF_KNOWN = (PeerFault.NO_WORDS, PeerFault.LATE_WORDS, PeerFault.STALLS, PeerFault.FAILS, PeerFault.DROPS)
"""What was heard is not all known: its words never came, or broke off in the middle of one."""


UNNOTICED = (PeerFault.DEAF, PeerFault.STALLS)
"""A short voice that nobody noticed was none; and half a reply may be all that there is."""


def spoken_story(seed: int) -> VirtualCall:
    """The same with an engine, of either kind, and one thing wrong with it."""
    random = Random(seed)
    fault = random.choice((*PeerFault, *(None,) * 6))
    theirs = random.random() < 0.5
    plan = CallPlan(agent="fuzz", system_prompt="", engine=THEIRS if theirs else OURS, **ENGINE)  # type: ignore[arg-type]
    if random.random() < 0.5:
        plan = replace(plan, first_message="Hello there. How can I help?")
    script = [random.choice(SPOKEN) for _ in range(20)]
    peer = SpeechPeer(script, abilities=TURNS_THEIRS if theirs else TURNS_OURS, faults=[fault] if fault else [])
    tools = {"book": VirtualTool("{}", random.choice((50, 400, 2500, 6000, None)))}
    call = VirtualCall(plan, engine=peer, tools=tools)
    at = 0
    for _ in range(random.randrange(8)):
        at += random.choice((300, 900, 2000, 5000, 9000))
        if random.random() < 0.1:
            call.presses("12", at)
            continue
        at = call.says(random.choice(SAYINGS), at, lasts_ms=random.choice((None, None, 200, 500, 1100)))
    if random.random() < 0.5:
        call.tells(fact.DrainRequested(), at + random.choice((0, 400, 6000)))
    try:
        call.run(300_000)
        length, since = call.longest_wait()
        claim(length <= 4000 or fault in UNNOTICED, f"silence of {length} ms at {since}")
        if fault not in HALF_KNOWN:
            said = " ".join(each.text for each in call.history if each.role == "assistant")
            # Where a reply is cut while its words still come, a word more or less is a guess.
            cut = len(call.orders(order.MuteReply))
            close = abs(len(said.split()) - len(call.heard.split())) <= cut
            claim(said == call.heard or (cut and close), f"the history has {said!r}, the ear {call.heard!r}")
    except Exception as error:
        raise AssertionError(f"spoken_story({seed}) with {fault}: {error}") from error
    return call


def test_an_engine_cannot_break_the_truth() -> None:
    """Whatever is wrong with it, its calls end, nobody waits in silence, and the history has what reached the ear."""
    for seed in range(WALKS // 200):
        spoken_story(seed)


def test_no_caller_is_left_in_silence() -> None:
    """Whatever breaks, nobody whose turn it is to be answered hears nothing for four seconds, and history is truth."""
    for seed in range(WALKS // 100):
        story(seed)


TAPE = "You have reached Ada. I can't come to the phone right now, so please leave a message after the tone."


def dialled_story(seed: int) -> VirtualCall:
    """An outbound call that somebody, some machine or nobody answers. Raises AssertionError as `story` does."""
    random = Random(seed)
    fault = random.choice((*Fault, *(None,) * 16))
    refuses = random.choice((*(None,) * 6, Outcome.BUSY, Outcome.NO_ANSWER, Outcome.FAILED))
    machine = random.random() < 0.5
    truth, lie = (AnsweredBy.MACHINE, AnsweredBy.HUMAN) if machine else (AnsweredBy.HUMAN, AnsweredBy.MACHINE)
    tells: list[tuple[int, Event]] = []
    for source in VerdictSource:
        mistaken = lie if source is VerdictSource.CARRIER else None
        said = random.choice((truth, truth, truth, AnsweredBy.UNKNOWN, None, mistaken))
        if said is not None:
            over = said is AnsweredBy.MACHINE and random.random() < 0.3
            verdict = carrier.MachineDetected(answered_by=said, source=source, greeting_over=over)
            tells += [(random.choice((50, 900, 2600, 5000, 9000)), verdict)] * random.choice((1, 1, 2))
    if machine and random.random() < 0.7:
        tells += [(random.choice((7500, 8000, 15_000)), carrier.BeepHeard(source=VerdictSource.CARRIER))]
    far_end = FarEnd(
        placed_ms=random.choice((200, 200, 200, 5000, None)),
        rings_ms=random.choice((800, None)),
        answers_ms=random.choice((3000, 3000, 3000, 30_000, None)),
        stream_ms=random.choice((0, 150, 150, 2000, None)),
        refuses=refuses,
        ring_timeout_ms=random.choice((25_000, None)),
        tells=tuple(tells),
    )
    call = VirtualCall(random.choice(PLANS[-2:]), ["Certainly."], faults=[fault] if fault else [], far_end=far_end)
    answered = (far_end.placed_ms or 0) + (far_end.rings_ms or 0) + (far_end.answers_ms or 0)
    if machine:
        call.says(TAPE, answered + 300)
    else:
        at = answered + 200
        for _ in range(random.randrange(5)):
            at = call.says(random.choice(SAYINGS), at + random.choice((300, 2000, 5000)))
    if random.random() < 0.3:
        call.tells(random.choice((fact.DrainRequested(), carrier.CancelRequested())), random.randrange(20_000))
    try:
        call.run(800_000)
        outcome, reason = call.outcome
        picked_up = call.facts(carrier.Answered) or call.facts(fact.CallConnected)
        claim(picked_up or outcome not in TAKEN, f"{outcome}, and nobody picked up")
        claim(len(call.orders(order.ReportMachine)) <= 1, "who answered is reported twice")
        if fault not in (Fault.NO_STOPS, Fault.NO_MARKS):
            said = " ".join(each.text for each in call.history if each.role == "assistant")
            claim(said == call.heard, f"the history has {said!r}, the ear {call.heard!r}")
        if reason == "message_left":
            claim(call.heard.endswith(MESSAGE), f"a message was left, and heard was {call.heard!r}")
        taken = [each.answered_by for _, each in call.orders(order.TakeFor)]
        if AnsweredBy.MACHINE not in taken:
            length, since = call.longest_wait()
            claim(length <= 4000 or fault in INAUDIBLE, f"silence of {length} ms at {since}")
    except Exception as error:
        raise AssertionError(f"dialled_story({seed}) with {fault}: {error}") from error
    return call


def test_no_call_of_ours_is_left_without_an_end() -> None:
    """Whoever answers, and whatever is told of them: history is truth, humans are heard, messages are left whole."""
    for seed in range(WALKS // 100):
        dialled_story(seed)


def main(walks: int, first: int = 0) -> None:
    began = time.perf_counter()
    for seed in range(first, first + walks // len(KINDS)):
        for kind in KINDS:
            walk(kind, seed)
    for seed in range(first, first + walks // 100):
        story(seed)
        spoken_story(seed)
        dialled_story(seed)
    print(f"{walks} walks of {STEPS} events: no claim broken, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
