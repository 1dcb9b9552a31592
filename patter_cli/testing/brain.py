"""The scripted model: its answers in clauses, the tools it calls and what they answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from patter_cli.core import events as fact
from patter_cli.core.events import Event, Ms
from patter_cli.testing.world import Fault, World


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


Script = Callable[[str], str | Answer] | Sequence[str | Answer]
"""The agent's replies in turn, the last one for ever, or a function of the caller's words."""


class Brain:
    """A model that knows its script, and its tools."""

    def __init__(self, world: World, script: Script, tools: Mapping[str, VirtualTool]) -> None:
        self._world = world
        self._script = script
        self._tools = dict(tools)
        self._answered = 0
        self._tool_calls = 0
        self._cancelled: set[int] = set()
        self.whole: set[int] = set()
        """The replies that came to their end."""

    def cancel(self, reply: int) -> None:
        self._cancelled.add(reply)

    def run_tool(self, reply: int, tool_call_id: str, name: str) -> None:
        tool = self._tools.get(name, VirtualTool('{"ok": false, "error": "no such tool"}'))
        if tool.after_ms is not None:
            finished = fact.ToolFinished(response_id=reply, tool_call_id=tool_call_id, result=tool.result)
            self._world.after(tool.after_ms, finished)

    def read_out(self, reply: int, text: str) -> None:
        """Bring a line of ours, at once."""
        self._deliver(reply, Answer(clauses=tuple(sentences(text)), after_ms=1))

    def think(self, reply: int, text: str) -> None:
        """Bring the next answer. text: what the caller said; empty if the reply goes on after its tools."""
        if callable(self._script):
            answer = self._script(text)
        else:
            answer = self._script[min(self._answered, len(self._script) - 1)]
        self._answered += 1
        if isinstance(answer, str):
            answer = Answer(clauses=tuple(sentences(answer)))
        world, latency = self._world, self._world.latency
        if Fault.BRAIN_HANGS in world.faults:
            return
        if Fault.BRAIN_EMPTY in world.faults:
            answer = Answer(clauses=())
        failed = fact.ResponseFailed(response_id=reply, provider="virtual", message="broken")
        if Fault.BRAIN_REFUSED in world.faults:
            world.after(latency.first_clause_ms, replace(failed, hopeless=True))
        elif Fault.BRAIN_FAILS in world.faults:
            world.after(latency.first_clause_ms, failed)
        elif {Fault.BRAIN_BREAKS_OFF, Fault.BRAIN_STALLS} & world.faults:
            due = world.now + latency.first_clause_ms
            for text in answer.clauses[:1]:
                self._bring(due, reply, fact.ClauseReady(response_id=reply, text=text))
            if Fault.BRAIN_BREAKS_OFF in world.faults:
                self._bring(due + latency.next_clause_ms, reply, failed)
        else:
            self._deliver(reply, answer)

    def _deliver(self, reply: int, answer: Answer) -> None:
        latency = self._world.latency
        due = self._world.now + (latency.first_clause_ms if answer.after_ms is None else answer.after_ms)
        self._bring(due, reply, fact.FirstToken(response_id=reply))
        for text in answer.clauses:
            self._bring(due, reply, fact.ClauseReady(response_id=reply, text=text))
            due += latency.next_clause_ms
        for name, arguments in answer.calls:
            self._tool_calls += 1
            tool = f"tool{self._tool_calls}"
            asked = fact.ToolCallRequested(response_id=reply, tool_call_id=tool, name=name, arguments=arguments)
            self._bring(due, reply, asked)
        if answer.transfer:
            self._bring(due, reply, fact.TransferRequested(response_id=reply, number=answer.transfer))
        if answer.hang_up:
            self._bring(due, reply, fact.EndRequested(response_id=reply))
        self._bring(due, reply, fact.ResponseFinished(response_id=reply))

    def _bring(self, due: Ms, reply: int, event: Event) -> None:
        """Something of a reply comes then, unless it is cancelled before."""
        self._world.at(due, partial(self._tell, reply, event))

    def _tell(self, reply: int, event: Event) -> None:
        if reply in self._cancelled:
            return
        if isinstance(event, fact.ResponseFinished):
            self.whole.add(reply)
        self._world.tell(event)


def sentences(text: str) -> Iterator[str]:
    """A text as it is cut into clauses."""
    return (each for each in re.split(r"(?<=[.!?]) ", text) if each.strip())
