"""What is typed and cannot be: told in a sentence, with what is right, whatever Typer has to say of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from patter_cli.cli.app import app


@pytest.mark.parametrize(
    ("typed", "error", "hint"),
    [
        ("serve --port abc", "--port cannot be 'abc'", "it must be a whole number from 0 to 65535"),
        ("serve --port 1.5", "--port cannot be '1.5'", "it must be a whole number from 0 to 65535"),
        ("serve --port -1", "--port cannot be -1", "it must be a whole number from 0 to 65535"),
        ("serve --port 70000", "--port cannot be 70000", "it must be a whole number from 0 to 65535"),
        ("serve --max-calls many", "--max-calls cannot be 'many'", "it must be a whole number from 1"),
        ("serve --max-calls 0", "--max-calls cannot be '0'", "it must be a whole number from 1"),
        ("serve --drain-timeout soon", "--drain-timeout cannot be 'soon'", "it must be a number of seconds, 0 or more"),
        ("serve --drain-timeout -1", "--drain-timeout cannot be '-1'", "it must be a number of seconds, 0 or more"),
        ("simulate --seed -1", "--seed cannot be '-1'", "it must be 0 or more"),
        ("simulate --seed 1.5", "--seed cannot be '1.5'", "it must be a whole number"),
        ("simulate --max-ttfa-ms soon", "--max-ttfa-ms cannot be 'soon'", "it must be a whole number"),
        ("simulate --max-ttfa-ms 0", "--max-ttfa-ms cannot be '0'", "it must be 1 or more"),
        ("call --calls-per-second 0", "--calls-per-second cannot be '0'", "it must be 0.01 or more"),
        ("serve --port", "--port wants a value after it", "--port VALUE"),
        ("simulate --say", "--say wants a value after it", "--say VALUE"),
        ("simulate --mic=yes", "--mic takes no value", "write --mic alone"),
        ("call --amd=3", "--amd takes no value", "write --amd alone"),
        ("serve --prot 3", "there is no flag --prot", "did you mean --port or --host?"),
        ("agents show --jsn hum", "there is no flag --jsn", "did you mean --json?"),
        ("simulate -x", "there is no flag -x", "patter simulate --help shows what there is"),
        ("--nonsense", "there is no flag --nonsense", "patter --help shows what there is"),
        ("serv", "there is no command 'serv'", "did you mean serve?"),
        ("agents lst", "there is no command 'lst'", "did you mean list?"),
        ("call hum", "'hum' is no number that could be rung", "write it like +14155550123"),
        ("call 4155550123", "'4155550123' is no number that could be rung", "write it like +14155550123"),
        ("call +1", "'+1' is no number that could be rung", "write it like +14155550123"),
        ("call 911", "911 is an emergency or short number", "those are never dialled"),
        ("call +14155550123 x --from me", "--from cannot be 'me'", "one of your numbers, like +14155550123"),
        ("call +14155550123 x --from 0800", "--from cannot be '0800'", "one of your numbers, like +14155550123"),
        ("agents", "", ""),
        ("agents show", "AGENT is missing", "patter agents show AGENT"),
        ("agents new", "NAME is missing", "patter agents new NAME"),
        (
            "serve a b",
            "patter serve has no use for 'b'",
            "words that belong together stand in quotes; patter serve --help shows what there is",
        ),
    ],
)
def test_a_mistyped_line(typed: str, error: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, one sentence, one hint, and what to type instead; a group alone shows its help."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, typed.split())
    assert done.exit_code == 2
    if error:
        assert done.stdout == ""
        assert done.stderr.splitlines()[:2] == [f"error: {error}", f"hint: {hint}"]
    else:
        assert "Commands" in done.output


def test_an_unknown_command_is_told_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none is near."""
    monkeypatch.chdir(tmp_path)
    assert "hint: there are: serve, " in CliRunner().invoke(app, ["xyzzy"]).stderr


@pytest.mark.parametrize("typed", ["--port=\x1b[2J", "--\x1b[2J", "\x1b[2J"])
def test_what_was_typed_does_not_move_the_cursor(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been pasted."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["serve", typed])
    assert done.exit_code == 2
    assert done.stderr.replace("\n", "").isprintable()
