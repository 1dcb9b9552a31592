"""Scenarios made of calls: they pass on the agent that held the call, and fail on one that answers otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from patter_cli import wiring
from patter_cli.agent import Agent, HangUp, Interrupt, Press, Say
from patter_cli.cli.discovery import load_agent
from patter_cli.core.journal import parse_journal, render_entry
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import InputError
from patter_cli.providers.rules import RulesLLM, call_tool
from patter_cli.simulate.from_call import MadeScenario, scenario_of
from patter_cli.simulate.played import CallFacts
from patter_cli.simulate.scenario import Scenario, load_scenario
from patter_cli.simulate.scenario_text import scenario_text
from patter_cli.simulate.score import judge
from patter_cli.simulate.steps import StaySilent, Wait
from patter_cli.simulate.virtual.call import VirtualResult, play_virtually
from patter_cli.text.redact import Redaction
from patter_cli.text.redacted import redacted_line
from patter_cli.tools import tool

ROOT = Path(__file__).parents[3]


def ready(answer: Callable[[Any], str], **more: Any) -> ReadyAgent:
    agent = Agent("You help.", first_message="Hello, this is the shop. How can I help?", **more)
    return wiring.ready_agent("shop", agent, Hooks(on_message=answer))


def held(agent: ReadyAgent, *steps: Any) -> VirtualResult:
    return play_virtually(agent, Scenario(), steps=steps)


def made(result: VirtualResult) -> MadeScenario:
    return scenario_of(list(parse_journal(result.journal)))


def failed(agent: ReadyAgent, scenario: Scenario) -> list[str]:
    """What of the scenario does not hold with this agent."""
    result = play_virtually(agent, scenario)
    facts = CallFacts()
    for entry in result.entries:
        facts.feed(entry)
    call = replace(result.score, tools=facts.tools, transfers=facts.transfers)
    return [f"{each.expected} | {each.heard}" for each in judge(scenario, call) if not each.passed]


def opens_at(hour: str) -> Callable[[Any], str]:
    def answer(event: Any) -> str:
        if "bye" in event.text.lower():
            event.end_call()
            return "Have a nice day."
        return f"We open at {hour}, every day of the week. On sundays we are closed for an hour at noon."

    return answer


@pytest.mark.parametrize("name", ["receptionist", "orders", "menu", "concierge", "reminder", "survey"])
def test_a_samples_call_is_a_scenario_that_it_passes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tools, keys, transfers and interruptions among it; what is written can be read, and says the same."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def fresh(number: int) -> ReadyAgent:
        monkeypatch.setenv("PATTER_CALENDAR", str(tmp_path / f"{number}.json"))
        loaded = load_agent(name, ROOT)
        return wiring.ready_agent(loaded.name, loaded.agent, Hooks(**loaded.hooks))

    found = made(play_virtually(fresh(1), load_scenario(ROOT / "agents" / f"{name}.toml")))
    path = tmp_path / "made.toml"
    path.write_text(scenario_text(found.scenario, ("Made.", "")))
    written = load_scenario(path)
    assert replace(written, name="", seed=1) == found.scenario
    assert len(written.steps) > 3
    assert failed(fresh(2), written) == []


def test_a_changed_answer_fails() -> None:
    """With the sentence that was not heard."""
    found = made(held(ready(opens_at("nine")), Say("When do you open?"), Say("Thanks, bye."), HangUp()))
    assert failed(ready(opens_at("nine")), found.scenario) == []
    (told,) = failed(ready(opens_at("ten")), found.scenario)
    assert told.startswith("We open at nine, every day of the week. | We open at ten")


def test_the_caller_takes_as_long_as_they_took() -> None:
    """A pause, a word in the middle of an answer, keys, and a hang-up while nothing is said."""
    steps = (
        Say("When do you open?"), Wait(12_000), Say("And on sundays?"), Interrupt("Stop, please.", after_ms=1500),
        Press("12"), Wait(12_000), HangUp(),
    )  # fmt: skip
    result = held(ready(opens_at("nine")), *steps)
    found = made(result).scenario
    kinds = [type(each.does).__name__ for each in found.steps]
    assert kinds == ["Say", "StaySilent", "Say", "Interrupt", "Press", "StaySilent", "HangUp"]
    silences = [each.does.ms for each in found.steps if isinstance(each.does, StaySilent)]
    second = result.utterances[1].start
    answered = max(each.end for each in result.sounds if each.end < second)
    assert abs(silences[0] - (second - answered - 700)) <= 150
    assert result.ended_ms is not None
    assert abs(silences[1] - (result.ended_ms - max(each.end for each in result.sounds) - 700)) <= 150
    cut = next(each.does for each in found.steps if isinstance(each.does, Interrupt))
    assert cut.after_words in "We open at nine, every day of the week."
    assert len(cut.after_words.split()) == 3
    again = held(ready(opens_at("nine")), *(each.does for each in found.steps))
    first, second = ([each.start for each in run.utterances] for run in (result, again))
    assert len(first) == 3
    assert all(abs(one - two) < 500 for one, two in zip(first, second, strict=True)), (first, second)


def test_who_it_was_is_not_in_it() -> None:
    """Neither what they said nor what tools were given; the same person is the same stand-in everywhere."""
    given: list[str] = []

    @tool
    def book(customer: str, phone: str, email: str, day: str) -> str:
        """Book."""
        given.append(customer)
        return f"{customer} is booked"

    def rules(turn: Any) -> Any:
        if turn.called("book"):
            return "Anna Brown, you are booked. We will call 415 555 0123."
        if "book" in turn.text.lower():
            return call_tool(
                "book", customer="Anna Brown", phone="+14155550123", email="anna@brown.org", day="2026-12-24"
            )
        return "What can I do?"

    def agent() -> ReadyAgent:
        desk = Agent("You book.", first_message="Hello.", llm=RulesLLM(rules), tools=[book])
        return wiring.ready_agent("desk", desk, Hooks())

    words = "Please book Anna Brown, four one five five five five zero one two three."
    found = made(held(agent(), Say(words), HangUp()))
    text = scenario_text(found.scenario)
    for private in ("Anna", "Brown", "415", "brown.org", "four one five"):
        assert private not in text, text
    assert 'customer = "Alex Carter"' in text
    assert "Alex Carter, you are booked." in text
    assert "book Alex Carter, two zero two five five five zero one zero zero." in text
    assert "202 555 0100" in text
    assert 'phone = "+12025550100"' in text
    assert "day" not in text
    assert found.left_out == ("book: day = 2026-12-24",)
    assert found.replaced >= 8
    assert given == ["Anna Brown"]


def test_what_the_caller_said_in_two_breaths_is_said_in_one() -> None:
    """Where no answer came between them; and braces mean nothing."""
    result = held(ready(lambda event: "Sure {thing}."), Say("I want {this}."), HangUp())
    text = scenario_text(made(result).scenario)
    assert "{" not in text
    assert "I want (this)." in text


def test_calls_that_nobody_can_play(tmp_path: Path) -> None:
    """Without words, struck out, or not even begun: said in a sentence."""
    silent = held(ready(opens_at("nine")), StaySilent(1000), HangUp())
    with pytest.raises(InputError, match="nothing of what its caller said"):
        made(silent)
    spoke = held(ready(opens_at("nine")), Say("My number is 4155550123."), HangUp())
    for level in (Redaction.WORDS, Redaction.NUMBERS):
        lines = [redacted_line(render_entry(e.at, e.event, e.commands).encode(), level).decode() for e in spoke.entries]
        with pytest.raises(InputError, match="struck out"):
            scenario_of(list(parse_journal("\n".join(lines))))
    with pytest.raises(InputError, match="no beginning"):
        scenario_of([])
