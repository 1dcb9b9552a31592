"""An agent of the tests: a shop that answers by rules, has tools, and can put callers through."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from patter_cli import wiring
from patter_cli.agent import Agent
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.providers.rules import RulesLLM, Turn, call_tool
from patter_cli.simulate.scenario import load_scenario
from patter_cli.testbench.held import HeldCall
from patter_cli.testbench.virtual import hold_virtually
from patter_cli.tools import tool

NUMBER = "+12025550142"
HOURS = "We open at nine in the morning, and we close at six in the evening on every day of the week."


@tool
def book(people: int, day: str) -> str:
    """Book a table."""
    return "booked"


@tool
async def slow_stock(title: str) -> str:
    """Look for something, slowly."""
    await asyncio.sleep(6)
    return "two left"


def rules(turn: Turn) -> Any:
    text = turn.text.lower()
    if turn.called("book"):
        return "Your table is booked for Friday. Anything else?"
    if turn.called("slow_stock"):
        return "There are two left."
    if "table" in text:
        return call_tool("book", people=4, day="Friday")
    if "stock" in text:
        return ["One moment.", call_tool("slow_stock", title="tea")]
    if "person" in text:
        return ["I am putting you through.", call_tool("transfer_call", number=NUMBER)]
    if "keys" in text:
        return ["I press it.", call_tool("send_dtmf", digits="12#")]
    if "bye" in text:
        return ["Goodbye, then.", call_tool("end_call")]
    return HOURS if "open" in text else "You can ask when we are open."


def shop(**more: Any) -> ReadyAgent:
    agent = Agent(
        f"You help. People: {NUMBER}.",
        "The Blue Door, hello.",
        **{"llm": RulesLLM(rules), "tools": [book, slow_stock], "transfer_numbers": [NUMBER], **more},
    )
    return wiring.ready_agent("shop", agent, Hooks())


def held(folder: Path, text: str, **more: Any) -> HeldCall:
    """A scenario as a file would say it, played by text."""
    path = folder / "talk.toml"
    path.write_text(text, encoding="utf-8")
    agent = more.pop("agent", None) or shop()
    return hold_virtually(agent, load_scenario(path, more.pop("variables", None)), **more)
