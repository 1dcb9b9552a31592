"""The pages that the code writes: fresh, whole, and usable as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from patter_cli import reference
from patter_cli.cli.app import app
from patter_cli.setting_files import read_config
from patter_cli.settings import ROWS, load_settings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["commands.md", "configuration.md", "llms.txt"])
def test_a_page_is_fresh(name: str) -> None:
    """After a change: python -m patter_cli.reference docs"""
    assert (DOCS / name).read_text(encoding="utf-8") == reference.render(DOCS)[name]


def test_every_command_and_flag_is_there() -> None:
    """And each example names a command and flags that there are."""
    page = reference.commands_page()
    root = typer.main.get_command(app)
    for line in re.findall(r"^(patter .*)$", page, re.MULTILINE):
        words = shlex.split(line.partition(" | ")[0].partition(" > ")[0].partition(" && ")[0])[1:]
        command, known = root, {"--help"}
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known |= {each for one in command.params for each in (*one.opts, *one.secondary_opts)}
        assert command is not root, line
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert flags <= known, line


def test_the_configuration_page_is_one() -> None:
    """Its patter.toml can be read, and every setting has its row."""
    page = (DOCS / "configuration.md").read_text()
    (written,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert all(f"`{row.variable}`" in page for row in ROWS.values() if row.variable)
    assert all(f".{row.flag}`" in page or f"`{row.flag}`" in page for row in ROWS.values() if row.section is not None)
    assert "keep_days" in written


def test_the_example_holds(tmp_path: Path) -> None:
    """Read as settings, it says what its comments say."""
    page = (DOCS / "configuration.md").read_text()
    (tmp_path / "patter.toml").write_text(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0])
    settings = load_settings(config=read_config(tmp_path / "patter.toml"), environment={})
    assert (settings.keep_days, settings.port, settings.blocked) == (30, 8080, ("+4479*", "anonymous"))
    assert [each.agent for each in settings.numbers] == ["receptionist"]


def test_the_index_leads_to_every_page() -> None:
    """With a sentence about each."""
    index = (DOCS / "llms.txt").read_text()
    for page in DOCS.glob("*.md"):
        assert re.search(rf"\({page.name}\): .{{20,}}", index), page.name
