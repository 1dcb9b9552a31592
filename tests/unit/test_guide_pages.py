"""The pages that tell how agents are made: their agents load and can hold a call, their commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from patter_cli.cli.app import app

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("quickstart", "recipes", "tools", "guardrails", "local", "advanced")
AGENTS = [
    (page, number, block)
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.S))
]
COMMANDS = [
    (page, line.split("  #")[0].strip())
    for page in PAGES
    for block in re.findall(r"```console\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.S)
    for line in block.splitlines()
    if line.startswith("patter ")
]


@pytest.mark.parametrize(("page", "number", "block"), [each for each in AGENTS if "\nagent = " in each[2]])
def test_its_agents_can_hold_a_call(
    page: str, number: int, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each as it is written, with a key that is none."""
    monkeypatch.chdir(tmp_path)
    for vendor in ("OPENAI", "DEEPGRAM", "ELEVENLABS"):
        monkeypatch.setenv(f"{vendor}_API_KEY", "sk-none-of-ours-1234")
    Path("agents").mkdir()
    Path("agents", "shown.py").write_text(block)
    done = CliRunner().invoke(app, ["agents", "check", "shown"])
    assert done.exit_code == 0, done.output
    assert "agents/shown.py" not in done.output


@pytest.mark.parametrize(("page", "number", "block"), [each for each in AGENTS if "\nagent = " not in each[2]])
def test_its_programs_find_what_they_import(page: str, number: int, block: str) -> None:
    """They would ring somebody, so they are not run further."""
    names: dict[str, object] = {"__name__": "shown"}
    exec(compile(block, f"{page}.md", "exec"), names)
    assert callable(names["main"])


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_its_commands_exist(page: str, line: str) -> None:
    """With every flag that is shown."""
    words = shlex.split(line)[1:]
    command, known = typer.main.get_command(app), {"--help"}
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    known |= {each for one in command.params for each in (*one.opts, *one.secondary_opts)}
    assert {each for each in words if each.startswith("--")} <= known


def test_there_is_something_to_check() -> None:
    """Snippets of both kinds, and commands."""
    assert len(AGENTS) >= 6
    assert len(COMMANDS) >= 10
