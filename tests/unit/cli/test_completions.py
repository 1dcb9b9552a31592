"""Shell completion: the files in completions/ are what the command writes, and agents' names complete."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILES = {"bash": "patter.bash", "zsh": "_patter", "fish": "patter.fish"}


def ask(instruction: str, **words: str) -> str:
    """What `patter` answers a shell, run in the project."""
    environment = {**os.environ, "_PATTER_COMPLETE": instruction, **words}
    program = "from patter_cli.__main__ import main; main()"
    command = [sys.executable, "-c", f"import sys; sys.argv = ['patter']; {program}"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("shell", FILES)
def test_the_files_are_fresh(shell: str) -> None:
    """completions/ holds what this version writes: `_PATTER_COMPLETE=source_bash patter > completions/patter.bash`."""
    assert (ROOT / "completions" / FILES[shell]).read_text() == ask(f"source_{shell}")


@pytest.mark.parametrize(
    ("line", "expected"),
    [("patter si", "simulate"), ("patter serve rec", "receptionist"), ("patter trigger mach", "machine")],
)
def test_bash_completes(line: str, expected: str) -> None:
    """Commands complete, and the names of the agents there are."""
    answer = ask("complete_bash", COMP_WORDS=line, COMP_CWORD=str(line.count(" ")))
    assert answer.split() == [expected]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_bash_file_works_in_bash(tmp_path: Path) -> None:
    """Sourced in a shell, it fills COMPREPLY."""
    patter = tmp_path / "patter"
    patter.write_text(f"#!{sys.executable}\nfrom patter_cli.__main__ import main\n\nmain()\n")
    patter.chmod(0o755)
    script = (
        "source completions/patter.bash; COMP_WORDS=(patter simulate rec); COMP_CWORD=2; "
        '_patter_completion patter; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "receptionist"
