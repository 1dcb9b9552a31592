"""The concierge: who answers, with and without a key, what its tools allow, and that no price is spoken."""

from __future__ import annotations

import datetime as dt

import pytest

from patter_cli import OpenAILLM, RulesLLM
from patter_cli.core.guardrails import replacement_for
from patter_cli.core.plan import BlockedTerms
from tests.unit.agents.rehearse import ROOT, Talk, load_agent


@pytest.fixture(autouse=True)
def without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_a_key_makes_it_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same agent, tools and guardrail; only who answers differs."""
    without = load_agent("concierge", ROOT).agent
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with_key = load_agent("concierge", ROOT).agent
    assert isinstance(without.llm, RulesLLM)
    assert isinstance(with_key.llm, OpenAILLM)
    assert [each.name for each in with_key.tools] == [each.name for each in without.tools]
    assert "garden room" in with_key.system_prompt


@pytest.mark.parametrize(
    ("said", "day"), [("How is the weather?", "today"), ("Well, I need an umbrella tomorrow.", "tomorrow")]
)
def test_the_weather_comes_from_the_tool(said: str, day: str) -> None:
    """For the day that was meant."""
    talk = Talk("concierge")
    assert talk.say(said) == talk.module.WEATHER[day]
    assert talk.asked == [("weather", {"day": day})]


@pytest.mark.parametrize(
    "said",
    [
        "I would like to book a table for four people at eight o'clock.",
        "Please book a table for four people and eight o'clock.",
        "Dinner at eight for 4, please.",
        "A table at 8 pm, there are four of us.",
    ],
)
def test_a_table_is_booked_in_the_evening(said: str) -> None:
    """However people and time are said; what is left of the seats is less afterwards."""
    talk = Talk("concierge")
    assert talk.say(said) == "Your table for 4 at eight o'clock is booked. Enjoy your dinner."
    assert talk.module.SEATS[dt.time(20)] == 0


def test_what_is_missing_for_a_table_is_asked() -> None:
    """The answer to that is for the table, though it does not say so."""
    talk = Talk("concierge")
    assert talk.say("Can I have dinner?") == "For how many people, and at what time?"
    assert "is booked" in talk.say("For two at seven.")


def test_a_full_hour_is_not_booked() -> None:
    """Another one is offered, and too many people are told so."""
    talk = Talk("concierge")
    assert "How about six o'clock?" in talk.say("A table for six people at eight o'clock.")
    assert "no table for so many" in talk.say("A table for thirty people at eight o'clock.")
    assert talk.module.SEATS[dt.time(20)] == 4


def test_no_price_is_spoken() -> None:
    """What its own rules would say of prices is stopped, by a word or by how an amount is put; the rest is not."""
    talk = Talk("concierge")
    [rule] = talk.agent.guardrails
    blocked = (BlockedTerms(name=rule.name, terms=rule.blocked_terms, replacement=rule.replacement),)
    assert replacement_for(talk.say("How much is a room with a view?"), "", blocked) == rule.replacement
    assert rule.check is not None
    for clause in ("It is two hundred a night.", "That would be $90.", "Ninety, or 120 per person."):
        assert rule.check(clause)
    for clause in (*talk.module.HOUSE.values(), *talk.module.WEATHER.values(), talk.agent.first_message):
        assert not rule.check(clause)
        assert replacement_for(clause, "", blocked) is None


@pytest.mark.parametrize(
    ("said", "heard"),
    [("When is breakfast?", "seven to half past ten"), ("What time is check out?", "until eleven"), ("Wi-Fi?", "free")],
)
def test_the_house_is_known(said: str, heard: str) -> None:
    """From the same facts that a model reads."""
    assert heard in Talk("concierge").say(said)


def test_the_reception_and_the_end() -> None:
    """Both with words first."""
    talk = Talk("concierge")
    assert "putting you through" in talk.say("Can I speak to the reception, please?")
    assert "Goodbye" in talk.say("Thank you, goodbye.")
    assert talk.done == ["transferred +12025550145", "ended"]
