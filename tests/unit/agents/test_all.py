"""All of agents/: each loads anywhere, says what it is, has a scenario, and answers whatever it hears."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patter_cli.call_plan import transfer_numbers
from patter_cli.cli.agent_report import portray
from patter_cli.cli.discovery import find_agents, load_agent
from patter_cli.settings import Settings
from patter_cli.simulate.scenario import load_scenario
from tests.unit.agents.rehearse import ROOT, Talk

AGENTS = [each.name for each in find_agents(ROOT)]
SCENARIOS = sorted((ROOT / "agents").glob("[!_]*.toml"))


@pytest.mark.parametrize("name", AGENTS)
def test_it_loads_with_nothing_set_and_nothing_to_complain_of(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no home, no setting: what `patter agents check` looks at is in order, without a warning."""
    for variable in list(os.environ):
        monkeypatch.delenv(variable)
    loaded = load_agent(name, ROOT)
    assert portray(loaded, Settings()).problems == ()


@pytest.mark.parametrize("name", AGENTS)
def test_it_has_a_scenario_and_a_first_line(name: str) -> None:
    """The file beside it is for it, expects something, and its docstring says how to hear it."""
    [found] = [each for each in find_agents(ROOT) if each.name == name]
    assert found.summary.endswith(".")
    assert f"patter simulate {name} " in found.path.read_text(encoding="utf-8")
    scenario = load_scenario(found.path.with_suffix(".toml"))
    assert scenario.agent == name
    assert scenario.expected.reason
    assert any(step.expect for step in scenario.steps)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_whoever_a_scenario_reaches_the_agent_may_ring(path: Path) -> None:
    """Every human of a scenario has a number that its agent may transfer to."""
    scenario = load_scenario(path)
    agent = load_agent(scenario.agent, ROOT).agent
    assert {each.number for each in scenario.humans} <= set(transfer_numbers(agent))


WORDS = st.sampled_from(
    "yes|no|cancel|another time|1|4711|twelve|thirty four|Green Street|Oxford|[DTMF: 1]|[DTMF: *]|[DTMF: 0#9]|table|"
    "for two|at eight o'clock|where|order|address|goodbye|never|again|human|how much|tomorrow|five|I said".split("|")
)
SAID = st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=8).map(" ".join), st.just("[DTMF: 2]"))


@pytest.mark.parametrize("name", [name for name in AGENTS if name != "receptionist"])
@settings(max_examples=60, deadline=None)
@given(turns=st.lists(SAID, min_size=1, max_size=6))
def test_it_always_has_an_answer(name: str, turns: list[str]) -> None:
    """Whatever is heard or pressed, in any order, something is said, and nothing is raised."""
    talk = Talk(name)
    for text in turns:
        assert talk.say(text).strip()
