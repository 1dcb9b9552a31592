"""What a call may cost: a model that would talk for ever is told to come to an end, and then the call is over."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest

from patter_cli import Agent, OpenAILLM, wiring
from patter_cli.contracts.carrier.carrier import CallHandle
from patter_cli.core.plan import SystemPhrases
from patter_cli.engine.hooks import Hooks
from patter_cli.observe.prices import Price, PriceTable
from patter_cli.simulate.typed import TypedCall
from patter_cli.testing.vendors.llm.said import Said
from patter_cli.testing.vendors.server import serve
from patter_cli.text.preamble import WRAP_UP
from tests.contract.rows import KEY, MODELS
from tests.e2e.conftest import Told

LINES = SystemPhrases()


@pytest.mark.parametrize("max_cost", [0.00004, None])
async def test_a_talkative_caller_cannot_cost_more_than_the_cap(max_cost: float | None) -> None:
    """At four fifths the model's prompt says so, at all of it the call says goodbye; without a cap nothing happens."""
    ends: list[Any] = []
    (row,) = (each for each in MODELS if each.name == "openai")
    vendor = row.vendor(lambda body: Said("We open at nine."), key=KEY)
    async with serve(vendor, path="") as lab:
        model = OpenAILLM(KEY, base_url=lab.url)
        agent = wiring.ready_agent(
            "desk", Agent("Be brief.", "Hello.", llm=model, max_cost=max_cost), Hooks(on_call_end=ends.append)
        )
        control = wiring.built_in_line().control(CallHandle(carrier_call_id=""))
        call = TypedCall(agent, call_id="c", control=control, journal=Told(lambda call_id, entry: None))
        async with asyncio.timeout(20):
            running = asyncio.create_task(call.run())
            await call.type_lines(io.StringIO("When do you open?\n" * 9))
            await call.until_quiet()
            call.hang_up()
            await running
    (end,) = ends
    said = " ".join(each["text"] for each in end["transcript"] if each["role"] == "assistant")
    a_request = end["cost"]["known_usd"] / len(vendor.prompts)
    prompts = [str(each) for each in vendor.prompts]
    if max_cost is None:
        assert (len(vendor.prompts), LINES.cost_goodbye in said) == (9, False)
        return
    assert end["reason"] == "max_cost"
    assert said.endswith(LINES.cost_goodbye)
    assert end["cost"]["known_usd"] < max_cost + a_request
    assert WRAP_UP not in prompts[0]
    assert len(vendor.prompts) < 9


def test_what_goes_on_is_counted_as_if_it_ended_now() -> None:
    """The line's minutes are charged before they are told."""
    from patter_cli.core import events as fact
    from patter_cli.core.outcome import Direction
    from patter_cli.observe.metrics import CallMeasure

    prices = PriceTable((Price(leg="telephony", provider="acme", started_minute=0.5),))
    measure = CallMeasure(prices)
    line = fact.LineUsed(carrier="acme", direction=Direction.INBOUND, duration_ms=61_000)
    assert measure.spent_usd(line) == pytest.approx(1.0)
    assert measure.spent_usd() == 0
    assert measure.spent_usd(fact.LineUsed(carrier="x", direction=Direction.INBOUND, duration_ms=1)) == 0
