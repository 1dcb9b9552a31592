"""docs/scenarios.md: its files are read, its agent answers them, its tables have every key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from patter_cli.simulate.scenario import load_scenario
from patter_cli.simulate.scenario_table import ACTIONS, ANSWERS, WHOLE

PAGE = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.S)


@pytest.mark.parametrize("number", range(len(TOML)))
def test_its_files_are_scenarios(tmp_path: Path, number: int) -> None:
    """Read without complaint."""
    path = tmp_path / "shop.toml"
    path.write_text(TOML[number], encoding="utf-8")
    scenario = load_scenario(path)
    assert scenario.agent == "shop"
    assert scenario.steps or scenario.caller


def test_every_key_is_told() -> None:
    """What a step can do and expect, and what can be expected of the whole call."""
    assert {key for key in (*ACTIONS, *ANSWERS, *WHOLE) if not re.search(rf"\b{key}\b", PAGE)} == set()
