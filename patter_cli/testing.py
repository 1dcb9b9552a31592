"""A whole call in virtual time: the turn machine between a scripted caller and fake ears, brain, voice and line.

Theory of operation. Everything that will happen is a heap of (time, act). The earliest act, or the machine's own
deadline if that comes first, is the next step; nothing waits and nothing is random, so an hour takes a second and
the same script always gives the same call. The line has a clock of its own: it knows which part of which clause was
audible when, so `heard` is what really reached the ear, and not what the machine believes.

    call = VirtualCall(CallPlan(agent="a", system_prompt="", first_message="Hello."), ["We open at nine."])
    call.says("When do you open?", at=2000)
    call.run_until(10_000)
    assert call.transcript[-1] == ("assistant", "We open at nine.")
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from heapq import heappop, heappush
from typing import TypeVar

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.conversation import Message
from patter_cli.core.events import Event, Ms
from patter_cli.core.floor import AgentState, CallerState, CallState
from patter_cli.core.journal import render_entry
from patter_cli.core.machine import REWIND_MS, TurnMachine
from patter_cli.core.plan import CallPlan, Lines
from patter_cli.core.playback import heard_prefix

_NEVER: Ms = 10**9
WALL_TIME = 1_750_000_000.0
"""Unix time of every virtual call's start."""


