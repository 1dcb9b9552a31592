"""`patter init`: from nothing to a project whose own tests pass, as one types it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; sys.argv[0] = 'patter'; from patter_cli.__main__ import main; main()"


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PATTER_LOG_DIR": str(folder / "kept")}


def patter(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, *words]
    return subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("template", ["starter", "orders"])
def test_a_new_project_passes_its_tests(template: str, tmp_path: Path) -> None:
    """Its scenario, as its workflow holds it, its test, and the check of its agent."""
    made = patter(tmp_path, "init", "phone", "--template", template, "--agent", "desk")
    assert made.returncode == 0, made.stderr
    assert "phone/tests/test_desk.py" in made.stdout.splitlines()
    assert "cd phone" in made.stderr
    project = tmp_path / "phone"
    assert patter(project, "agents", "check", "desk").returncode == 0
    played = patter(project, "simulate", "--scenario", "agents/", "--text", "--junit", "scenarios.xml")
    assert played.returncode == 0, played.stderr + played.stdout
    plugins = ["-p", "patter_cli.pytest_plugin"] if not_installed() else []
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins],
        cwd=project,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert tests.returncode == 0, tests.stdout


def not_installed() -> bool:
    """An installation that was made before there was a plugin does not name it."""
    from importlib.metadata import entry_points

    return not [each for each in entry_points(group="pytest11") if each.value.startswith("patter_cli")]


def test_on_a_terminal_one_chooses(tmp_path: Path) -> None:
    """The templates are listed with what they are; a number chooses."""
    terminal, end = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, "init"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stdin=end, stderr=end, stdout=subprocess.PIPE, text=True
    )
    os.close(end)
    shown = ""
    while "Which one?" not in shown:
        shown += os.read(terminal, 4096).decode()
    assert "1  starter" in shown
    (number,) = [line.split()[0] for line in shown.splitlines() if " menu " in line]
    os.write(terminal, f"{number}\n".encode())
    assert process.communicate(timeout=20)[0].splitlines()[0] == "agents/menu.py"
    os.close(terminal)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """The second time says what is there, and what to type."""
    assert patter(tmp_path, "init").returncode == 0
    again = patter(tmp_path, "init")
    assert again.returncode == 2
    assert "agents/front_desk.py is there already" in again.stderr
    assert patter(tmp_path, "init", "--template", "nothing").returncode == 2
    assert patter(tmp_path, "init", "--agent", "front desk").returncode == 2
