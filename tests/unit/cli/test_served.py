"""Whom `patter serve` puts on the phone, by which number."""

from __future__ import annotations

from pathlib import Path

import pytest

from patter_cli.cli.served import load_agents
from patter_cli.errors import BadSetting, InputError
from patter_cli.setting_files import read_config
from patter_cli.settings import Settings, load_settings

AGENT = """
from patter_cli import Agent

agent = Agent("You answer.", "Hello.")


def on_message(event):
    return "Yes."
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two agents."""
    (tmp_path / "agents").mkdir()
    for name in ("desk", "orders"):
        (tmp_path / "agents" / f"{name}.py").write_text(AGENT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def numbers(project: Path, text: str) -> Settings:
    (project / "patter.toml").write_text(f"[numbers]\n{text}\n")
    return load_settings(config=read_config(None), environment={})


def test_every_agent_with_its_numbers(project: Path) -> None:
    """All of them are served; those without a number can be called from this machine."""
    served = load_agents(None, numbers(project, '"+14155550123" = "desk"\n"+14155550124" = "desk"'))
    assert list(served.agents) == ["desk", "orders"]
    assert served.numbers_of("desk") == ["+14155550123", "+14155550124"]
    assert served.numbers_of("orders") == []
    assert served.unreached() == ""


def test_the_one_that_was_named_answers_every_number(project: Path) -> None:
    """Also those that lead elsewhere when all are served."""
    served = load_agents("orders", numbers(project, '"+14155550123" = "desk"'))
    assert list(served.agents) == ["orders"]
    assert served.numbers == {}
    assert served.unreached() == ""


def test_several_agents_without_a_number_are_told(project: Path) -> None:
    """A carrier's calls would lead nowhere, so it is said how they lead to somebody."""
    served = load_agents(None, Settings())
    assert list(served.agents) == ["desk", "orders"]
    assert '[numbers], "+14155550123" = "desk"' in served.unreached()


def test_a_number_of_an_agent_that_there_is_not(project: Path) -> None:
    """File, line and key, with the nearest that there is; before any agent's file runs."""
    (project / "agents" / "orders.py").write_text(AGENT + "\nraise SystemExit\n")
    with pytest.raises(BadSetting, match=r"patter\.toml:2: \+14155550123: no agent is called 'dekk'") as raised:
        load_agents(None, numbers(project, '"+14155550123" = "dekk"'))
    assert "did you mean 'desk'?" in raised.value.hint


def test_an_agent_that_cannot_be_read(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Left out with a warning; not where a number leads to it."""
    (project / "agents" / "orders.py").write_text("agent = Agent(\n")
    assert list(load_agents(None, numbers(project, '"+14155550123" = "desk"')).agents) == ["desk"]
    assert "orders.py cannot be read" in capsys.readouterr().err
    with pytest.raises(BadSetting, match=r"patter\.toml:2: .*orders\.py cannot be read"):
        load_agents(None, numbers(project, '"+14155550123" = "orders"'))


def test_no_agent_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next command is said."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no agent in agents/") as raised:
        load_agents(None, Settings())
    assert "patter agents new" in raised.value.hint
