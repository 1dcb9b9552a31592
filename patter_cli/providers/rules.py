"""A language model that is your own rules: it needs no key, keeps the contract, and always says the same.

For agents that need no model, for tests of tools without one, and as the stand-in while you have no key. The rules are
a function that looks at the turn and says what to do:

    def rules(turn):
        if "order" not in turn.text.lower():
            return "You can ask me about your order."
        if found := turn.result("find_order"):
            return f"Your order is {found['state']}."
        return call_tool("find_order", phone=turn.caller_said[0])

    agent = Agent("…", llm=RulesLLM(rules), tools=[find_order])

It is asked again with the tools' results, exactly as a model would be.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from patter_cli.contracts.llm import ChatMessage, Delta, Text, ToolCall, ToolSpec
from patter_cli.errors import BadReply

Step: TypeAlias = str | ToolCall
Rules: TypeAlias = Callable[["Turn"], Step | Iterable[Step]]


def call_tool(name: str, **arguments: Any) -> ToolCall:
    """Ask for a tool from a rule."""
    return ToolCall(id="", name=name, arguments=json.dumps(arguments, default=str))


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a rule gets to see.

    text: what the caller said last, "" before they have. results: what the tools of this turn have answered, oldest
    first, as (name, data), data None where a tool failed. caller_said, agent_said: everything before and now, oldest
    first. tools: the names of those that may be called now.
    """

    text: str
    results: tuple[tuple[str, Any], ...]
    caller_said: tuple[str, ...]
    agent_said: tuple[str, ...]
    tools: frozenset[str]
    messages: tuple[ChatMessage, ...]

    def result(self, name: str) -> Any:
        """What a tool answered in this turn, the last time it did; None if it has not, or failed."""
        return next((data for tool, data in reversed(self.results) if tool == name), None)

    def called(self, name: str) -> bool:
        """Whether this turn has called a tool already, and its answer is here."""
        return any(tool == name for tool, _ in self.results)


@dataclass(frozen=True, slots=True)
class RulesLLM:
    """A model made of a function, which is called on the callbacks' event loop: it decides, and leaves work to tools.

    A rule that raises is a failed reply, as a vendor's would be.
    """

    rules: Rules

    @property
    def provider(self) -> str:
        return "rules"

    @property
    def model(self) -> str:
        """The function's name."""
        return str(getattr(self.rules, "__name__", "rules"))

    @property
    def key_variable(self) -> str:
        return ""

    def check(self) -> None:
        """Nothing can be missing."""

    async def warm(self) -> None:
        """Nothing to load."""

    async def stream(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncGenerator[Delta, None]:
        """Ask the rules once. Raises BadReply."""
        turn = _turn(messages, frozenset(tool.name for tool in tools) if may_call else frozenset())
        try:
            answer = self.rules(turn)
            steps = [answer] if isinstance(answer, str | ToolCall) else list(answer)
        except Exception as error:
            raise BadReply(f"{self.model} raised {error!r}", provider=self.provider) from error
        for step in steps:
            if isinstance(step, str):
                yield Text(step)
            elif isinstance(step, ToolCall):
                yield step
            else:
                raise BadReply(f"{self.model} gave {step!r}", provider=self.provider)


def _turn(messages: Sequence[ChatMessage], tools: frozenset[str]) -> Turn:
    last = max((index for index, each in enumerate(messages) if each.role == "user"), default=-1)
    names = {each.id: each.name for message in messages for each in message.tool_calls}
    return Turn(
        text=messages[last].text if last >= 0 else "",
        results=tuple(
            (names.get(each.tool_call_id, ""), _data(each.text)) for each in messages[last + 1 :] if each.role == "tool"
        ),
        caller_said=tuple(each.text for each in messages if each.role == "user"),
        agent_said=tuple(each.text for each in messages if each.role == "assistant" and each.text),
        tools=tools,
        messages=tuple(messages),
    )


def _data(result: str) -> Any:
    """What is in a tool's result. Source: engine/tool_result.py."""
    value = json.loads(result)
    return value.get("data") if isinstance(value, dict) and value.get("ok") else None
