"""An Agent and its guardrails, as a person writes them: what is taken, and what is refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from patter_cli import (
    Agent,
    DeepgramSTT,
    ElevenLabsTTS,
    GeminiLive,
    Guardrail,
    OpenAILLM,
    OpenAIRealtime,
    SmartTurn,
    TurnPolicy,
    guardrail,
    wiring,
)
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import InputError, a_kind


def test_guardrails_may_be_dicts() -> None:
    """The same names, the same meaning."""
    (rule,) = Agent("A.", guardrails=[{"name": "no", "blocked_terms": ["lawsuit"]}]).guardrails
    assert rule == guardrail("no", ["lawsuit"])


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "empty"},
        {"name": "blank", "blocked_terms": [" "]},
        {"name": "text", "blocked_terms": "lawsuit"},
        {"name": "check", "check": 5},
        {"name": "error", "blocked_terms": ["x"], "on_error": "explode"},
        {"name": "mute", "blocked_terms": ["x"], "replacement": " "},
        {"name": "unknown", "blocked": ["x"]},
        {"blocked_terms": ["x"]},
        "lawsuit",
    ],
)
def test_a_guardrail_that_guards_nothing_is_refused(bad: Any) -> None:
    """Each with a hint: a rule that silently did nothing would be worse than none."""
    with pytest.raises(InputError) as caught:
        Agent("A.", guardrails=[bad])
    assert caught.value.hint


def test_two_guardrails_of_one_name_are_refused() -> None:
    """Verdicts go by name."""
    rule = Guardrail(name="no", blocked_terms=("x",))
    with pytest.raises(InputError, match="two guardrails"):
        Agent("A.", guardrails=[rule, rule])


@pytest.mark.parametrize(
    "bad",
    [
        {"system_prompt": ""},
        {"system_prompt": None},
        {"first_message": 5},
        {"language": object()},
        {"language": "klingon!"},
        {"language": "english"},
        {"language": ""},
        {"language": "en_US"},
        {"voice": 5},
        {"turns": 5},
        {"tools": 5},
        {"tools": "book"},
        {"tools": {"book": 5}},
        {"guardrails": 5},
        {"guardrails": "prices"},
        {"transfer_numbers": "+12025550142"},
        {"keyterms": "Bright Smile"},
        {"keyterms": [5]},
        {"variables": ["name"]},
        {"variables": {5: "x"}},
        {"variables": "name"},
        {"aggressive_first_flush": "yes"},
        {"disable_phone_preamble": 1},
        {"barge_in_threshold_ms": 0.5},
        {"barge_in_threshold_ms": True},
        {"llm": []},
        {"stt": ()},
        {"barge_in_threshold_ms": -1},
        {"barge_in_threshold_ms": "300"},
        {"transfer_numbers": ["911"]},
        {"transfer_numbers": [12025550142]},
        {"transfer_numbers": ["+1202555014\u0662"]},
        {"tools": ["book"]},
        {"echo_cancellation": 5},
        {"pronounce": ["Nguyen"]},
        {"pronounce": "Nguyen"},
        {"pronounce": {"Nguyen": 5}},
        {"pronounce": {5: "five"}},
        {"pronounce": {"Nguyen": " "}},
        {"pronounce": {"...": "dots"}},
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(bad: dict[str, Any]) -> None:
    """When the agent is made, not in the middle of a call."""
    arguments: dict[str, Any] = {"system_prompt": "A.", **bad}
    with pytest.raises(InputError) as caught:
        Agent(**arguments)
    assert caught.value.hint
    assert "NoneType" not in str(caught.value)


@pytest.mark.parametrize("name", ["endpoint_ms", "idle_ms", "idle_asks"])
@pytest.mark.parametrize("value", [-1, 1.5, "600", True])
def test_patience_that_cannot_be_is_refused(name: str, value: Any) -> None:
    """Whole numbers, and nobody waits less than nothing."""
    arguments: dict[str, Any] = {name: value}
    with pytest.raises(InputError, match=f"TurnPolicy: {name} cannot be"):
        TurnPolicy(**arguments)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "None"),
        (True, "True or False"),
        (5, "a number"),
        (0.5, "a number"),
        ("x", "a text"),
        ([], "a list"),
        ({}, "a dict"),
        (Agent, "the class Agent"),
        (object(), "an object"),
    ],
)
def test_what_something_is_in_words(value: object, words: str) -> None:
    """For a message that says what was wanted instead."""
    assert a_kind(value) == words


@pytest.mark.parametrize(
    ("arguments", "said", "typed"),
    [
        ({"engine": OpenAIRealtime}, "engine is the class OpenAIRealtime", "engine=OpenAIRealtime()"),
        ({"stt": DeepgramSTT}, "stt is the class DeepgramSTT", "stt=DeepgramSTT()"),
        ({"llm": OpenAILLM}, "llm is the class OpenAILLM", "llm=OpenAILLM()"),
        ({"tts": ElevenLabsTTS}, "tts is the class ElevenLabsTTS", "tts=ElevenLabsTTS()"),
        ({"stt": ["deepgram", DeepgramSTT]}, "stt has the class DeepgramSTT", "stt=[DeepgramSTT(), …]"),
        ({"engine": [OpenAIRealtime(), GeminiLive()]}, "engine is a list", "engine=OpenAIRealtime(…)"),
        ({"engine": ("openai_realtime",)}, "engine is a list", 'engine="openai_realtime"'),
        ({"engine": []}, "engine is a list", "leave engine out"),
    ],
)
def test_a_provider_that_was_not_made_is_refused_with_what_to_type(
    arguments: dict[str, Any], said: str, typed: str
) -> None:
    """Forgotten parentheses, and several engines where one holds the call."""
    with pytest.raises(InputError, match=said) as found:
        Agent("Help.", **arguments)
    assert found.value.hint == typed


def test_an_end_of_turn_model_is_made_and_is_one() -> None:
    """The class is refused where it is written, and what is no such model before the first ring."""
    with pytest.raises(InputError, match="end_of_turn is the class SmartTurn") as found:
        TurnPolicy(end_of_turn=SmartTurn)  # type: ignore[arg-type]
    assert found.value.hint == "end_of_turn=SmartTurn()"
    agent = Agent("Help.", turns=TurnPolicy(end_of_turn="smart-turn"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a text cannot be its end-of-turn model"):
        wiring.ready_agent("shop", agent, Hooks(on_message=lambda event: "Yes."))
