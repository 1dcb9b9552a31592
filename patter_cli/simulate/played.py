"""What is known of a call that was played: what was heard, called, pressed and waited for, and when."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry
from patter_cli.core.outcome import Outcome
from patter_cli.simulate.overheard import Overheard
from patter_cli.simulate.script import StepDone

Span: TypeAlias = tuple[float, float]
"""From and to, ms of call time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedTool:
    """A tool that the agent called. result: what it was told; None: it never was."""

    at_ms: int
    name: str
    arguments: Mapping[str, Any]
    result: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """Keys that the agent pressed."""

    at_ms: int
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a language model says of the conversation. skipped: why none was asked; "" if one was."""

    passed: bool
    why: str
    skipped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedCall:
    """What is known of a call afterwards. Times are ms of call time."""

    steps: Sequence[StepDone]
    """In the order of the script, as far as it was played."""
    heard: Sequence[Overheard]
    """What the caller heard the agent say."""
    begun_ms: Sequence[float]
    """When the agent's voice began, each time."""
    outcome: Outcome | None = None
    """None where only the other side knows."""
    reason: str = ""
    failure: str = ""
    """Why the script was not played to its end."""
    waits_ms: Sequence[int | None] = ()
    """What the caller waited for the agent's voice, an utterance each; None: it was not answered."""
    tools: Sequence[UsedTool] = ()
    keys: Sequence[Pressed] = ()
    transfers: Mapping[str, str] = field(default_factory=dict)
    """Number -> why nobody there took the call; "" for who did."""
    interruptions: int = 0
    silence_ms: int = 0
    """The longest time in which nobody was heard and it was the agent's turn."""
    duration_ms: int = 0
    cost_usd: float | None = None
    """None where a price is not known."""
    untimed: str = ""
    """Why its times mean nothing; "" where they do."""
    judgements: Mapping[tuple[int | None, str], Judgement] = field(default_factory=dict)
    """By step, counted from 1, or None for the whole call, and question."""


@dataclass(slots=True)
class CallFacts:
    """A fold over a call's journal: what of it no caller can hear. Feed it the entries in order."""

    tools: list[UsedTool] = field(default_factory=list)
    keys: list[Pressed] = field(default_factory=list)
    transfers: dict[str, str] = field(default_factory=dict)
    interruptions: int = 0
    _places: dict[str, int] = field(default_factory=dict)
    """Of a tool call in `tools`, by its id."""
    _number: str = ""
    """Whom the caller is being put through to."""

    def feed(self, entry: Entry) -> None:
        """Take one journal entry."""
        match entry.event:
            case fact.ToolFinished(tool_call_id=tool_call_id, result=result) if tool_call_id in self._places:
                place = self._places[tool_call_id]
                self.tools[place] = replace(self.tools[place], result=result)
            case fact.TransferFinished() if self._number:
                self.transfers[self._number] = ""
            case fact.TransferFailed(message=message) if self._number:
                self.transfers[self._number] = message or "it failed"
            case _:
                pass
        for command in entry.commands:
            match command:
                case order.RunTool(tool_call_id=tool_call_id, name=name, arguments=arguments):
                    self._places[tool_call_id] = len(self.tools)
                    self.tools.append(UsedTool(at_ms=entry.at, name=name, arguments=_arguments(arguments)))
                case order.SendDtmf(digits=digits):
                    self.keys.append(Pressed(at_ms=entry.at, digits=digits))
                case order.Transfer(number=number):
                    self._number = number
                    self.transfers.setdefault(number, "it was not answered")
                case order.ReportTranscript(role="assistant", interrupted=True):
                    self.interruptions += 1
                case _:
                    pass


def longest_silence(agent: Sequence[Span], caller: Sequence[Span], allowed: Sequence[Span], ended_ms: float) -> int:
    """The longest time, ms, in which nobody was heard until the agent was, or until the call ended unanswered.

    agent, caller: when each was heard. allowed: silences that the caller wanted. What the caller ends themselves is
    their own silence, and counts for nothing.
    """
    sounds = sorted([(*each, True) for each in agent] + [(*each, False) for each in caller])
    in_vain = max((to for _, to in caller), default=0.0) > max((to for _, to in agent), default=0.0)
    heard_until, longest = 0.0, 0.0
    for from_ms, to_ms, by_agent in [*sounds, (ended_ms, ended_ms, in_vain)]:
        if by_agent and from_ms > heard_until:
            longest = max(longest, _without((heard_until, from_ms), allowed))
        heard_until = max(heard_until, to_ms)
    return round(longest)


def _without(silence: Span, allowed: Sequence[Span]) -> float:
    """What is left of a silence, ms, after the last that was wanted in it, or before the first."""
    pieces = [silence]
    for from_ms, to_ms in allowed:
        pieces = [
            piece
            for begin, end in pieces
            for piece in ((begin, min(end, from_ms)), (max(begin, to_ms), end))
            if piece[1] > piece[0]
        ]
    return max((end - begin for begin, end in pieces), default=0.0)


def _arguments(text: str) -> dict[str, Any]:
    """What a model wrote for its arguments; a text that is no JSON object under ""."""
    try:
        given = json.loads(text)
    except ValueError:
        given = text
    return given if isinstance(given, dict) else {"": given}
