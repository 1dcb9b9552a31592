"""A call as turns: who said what, what was cut off, and what the caller waited; a fold over its journal."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested
from patter_cli.core.journal import Entry
from patter_cli.core.outcome import Outcome
from patter_cli.observe.cost import CostFold
from patter_cli.observe.metrics import LatencyFold, TurnLatency


@dataclass(slots=True, kw_only=True)
class ToolUse:
    """A tool call. arguments, result: JSON texts; result is what the model was told, None while it runs."""

    name: str
    arguments: str
    result: str | None = None

    def render(self) -> dict[str, Any]:
        """JSON values; a text that is no JSON stays a text."""
        return {"name": self.name, "arguments": _value(self.arguments), "result": _value(self.result)}


@dataclass(slots=True, kw_only=True)
class Turn:
    """What the caller said, as recognised (None before they said anything), and what they heard in answer."""

    caller: str | None
    agent: str = ""
    interrupted: bool = False
    tools: list[ToolUse] = field(default_factory=list)
    """Its tool calls, in the order they were asked for."""
    latency: TurnLatency | None = None


@dataclass(slots=True)
class CallSummary:
    """Feed it a call's entries in order; `render` is the documented JSON."""

    call_id: str = ""
    agent: str = ""
    turns: list[Turn] = field(default_factory=list)
    outcome: Outcome | None = None
    """None while the call goes on."""
    reason: str = ""
    duration_ms: int = 0
    cost: CostFold = field(default_factory=CostFold)
    _latency: LatencyFold = field(default_factory=LatencyFold)
    _tools: dict[str, ToolUse] = field(default_factory=dict)

    def feed(self, entry: Entry) -> None:
        """Take one journal entry."""
        self.duration_ms = entry.at
        if isinstance(entry.event, fact.CallConnected | DialRequested):
            self.call_id, self.agent = entry.event.call_id, entry.event.plan.agent
        elif isinstance(entry.event, fact.CallPrepared):
            self.agent = entry.event.plan.agent  # on_call_start may have chosen another
        elif isinstance(entry.event, fact.ToolFinished) and entry.event.tool_call_id in self._tools:
            self._tools[entry.event.tool_call_id].result = entry.event.result
        self.cost.feed(entry)
        latency = self._latency.feed(entry)
        if latency is not None and self.turns:
            self.turns[-1].latency = latency
        for command in entry.commands:
            match command:
                case order.ReportTranscript(role="user", text=text):
                    self.turns.append(Turn(caller=text))
                case order.ReportTranscript(role="assistant", text=text, interrupted=interrupted):
                    if not self.turns:
                        self.turns.append(Turn(caller=None))
                    turn = self.turns[-1]
                    turn.agent = f"{turn.agent} {text}".strip()
                    turn.interrupted = turn.interrupted or interrupted
                case order.RunTool(tool_call_id=tool_call_id, name=name, arguments=arguments):
                    if not self.turns:
                        self.turns.append(Turn(caller=None))
                    self._tools[tool_call_id] = ToolUse(name=name, arguments=arguments)
                    self.turns[-1].tools.append(self._tools[tool_call_id])
                case order.FinishCall(outcome=outcome, reason=reason):
                    self.outcome, self.reason = outcome, reason
                case _:
                    pass

    @property
    def over(self) -> bool:
        return self.outcome is not None

    def render(self) -> dict[str, Any]:
        """JSON values: {call_id, agent, outcome, reason, duration_ms, turns: [{caller, agent, interrupted, tools:
        [{name, arguments, result}], latency}], cost}. Latencies in ms; `latency` is null where the agent was not
        answering the caller, `caller` before they said anything, `result` of a tool that did not return.
        """
        return {
            "call_id": self.call_id,
            "agent": self.agent,
            "outcome": self.outcome or "",
            "reason": self.reason,
            "duration_ms": self.duration_ms,
            "turns": [
                {
                    "caller": turn.caller,
                    "agent": turn.agent,
                    "interrupted": turn.interrupted,
                    "tools": [each.render() for each in turn.tools],
                    "latency": turn.latency.render() if turn.latency else None,
                }
                for turn in self.turns
            ],
            "cost": self.cost.render(),
        }


def _value(text: str | None) -> Any:
    """What a JSON text says; a text that is none says itself."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
