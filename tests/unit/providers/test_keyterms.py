"""Key terms within what a vendor takes: the author's own first, and a line about what is left out."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from patter_cli import Agent, AssemblyAISTT, CartesiaSTT, DeepgramSTT, RulesLLM, recipes, wiring
from patter_cli.contracts.keyterms import KeytermBudget, tokens_of
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import CallTexts

LONG = [f"Bartholomew Featherstonehaugh Cholmondeley Number{each:03}" for each in range(100)]


@pytest.fixture(autouse=True)
def _nothing_told(caplog: pytest.LogCaptureFixture) -> None:
    recipes._tell_left_out.cache_clear()
    caplog.set_level(logging.WARNING)


@pytest.mark.parametrize(
    ("budget", "wanted", "kept"),
    [
        (KeytermBudget(), ["Ann"] * 3, ("Ann", "Ann", "Ann")),
        (KeytermBudget(terms=2), ["Ann", "Bob", "Cid"], ("Ann", "Bob")),
        (KeytermBudget(characters=7), ["Ann", "Bob", "Cid"], ("Ann", "Bob")),
        (KeytermBudget(characters=6), ["Ann", "Bartholomew", "Jo"], ("Ann", "Jo")),
        (KeytermBudget(tokens=3), ["Bright Smile", "Jo"], ("Jo",)),
        (KeytermBudget(tokens=0), ["Ann"], ()),
        (KeytermBudget(characters=1), [], ()),
    ],
)
def test_what_fits_is_kept_in_its_order(budget: KeytermBudget, wanted: list[str], kept: tuple[str, ...]) -> None:
    """A term that is too long leaves its place to those behind it."""
    assert budget.kept(wanted) == kept


def test_a_session_is_asked_for_within_its_vendors_budget(caplog: pytest.LogCaptureFixture) -> None:
    """A hundred terms of four words are more than Cartesia and Deepgram take; what is left out is told once for each,
    however many calls there are."""
    stt = [CartesiaSTT("k"), DeepgramSTT("k"), DeepgramSTT("k", model="flux-general-en"), AssemblyAISTT("k")]
    agent = Agent("A.", stt=stt, llm=RulesLLM(lambda turn: "Yes."), keyterms=LONG)
    ready = wiring.ready_agent("a", agent, Hooks())
    for _ in range(3):
        ready = ready.for_call(CallTexts())
    cartesia, nova, flux, assembly = (each.keyterms for each in ready.ears)  # type: ignore[attr-defined]
    assert cartesia == tuple(LONG[: len(cartesia)])
    assert 1100 < len(" ".join(cartesia)) <= 1200
    assert nova == flux == tuple(LONG[: len(nova)])
    assert 450 < sum(map(tokens_of, nova)) <= 500
    assert assembly == tuple(LONG)
    assert [each.message.split()[0] for each in caplog.records] == ["cartesia", "deepgram"]
    assert "up to 100 terms, 1200 characters" in caplog.messages[0]
    assert LONG[len(cartesia)] in caplog.messages[0]
    assert caplog.messages[0].endswith("more")


def test_names_give_way_to_the_authors_own_terms_and_stay_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A caller's name is heard where there is room for it, and is nobody's business where there is none."""
    agent = Agent("A.", stt=CartesiaSTT("k"), llm=RulesLLM(lambda turn: "Yes."), keyterms=[f"T{n}" for n in range(99)])
    ready = wiring.ready_agent("a", agent, Hooks())
    called = ready.for_call(CallTexts(variables={"name": "Ada Lovelace", "other": "Grace Hopper"}))
    heard: Any = called.stt
    assert heard.keyterms == (*agent.keyterms, "Ada Lovelace")
    ready.for_call(CallTexts(variables={"name": "Alan Turing", "other": "Kurt Goedel"}))
    assert [each.endswith("it is not told of names in variables") for each in caplog.messages] == [True]
    assert not any(name in caplog.text for name in ("Grace", "Turing", "Goedel"))


def test_terms_of_a_recipes_own_have_the_same_budget(caplog: pytest.LogCaptureFixture) -> None:
    """And those that fit are left as they are."""
    heard: Any = recipes.heard_by(Agent("A."), CartesiaSTT("k", keyterms=tuple(LONG)))
    assert 0 < len(heard.keyterms) < 30
    assert "it is not told of Bartholomew" in caplog.text
    few = CartesiaSTT("k", language="en", keyterms=("Ann",))
    assert recipes.heard_by(Agent("A."), few) is few
