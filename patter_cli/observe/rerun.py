"""What would have happened: a turn run again through the machine, one wait of it shorter or one rule of it another.

Theory of operation. The machine is pure, so a copy of it from just before the turn's silence decides again. Facts that
answer an order come as long after that order as they did, less what is cut; the caller's voice and what else nobody
ordered comes when it came; deadlines fall due by the machine's own clock, late only where the loop was held. The run
ends with the answer's first sound, or when nothing more can happen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Any

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DtmfFailed, DtmfSent
from patter_cli.core.events import Event, Ms
from patter_cli.core.journal import Entry
from patter_cli.core.machine import TurnMachine
from patter_cli.core.plan import CallPlan
from patter_cli.observe.waits import AnsweredTurn, Wait, is_filler, sounds_ms

TIMER_MS = 1
"""How late a deadline is kept at the best of times."""
LINE_MS = 20
"""What the line takes to begin a sound after another: a frame."""
STEPS = 3000
"""A turn has some dozens."""

_MODEL = (
    fact.FirstToken, fact.ClauseReady, fact.ToolCallRequested, fact.ModelUsed, fact.EndRequested,
    fact.TransferRequested, fact.ResponseFinished, fact.ResponseFailed,
)  # fmt: skip
_VOICE = (fact.FirstAudio, fact.WordsTimed, fact.ClauseVoiced, fact.SpeakFailed, fact.VoiceLate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is otherwise in the run. cuts: how much shorter a wait is, by its kind and key. unheld: nobody held the
    loop. plan: None: the call's own."""

    cuts: Mapping[tuple[Wait, str], Ms] = field(default_factory=dict)
    unheld: bool = False
    plan: CallPlan | None = None


UNCHANGED = Change()


def rerun(machine: TurnMachine, turn: AnsweredTurn, entries: Sequence[Entry], change: Change = UNCHANGED) -> Ms | None:
    """How long the caller waits then; None if the answer never comes. machine: as it was before the turn's first entry,
    and is left."""
    return _Run(machine.branch(change.plan), turn, entries, change).wait()


