"""Models come and go: an agent's file that names one which is gone still answers the phone."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import date

import pytest

from patter_cli import Agent, AnthropicLLM, CerebrasLLM, GoogleLLM, GroqLLM, OpenAICompatibleLLM, OpenAILLM, retired
from patter_cli.engine.hooks import Hooks
from patter_cli.retired import RETIRED, current
from patter_cli.wiring import ready_agent

DAY = date(2026, 11, 28)


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retired, "_TOLD", set())


@pytest.mark.parametrize(
    ("recipe", "successor"),
    [
        (OpenAILLM(model="gpt-3.5-turbo"), "gpt-6-luna"),
        (OpenAILLM(model="gpt-4.1-nano-2025-04-14"), "gpt-6-luna"),
        (OpenAILLM(model="gpt-4-turbo"), "gpt-6.1-terra"),
        (AnthropicLLM(model="claude-3-5-haiku-20241022"), "claude-haiku-5-5"),
        (AnthropicLLM(model="claude-3-haiku-20240307"), "claude-haiku-5-5"),
        (AnthropicLLM(model="claude-3-7-sonnet-latest"), "claude-sonnet-5-5"),
        (AnthropicLLM(model="claude-sonnet-4-20250514"), "claude-sonnet-5-5"),
        (AnthropicLLM(model="claude-opus-4-1"), "claude-opus-5-5"),
        (GroqLLM(model="llama-3.3-70b-versatile"), "openai/gpt-oss-120b"),
        (CerebrasLLM(model="llama3.1-8b"), "gpt-oss-120b"),
        (CerebrasLLM(model="qwen-3-235b-a22b-instruct"), "qwen-3.8-27b"),
    ],
)
def test_a_model_that_is_gone_has_a_successor(
    recipe: OpenAILLM, successor: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It answers in its place, with all that was set, and the log says so once."""
    recipe = replace(recipe, max_output_tokens=77)
    for _ in range(2):
        assert current(recipe, DAY) == replace(recipe, model=successor)
    (told,) = caplog.messages
    assert recipe.model in told
    assert successor in told


def test_a_model_that_will_be_gone_is_told_ahead(caplog: pytest.LogCaptureFixture) -> None:
    """Until its last day it answers itself; two months before, a warning comes."""
    recipe = OpenAILLM(model="gpt-4o")
    assert current(recipe, date(2026, 11, 14)) is recipe
    assert caplog.messages == []
    assert current(recipe, date(2026, 11, 15)) is recipe
    assert "ends on 2027-01-14" in caplog.messages[0]
    assert current(recipe, date(2027, 1, 14)).model == "gpt-6.1-terra"


@pytest.mark.parametrize(
    "recipe",
    [
        OpenAILLM(),
        AnthropicLLM(),
        AnthropicLLM(model="claude-haiku-4-5"),
        GoogleLLM(),
        GroqLLM(),
        CerebrasLLM(),
        OpenAILLM(model="gpt-3.5-turbo", base_url="http://localhost:1/v1"),
        OpenAICompatibleLLM("http://localhost:1/v1", "gpt-3.5-turbo"),
        object(),
    ],
)
def test_what_is_there_is_left_alone(recipe: object, caplog: pytest.LogCaptureFixture) -> None:
    """And so are the models of somebody's own server, whatever they are called."""
    assert current(recipe, DAY) is recipe
    assert caplog.messages == []


def test_no_successor_is_itself_retired() -> None:
    """Nor is a vendor's usual model."""
    makers = {"openai": OpenAILLM, "anthropic": AnthropicLLM, "groq": GroqLLM, "cerebras": CerebrasLLM}
    for row in RETIRED:
        recipe = makers[row.provider](model=row.successor)
        assert current(recipe, date(2027, 6, 1)) is recipe


def test_an_agent_gets_the_successor(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """However it named its model."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    caplog.set_level(logging.WARNING)
    named = ready_agent("a", Agent("A.", llm="openai", model="gpt-3.5-turbo"), Hooks())
    made = ready_agent("a", Agent("A.", llm=[OpenAILLM(model="gpt-4-turbo"), OpenAILLM()]), Hooks())
    left_open = ready_agent("a", Agent("A.", model="o4-mini"), Hooks())
    assert [each.model for each in (*named.models, *made.models)] == ["gpt-6-luna", "gpt-6.1-terra", "gpt-6-luna"]
    assert left_open.notes["llm"] == "language model: openai gpt-6-luna, because OPENAI_API_KEY is set"
