"""The tools that every agent has: what a model is told of them."""

from __future__ import annotations

from typing import Any

from patter_cli.contracts.llm import ToolSpec
from patter_cli.core.outcome import Direction
from patter_cli.core.plan import CallPlan
from patter_cli.core.tool_calls import Press, decide
from patter_cli.engine.call_tools import call_tools, offered_tools
from patter_cli.engine.tools import RESERVED


def plan(numbers: tuple[str, ...] = (), **more: Any) -> CallPlan:
    return CallPlan(agent="a", system_prompt="", transfer_numbers=numbers, **more)


def test_both_are_always_there() -> None:
    """Under the names that no tool of an author may have, with and without anybody to transfer to."""
    for numbers in ((), ("+15550100001",)):
        assert tuple(spec.name for spec in call_tools(plan(numbers))) == RESERVED
        assert all(spec.parameters["type"] == "object" and spec.description for spec in call_tools(plan(numbers)))


def test_the_model_chooses_from_the_numbers_there_are() -> None:
    """The schema has them as its only values; where there are none, it is told so."""
    transfer, _ = call_tools(plan(("+15550100001", "+15550100002")))
    assert transfer.parameters["properties"]["number"]["enum"] == ["+15550100001", "+15550100002"]
    assert "nobody" not in transfer.description
    transfer, _ = call_tools(plan())
    assert "enum" not in transfer.parameters["properties"]["number"]
    assert "nobody" in transfer.description


def test_a_menu_is_walked_with_keys() -> None:
    """Only in a call that we made; and the tool that a model is shown is the one that the machine knows."""
    *_, spec = offered_tools((), plan(), Direction.OUTBOUND)
    assert spec.parameters["required"] == ["keys"]
    decision = decide(spec.name, '{"keys": "1w2#"}', CallPlan(agent="a", system_prompt=""), 0)
    assert isinstance(decision, Press)
    assert decision.digits == "1w2#"
    assert [each.name for each in offered_tools((), plan(), Direction.INBOUND)] == list(RESERVED)


def test_an_agent_may_press_keys_in_its_own_way() -> None:
    """A tool of the author's of that name is the only one there is."""
    own = ToolSpec(name="press_keys", description="Mine.", parameters={"type": "object"})
    names = [each.name for each in offered_tools((own,), plan(), Direction.OUTBOUND)]
    assert names == ["press_keys", *RESERVED]


def test_a_model_may_say_what_it_is_about_where_that_is_told() -> None:
    """Where nobody can be told before, it is not asked for it."""
    for attends in (True, False):
        transfer, _ = call_tools(plan(("+15550100001",), attends=attends))
        assert ("about" in transfer.parameters["properties"]) is attends
        assert transfer.parameters["required"] == ["number"]


def test_a_language_is_offered_where_there_is_another() -> None:
    """With exactly those that the agent speaks; an author's own tool of that name takes its place."""
    *_, switch = call_tools(plan(languages=("en", "es")))
    assert (switch.name, switch.parameters["properties"]["language"]["enum"]) == ("switch_language", ["en", "es"])
    own = ToolSpec(name="switch_language", description="Mine.", parameters={"type": "object"})
    offered = offered_tools((own,), plan(languages=("en", "es")), Direction.INBOUND)
    assert [each.description for each in offered if each.name == "switch_language"] == ["Mine."]