class _Run:
    def __init__(self, machine: TurnMachine, turn: AnsweredTurn, entries: Sequence[Entry], change: Change) -> None:
        self._machine = machine
        self._turn = turn
        self._change = change
        self._held = () if change.unheld else tuple(turn.held)
        self._queue: list[tuple[Ms, int, Event]] = []
        self._pushed = 0
        self._answers: dict[tuple[str, str], list[tuple[Ms, Event]]] = {}
        """What answers an order, and how long after it."""
        self._texts: dict[int, str] = {}
        """Of the caller's, that a reply was asked for with."""
        self._voiced: dict[tuple[int, int], str] = {}
        """What a clause of the run says."""
        self._steps: dict[int, int] = {}
        self._alias: dict[int, int] = {}
        """A reply of the run, and the one of the call that it is."""
        self._asked = 0
        self._line_free: Ms = 0
        self._durations: dict[str, Ms] = {}
        self._read(entries)

    # --- what is known of the call ----------------------------------------------------------------------------

    def _read(self, entries: Sequence[Entry]) -> None:
        """Sort the turn's facts into answers to orders, and what comes by itself."""
        read = _Reader(self._turn, self._change.cuts)
        for entry in entries[self._turn.first : self._turn.last + 1]:
            event = entry.event
            if isinstance(event, fact.PlayoutStarted):
                read.to_line(entry.at, event, sounds_ms(entries[self._turn.first : self._turn.last + 200], event))
            elif event is entries[self._turn.first].event:
                took = entry.at - self._turn.voiced_until - read.cut(Wait.VOICE_END, "")
                self._push(self._turn.voiced_until + max(0, took), event)
            elif not isinstance(event, fact.Tick | fact.LoopHeld) and not read.answer(entry.at, event):
                self._push(entry.at, event)
            for command in entry.commands:
                read.order(entry.at, command)
        self._answers, self._texts = read.answers, read.texts

    # --- the run -----------------------------------------------------------------------------------------------

    def wait(self) -> Ms | None:
        """Until the answer's first sound."""
        turn, machine = self._turn, self._machine
        for _ in range(STEPS):
            deadline = machine.next_deadline()
            due = None if deadline is None else self._kept(deadline)
            if self._queue and (due is None or self._queue[0][0] <= due):
                at, _, event = heappop(self._queue)
            elif due is not None:
                at, event = due, fact.Tick()
            else:
                return None
            if at > turn.answered_at + 30_000:
                return None
            commands = machine.handle(event, at)
            if isinstance(event, fact.PlayoutStarted) and not is_filler(self._said(event), machine.plan):
                return at - turn.voiced_until
            self._after(event, at)
            for command in commands:
                self._answer(command, at)
        return None

    def _kept(self, deadline: Ms) -> Ms:
        """When it is really kept."""
        return next((each.ended for each in self._held if each.begun <= deadline < each.ended), deadline + TIMER_MS)

    def _said(self, event: fact.FirstAudio | fact.PlayoutStarted) -> str:
        return self._voiced.get((event.response_id, event.clause), "")

    def _after(self, event: Event, at: Ms) -> None:
        """The first sound of a clause goes to the line, once that is free."""
        if isinstance(event, fact.FirstAudio):
            text = self._said(event)
            ((took, _),) = self._answers.get(("line", text), [(0, event)])
            took = max(0, took - self._change.cuts.get((Wait.HANDOVER, text), 0))
            started = fact.PlayoutStarted(response_id=event.response_id, clause=event.clause)
            self._push(max(at + took, self._line_free), started)
        elif isinstance(event, fact.PlayoutStarted):
            self._line_free = at + self._durations.get(self._said(event), 0) + LINE_MS

    def _answer(self, command: order.Command, at: Ms) -> None:
        match command:
            case order.FinalizeTranscript():
                self._bring("words", str(self._asked), at)
                self._asked += 1
            case order.PredictEndOfTurn(segment=segment):
                self._bring("prediction", str(segment), at)
            case (
                order.StartResponse(response_id=response, text=text)
                | order.DraftResponse(response_id=response, text=text)
                | order.ReadOut(response_id=response, text=text)
            ):
                self._steps[response] = 0
                self._alias[response] = self._same(response, text)
                self._bring("model", f"{self._alias[response]}.0", at, response_id=response)
            case order.ContinueResponse(response_id=response):
                self._steps[response] = self._steps.get(response, 0) + 1
                step = f"{self._alias.get(response, response)}.{self._steps[response]}"
                self._bring("model", step, at, response_id=response)
            case order.CancelResponse(response_id=response):
                self._queue = [each for each in self._queue if getattr(each[2], "response_id", None) != response]
                self._queue.sort()
            case order.RunTool(tool_call_id=tool) | order.SendDtmf(tool_call_id=tool):
                self._bring("tool", tool, at)
            case order.JudgeClause(response_id=response, clause=clause, rule=rule, text=text):
                self._bring("rule", f"{rule} {text}", at, response_id=response, clause=clause)
            case order.Speak(response_id=response, clause=clause, text=text):
                self._voiced[response, clause] = text
                self._speak(response, clause, text, at)
            case _:
                pass

    def _speak(self, response: int, clause: int, text: str, at: Ms) -> None:
        answers = self._answers.get(("voice", text))
        if answers is None:  # a line that the call did not need: they are ready
            self._durations[text] = 60 * len(text)
            self._push(at, fact.FirstAudio(response_id=response, clause=clause))
            return
        for delay, event in answers:
            if isinstance(event, fact.ClauseVoiced):
                self._durations[text] = event.duration_ms
            ids: dict[str, Any] = {"response_id": response, "clause": clause}
            self._push(at + delay, replace(event, **ids))

    def _same(self, response: int, text: str) -> int:
        """Which reply of the call this one of the run is."""
        if self._texts.get(response) == text:
            return response
        return next((each for each, said in self._texts.items() if said == text), self._turn.response_id)

    def _bring(self, kind: str, key: str, at: Ms, **ids: Any) -> None:
        for delay, event in self._answers.get((kind, key), ()):
            self._push(at + delay, replace(event, **ids) if ids else event)

    def _push(self, at: Ms, event: Event) -> None:
        """Have it come then, but not while nobody could take it."""
        at = next((each.ended for each in self._held if each.begun <= at < each.ended), at)
        self._pushed += 1
        heappush(self._queue, (at, self._pushed, event))


