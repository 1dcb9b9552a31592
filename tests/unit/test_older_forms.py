"""What files written for the product's older forms rely on, each in the form in which it was documented."""

from __future__ import annotations

import asyncio
from typing import Any

from patter_cli import Agent, RulesLLM, Turn, call_tool, tool, wiring
from patter_cli.contracts.carrier.carrier import CallHandle
from patter_cli.engine.hooks import Hooks
from patter_cli.observe.bus import Bus
from patter_cli.observe.journal_writer import JournalWriter
from patter_cli.simulate.typed import TypedCall


async def typed_call(agent: Agent, line: str, **hooks: Any) -> None:
    """A call in which one line is typed."""
    call = TypedCall(
        wiring.ready_agent("shop", agent, Hooks(**hooks)),
        call_id="typed",
        control=wiring.built_in_line().control(CallHandle(carrier_call_id="")),
        journal=JournalWriter(Bus()).open("typed", None),
    )
    running = asyncio.create_task(call.run())
    await call.until_quiet()
    call.type(line)
    await call.until_quiet()
    call.hang_up()
    await running


async def test_every_event_has_the_history_and_the_end_has_a_transcript() -> None:
    """A list of {role, text, timestamp}: empty when a call begins, whole when it ends."""
    told: dict[str, Any] = {}

    def keep(name: str) -> Any:
        return lambda event: told.setdefault(name, []).append(event)

    names = ("on_call_start", "on_transcript", "on_metrics", "on_call_end")
    await typed_call(
        Agent("Be brief.", "Hello."),
        "When do you open?",
        on_message=lambda event: "At nine.",
        **{name: keep(name) for name in names},
    )
    assert set(told) == set(names)
    (start,) = told["on_call_start"]
    assert start["history"] == start.history == []
    assert all(isinstance(each.history, list) for events in told.values() for each in events)
    (end,) = told["on_call_end"]
    said = [(each["role"], each["text"]) for each in end["transcript"]]
    assert said == [("assistant", "Hello."), ("user", "When do you open?"), ("assistant", "At nine.")]
    assert all(set(each) == {"role", "text", "timestamp"} for each in end.transcript)
    assert all(isinstance(each["timestamp"], float) for each in end.transcript)
    assert end["history"] == end["transcript"]


async def test_a_tools_ctx_is_a_mapping_with_attributes() -> None:
    """ctx["caller"] and ctx.caller are the same, and the history is in it."""
    seen: list[Any] = []

    @tool
    def hours(ctx: Any) -> str:
        """Say when the shop is open."""
        seen.append(ctx)
        return "nine"

    def rules(turn: Turn) -> Any:
        return "At nine." if turn.results else call_tool("hours")

    await typed_call(Agent("Be brief.", llm=RulesLLM(rules), tools=[hours]), "When do you open?")
    (ctx,) = seen
    assert ctx["call_id"] == ctx.call_id == "typed"
    assert ctx["caller"] == ctx.caller == "keyboard"
    assert {**ctx}["history"][0]["text"] == "When do you open?"
    assert ctx.get("callee") == "shop"
