"""A call as it went: who said what when, what of it was not heard, the tools, and what each turn waited for and cost.

A fold over its journal. Where `summary` is what a program is told of a call, this is what a person wants to see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import Answered, DialRequested
from patter_cli.core.events import Ms
from patter_cli.core.journal import Entry, parse_entry
from patter_cli.errors import InputError
from patter_cli.observe.cost import LIST_PRICES, CostFold
from patter_cli.observe.metrics import LatencyFold, TurnLatency
from patter_cli.observe.prices import PriceTable


@dataclass(slots=True, kw_only=True)
class Spoken:
    """What the agent said in one go. at: when the last of it was heard, or that it was not."""

    at: Ms
    heard: str
    unheard: str = ""
    """What came after it and reached nobody's ear."""
    interrupted: bool = False


@dataclass(slots=True, kw_only=True)
class ToolUsed:
    """A tool call. arguments, result: JSON texts; result and took_ms are None while it runs."""

    at: Ms
    name: str
    arguments: str
    result: str | None = None
    took_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class StoryTurn:
    """What the caller said, and all that followed until they spoke again. Number 0 is what came before their first."""

    number: int
    at: Ms
    caller: str | None
    """None: they had not said anything yet."""
    agent: list[Spoken] = field(default_factory=list)
    tools: list[ToolUsed] = field(default_factory=list)
    latency: TurnLatency | None = None
    known_usd: float = 0.0
    faults: list[str] = field(default_factory=list)
    """What went wrong at a vendor, in its words."""
    colleague: list[tuple[Ms, str]] = field(default_factory=list)
    """What somebody said who had taken the call over, and when."""


