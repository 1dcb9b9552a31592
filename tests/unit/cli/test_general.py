"""Where settings come from, and how errors end a command."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import pytest
import typer
from typer.testing import CliRunner

from patter_cli import keys
from patter_cli.cli import general
from patter_cli.cli.app import app
from patter_cli.errors import BadSetting, InputError, PortBusy
from patter_cli.settings import Settings

Patter: TypeAlias = Callable[..., tuple[int, str]]


def serve_in(folder: Path, *arguments: str, **environment: str) -> str:
    """What `patter serve` says about a port that cannot be, and where it was found."""
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
    assert "patter.toml:2: port cannot be 70001" in serve_in(tmp_path)
    (tmp_path / ".env").write_text("PATTER_PORT=70002\n")
    assert ".env:1: PATTER_PORT cannot be '70002'" in serve_in(tmp_path)
    (tmp_path / "other.env").write_text("\nPATTER_PORT=70003\n")
    assert "other.env:2: PATTER_PORT cannot be '70003'" in serve_in(tmp_path, "--env-file", "other.env")
    assert "other.env:2" in serve_in(tmp_path, "--env-file=other.env")
    assert "error: PATTER_PORT cannot be '70004'" in serve_in(tmp_path, PATTER_PORT="70004")
    assert "error: --port cannot be 70005" in serve_in(tmp_path, "--port", "70005", PATTER_PORT="70004")
    assert "no missing.env" in serve_in(tmp_path, "--env-file", "missing.env")


def run_alone(function: Callable[..., None], *arguments: str) -> Any:
    """A command of its own, called work."""
    app = typer.Typer()

    @app.callback()
    def root() -> None:
        """Have subcommands."""

    app.command("work")(general.command(function))
    return CliRunner().invoke(app, ["work", *arguments])


def _run(raised: BaseException, *arguments: str) -> tuple[int, str, str]:
    def work(number: Annotated[int, typer.Option()] = 1) -> None:
        raise raised

    result = run_alone(work, *arguments)
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
    """On stderr, with what to type next where the hint does not say it; nothing else anywhere."""
    told = f"error: {error}\nhint: {error.hint}\n"
    assert _run(error) == (code, "", told if code == 2 else f"{told}try: patter doctor\n")


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
        result = CliRunner().invoke(app, arguments)
        assert result.stdout == ""
        return result.exit_code, result.stderr

    return run


def test_a_command_is_given_its_settings(patter: Patter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole if it asks for them, and flag by flag: from its own section, and from where a setting has its home."""
    (tmp_path / "patter.toml").write_text('log-dir = "kept"\n[work]\nnumber = 5\nfile = ["a", "b"]\nloud = true\n')
    monkeypatch.setenv("PATTER_PORT", "9001")
    monkeypatch.delenv("PATTER_LOG_DIR", raising=False)
    seen: list[object] = []

    def work(
        settings: Settings,
        port: Annotated[int, typer.Option(help="Which.")] = 1,
        number: Annotated[int, typer.Option()] = 1,
        file: Annotated[list[Path] | None, typer.Option()] = None,
        loud: Annotated[bool, typer.Option("--loud")] = False,
    ) -> None:
        """Work."""
        seen.extend([settings.log_dir, port, settings.port, number, file, loud])

    assert run_alone(work).exit_code == 0
    assert seen == [Path("kept"), 9001, 9001, 5, [Path("a"), Path("b")], True]
    seen.clear()
    assert run_alone(work, "--number", "7", "--port", "2", "--file", "c").exit_code == 0
    assert seen == [Path("kept"), 2, 2, 7, [Path("c")], True]
    assert "Which. (PATTER_PORT)" in run_alone(work, "--help").stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('number = "many"', "patter.toml:2: number cannot be 'many'"),
        ("number = 1.5", "patter.toml:2: number cannot be 1.5"),
        ("number = true", "patter.toml:2: number cannot be true"),
        ("number = [1]", "patter.toml:2: number is a list"),
        ("nubmer = 1", "patter.toml:2: nubmer is no setting of [work]\nhint: did you mean number?"),
        ("number = = 1", "patter.toml:2: this is no TOML"),
        ("config = 'x'", "patter.toml:2: config is no setting of [work]"),
        ("[serv]\nport = 1", "patter.toml:2: serv is no setting of the file's top"),
    ],
)
def test_a_wrong_line_of_the_settings_file_ends_the_command(
    patter: Patter, tmp_path: Path, line: str, said: str
) -> None:
    """Named by file, line and key; exit code 3, and nothing has run."""
    (tmp_path / "patter.toml").write_text(f"[work]\n{line}\n")

    def work(number: Annotated[int, typer.Option()] = 1) -> None:
        raise AssertionError

    result = run_alone(work)
    assert result.exit_code == 3
    assert said in result.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"patter.toml": '[simulate]\n\nline = "moblie"\n'}, "patter.toml:3: line: there is no line called 'moblie'"),
        ({"patter.toml": '[simulate]\nwav = ["no.wav"]\n'}, "patter.toml:2: wav: "),
        ({"patter.toml": "[simulate]\nseed = 3\n"}, "patter.toml:2: seed: --seed 3 chooses"),
        ({"patter.toml": '[simulate]\nline = "bad"\nout = "no/x.wav"\n'}, "patter.toml:3: out: cannot write no/x.wav"),
        ({"patter.toml": '[simulate]\nscenario = "no.toml"\n'}, "patter.toml:2: scenario: "),
        ({"patter.toml": '[simulate]\nsay = ["?!"]\n'}, "patter.toml:2: say: "),
        ({"patter.toml": '[simulate]\nhuman = ["Maria"]\n'}, "patter.toml:2: human: "),
        (
            {"patter.toml": "[simulate]\nmax-ttfa-ms = 0\n"},
            "patter.toml:2: max-ttfa-ms cannot be 0\nhint: it must be 1 or more",
        ),
        ({"patter.toml": '[simulate]\nurl = "http://x"\n'}, "patter.toml:2: url cannot be 'http://x'"),
        (
            {"patter.toml": '[simulate]\njson = "perhaps"\n'},
            "patter.toml:2: json cannot be 'perhaps'\nhint: it must be true or false",
        ),
        ({"patter.toml": "log-dir = ''\n"}, "patter.toml:1: log-dir cannot be ''"),
        ({"patter.toml": 'redact = "some"\n'}, "patter.toml:1: redact cannot be 'some'"),
        ({"patter.toml": '[serve]\nhost = ""\n'}, "patter.toml:2: host cannot be ''"),
        ({".env": "A=1\n\nPATTER_URL=localhost\n"}, ".env:3: PATTER_URL cannot be 'localhost'"),
        ({"patter.toml": '[serve]\nhost = "0.0.0.0"\n'}, "patter.toml:2: host: without a carrier"),
        ({".env": "A=1\nPATTER_HOST=0.0.0.0\n"}, ".env:2: PATTER_HOST: without a carrier"),
    ],
)
def test_a_value_that_a_command_finds_wrong_is_blamed_on_its_line(
    patter: Patter, tmp_path: Path, wrong: dict[str, str], said: str
) -> None:
    """What is of the right kind and still cannot be."""
    for name, content in wrong.items():
        (tmp_path / name).write_text(content)
    command = "serve" if "host" in said.lower() else "simulate"
    code, told = patter(command, "x")
    assert code == 3
    assert told.startswith(f"error: {said}")


