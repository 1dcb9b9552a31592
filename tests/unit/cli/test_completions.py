"""Shell completion: the files in completions/ are what the command writes, and agents' names complete."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from patter_cli.completion_files import FILES, completion_file
from patter_cli.stores.sqlite import SqliteStore

ROOT = Path(__file__).parents[3]

PROGRAM = "from patter_cli.__main__ import main; main()\n"


def ask(instruction: str, **words: str) -> str:
    """What `patter` answers a shell, run in the project."""
    environment = {**os.environ, "_PATTER_COMPLETE": instruction, **words}
    command = [sys.executable, "-c", f"import sys; sys.argv = ['patter']; {PROGRAM}"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("shell", FILES)
def test_the_files_are_fresh(shell: str) -> None:
    """completions/ holds what this version writes: `python -m patter_cli.completion_files completions`."""
    assert (ROOT / "completions" / FILES[shell]).read_text() == completion_file(shell)
    assert completion_file(shell).split("\n")[0] not in ("", "\n")  # zsh looks for #compdef there


@pytest.mark.parametrize(
    ("line", "expected"),
    [("patter si", "simulate"), ("patter serve rec", "receptionist"), ("patter trigger mach", "machine")],
)
def test_bash_completes(line: str, expected: str) -> None:
    """Commands complete, and the names of the agents there are."""
    answer = ask("complete_bash", COMP_WORDS=line, COMP_CWORD=str(line.count(" ")))
    assert answer.split() == [expected]


@pytest.fixture
def shell_home(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell that finds a `patter`, and a folder with one kept call."""
    patter = tmp_path / "patter"
    patter.write_text(f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n" + PROGRAM)
    patter.chmod(0o755)
    kept = SqliteStore(tmp_path / "kept").begin("C20261128080000aaaa", 1_795_000_000.0)
    kept.append(b"{}\n")
    kept.close()
    return {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "PATTER_LOG_DIR": str(tmp_path / "kept"),
    }


WORDS = [
    ("patter si", "simulate"),
    ("patter simulate rec", "receptionist"),
    ("patter logs show C2026", "C20261128080000aaaa"),
    ("patter trigger mach", "machine"),
    ("patter simulate --scenario agents/rem", "agents/reminder.toml"),
    ("patter call +14155550123 rem", "reminder"),
]


def runs(shell: str, script: str, environment: dict[str, str]) -> str:
    done = subprocess.run([shell, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(("line", "expected"), WORDS)
def test_the_bash_file_works_in_bash(line: str, expected: str, shell_home: dict[str, str]) -> None:
    """Sourced in a shell, it fills COMPREPLY."""
    script = (
        f"source completions/patter.bash; COMP_WORDS=({line}); COMP_CWORD={line.count(' ')}; "
        '_patter_completion patter; echo "${COMPREPLY[@]}"'
    )
    assert runs("bash", script, shell_home) == expected


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
@pytest.mark.parametrize(("line", "expected"), WORDS)
def test_the_fish_file_works_in_fish(line: str, expected: str, shell_home: dict[str, str]) -> None:
    """Sourced in a shell, it says what Tab would offer; a word may have its explanation behind it."""
    offered = runs("fish", f"source completions/patter.fish; complete -C '{line}'", shell_home)
    assert [each.partition("\t")[0] for each in offered.splitlines()] == [expected]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
@pytest.mark.parametrize(("line", "expected"), WORDS)
def test_the_zsh_file_works_in_zsh(line: str, expected: str, shell_home: dict[str, str]) -> None:
    """In a shell on a terminal that has the folder on its fpath, Tab completes the word, at the first time too."""
    terminal, end = pty.openpty()
    start = "PROMPT='> '; fpath=(completions $fpath); autoload -Uz compinit; compinit -u; print ready\n"
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"], cwd=ROOT, env=shell_home, stdin=end, stdout=end, stderr=end, start_new_session=True
    )
    os.close(end)
    seen = ""

    def until(words: str) -> None:
        nonlocal seen
        give_up = time.monotonic() + 20
        while words not in seen and time.monotonic() < give_up:
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 4096).decode("utf-8", "replace")
        assert words in seen

    try:
        os.write(terminal, start.encode())
        until("\nready")
        os.write(terminal, f"{line}\t\x01echo heard: \n".encode())
        until(f"\nheard: {line.rpartition(' ')[0]} {expected}")
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)
