"""Where settings come from, and how errors end a command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias

import pytest
import typer
from typer.testing import CliRunner

from patter_cli.cli import general
from patter_cli.cli.app import app
from patter_cli.errors import BadSetting, InputError, PortBusy

Patter: TypeAlias = Callable[..., tuple[int, str]]


def test_a_section_of_the_settings_file(tmp_path: Path) -> None:
    """Keys as flags are written; without file or section nothing is set."""
    place = tmp_path / "patter.toml"
    place.write_text("[serve]\nport = 9000\nmax-calls = 5\n[other]\nport = 1\n")
    assert general.settings_of("serve", place) == {"port": 9000, "max_calls": 5}
    assert general.settings_of("simulate", place) == {}


@pytest.mark.parametrize("content", ["[serve", "port = ", "serve = 7", "\udcff".encode(errors="surrogateescape")])
def test_a_broken_settings_file_is_named(tmp_path: Path, content: str | bytes) -> None:
    """With what to do about it."""
    place = tmp_path / "patter.toml"
    place.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(BadSetting, match=r"patter\.toml") as raised:
        general.settings_of("serve", place)
    assert raised.value.hint


def test_a_settings_file_that_was_asked_for_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is only looked for need not."""
    with pytest.raises(InputError):
        general.settings_of("serve", tmp_path / "no.toml")
    monkeypatch.chdir(tmp_path)
    assert general.settings_of("serve", None) == {}


def serve_in(folder: Path, *arguments: str, **environment: str) -> str:
    """What `patter serve` says about a port that cannot be."""
    program = "import sys; sys.argv[0] = 'patter'; from patter_cli.__main__ import main; main()"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PATTER_")}
    done = subprocess.run(
        [sys.executable, "-c", program, "serve", "x", *arguments],
        cwd=folder,
        env={**kept, **environment, "PYTHONPATH": str(Path(general.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


def test_flags_win_over_environment_over_env_file_over_settings(tmp_path: Path) -> None:
    """The .env is there before the flags look into the environment, and does not replace what is set."""
    (tmp_path / "patter.toml").write_text("[serve]\nport = 70001\n")
    assert "port 70001" in serve_in(tmp_path)
    (tmp_path / ".env").write_text("PATTER_PORT=70002\n")
    assert "port 70002" in serve_in(tmp_path)
    (tmp_path / "other.env").write_text("PATTER_PORT=70003\n")
    assert "port 70003" in serve_in(tmp_path, "--env-file", "other.env")
    assert "port 70003" in serve_in(tmp_path, "--env-file=other.env")
    assert "port 70004" in serve_in(tmp_path, PATTER_PORT="70004")
    assert "port 70005" in serve_in(tmp_path, "--port", "70005", PATTER_PORT="70004")
    assert "no missing.env" in serve_in(tmp_path, "--env-file", "missing.env")


def _run(raised: BaseException, *arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()

    @app.callback()
    def root() -> None:
        """Have subcommands."""

    def work(number: Annotated[int, typer.Option()] = 1) -> None:
        raise raised

    app.command("work")(general.command(work))
    result = CliRunner().invoke(app, ["work", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("no such agent", hint="patter agents list"), 2),
        (BadSetting("no such port", hint="choose another"), 3),
        (PortBusy("port 1 is busy", hint="choose another"), 6),
    ],
)
def test_an_error_is_a_sentence_a_hint_and_its_code(error: InputError, code: int) -> None:
    """On stderr, nothing else anywhere."""
    assert _run(error) == (code, "", f"error: {error}\nhint: {error.hint}\n")


def test_ctrl_c_is_130() -> None:
    """As of any program that was interrupted."""
    assert _run(KeyboardInterrupt()) == (130, "", "")


def test_an_unknown_flag_is_2() -> None:
    """Before anything runs."""
    code, out, err = _run(RuntimeError("never"), "--nonsense")
    assert (code, out) == (2, "")
    assert "--nonsense" in err


@pytest.fixture
def patter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patter:
    """The real command line, run in an empty folder: its arguments to (exit code, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PATTER_PORT", raising=False)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["patter", *arguments])
        result = CliRunner().invoke(app, arguments)
        assert result.stdout == ""
        return result.exit_code, result.stderr

    return run


def test_a_broken_settings_file_ends_the_command(patter: Patter, tmp_path: Path) -> None:
    """With its line and exit code 3, before the agent is looked for; another command's section counts too."""
    (tmp_path / "patter.toml").write_text("[serve]\nport = = 1\n")
    for command in ("serve", "simulate"):
        code, said = patter(command, "x")
        assert code == 3
        assert said.startswith("error: patter.toml: ")
        assert "line 2" in said
    (tmp_path / "other.toml").write_text("[serve]\nport = 70001\n")
    code, said = patter("serve", "x", "--config", "other.toml")
    assert (code, "port 70001" in said) == (3, True)


def test_a_setting_of_the_wrong_kind_is_named(patter: Patter, tmp_path: Path) -> None:
    """As if it had been typed."""
    (tmp_path / "patter.toml").write_text('[serve]\nport = "many"\n')
    code, said = patter("serve", "x")
    assert code == 2
    assert "--port" in said


def test_files_that_were_named_and_are_not_there_are_2(patter: Patter) -> None:
    """For --env-file and --config alike."""
    assert patter("serve", "x", "--env-file", "no.env") == (
        2,
        "error: there is no no.env\nhint: name a file that exists with --env-file\n",
    )
    code, said = patter("serve", "x", "--config=no.toml")
    assert code == 2
    assert "there is no no.toml" in said


@pytest.mark.parametrize("content", [b"\xff\xfe=1\n", b"PATTER_PORT=1\x002\n"])
def test_an_env_file_that_cannot_be_read_is_no_bug_of_ours(patter: Patter, tmp_path: Path, content: bytes) -> None:
    """It is named, with what to do."""
    (tmp_path / ".env").write_bytes(content)
    code, said = patter("serve", "x")
    assert code == 3
    assert said.startswith("error: .env: ")
    assert "--env-file" in said


def test_a_settings_file_without_permission_is_no_bug_of_ours(
    patter: Patter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like one that is broken."""
    (tmp_path / "patter.toml").write_text("")

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    code, said = patter("serve", "x")
    assert code == 3
    assert "Permission denied" in said