class _Reader:
    """Takes a turn's entries in order; what answers which order, how long after it."""

    def __init__(self, turn: AnsweredTurn, cuts: Mapping[tuple[Wait, str], Ms]) -> None:
        self.answers: dict[tuple[str, str], list[tuple[Ms, Event]]] = {}
        self.texts: dict[int, str] = {}
        """Of the caller's, that a reply was asked for with."""
        self._turn = turn
        self._cuts = cuts
        self._began: dict[tuple[str, str], Ms] = {}
        self._steps: dict[int, int] = {}
        self._voice: dict[tuple[int, int], str] = {}
        """What a clause says; the number it had may be another's in the run, where fewer lines bridge the wait."""
        self._judged: dict[tuple[int, int], str] = {}
        """The same of one that a guardrail looks at."""
        self._asked = self._finals = 0
        self._line_free: Ms = 0

    def cut(self, kind: Wait, key: str) -> Ms:
        """How much shorter this wait is to be."""
        return self._cuts.get((kind, key), 0)

    def answer(self, at: Ms, event: Event) -> bool:
        """Whether it answers an order; it is then kept for whenever that is given."""
        match event:
            case fact.TranscriptFinal():
                key, cut = ("words", str(self._finals)), self.cut(Wait.WORDS, str(self._finals))
                self._finals += 1
            case fact.EndOfTurnPredicted(segment=segment):
                key, cut = ("prediction", str(segment)), self.cut(Wait.PREDICTION, str(segment))
            case fact.ToolFinished(tool_call_id=tool) | DtmfSent(tool_call_id=tool) | DtmfFailed(tool_call_id=tool):
                key, cut = ("tool", tool), self.cut(Wait.TOOL, tool)
            case fact.ClauseJudged(response_id=response, clause=clause, rule=rule):
                key = ("rule", f"{rule} {self._judged.get((response, clause), '')}")
                cut = self.cut(Wait.RULE, f"{response}.{clause}.{rule}")
            case _ if isinstance(event, _MODEL):
                step = f"{event.response_id}.{self._steps.get(event.response_id, 0)}"
                key, cut = ("model", step), self.cut(Wait.FIRST_WORDS, step)
                if not isinstance(event, fact.FirstToken):
                    cut += self.cut(Wait.CLAUSE, step)
            case _ if isinstance(event, _VOICE) and (event.response_id, event.clause) in self._voice:
                text = self._voice[event.response_id, event.clause]
                key, cut = ("voice", text), self.cut(Wait.SOUND, text)
                if isinstance(event, fact.FirstAudio):
                    self._began["sound", text] = at
            case fact.MarkReached(response_id=response) if response == self._turn.response_id:
                return True  # of a line that bridged the wait: the run makes its own
            case _:
                return False
        if key not in self._began:
            return False
        self.answers.setdefault(key, []).append((max(0, at - self._began[key] - cut), event))
        return True

    def to_line(self, at: Ms, event: fact.PlayoutStarted, duration_ms: Ms) -> None:
        """A clause begins to sound; how long the line took once it was free."""
        text = self._voice.get((event.response_id, event.clause))
        if text is None:
            return
        sound = self._began.get(("sound", text), at)
        self.answers["line", text] = [(max(0, at - max(sound, self._line_free)), event)]
        self._line_free = max(self._line_free, at + duration_ms)

    def order(self, at: Ms, command: order.Command) -> None:
        """An order is given then."""
        match command:
            case order.FinalizeTranscript():
                self._began["words", str(self._asked)] = at
                self._asked += 1
            case order.PredictEndOfTurn(segment=segment):
                self._began["prediction", str(segment)] = at
            case (
                order.StartResponse(response_id=response, text=text)
                | order.DraftResponse(response_id=response, text=text)
                | order.ReadOut(response_id=response, text=text)
            ):
                self._steps[response], self.texts[response] = 0, text
                self._began["model", f"{response}.0"] = at
            case order.ContinueResponse(response_id=response):
                self._steps[response] = self._steps.get(response, 0) + 1
                self._began["model", f"{response}.{self._steps[response]}"] = at
            case order.RunTool(tool_call_id=tool) | order.SendDtmf(tool_call_id=tool):
                self._began["tool", tool] = at
            case order.JudgeClause(response_id=response, clause=clause, rule=rule, text=text):
                self._judged[response, clause] = text
                self._began["rule", f"{rule} {text}"] = at
            case order.Speak(response_id=response, clause=clause, text=text):
                self._voice[response, clause] = text
                self._began["voice", text] = at
            case _:
                pass