class Fault(Enum):
    """What can be broken around the machine. Stock lines (CallPlan.lines) survive all but LINES_HANG."""

    HOOK_HANGS = "on_call_start never answers"
    EARS_HANG = "no transcript ever comes, partial or final"
    EARS_LATE = "finals come three seconds late, partials never"
    EARS_EMPTY = "every transcript is empty"
    EARS_FAIL = "recognition reports that it is gone for good"
    BRAIN_HANGS = "no first clause ever comes"
    BRAIN_FAILS = "the reply fails before its first clause"
    BRAIN_EMPTY = "the reply has no words"
    BRAIN_BREAKS_OFF = "the reply fails after its first clause"
    BRAIN_STALLS = "nothing comes after the first clause, not even the end"
    JUDGE_HANGS = "a code guardrail never answers"
    VOICE_HANGS = "no clause is ever voiced"
    VOICE_FAILS = "every clause fails to be voiced"
    VOICE_EMPTY = "every clause is voiced as no sound at all"
    VOICE_STALLS = "a reply's second clause is never voiced"
    LINES_HANG = "not even the stock lines are voiced"
    NO_MARKS = "the carrier never returns a mark"
    NO_STOPS = "nobody says where playback stopped"
    NO_HANG_UP = "the carrier does not close the line when told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How quick the world is, in milliseconds; the defaults are those of the local speech engines."""

    onset_ms: int = 60
    """From a voice's start until the detector is sure of it; a shorter voice goes unnoticed."""
    hangover_ms: int = 200
    partial_ms: int = 200
    final_ms: int = 120
    hook_ms: int = 40
    first_clause_ms: int = 350
    next_clause_ms: int = 80
    judge_ms: int = 10
    voice_ms: int = 200
    """Until a clause's first sound; a stock line takes a tenth."""
    ms_per_char: int = 65
    """Both voices."""
    end_of_turn_ms: int = 100
    mark_ms: int = 40
    stop_ms: int = 20
    transfer_ms: int = 6000
    hang_up_ms: int = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One scripted reply, or one step of it. after_ms: when its first clause comes, if not at the usual time."""

    clauses: tuple[str, ...] = ()
    after_ms: int | None = None
    hang_up: bool = False
    transfer: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    """Tools the model asks for after its words: (name, arguments as JSON). Its next answer goes on from there."""


@dataclass(frozen=True, slots=True)
class VirtualTool:
    """A tool of a virtual call: what it answers, as JSON, and after how long. after_ms None: never."""

    result: str
    after_ms: int | None = 300


@dataclass(slots=True)
class Sound:
    """A stretch of one clause that was audible. from_ms: where in the clause it begins."""

    response_id: int
    clause: int
    text: str
    duration_ms: int
    from_ms: int
    start: Ms
    end: Ms

    @property
    def played_ms(self) -> int:
        """How far into the clause the ear was at its end."""
        return self.from_ms + self.end - self.start


@dataclass(slots=True)
class _Voiced:
    """A clause on the line. from_ms: where playback will start or go on."""

    response_id: int
    clause: int
    text: str
    duration_ms: int
    from_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Utterance:
    start: Ms
    end: Ms
    words: tuple[tuple[Ms, str], ...]


@dataclass(slots=True)
class _Line:
    """The playout: one sound at a time, in order, at the speed of sound."""

    queue: list[_Voiced] = field(default_factory=list)
    playing: Sound | None = None
    paused: bool = False
    run: int = 0
    """Counts starts and stops, so that the end of a sound that was cut off means nothing."""


Kind = TypeVar("Kind")


class VirtualCall:
    """One call from ring to end. Script the caller, run, and look at what was heard, said and ordered."""

    def __init__(
        self,
        plan: CallPlan,
        answer: Callable[[str], str | Answer] | Sequence[str | Answer] = ("All right.",),
        *,
        prepared: CallPlan | None = None,
        judge: Callable[[str, str], str | None] = lambda rule, text: None,
        latency: Latency | None = None,
        faults: Sequence[Fault] = (),
        transfer_works: bool = True,
        tools: Mapping[str, VirtualTool] | None = None,
        end_of_turn: Callable[[str], float] | None = None,
    ) -> None:
        """plan: as on_call_start finds it; prepared: as it leaves it. answer: the agent's replies in turn, the last
        one for ever, or a function of the caller's words. judge: (rule, clause) to a replacement or None.
        end_of_turn: the words so far to how likely the caller has finished.
        """
        self.machine = TurnMachine()
        self.now: Ms = 0
        self.log: list[tuple[Ms, Event, tuple[order.Command, ...]]] = []
        """Every event with its time and what it led to: the journal, not yet rendered."""
        self.sounds: list[Sound] = []
        self.faults: set[Fault] = set(faults)
        self._answer = answer
        self._answered = 0
        self._tool_calls = 0
        self._prepared = prepared or plan
        self._judge = judge
        self._latency = latency or Latency()
        self._transfer_works = transfer_works
        self._tools = dict(tools or {})
        self._end_of_turn = end_of_turn
        self._acts: list[tuple[Ms, int, Callable[[], None]]] = []
        self._scheduled = 0
        self._utterances: list[_Utterance] = []
        self._keys: list[Ms] = []
        self._rings: list[tuple[Ms, Ms]] = []
        self._segment = 0
        self._segment_since: Ms = -1
        self._cancelled: set[int] = set()
        self._whole: set[int] = set()
        self._clauses: dict[int, int] = {}
        self._voice_free: Ms = 0
        self._line = _Line()
        self._over: Ms | None = None
        self._stock = {each for lines in (plan.lines, self._prepared.lines) for each in _stock(lines)}
        connected = fact.CallConnected(
            call_id="virtual", caller="+15550100", callee="+15550101", direction="inbound", carrier="virtual",
            plan=plan, wall_time=WALL_TIME,
        )  # fmt: skip
        self._at(0, lambda: self.tell(connected))
        if Fault.EARS_FAIL in self.faults:
            self._at(1000, lambda: self.tell(fact.ListenFailed(provider="virtual", message="gone")))

    # --- the script --------------------------------------------------------------------------------------------

    def says(self, text: str, at: Ms | None = None, *, lasts_ms: int | None = None) -> Ms:
        """The caller says this, from `at` (now) on, evenly over lasts_ms. Returns when they will be done."""
        start = max(self.now, self.now if at is None else at)
        length = lasts_ms if lasts_ms is not None else max(150, len(text) * self._latency.ms_per_char)
        words: list[tuple[Ms, str]] = []
        position = 0
        for word in text.split():
            position = text.index(word, position) + len(word)
            words.append((start + length * position // len(text), word))
        utterance = _Utterance(start, start + length, tuple(words))
        self._utterances.append(utterance)
        if length >= self._latency.onset_ms:
            self._at(start + self._latency.onset_ms, lambda: self.tell(fact.SpeechStarted(at_ms=start)))
            self._at(utterance.end + self._latency.hangover_ms, lambda: self._voice_ends(utterance))
        for when, _ in words:
            self._at(when + self._latency.partial_ms, self._partial)
        return utterance.end

    def makes_noise(self, at: Ms | None = None, *, lasts_ms: int) -> Ms:
        """Something that the detector takes for a voice and that has no words: a cough, a dog, an echo."""
        return self.says("", at, lasts_ms=lasts_ms)

    def presses(self, keys: str, at: Ms | None = None, *, every_ms: int = 200) -> None:
        """The caller presses these keys, one every every_ms."""
        start = self.now if at is None else at
        for index, digit in enumerate(keys):
            self._at(start + index * every_ms, partial(self._press, digit))

    def tells(self, event: Event, at: Ms | None = None) -> None:
        """Anything else happens: a drain, a line that closes, a fact out of order."""
        self._at(self.now if at is None else at, lambda: self.tell(event))

    def breaks(self, fault: Fault, at: Ms | None = None) -> None:
        self._at(self.now if at is None else at, lambda: self.faults.add(fault))

    def mends(self, fault: Fault, at: Ms | None = None) -> None:
        self._at(self.now if at is None else at, lambda: self.faults.discard(fault))

    # --- running it ----------------------------------------------------------------------------------------------

    def run_until(self, ms: Ms) -> None:
        """Let call time pass up to `ms`, or to the end of the call."""
        while not self.machine.ended:
            at = self._next()
            if at is None or at > ms:
                break
            self._step(at)
        self.now = max(self.now, ms)

    def run(self, limit_ms: Ms = 4_000_000) -> None:
        """Let the call go on to its end. Raises AssertionError if it has none before limit_ms."""
        while not self.machine.ended:
            at = self._next()
            if at is None or at > limit_ms:
                raise AssertionError(f"the call never ends: {self.machine.states} at {self.now} ms")
            self._step(at)

    def run_until_idle(self) -> None:
        """Let the call go on until all that was scripted has happened and the agent waits, or to its end."""
        waiting = (CallState.ACTIVE, CallerState.SILENT, AgentState.IDLE)
        while not self.machine.ended:
            at = self._next()
            if at is None or (self.machine.states == waiting and not self._acts):
                break
            self._step(at)

    # --- what came of it -------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        return self.machine.ended

    @property
    def history(self) -> tuple[Message, ...]:
        return self.machine.history

    @property
    def transcript(self) -> list[tuple[str, str]]:
        """(role, text) in the order in which they were reported."""
        return [(each.role, each.text) for _, each in self.orders(order.ReportTranscript)]

    @property
    def heard(self) -> str:
        """Every word of the agent's that reached the caller's ear to its last letter, in order."""
        reach: dict[tuple[int, int], Sound] = {}
        for sound in self.sounds:
            key = (sound.response_id, sound.clause)
            if key not in reach or sound.played_ms > reach[key].played_ms:
                reach[key] = sound
        parts = (heard_prefix(each.text, each.played_ms, each.duration_ms) for each in reach.values())
        return " ".join(part for part in parts if part)

    @property
    def outcome(self) -> tuple[str, str]:
        """(outcome, reason) of the call's end. Raises IndexError while it goes on."""
        _, finish = self.orders(order.FinishCall)[-1]
        return finish.outcome, finish.reason

    @property
    def journal(self) -> str:
        """The call as the store would write it."""
        return "".join(render_entry(at, event, ordered) + "\n" for at, event, ordered in self.log)

    def orders(self, kind: type[Kind]) -> list[tuple[Ms, Kind]]:
        """All commands of one kind with their times."""
        return [(at, each) for at, _, ordered in self.log for each in ordered if isinstance(each, kind)]

    def facts(self, kind: type[Kind]) -> list[tuple[Ms, Kind]]:
        """All events of one kind with their times."""
        return [(at, event) for at, event, _ in self.log if isinstance(event, kind)]

    def longest_wait(self) -> tuple[int, Ms]:
        """(length, start) of the longest silence in which it was the agent's turn to be heard, in ms.

        That is silence before a greeting, after the caller's words or keys, or after a sound of the agent's that was
        not the end of a whole reply. A caller who has been answered and says nothing makes no such silence; a noise
        of theirs breaks one, and does not change whose turn it is. A transfer is heard to ring.
        """
        greets = bool(self._prepared.first_message)
        stretches: list[tuple[Ms, Ms, bool | None]] = [(at, at, True) for at in self._keys]
        stretches += [(each.start, each.end, bool(each.words) or None) for each in self._utterances]
        stretches += [(each.start, each.end, not self._is_last(each)) for each in self.sounds]
        stretches += [(start, end, False) for start, end in self._rings]
        over = self.now if self._over is None else self._over
        longest, quiet_from, turn_end, owed = (0, 0), 0, 0, greets
        for start, end, owes in sorted((each for each in stretches if each[0] < over), key=lambda each: each[:2]):
            if owed and start - quiet_from > longest[0]:
                longest = (start - quiet_from, quiet_from)
            quiet_from = max(quiet_from, end)
            if owes is not None and end >= turn_end:
                turn_end, owed = end, owes
        if owed and over - quiet_from > longest[0]:
            longest = (over - quiet_from, quiet_from)
        return longest

    def _is_last(self, sound: Sound) -> bool:
        """This sound is the end of a reply that came whole."""
        whole = sound.response_id in self._whole and sound.clause == self._clauses[sound.response_id]
        return whole and sound.played_ms >= sound.duration_ms

    # --- time --------------------------------------------------------------------------------------------------

    def _at(self, at: Ms, act: Callable[[], None]) -> None:
        self._scheduled += 1
        heappush(self._acts, (max(at, self.now), self._scheduled, act))

    def _after(self, delay_ms: int, event: Event) -> None:
        self._at(self.now + delay_ms, lambda: self.tell(event))

    def _next(self) -> Ms | None:
        deadline = self.machine.next_deadline()
        if not self._acts:
            return deadline
        return self._acts[0][0] if deadline is None else min(self._acts[0][0], deadline)

    def _step(self, at: Ms) -> None:
        self.now = max(self.now, at)
        if self._acts and self._acts[0][0] <= at:
            heappop(self._acts)[2]()
        else:
            self.tell(fact.Tick())

    def tell(self, event: Event) -> None:
        """Hand the machine an event now and carry out what it orders."""
        ordered = tuple(self.machine.handle(event, self.now))
        self.log.append((self.now, event, ordered))
        for each in ordered:
            self._perform(each)
        if isinstance(event, fact.LineClosed):
            self._silence()
            self._over = self.now if self._over is None else self._over

    def _perform(self, command: order.Command) -> None:
        wait = self._latency
        match command:
            case order.PrepareCall() if Fault.HOOK_HANGS not in self.faults:
                self._after(wait.hook_ms, fact.CallPrepared(plan=self._prepared))
            case order.FinalizeTranscript():
                self._finalize()
            case order.CommitTranscript():
                self._segment += 1
                self._segment_since = self.now
            case order.StartResponse(response_id=reply, text=text) | order.DraftResponse(response_id=reply, text=text):
                self._think(reply, text)
            case order.ContinueResponse(response_id=reply):
                self._think(reply, "")
            case order.RunTool(response_id=reply, tool_call_id=tool_call_id, name=name):
                tool = self._tools.get(name, VirtualTool('{"ok": false, "error": "no such tool"}'))
                if tool.after_ms is not None:
                    finished = fact.ToolFinished(response_id=reply, tool_call_id=tool_call_id, result=tool.result)
                    self._after(tool.after_ms, finished)
            case order.PredictEndOfTurn(segment=segment):
                if self._end_of_turn is not None:
                    likely = self._end_of_turn(self._words(self.now))
                    self._after(wait.end_of_turn_ms, fact.EndOfTurnPredicted(segment=segment, probability=likely))
            case order.ReadOut(response_id=reply, text=text):
                self._deliver(reply, Answer(clauses=tuple(_sentences(text)), after_ms=1))
            case order.CancelResponse(response_id=reply):
                self._cancelled.add(reply)
                self._voice_free = self.now
            case order.JudgeClause(response_id=reply, clause=clause, rule=rule, text=text):
                if Fault.JUDGE_HANGS not in self.faults:
                    verdict = self._judge(rule, text)
                    judged = fact.ClauseJudged(response_id=reply, clause=clause, rule=rule, replacement=verdict)
                    self._after(wait.judge_ms, judged)
            case order.Speak(response_id=reply, clause=clause, text=text):
                self._voice(reply, clause, text)
            case order.PausePlayback(response_id=reply):
                self._stop(reply, forget=False)
            case order.ClearPlayback(response_id=reply):
                self._stop(reply, forget=True)
            case order.ResumePlayback():
                self._line.paused = False
                self._play()
            case order.Transfer():
                works = self._transfer_works
                self._rings.append((self.now, self.now + wait.transfer_ms))
                self._after(wait.transfer_ms, fact.TransferFinished() if works else fact.TransferFailed(message="busy"))
            case order.HangUp():
                self._over = self.now if self._over is None else self._over
                if Fault.NO_HANG_UP not in self.faults:
                    self._after(wait.hang_up_ms, fact.LineClosed(cause="carrier_stop"))
            case order.FinishCall():
                self._silence()
                self._over = self.now if self._over is None else self._over

    # --- the ears ------------------------------------------------------------------------------------------------

    def _press(self, digit: str) -> None:
        self._keys.append(self.now)
        self.tell(fact.KeyPressed(digit=digit))

    def _voice_ends(self, utterance: _Utterance) -> None:
        if not any(each.start <= self.now and each.end > utterance.end for each in self._utterances):
            self.tell(fact.SpeechEnded(at_ms=utterance.end))

    def _words(self, until: Ms) -> str:
        """What was said since the segment began."""
        said = sorted(each for utterance in self._utterances for each in utterance.words)
        return " ".join(word for when, word in said if self._segment_since < when <= until)

    def _partial(self) -> None:
        deaf = {Fault.EARS_HANG, Fault.EARS_LATE, Fault.EARS_EMPTY} & self.faults
        words = self._words(self.now - self._latency.partial_ms)
        if words and not deaf:
            self.tell(fact.TranscriptPartial(segment=self._segment, text=words))

    def _finalize(self) -> None:
        if Fault.EARS_HANG in self.faults:
            return
        text = "" if Fault.EARS_EMPTY in self.faults else self._words(self.now)
        late = 3000 if Fault.EARS_LATE in self.faults else 0
        self._after(self._latency.final_ms + late, fact.TranscriptFinal(segment=self._segment, text=text))

    # --- the brain -----------------------------------------------------------------------------------------------

    def _think(self, reply: int, text: str) -> None:
        if callable(self._answer):
            answer = self._answer(text)
        else:
            answer = self._answer[min(self._answered, len(self._answer) - 1)]
        self._answered += 1
        if isinstance(answer, str):
            answer = Answer(clauses=tuple(_sentences(answer)))
        if Fault.BRAIN_HANGS in self.faults:
            return
        if Fault.BRAIN_EMPTY in self.faults:
            answer = Answer(clauses=())
        failed = fact.ResponseFailed(response_id=reply, provider="virtual", message="broken")
        if Fault.BRAIN_FAILS in self.faults:
            self._after(self._latency.first_clause_ms, failed)
        elif {Fault.BRAIN_BREAKS_OFF, Fault.BRAIN_STALLS} & self.faults:
            due = self.now + self._latency.first_clause_ms
            for text in answer.clauses[:1]:
                self._at(due, partial(self._from_brain, reply, fact.ClauseReady(response_id=reply, text=text)))
            if Fault.BRAIN_BREAKS_OFF in self.faults:
                self._at(due + self._latency.next_clause_ms, partial(self._from_brain, reply, failed))
        else:
            self._deliver(reply, answer)

    def _deliver(self, reply: int, answer: Answer) -> None:
        due = self.now + (self._latency.first_clause_ms if answer.after_ms is None else answer.after_ms)
        facts: list[Event] = [fact.ClauseReady(response_id=reply, text=each) for each in answer.clauses]
        self._at(due, lambda: self._from_brain(reply, fact.FirstToken(response_id=reply)))
        for index, each in enumerate(facts):
            self._at(due + index * self._latency.next_clause_ms, partial(self._from_brain, reply, each))
        due += len(facts) * self._latency.next_clause_ms
        for name, arguments in answer.calls:
            self._tool_calls += 1
            asked_for = fact.ToolCallRequested(
                response_id=reply, tool_call_id=f"tool{self._tool_calls}", name=name, arguments=arguments
            )
            self._at(due, partial(self._from_brain, reply, asked_for))
        if answer.transfer:
            asked = fact.TransferRequested(response_id=reply, number=answer.transfer)
            self._at(due, lambda: self._from_brain(reply, asked))
        if answer.hang_up:
            self._at(due, lambda: self._from_brain(reply, fact.EndRequested(response_id=reply)))
        self._at(due, lambda: self._from_brain(reply, fact.ResponseFinished(response_id=reply)))

    def _from_brain(self, reply: int, event: Event) -> None:
        if reply in self._cancelled:
            return
        if isinstance(event, fact.ResponseFinished):
            self._whole.add(reply)
        self.tell(event)

    # --- the voice and the line ------------------------------------------------------------------------------------

    def _voice(self, reply: int, clause: int, text: str) -> None:
        self._clauses[reply] = clause
        stock = text in self._stock
        broken = self.faults if not stock else self.faults & {Fault.LINES_HANG}
        stalls = Fault.VOICE_STALLS in broken and clause == 1
        if stalls:
            self._voice_free = _NEVER
        if self._voice_free == _NEVER or {Fault.VOICE_HANGS, Fault.LINES_HANG} & broken:
            return
        ready = max(self.now, self._voice_free) + self._latency.voice_ms // (10 if stock else 1)
        self._voice_free = ready
        if Fault.VOICE_FAILS in broken:
            failed = fact.SpeakFailed(response_id=reply, clause=clause, provider="virtual", message="broken")
            self._at(ready, lambda: self.tell(failed))
            return
        length = 0 if Fault.VOICE_EMPTY in broken else len(text) * self._latency.ms_per_char
        self._at(ready, lambda: self._on_the_line(_Voiced(reply, clause, text, length)))

    def _on_the_line(self, voiced: _Voiced) -> None:
        if voiced.response_id in self._cancelled:
            return
        if voiced.duration_ms:
            self._line.queue.append(voiced)
            self.tell(fact.FirstAudio(response_id=voiced.response_id, clause=voiced.clause))
        # A voice is about seven times as quick as speech: the end of a clause is known while it plays.
        done = fact.ClauseVoiced(response_id=voiced.response_id, clause=voiced.clause, duration_ms=voiced.duration_ms)
        self._after(voiced.duration_ms // 7, done)
        self._play()

    def _play(self) -> None:
        line = self._line
        if line.paused or line.playing is not None or not line.queue:
            return
        head = line.queue[0]
        left = head.duration_ms - head.from_ms
        line.playing = Sound(
            head.response_id, head.clause, head.text, head.duration_ms, head.from_ms, self.now, self.now + left
        )
        self.sounds.append(line.playing)
        line.run += 1
        run = line.run
        self._at(self.now + left, lambda: self._played(run))
        self.tell(fact.PlayoutStarted(response_id=head.response_id, clause=head.clause))

    def _played(self, run: int) -> None:
        if run != self._line.run or self._line.playing is None:
            return
        sound, self._line.playing = self._line.playing, None
        self._line.queue.pop(0)
        if Fault.NO_MARKS not in self.faults:
            reached = fact.MarkReached(response_id=sound.response_id, clause=sound.clause)
            self._after(self._latency.mark_ms, reached)
        self._play()

    def _silence(self) -> Sound | None:
        """Cut the sound that plays, if one does."""
        sound, self._line.playing = self._line.playing, None
        self._line.run += 1
        if sound is not None:
            sound.end = self.now
        return sound

    def _stop(self, reply: int, *, forget: bool) -> None:
        sound = self._silence()
        line = self._line
        line.paused = not forget
        if forget:
            line.queue.clear()
        elif sound is not None:
            line.queue[0].from_ms = max(0, sound.played_ms - REWIND_MS)
        last = next((each for each in reversed(self.sounds) if each.response_id == reply), None)
        if Fault.NO_STOPS in self.faults or (forget and last is None):
            return
        where, played = (0, 0) if last is None else (last.clause, last.played_ms)
        stopped = fact.PlaybackStopped(response_id=reply, clause=where, played_ms=played)
        self._after(self._latency.stop_ms, stopped)


def _sentences(text: str) -> Iterator[str]:
    return (each for each in re.split(r"(?<=[.!?]) ", text) if each.strip())


def _stock(lines: Lines) -> set[str]:
    """What is prepared ahead of time: the lines, as they are cut into clauses."""
    return {clause for text in lines.texts() for clause in (text, *_sentences(text))}
