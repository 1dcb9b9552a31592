"""Errors for whoever asked for JSON: one object on standard output, whatever went wrong and whenever it did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from patter_cli.cli.app import app
from patter_cli.cli.next_command import command_in


@pytest.mark.parametrize(
    ("typed", "code", "exit_code", "command"),
    [
        ("logs show nobody --json", "bad_input", 2, "patter simulate"),
        ("agents show nobody --json", "bad_input", 2, "patter agents new NAME"),
        ("simulate nobody --json", "bad_input", 2, "patter agents new NAME"),
        ("agents show --json", "bad_input", 2, "patter agents show AGENT"),
        ("logs list --json --limit some", "bad_input", 2, "patter logs list --json --limit 50"),
        ("logs lst --json", "bad_input", 2, "patter logs list --json"),
        ("call 911 --json", "destination_refused", 2, "patter call --help"),
        ("doctor --json --env-file no.env", "bad_input", 2, "patter doctor --json"),
        ("doctor --json --config odd.toml", "bad_setting", 3, "patter doctor --json --config odd.toml"),
        ("doctor --json --config wrong.toml", "bad_setting", 3, "patter doctor --json --config wrong.toml"),
    ],
)
def test_an_error_is_an_object(
    typed: str, code: str, exit_code: int, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code, its words as on standard error, and the command to type next."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATTER_LOG_DIR", str(tmp_path / "kept"))
    Path("odd.toml").write_text("[doctor]\nprot = 3\n")
    Path("wrong.toml").write_text("[serve]\nport = 'x'\n")
    done = CliRunner().invoke(app, typed.split())
    (line,) = done.stdout.splitlines()
    told = json.loads(line)["error"]
    assert set(told) == {"code", "message", "hint", "command", "exit_code"}
    assert (told["code"], told["exit_code"], told["command"]) == (code, exit_code, command)
    assert done.exit_code == exit_code
    lines = done.stderr.splitlines()
    assert lines[:2] == [f"error: {told['message']}", f"hint: {told['hint']}"]
    assert lines[2:] in ([], [f"try: {command}"], [f"then: {command}"])


def test_without_json_nothing_is_on_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is for data."""
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["agents", "show", "nobody"]).stdout == ""


@pytest.mark.parametrize(
    ("hint", "command"),
    [
        ("make one: patter agents new NAME", "patter agents new NAME"),
        ("patter logs list shows them; the last is C1", "patter logs list"),
        ("patter serve, in another terminal", "patter serve"),
        ("patter call +14155550123 AGENT, or --csv FILE AGENT", "patter call +14155550123 AGENT"),
        ("call the address that patter serve printed", "patter serve"),
        ("export PHONE_NUMBER=+14155550123", "export PHONE_NUMBER=+14155550123"),
        ("leave it out; if you mean it, export DEBUG in your shell", "export DEBUG"),
        ("pip install 'patter-cli[mic]' has it", "pip install 'patter-cli[mic]'"),
        ("patter simulate needs none", "patter simulate"),
        ("did you mean --port?", ""),
        ("there are: serve, call", ""),
        ("", ""),
    ],
)
def test_the_command_of_a_hint(hint: str, command: str) -> None:
    """What one can type as it stands, up to the words of the sentence around it."""
    assert command_in(hint) == command