@dataclass(slots=True)
class CallStory:
    """Feed it a call's entries in order, or `read` its journal."""

    prices: PriceTable = LIST_PRICES
    call_id: str = ""
    agent: str = ""
    caller: str = ""
    callee: str = ""
    carrier: str = ""
    started_at: float = 0.0
    """Unix seconds."""
    turns: list[StoryTurn] = field(default_factory=list)
    outcome: str = ""
    """ "" while the call lasts, or if its journal was cut off."""
    reason: str = ""
    duration_ms: int = 0
    answered_by: str = ""
    unreadable: int = 0
    """Lines of the journal that could not be read."""
    cost: CostFold = field(init=False)
    _latency: LatencyFold = field(default_factory=LatencyFold)
    _tools: dict[str, ToolUsed] = field(default_factory=dict)
    _spoken: dict[int, dict[int, str]] = field(default_factory=dict)
    """Clauses that were voiced since what was heard was last told, by reply and clause."""
    _told_usd: float = 0.0

    def __post_init__(self) -> None:
        self.cost = CostFold(self.prices)

    def read(self, lines: Iterable[str], *, goes_on: bool = False) -> CallStory:
        """Take a journal's lines; what cannot be read is counted and passed over.

        goes_on: the call does, and what was voiced last may still be heard.
        """
        for line in lines:
            try:
                self.feed(parse_entry(line))
            except InputError:
                self.unreadable += 1
        if not goes_on:
            self._leave_unheard(self.duration_ms)
        return self

    def feed(self, entry: Entry) -> None:
        """Take one journal entry."""
        self.duration_ms = max(self.duration_ms, entry.at)
        self._note(entry)
        self.cost.feed(entry)
        latency = self._latency.feed(entry)
        if latency is not None:
            self._turn(entry.at).latency = latency
        for command in entry.commands:
            self._take(command, entry.at)
        known = sum(each.usd or 0.0 for each in self.cost.uses)
        if known != self._told_usd:
            self._turn(entry.at).known_usd += known - self._told_usd
            self._told_usd = known

    def _note(self, entry: Entry) -> None:
        match entry.event:
            case fact.CallConnected() | DialRequested() as first if not self.call_id:
                self.call_id, self.agent = first.call_id, first.plan.agent
                self.caller, self.callee, self.carrier = first.caller, first.callee, first.carrier
                self.started_at = first.wall_time
            case fact.CallPrepared(plan=plan):
                self.agent = plan.agent  # on_call_start may have chosen another
            case Answered():
                self._turn(entry.at)
            case fact.ToolFinished(tool_call_id=tool_call_id, result=result) if tool_call_id in self._tools:
                tool = self._tools[tool_call_id]
                tool.result, tool.took_ms = result, entry.at - tool.at
            case fact.SpanWords(response_id=response_id, clause=clause, text=text):
                clauses = self._spoken.setdefault(response_id, {})
                clauses[clause] = clauses.get(clause, "") + text
            case (
                fact.ResponseFailed(provider=provider, message=message)
                | fact.SpeakFailed(provider=provider, message=message)
                | fact.ListenFailed(provider=provider, message=message)
                | fact.EngineLost(provider=provider, message=message)
            ):
                self._turn(entry.at).faults.append(f"{provider}: {message}" if provider else message)
            case _:
                pass

    def _take(self, command: order.Command, at: Ms) -> None:
        match command:
            case order.ReportTranscript(role="user", text=text):
                self._leave_unheard(at)
                self.turns.append(StoryTurn(number=self._next_number(), at=at, caller=text))
            case order.ReportTranscript(role="assistant", text=text, interrupted=interrupted):
                self._hear(at, text, interrupted=interrupted)
            case order.ReportTranscript(role="colleague", text=text):
                self._turn(at).colleague.append((at, text))
            case order.Speak(response_id=response_id, clause=clause, text=text):
                self._spoken.setdefault(response_id, {})[clause] = text
            case order.RunTool(tool_call_id=tool_call_id, name=name, arguments=arguments):
                self._tools[tool_call_id] = ToolUsed(at=at, name=name, arguments=arguments)
                self._turn(at).tools.append(self._tools[tool_call_id])
            case order.TakeFor(answered_by=answered_by):
                self.answered_by = answered_by
            case order.FinishCall(outcome=outcome, reason=reason):
                self.outcome, self.reason = str(outcome), reason
            case _:
                pass

    def _next_number(self) -> int:
        return self.turns[-1].number + 1 if self.turns else 1

    def _turn(self, at: Ms) -> StoryTurn:
        """The one that goes on."""
        if not self.turns:
            self.turns.append(StoryTurn(number=0, at=at, caller=None))
        return self.turns[-1]

    def _hear(self, at: Ms, heard: str, *, interrupted: bool) -> None:
        """So much of what was voiced was heard; what was voiced before it was not."""
        for response_id in list(self._spoken):
            clauses = self._spoken.pop(response_id)
            voiced = " ".join(text.strip() for _, text in sorted(clauses.items()))
            rest = _after(voiced, heard)
            if rest is None and self._spoken:
                self._turn(at).agent.append(Spoken(at=at, heard="", unheard=voiced, interrupted=True))
                continue
            unheard = rest or "" if interrupted else ""
            self._turn(at).agent.append(Spoken(at=at, heard=heard, unheard=unheard, interrupted=interrupted))
            return
        self._turn(at).agent.append(Spoken(at=at, heard=heard, interrupted=interrupted))

    def _leave_unheard(self, at: Ms) -> None:
        """What was voiced and never told of was not heard at all."""
        for clauses in self._spoken.values():
            voiced = " ".join(text.strip() for _, text in sorted(clauses.items()))
            if voiced:
                self._turn(at).agent.append(Spoken(at=at, heard="", unheard=voiced, interrupted=True))
        self._spoken.clear()

    def render(self) -> dict[str, Any]:
        """JSON values: {turns: [{number, at_ms, caller, agent: [{at_ms, heard, unheard, interrupted}], tools:
        [{at_ms, name, arguments, result, took_ms}], latency, known_usd, faults, colleague: [{at_ms, text}]}], cost,
        unreadable}.
        """
        return {
            "turns": [
                {
                    "number": turn.number,
                    "at_ms": turn.at,
                    "caller": turn.caller,
                    "agent": [_at_ms(asdict(each)) for each in turn.agent],
                    "tools": [_at_ms(asdict(each)) for each in turn.tools],
                    "latency": turn.latency.render() if turn.latency else None,
                    "known_usd": round(turn.known_usd, 6),
                    "faults": turn.faults,
                    "colleague": [{"at_ms": at, "text": text} for at, text in turn.colleague],
                }
                for turn in self.turns
            ],
            "cost": self.cost.render(),
            "unreadable": self.unreadable,
        }


def _at_ms(facts: dict[str, Any]) -> dict[str, Any]:
    return {("at_ms" if name == "at" else name): value for name, value in facts.items()}


def _after(voiced: str, heard: str) -> str | None:
    """What of a text follows the words that were heard of it; None if they are none of its own."""
    words, known = voiced.split(), heard.split()
    shared = 0
    while shared < min(len(words), len(known)) and words[shared] == known[shared]:
        shared += 1
    if known and not shared:
        return None
    return " ".join(words[max(shared, len(known)) :])
