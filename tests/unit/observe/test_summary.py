"""A call as turns."""

from __future__ import annotations

import json

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry, parse_entry
from patter_cli.core.outcome import Outcome
from patter_cli.core.plan import CallPlan
from patter_cli.observe.summary import CallSummary
from patter_cli.testing import Answer, FarEnd, VirtualCall

PLAN = CallPlan(agent="shop", system_prompt="", first_message="Hello.")


def summary(call: VirtualCall) -> CallSummary:
    """What a call's journal folds to."""
    folded = CallSummary()
    for line in call.journal.splitlines():
        folded.feed(parse_entry(line))
    return folded


def test_turns_hold_what_was_said_heard_cut_and_waited() -> None:
    """The greeting is a turn without a caller; an interrupted answer is what was heard of it."""
    long = "We open at nine in the morning, and we close at six in the evening, every day of the week."
    call = VirtualCall(PLAN, [long, Answer(clauses=("Goodbye.",), hang_up=True)])
    call.says("When do you open?", at=2000)
    call.run_until(5500)
    call.says("Thank you, that was all I wanted to know.", at=5500)
    call.run()
    folded = summary(call)
    assert folded.over
    assert [(turn.caller, turn.interrupted) for turn in folded.turns] == [
        (None, False),
        ("When do you open?", True),
        ("Thank you, that was all I wanted to know.", False),
    ]
    assert folded.turns[0].agent == "Hello."
    assert long.startswith(folded.turns[1].agent)
    assert folded.turns[1].agent != long
    assert [turn.latency is None for turn in folded.turns] == [True, False, False]

    facts = json.loads(json.dumps(folded.render()))
    assert set(facts) == {"call_id", "agent", "outcome", "reason", "duration_ms", "turns", "cost"}
    assert (facts["call_id"], facts["agent"], facts["outcome"]) == ("virtual", "shop", "answered")
    split = facts["turns"][1]["latency"]
    total = split.pop("total_ms")
    assert split.pop("turn") == 1
    assert sum(split.values()) == total


def test_an_answer_in_two_replies_is_one_turn() -> None:
    """What the agent says to the same words, apology included, belongs together."""
    call = VirtualCall(PLAN, ["Yes."])
    call.says("", at=2000, lasts_ms=1200)
    call.run_until(9000)
    folded = summary(call)
    assert len(folded.turns) == 1
    assert folded.turns[0].agent.startswith("Hello. Sorry, I didn't catch that.")
    assert not folded.over


def test_tools_are_objects_with_what_they_gave() -> None:
    """Name, arguments and result as JSON values; one that has not returned has no result, and bad JSON stays text."""
    folded = CallSummary()
    asked = [("a", "book", '{"day": "Monday"}'), ("b", "free", "{oops"), ("c", "slow", "{}")]
    for number, (tool_call_id, name, arguments) in enumerate(asked):
        run = order.RunTool(response_id=1, tool_call_id=tool_call_id, name=name, arguments=arguments, timeout_ms=1000)
        folded.feed(Entry(at=number, event=fact.Tick(), commands=(run,)))
    for tool_call_id, result in (("b", '"none"'), ("a", '{"ok": true}'), ("stranger", "1")):
        done = fact.ToolFinished(response_id=1, tool_call_id=tool_call_id, result=result)
        folded.feed(Entry(at=9, event=done, commands=()))
    assert folded.render()["turns"][0]["tools"] == [
        {"name": "book", "arguments": {"day": "Monday"}, "result": {"ok": True}},
        {"name": "free", "arguments": "{oops", "result": "none"},
        {"name": "slow", "arguments": {}, "result": None},
    ]


def test_a_call_that_nobody_answered_has_a_summary() -> None:
    """Who was to be called by whom, and what became of it."""
    folded = summary(VirtualCall(PLAN, far_end=FarEnd(refuses=Outcome.BUSY)))
    assert not folded.over
    call = VirtualCall(PLAN, far_end=FarEnd(refuses=Outcome.BUSY))
    call.run()
    facts = summary(call).render()
    assert (facts["call_id"], facts["agent"], facts["outcome"], facts["turns"]) == ("virtual", "shop", "busy", [])
