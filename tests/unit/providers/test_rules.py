"""A language model made of rules: what they see, what they may give, and that they fail like any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from patter_cli import RulesLLM, Turn, call_tool
from patter_cli.contracts.llm import ChatMessage, Delta, Text, ToolCall, ToolSpec
from patter_cli.errors import BadReply

TOOLS = (ToolSpec(name="find", description="", parameters={}),)
ASKED = [
    ChatMessage(role="system", text="A shop."),
    ChatMessage(role="assistant", text="Hello."),
    ChatMessage(role="user", text="Where is my order?"),
]
ANSWERED = [
    *ASKED,
    ChatMessage(role="assistant", tool_calls=(ToolCall(id="t1", name="find"), ToolCall(id="t2", name="lose"))),
    ChatMessage(role="tool", text='{"ok": true, "data": {"state": "sent"}}', tool_call_id="t1"),
    ChatMessage(role="tool", text='{"ok": false, "error": "no"}', tool_call_id="t2"),
]


async def deltas(rules: Any, messages: list[ChatMessage], **more: Any) -> list[Delta]:
    return [delta async for delta in RulesLLM(rules).stream(messages, TOOLS, **more)]


async def test_rules_see_the_turn() -> None:
    """The caller's words, what was said before, and the tools."""
    seen: list[Turn] = []

    def rules(turn: Turn) -> str:
        seen.append(turn)
        return "Let me see."

    assert await deltas(rules, ASKED) == [Text("Let me see.")]
    assert (seen[0].text, seen[0].agent_said, seen[0].results) == ("Where is my order?", ("Hello.",), ())
    assert seen[0].tools == {"find"}


async def test_rules_call_tools_and_see_their_results() -> None:
    """The same function is asked again once the tools have answered; a failed one has no data."""

    def rules(turn: Turn) -> Iterator[str | ToolCall]:
        if found := turn.result("find"):
            yield f"It is {found['state']}."
            yield str(turn.called("lose") and turn.result("lose") is None)
        else:
            yield "One moment. "
            yield call_tool("find", phone="1")

    first = await deltas(rules, ASKED)
    assert first == [Text("One moment. "), ToolCall(id="", name="find", arguments='{"phone": "1"}')]
    assert await deltas(rules, ANSWERED) == [Text("It is sent."), Text("True")]


async def test_results_of_an_earlier_turn_are_not_this_ones() -> None:
    """A new line of the caller begins a new turn."""
    later = [*ANSWERED, ChatMessage(role="user", text="And now?")]
    assert await deltas(lambda turn: str(turn.results), later) == [Text("()")]


async def test_no_tool_may_be_called_where_none_may() -> None:
    """At the end of a turn the rules know it."""
    assert await deltas(lambda turn: str(sorted(turn.tools)), ASKED, may_call=False) == [Text("[]")]


@pytest.mark.parametrize("rules", [lambda turn: 1 / 0, lambda turn: 5, lambda turn: [b"x"], lambda turn: None])
async def test_a_broken_rule_is_a_failed_reply(rules: Any) -> None:
    """Whatever it does, the engine sees a provider's error."""
    with pytest.raises(BadReply):
        await deltas(rules, ASKED)
