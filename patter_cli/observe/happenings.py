"""What happens on calls as small facts, each of them one JSON object: a fold over journals, as they grow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import Answered, DialRequested, Ringing
from patter_cli.core.journal import Entry
from patter_cli.observe.metrics import LatencyFold


class Happenings:
    """Of one call. Every fact has {call_id, at_ms, time, what}; time in Unix seconds, null before the call's beginning
    is known. By what:

        started  agent, caller, callee, direction, carrier     said    who (caller, agent, tool), text, interrupted
        ringing, answered, connected                           tool    tool_call_id, name, arguments
        waited   turn, the parts in ms, total_ms               result  tool_call_id, result
        fault    provider, message                             ended   outcome, reason
    """

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self._latency = LatencyFold()
        self._wall_time: float | None = None
        self.agent = ""
        self.over = False

    def feed(self, entry: Entry) -> Iterator[dict[str, Any]]:
        """Take one journal entry; what happened with it."""
        for what, facts in (*self._of_event(entry), *self._of_commands(entry)):
            time = None if self._wall_time is None else round(self._wall_time + entry.at / 1000, 3)
            yield {"call_id": self._call_id, "at_ms": entry.at, "time": time, "what": what, **facts}

    def _of_event(self, entry: Entry) -> Iterator[tuple[str, dict[str, Any]]]:
        match entry.event:
            case fact.CallConnected() | DialRequested() as first if self._wall_time is None:
                self._wall_time, self.agent = first.wall_time, first.plan.agent
                direction = first.direction if isinstance(first, fact.CallConnected) else "outbound"
                yield (
                    "started",
                    {
                        "agent": first.plan.agent,
                        "caller": first.caller,
                        "callee": first.callee,
                        "direction": direction,
                        "carrier": first.carrier,
                    },
                )
            case fact.CallConnected():
                yield "connected", {}
            case Ringing():
                yield "ringing", {}
            case Answered():
                yield "answered", {}
            case fact.ToolFinished(tool_call_id=tool_call_id, result=result):
                yield "result", {"tool_call_id": tool_call_id, "result": result}
            case (
                fact.ResponseFailed(provider=provider, message=message)
                | fact.SpeakFailed(provider=provider, message=message)
                | fact.ListenFailed(provider=provider, message=message)
                | fact.EngineLost(provider=provider, message=message)
            ):
                yield "fault", {"provider": provider, "message": message}
            case _:
                pass
        latency = self._latency.feed(entry)
        if latency is not None:
            yield "waited", latency.render()

    def _of_commands(self, entry: Entry) -> Iterator[tuple[str, dict[str, Any]]]:
        for command in entry.commands:
            match command:
                case order.ReportTranscript(role=role, text=text, interrupted=interrupted):
                    who = {"user": "caller", "assistant": "agent"}.get(role, role)
                    yield "said", {"who": who, "text": text, "interrupted": interrupted}
                case order.RunTool(tool_call_id=tool_call_id, name=name, arguments=arguments):
                    yield "tool", {"tool_call_id": tool_call_id, "name": name, "arguments": arguments}
                case order.FinishCall(outcome=outcome, reason=reason):
                    self.over = True
                    yield "ended", {"outcome": str(outcome), "reason": reason}
                case _:
                    pass


class HappeningLines:
    """An observer of any number of calls, that writes each fact as a line of JSON."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._calls: dict[str, Happenings] = {}

    def __call__(self, call_id: str, entry: Entry) -> None:
        """Take one journal entry."""
        if isinstance(entry.event, (fact.HearingUsed, fact.VoiceUsed, fact.LineUsed)):
            return  # nothing to tell, and the last that comes of a call
        call = self._calls.setdefault(call_id, Happenings(call_id))
        for each in call.feed(entry):
            print(json.dumps(each), file=self._out, flush=True)
        if call.over:
            del self._calls[call_id]