def test_a_flag_that_was_typed_is_not_blamed_on_a_file(patter: Patter, tmp_path: Path) -> None:
    """Whatever the file says."""
    (tmp_path / "patter.toml").write_text('[serve]\nhost = "0.0.0.0"\n[simulate]\nline = "moblie"\n')
    assert patter("serve", "x", "--host", "1.2.3.4")[1].startswith("error: without a carrier")
    assert patter("simulate", "x", "--line", "bda")[1].startswith("error: there is no line called 'bda'")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "agents"), "agents cannot be used: you are not allowed to"),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "a.py"),
            "a.py cannot be used: there is no such file",
        ),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "x/y"), "x/y cannot be used: a part of its path is no"),
        (OSError(errno.ENOSPC, "No space left on device", "call.wav"), "call.wav cannot be used: the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "call.wav"), "call.wav cannot be used: that disk can only be"),
    ],
)
def test_a_file_that_cannot_be_used_is_no_bug_of_ours(error: OSError, words: str) -> None:
    """Whose it is and what it is, they decide who made it; a refusal of no file in particular is still ours."""
    code, out, err = _run(error)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {words}")
    assert "Errno" not in err
    assert _run(OSError(errno.EBADF, "Bad file descriptor"))[0] == 70


def test_a_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody removed it in another window."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for command in (["agents", "list"], ["simulate", "x"], ["serve", "x"], ["agents", "new", "x"]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: the folder you are in cannot be used")


