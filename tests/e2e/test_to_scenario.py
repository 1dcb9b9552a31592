"""A call that came over a carrier's line becomes a test: it passes on the agent that held it, and on no other."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from patter_cli import wiring
from patter_cli.cli.record_scenario import made_scenario
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.simulate.scenario import load_scenario
from patter_cli.simulate.score import judge
from patter_cli.simulate.virtual.call import play_virtually
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing.lab.people import HangUp, Listen, Person
from tests.e2e.conftest import agent
from tests.e2e.lab_shop import COMPANIES, HOURS, OURS, Company, shop, voice
from tests.e2e.test_cli import patter

CALLER = "+12025550177"
ASKS = Person(name="asks", steps=(Listen(quiet_ms=600), voice(HOURS), Listen(quiet_ms=2500), HangUp()))


def answers(words: str) -> ReadyAgent:
    def answer(event: Any) -> str:
        return words

    return wiring.ready_agent("shop", agent("Hello caller."), Hooks(on_message=answer))


@pytest.mark.parametrize("company", COMPANIES)
async def test_a_carriers_call_is_a_test(company: Company, tmp_path: Path) -> None:
    """Its words, the pause before the hang-up and the answer are in the file."""
    store = SqliteStore(tmp_path)
    async with shop(company, store) as here:
        await here.is_rung(ASKS, CALLER)
        record = await here.record(CALLER)
    _, text = made_scenario(store, record.row.call_id)
    for number in (CALLER, OURS):
        assert number not in text
    path = tmp_path / "made.toml"
    path.write_text(text)
    scenario = load_scenario(path)

    def failing(words: str) -> list[str]:
        result = play_virtually(answers(words), scenario)
        return [each.expected for each in judge(scenario, result.score) if not each.passed]

    assert await asyncio.to_thread(failing, "From nine until six.") == []
    assert await asyncio.to_thread(failing, "From ten until six.") == ["From nine until six."]


AGENT = '''
from patter_cli import Agent, RulesLLM, call_tool, tool


@tool
def book(people: int) -> str:
    """Book a table."""
    return "booked"


def rules(turn):
    if turn.called("book"):
        return "Your table is booked."
    if "table" in turn.text.lower():
        return call_tool("book", people=4)
    return "We open at nine."


agent = Agent("You take bookings.", "The Blue Door, hello.", llm=RulesLLM(rules), tools=[book])
'''


@pytest.mark.slow
def test_from_the_call_to_the_failing_test(tmp_path: Path) -> None:
    """By the commands alone, with real speech: a call over the lab's Twilio, its scenario, the same agent, another."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "shop.py").write_text(AGENT)
    calls = {"PATTER_LOG_DIR": str(tmp_path / "calls")}
    said = ("--say", "When do you open?", "--say", "Please book a table for four.")
    held = patter("simulate", "shop", "--carrier", "twilio", *said, "--json", cwd=tmp_path, **calls)
    assert held.returncode == 0, held.stderr
    made = patter("record", "to-scenario", "last", "-o", "made.toml", "--json", cwd=tmp_path, **calls)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["steps"] >= 2
    assert 'tool = {name = "book", arguments = {people = 4}}' in (tmp_path / "made.toml").read_text()
    again = patter("simulate", "--scenario", "made.toml", cwd=tmp_path, **calls)
    assert again.returncode == 0, again.stderr
    (tmp_path / "agents" / "shop.py").write_text(AGENT.replace("at nine", "at ten"))
    changed = patter("simulate", "--scenario", "made.toml", cwd=tmp_path, **calls)
    assert changed.returncode == 1, changed.stderr
    assert "We open at nine." in changed.stderr
