"""A command is loaded when it is typed: no start pays for the others."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
import typer.testing

from patter_cli.cli.app import LINES, app
from patter_cli.cli.late_commands import LateCommands

LOADED = """
import sys
sys.argv = ["patter", *{words}]
from patter_cli.cli.app import main
try:
    main()
except SystemExit:
    pass
print(*(each for each in sys.modules if each.startswith("patter_cli.")), file=sys.stderr)
"""


def loaded(*words: str) -> set[str]:
    """Our modules that this command line loads."""
    ran = subprocess.run([sys.executable, "-c", LOADED.format(words=words)], capture_output=True, text=True, check=True)
    return {each.removeprefix("patter_cli.") for each in ran.stderr.split()}


@pytest.mark.parametrize("name", LINES)
def test_the_list_of_commands_says_what_each_command_says_of_itself(name: str) -> None:
    """`patter --help` shows the first paragraph of every command's own help, though it loads none of them."""
    own = LateCommands(LINES)[name].help

    assert own.partition("\n\n")[0].replace("\\[", "[") == LINES[name]


def test_the_help_of_everything_loads_no_command_and_no_settings() -> None:
    """`patter --help` and `--version` load the list alone."""
    for word in ("--help", "--version"):
        there = loaded(word)

        assert "cli.app" in there
        assert not {f"cli.{name}" for name in LINES} & there
        assert not {"settings", "registry", "cli.general"} & there


def test_a_command_loads_itself_and_no_other() -> None:
    """`patter doctor --help` needs nothing of serve, simulate or record."""
    there = loaded("doctor", "--help")

    assert {f"cli.{name}" for name in LINES} & there == {"cli.doctor"}


def test_a_command_that_there_is_not_is_no_module_of_ours() -> None:
    """Names of modules beside the commands are no commands: `patter general` is answered as any other mistake."""
    done = typer.testing.CliRunner().invoke(app, ["general"])

    assert done.exit_code == 2
    assert "there is no command 'general'" in done.output
