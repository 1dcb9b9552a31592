"""A call as a trace: one span for it, one for each turn, and below those where the time went. A fold over its journal.

    invoke_agent shop                                        the call
      turn 1                                                 from the caller's last sound until the reply was heard
        endpointing, stt, llm, clause, tts, handover         what was waited for, one after the other
        chat gpt-5-mini                                      each request to the model, with its tokens
        execute_tool book                                    each tool

Nothing that anybody said is in it, and numbers are masked: traces go to other people's machines.
Source: OpenTelemetry, semantic conventions for generative AI (gen_ai.*), opentelemetry-semantic-conventions 0.66b2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested
from patter_cli.core.events import Ms
from patter_cli.core.journal import Entry
from patter_cli.core.outcome import Outcome
from patter_cli.observe.cost import LIST_PRICES, CostFold
from patter_cli.observe.metrics import LatencyFold, TurnLatency
from patter_cli.observe.prices import PriceTable
from patter_cli.text.redact import mask_number

STAGES: Final = ("endpointing", "stt", "llm", "clause", "tts", "handover")
PROVIDERS: Final = {"google": "gcp.gemini"}
"""Whom the conventions call otherwise than we do."""
Value: TypeAlias = str | int | float | bool


@dataclass(slots=True, kw_only=True)
class Span:
    """A stretch of a call. from_ms, to_ms: call time. kind: internal, client or server. error: what failed, or ""."""

    name: str
    from_ms: Ms
    to_ms: Ms
    kind: str = "internal"
    attributes: dict[str, Value] = field(default_factory=dict)
    children: list[Span] = field(default_factory=list)
    events: list[tuple[Ms, str, dict[str, Value]]] = field(default_factory=list)
    """What happened in it at a moment: when, name, attributes."""
    error: str = ""


@dataclass(slots=True)
class _Asked:
    """One request to the model."""

    response_id: int
    at: Ms
    first: Ms | None = None
    done: Ms | None = None
    used: fact.ModelUsed | None = None
    failed: str = ""


@dataclass(slots=True)
class _Turn:
    """What is known of the turn that goes on."""

    from_ms: Ms
    latency: TurnLatency | None = None
    answered_at: Ms = 0
    heard_at: Ms | None = None
    interrupted: bool = False
    asked: list[_Asked] = field(default_factory=list)
    tools: list[Span] = field(default_factory=list)
    faults: list[tuple[Ms, str, dict[str, Value]]] = field(default_factory=list)


class CallSpans:
    """Feed it a call's entries in order; it gives each turn when it is over, and the call itself at the end."""

    def __init__(self, call_id: str, prices: PriceTable = LIST_PRICES) -> None:
        self._call_id = call_id
        self._latency = LatencyFold()
        self._cost = CostFold(prices)
        self._turn: _Turn | None = None
        self._drafts: dict[int, _Asked] = {}
        self._tools: dict[str, Span] = {}
        self._voiced_until: Ms | None = None
        self._turns = self._interruptions = 0
        self._has_line = False
        self.started_at: float | None = None
        """Unix seconds at call time 0; None before it is known."""
        self.call = Span(name="invoke_agent", from_ms=0, to_ms=0, kind="server")
        """The whole of it; complete once `over`."""
        self.over = False

    def feed(self, entry: Entry) -> Iterator[Span]:
        """Take one entry; the turns that are over with it."""
        self._cost.feed(entry)
        latency = self._latency.feed(entry)
        if latency is not None and self._turn is not None:
            self._turn.latency, self._turn.answered_at = latency, entry.at
        self._take_event(entry.at, entry.event)
        for command in entry.commands:
            yield from self._take_command(entry.at, command)
        ends = any(isinstance(each, order.FinishCall) for each in entry.commands)
        self.call.to_ms = max(self.call.to_ms, entry.at)
        if isinstance(entry.event, fact.LineUsed) or (ends and not self._has_line):  # the last that comes of a call
            yield from self._end_turn(entry.at)
            known = sum(each.usd or 0.0 for each in self._cost.uses)
            self.call.attributes |= {
                "patter.call.turns": self._turns,
                "patter.call.interruptions": self._interruptions,
                "patter.call.known_usd": round(known, 6),
            }
            self.over = True

    def _take_event(self, at: Ms, event: fact.Event) -> None:
        match event:
            case fact.CallConnected() | DialRequested() if self.started_at is None:
                self._begin(event)
            case fact.CallPrepared(plan=plan):
                self._name(plan.agent)
            case fact.SpeechEnded(at_ms=at_ms):
                self._voiced_until = at_ms
            case fact.FirstToken(response_id=response_id) | fact.ToolCallRequested(response_id=response_id):
                asked = self._asked(response_id)
                if asked is not None and asked.first is None:
                    asked.first = at
            case fact.ResponseFinished(response_id=response_id):
                asked = self._asked(response_id)
                if asked is not None and asked.done is None:
                    asked.done = at
            case fact.ModelUsed(response_id=response_id):
                asked = self._asked(response_id)
                if asked is not None:
                    asked.used = event
            case fact.ToolFinished(tool_call_id=tool_call_id, result=result) if tool_call_id in self._tools:
                tool = self._tools.pop(tool_call_id)
                tool.to_ms, tool.error = at, _tool_error(result)
            case (
                fact.ResponseFailed(provider=provider, message=message)
                | fact.SpeakFailed(provider=provider, message=message)
                | fact.ListenFailed(provider=provider, message=message)
                | fact.EngineLost(provider=provider, message=message)
            ):
                self._fail(at, event, provider, message)
            case _:
                pass
        self._has_line |= isinstance(event, fact.CallConnected)

    def _take_command(self, at: Ms, command: order.Command) -> Iterator[Span]:
        match command:
            case order.DraftResponse(response_id=response_id):
                self._drafts = {response_id: _Asked(response_id, at)}
            case (
                order.StartResponse(response_id=response_id)
                | order.AdoptResponse(response_id=response_id)
                | order.AskEngine(response_id=response_id, continues=False)
                | order.AwaitReply(response_id=response_id)
            ):
                yield from self._end_turn(at)
                self._turns += 1
                self._turn = _Turn(at if self._voiced_until is None else self._voiced_until)
                self._voiced_until = None
                self._turn.asked.append(self._drafts.pop(response_id, _Asked(response_id, at)))
            case order.ContinueResponse(response_id=response_id) if self._turn is not None:
                self._turn.asked.append(_Asked(response_id, at))
            case order.RunTool(tool_call_id=tool_call_id, name=name):
                self._begin_tool(at, tool_call_id, name)
            case order.ReportTranscript(role="assistant", interrupted=interrupted):
                self._interruptions += interrupted
                if self._turn is not None and self._turn.latency is not None:
                    self._turn.heard_at, self._turn.interrupted = at, interrupted
            case order.FinishCall(outcome=outcome, reason=reason):
                self.call.attributes |= {"patter.call.outcome": str(outcome), "patter.call.reason": reason}
                if outcome is Outcome.FAILED:
                    self.call.error = reason
            case _:
                pass

    # --- what goes on ------------------------------------------------------------------------------------------------

    def _begin(self, event: fact.CallConnected | DialRequested) -> None:
        self.started_at = event.wall_time
        outbound = isinstance(event, DialRequested)
        self.call.kind = "client" if outbound else "server"
        self.call.attributes |= {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.conversation.id": self._call_id,
            "patter.call.id": self._call_id,
            "patter.call.direction": "outbound" if outbound else str(getattr(event, "direction", "inbound")),
            "patter.call.carrier": event.carrier,
            "patter.call.caller": mask_number(event.caller),
            "patter.call.callee": mask_number(event.callee),
        }
        self._name(event.plan.agent)

    def _name(self, agent: str) -> None:
        self.call.name = f"invoke_agent {agent}".strip()
        self.call.attributes["gen_ai.agent.name"] = agent

    def _asked(self, response_id: int) -> _Asked | None:
        """The last request of this reply."""
        if response_id in self._drafts:
            return self._drafts[response_id]
        asked = self._turn.asked if self._turn is not None else []
        return next((each for each in reversed(asked) if each.response_id == response_id), None)

    def _begin_tool(self, at: Ms, tool_call_id: str, name: str) -> None:
        tool = Span(name=f"execute_tool {name}", from_ms=at, to_ms=at)
        tool.attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": tool_call_id,
        }
        self._tools[tool_call_id] = tool
        (self._turn.tools if self._turn is not None else self.call.children).append(tool)

    def _fail(self, at: Ms, event: fact.Event, provider: str, message: str) -> None:
        told: dict[str, Value] = {"exception.type": type(event).__name__, "exception.message": message[:500]}
        if provider:
            told["gen_ai.provider.name"] = PROVIDERS.get(provider, provider)
        (self._turn.faults if self._turn is not None else self.call.events).append((at, "exception", told))
        if isinstance(event, fact.ResponseFailed) and (asked := self._asked(event.response_id)) is not None:
            asked.done, asked.failed = at, type(event).__name__

    def _end_turn(self, at: Ms) -> Iterator[Span]:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        to_ms = max(turn.from_ms, turn.answered_at, turn.heard_at if turn.heard_at is not None else at)
        span = Span(name=f"turn {self._turns}", from_ms=turn.from_ms, to_ms=to_ms, events=turn.faults)
        span.attributes = {
            "gen_ai.conversation.id": self._call_id,
            "patter.turn": self._turns,
            "patter.turn.interrupted": turn.interrupted,
        }
        if turn.faults:
            span.error = str(turn.faults[-1][2]["exception.type"])
        if turn.latency is not None:
            span.attributes["patter.turn.wait_ms"] = turn.latency.total_ms
            span.children += _stages(turn.latency, turn.answered_at)
        span.children += [self._chat(each, to_ms) for each in turn.asked if each.used or each.first or each.failed]
        span.children += turn.tools
        yield span

    def _chat(self, asked: _Asked, at: Ms) -> Span:
        """The span of one request to the model; of whoever answers in its place, who has no name."""
        span = Span(name="chat", from_ms=asked.at, to_ms=max(asked.at, asked.done or asked.first or at), kind="client")
        span.attributes = {"gen_ai.operation.name": "chat", "gen_ai.conversation.id": self._call_id}
        span.error = asked.failed
        if asked.first is not None:
            span.attributes["gen_ai.response.time_to_first_chunk"] = (asked.first - asked.at) / 1000
        if (used := asked.used) is not None:
            span.name = f"chat {used.model}".strip()
            span.attributes |= {
                "gen_ai.provider.name": PROVIDERS.get(used.provider, used.provider),
                "gen_ai.request.model": used.model,
                "gen_ai.usage.input_tokens": used.input_tokens,
                "gen_ai.usage.output_tokens": used.output_tokens,
                "gen_ai.usage.cache_read.input_tokens": used.cached_tokens,
            }
        return span


def _stages(latency: TurnLatency, to_ms: Ms) -> Iterator[Span]:
    at = to_ms - latency.total_ms
    for stage in STAGES:
        took_ms = getattr(latency, f"{stage}_ms")
        if took_ms:
            yield Span(name=stage, from_ms=at, to_ms=at + took_ms, attributes={"patter.stage": stage})
        at += took_ms


def _tool_error(result: str) -> str:
    try:
        told = json.loads(result)
    except ValueError:
        return ""
    return "tool_failed" if isinstance(told, dict) and told.get("ok") is False else ""