@pytest.mark.parametrize("said", ["\x1b[31mred", "\x9b2J", "\x1b]0;owned\x07", "\u202etxt"])
def test_no_error_moves_the_cursor(said: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Whoever said what is wrong: in errors, in hints, in what is logged."""
    _, _, err = _run(InputError(f"it answered {said}", hint=f"try {said}"))
    assert err.replace("\n", "").isprintable()
    _, _, err = _run(RuntimeError(said))
    assert err.replace("\n", "").isprintable()
    record = logging.LogRecord("x", logging.WARNING, "x.py", 1, "a stranger said %s", (said,), None)
    assert general._PlainFormatter("%(message)s").format(record).isprintable()


def test_a_pipe_that_is_closed_is_no_bug(tmp_path: Path) -> None:
    """`patter agents show x | head -1` has shown what was wanted."""

    def work() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    result = run_alone(work)
    assert result.exit_code == 1
    assert "bug" not in result.stderr


def test_a_broken_settings_file_ends_every_command(patter: Patter, tmp_path: Path) -> None:
    """Before the agent is looked for; another command's section counts too."""
    (tmp_path / "patter.toml").write_text("[serve]\nport = 70001\n")
    for command in ("serve", "simulate"):
        code, said = patter(command, "x")
        assert code == 3
        assert said.startswith("error: patter.toml:2: port ")
    (tmp_path / "other.toml").write_text("[simulate]\nmax-ttfa = 70001\n")
    code, said = patter("serve", "x", "--config", "other.toml")
    assert code == 3
    assert "other.toml:2: max-ttfa is no setting of [simulate]\nhint: did you mean max-ttfa-ms?" in said


def test_a_bug_is_70_and_its_traceback_is_for_debug() -> None:
    """An error that we foresaw has its own code then, too."""
    code, out, err = _run(RuntimeError("oops"))
    assert (code, out) == (70, "")
    assert err.startswith("error: this is a bug of ours: RuntimeError('oops')")
    code, _, err = _run(RuntimeError("oops"), "--debug")
    assert code == 70
    assert "Traceback" in err
    code, _, err = _run(InputError("no", hint="yes"), "--debug")
    assert code == 2
    assert err.startswith("Traceback")
    assert err.endswith("error: no\nhint: yes\ntry: patter --help\n")


def test_files_that_were_named_and_are_not_there_are_2(patter: Patter) -> None:
    """For --env-file and --config alike."""
    assert patter("serve", "x", "--env-file", "no.env") == (
        2,
        "error: there is no no.env\nhint: leave --env-file out, or name a file that exists\ntry: patter serve x\n",
    )
    code, said = patter("serve", "x", "--config=no.toml")
    assert code == 2
    assert "there is no no.toml" in said


def test_an_env_file_stays_out_of_the_process(patter: Patter, tmp_path: Path) -> None:
    """What it says is known to settings and to the look-up of keys, and to nobody else."""
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-file\nMY_OWN=1\n")
    before = dict(os.environ)
    code, said = patter("serve", "x")
    assert code == 2
    assert "chmod 600 .env" in said
    assert dict(os.environ) == before
    assert keys.look_up("OPENAI_API_KEY") == os.environ.get("OPENAI_API_KEY", "sk-file")
    (tmp_path / ".env").unlink()
    patter("serve", "x")
    assert keys.look_up("MY_OWN") == ""


def test_an_env_file_that_would_redirect_us_is_refused(patter: Patter, tmp_path: Path) -> None:
    """It may have come with somebody else's project."""
    (tmp_path / ".env").write_text("HTTPS_PROXY=http://elsewhere\n")
    code, said = patter("serve", "x")
    assert code == 3
    assert said.startswith("error: .env:1: HTTPS_PROXY is not taken from a file")
    assert "elsewhere" not in said


def test_help_leaves_nothing_out() -> None:
    """What stands in brackets is no style: [numbers] is a section of a file, and is told."""
    told = CliRunner().invoke(app, ["serve", "--help"]).output
    assert told.count("[numbers]") == 2
    assert "\\[" not in told
