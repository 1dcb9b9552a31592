"""The agents that ship: where they are found, and how one's own is made of one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from patter_cli.cli.discovery import find_agents, load_agent
from patter_cli.cli.templates import DEMO, STARTER, new_agent, template_files
from patter_cli.errors import InputError
from patter_cli.setting_files import read_config
from patter_cli.settings import load_settings
from patter_cli.simulate.scenario import load_scenario

ROOT = Path(__file__).parents[3]


def test_the_samples_and_the_starter_are_there() -> None:
    """Every agent of agents/ is a template, and the starter is one that agents/ does not list."""
    assert {each.name for each in find_agents(ROOT)} == set(template_files()) - {STARTER}
    assert DEMO in template_files()


def test_they_ship_with_the_package() -> None:
    """What is built from pyproject.toml has the files of agents/, and the workflow."""
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    assert shipped == {
        "share/patter-cli/agents": ["agents/*.py", "agents/*.toml"],
        "share/patter-cli/docs": ["docs/github-actions.yml"],
    }


@pytest.mark.parametrize("chosen", sorted(template_files()))
def test_an_agent_made_of_each(tmp_path: Path, chosen: str) -> None:
    """It loads under its new name, its scenario is for it, and what a project needs is around it."""
    made = new_agent("front_desk", chosen, tmp_path)
    assert [str(each) for each in made] == [
        "agents/front_desk.py",
        "agents/front_desk.toml",
        "tests/test_front_desk.py",
        "patter.toml",
        ".env.example",
        ".gitignore",
        ".github/workflows/agents.yml",
    ]
    assert load_agent("front_desk", tmp_path).name == "front_desk"
    assert load_scenario(tmp_path / made[1]).agent == "front_desk"
    assert "STARTER" not in (tmp_path / made[0]).read_text()
    assert load_settings(config=read_config(tmp_path / "patter.toml"), environment={}).origins == {}
    second = new_agent("other", chosen, tmp_path)
    assert [str(each) for each in second] == ["agents/other.py", "agents/other.toml", "tests/test_other.py"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Neither an agent nor a scenario that is there, when nothing at all is written; nor what a project has already."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "desk.toml").write_text("mine")
    with pytest.raises(InputError, match=r"desk\.toml is there already"):
        new_agent("desk", STARTER, tmp_path)
    assert [each.name for each in tmp_path.rglob("*")] == ["agents", "desk.toml"]
    (tmp_path / ".gitignore").write_text("mine")
    assert Path(".gitignore") not in new_agent("lobby", STARTER, tmp_path)
    assert (tmp_path / ".gitignore").read_text() == "mine"


@pytest.mark.parametrize("name", ["", "front desk", "1desk", "../desk", "a-b", "_hidden", "desk.py"])
def test_a_name_that_no_command_could_find_is_refused(tmp_path: Path, name: str) -> None:
    """An agent's name is a file's stem that one can type and import."""
    with pytest.raises(InputError, match="cannot be called"):
        new_agent(name, STARTER, tmp_path)


def test_a_template_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    """The hint lists them."""
    with pytest.raises(InputError) as caught:
        new_agent("desk", "nothing", tmp_path)
    assert STARTER in caught.value.hint


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A file where the folder should be is said in words."""
    (tmp_path / "agents").write_text("a file")
    with pytest.raises(InputError, match="cannot write into"):
        new_agent("desk", STARTER, tmp_path)
