"""on_call_start that answers too late: nothing of what it gave holds, in the plan or behind it."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from patter_cli import Agent, guardrail, wiring
from patter_cli.contracts.carrier.carrier import CallHandle
from patter_cli.core import commands as order
from patter_cli.core.journal import Entry
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.simulate.typed import TypedCall
from tests.e2e.conftest import Told


async def test_a_guardrail_is_not_lost_between_two_agents() -> None:
    """The plan that holds has a guardrail; the agent that came too late has none, and must not answer for it."""
    rule = guardrail("base", check=lambda clause: "red" in clause, replacement="Something else.")
    hooks = Hooks(on_message=lambda event: "A red car. A blue car.")
    base = wiring.ready_agent("shop", Agent("A shop.", guardrails=[rule]), hooks)
    base = replace(base, plan=replace(base.plan, pace=replace(base.plan.pace, prepare_ms=100)))

    def revise(overrides: Mapping[str, Any], parameters: Mapping[str, str]) -> ReadyAgent:
        time.sleep(0.3)  # longer than the machine waits
        return replace(base, checks={}, plan=replace(base.plan, checks=()))

    said: list[str] = []
    finished: list[order.FinishCall] = []

    def note(_: str, entry: Entry) -> None:
        said.extend(each.text for each in entry.commands if isinstance(each, order.Speak))
        finished.extend(each for each in entry.commands if isinstance(each, order.FinishCall))

    call = TypedCall(
        replace(base, revise=revise),
        call_id="late",
        control=wiring.built_in_line().control(CallHandle(carrier_call_id="")),
        journal=Told(note),
    )
    running = asyncio.create_task(call.run())
    async with asyncio.timeout(10):
        await call.type_lines(io.StringIO("What do you sell?\nThanks.\n"))
    assert said[:2] == ["Something else.", "A blue car."]
    assert not finished
    call.hang_up()
    await running
