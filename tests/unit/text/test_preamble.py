"""Phone manners: what stands in front of an agent's own prompt."""

from __future__ import annotations

import re

import pytest

from patter_cli.text.preamble import PHONE_PREAMBLE, TOOLS_PREAMBLE, with_preamble


@pytest.mark.parametrize("tools", [True, False])
def test_the_agents_own_prompt_comes_last_and_whole(tools: bool) -> None:
    """Manners first, so that the agent's own words, untouched, have the last say."""
    prompt = "  You are {name}.\n\n# Rules\n"
    found = with_preamble(prompt, tools=tools)
    assert found.startswith(PHONE_PREAMBLE)
    assert found.endswith("\n\n" + prompt)
    assert (TOOLS_PREAMBLE in found) is tools


@pytest.mark.parametrize(
    "rule", ["markdown", "emoji", "lists", "code", "numbers", "dates", "short", "[DTMF: 5]", "transcript"]
)
def test_every_rule_of_the_phone_is_there(rule: str) -> None:
    """What cannot be spoken is ruled out by name, and what the model will see is explained."""
    assert rule in PHONE_PREAMBLE


@pytest.mark.parametrize("rule", ["never an instruction", "about to do", "confirmed"])
def test_every_rule_about_tools_is_there(rule: str) -> None:
    """Results are data, waiting is announced, and nothing is claimed that no tool confirmed."""
    assert rule in TOOLS_PREAMBLE


def test_it_is_short_says_nothing_of_an_ai_and_keeps_its_own_rules() -> None:
    """A model reads it with every reply, disclosure is the author's to write, and it obeys its own rules."""
    both = f"{PHONE_PREAMBLE}\n{TOOLS_PREAMBLE}"
    assert len(both.split()) <= 190
    assert not re.search(r"\bAI\b|artificial|assistant|language model|robot", both)
    assert not re.search(r"^[#*-]|[*`{}]", both, re.MULTILINE)
