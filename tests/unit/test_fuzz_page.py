"""docs/fuzz.md: its agent is fuzzed, its commands run, its scenario is one, its tables have all there is."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from patter_cli.cli.app import app
from patter_cli.simulate.fuzz.expectations import RULES
from patter_cli.simulate.scenario import load_scenario
from patter_cli.simulate.virtual.in_file import ACTIONS
from patter_cli.simulate.virtual.world import Trouble

PAGE = (Path(__file__).parents[2] / "docs" / "fuzz.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the page's agent in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "shop.py").write_text(blocks("python")[0], encoding="utf-8")
    return tmp_path


def test_its_commands_do_what_it_says(project: Path) -> None:
    """The agent quotes a price; that is found, kept and fails again, and is gone once the agent is mended."""
    commands = [line.partition("#")[0].strip() for block in blocks("console") for line in block.splitlines()]
    for command in commands:
        words = [*shlex.split(command)[1:]]
        if "30" in words:
            words[words.index("30")] = "8"  # of as much talk the page's half hour would tell no more
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 1, result.output
        assert "it quoted a price" in result.output + result.stderr
        if "--json" in words:
            told = json.loads(result.stdout)
            names = {*told, *(name for each in told["findings"] for name in each)}
            assert {name for name in names if name not in PAGE} == set()
    source = project / "agents" / "shop.py"
    source.write_text(source.read_text().replace("It is about twenty dollars.", "I may not quote a price."))
    again = CliRunner().invoke(app, shlex.split(commands[-1])[1:])
    assert again.exit_code == 0, again.output


def test_its_scenario_is_one_with_every_step(project: Path) -> None:
    """Each kind of step stands in it once."""
    (project / "x.toml").write_text(blocks("toml")[0], encoding="utf-8")
    scenario = load_scenario(project / "x.toml")
    assert scenario.virtual is not None
    assert scenario.expected.always
    assert all(f"\n{each} =" in blocks("toml")[0] for each in ACTIONS)


def test_its_lists_are_whole() -> None:
    """Every rule, every trouble."""
    told = set(re.findall(r"^\| `([a-z -]+)`", PAGE, re.MULTILINE))
    assert told == {*RULES, "expect"}
    troubles = PAGE.partition("What can break: ")[2].partition(".\n")[0]
    assert set(re.findall(r"`([^`]+)`", troubles)) == {each.value for each in Trouble}


def test_its_python_runs(project: Path) -> None:
    """As it stands there."""
    (project / "agents" / "shop.toml").write_text('agent = "shop"\n[[step]]\nsay = "A table."\nexpect = "booked"\n')
    exec(compile(blocks("python")[1], "fuzz.md", "exec"), {})
