"""The product as others install it: a wheel in an environment of its own, in a folder with nothing in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PARTS = ("patter_cli", "agents", "docs", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `patter` of a fresh environment. What it needs from others it finds where this Python has it."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    for each in PARTS:
        copy = shutil.copytree if (ROOT / each).is_dir() else shutil.copy
        copy(ROOT / each, folder / "source" / each)
    pip = [sys.executable, "-m", "pip"]
    _run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(folder / "source")], folder)
    (wheel,) = folder.glob("*.whl")
    home = folder / "environment"
    _run([sys.executable, "-m", "venv", "--without-pip", str(home)], folder)
    _run([*pip, "--python", str(home / "bin" / "python"), "install", "--quiet", "--no-deps", str(wheel)], folder)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    others = home / "lib" / version / "site-packages" / "others.pth"
    others.write_text(f"{sysconfig.get_path('purelib')}\n")
    return home / "bin" / "patter"


@pytest.fixture
def patter(installed: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs it in an empty folder."""
    kept = tmp_path / "kept"
    empty = tmp_path / "empty"
    empty.mkdir()

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return _run([str(installed), *arguments], empty, stdin, PATTER_LOG_DIR=str(kept))

    yield run
    made = {"agents", "tests", "patter.toml", ".env.example", ".gitignore", ".github"}
    assert {each.name for each in empty.iterdir()} <= made


def _run(command: list[str], folder: Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**kept, "NO_COLOR": "1", **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_wheel_is_what_runs(installed: Path) -> None:
    """Not the clone that the tests are in."""
    program = "import patter_cli; print(patter_cli.__file__)"
    where = _run([str(installed.with_name("python")), "-c", program], installed.parent).stdout
    assert Path(where.strip()).is_relative_to(installed.parents[1])


def test_in_an_empty_folder_the_demo_agent_answers(
    patter: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """Its caller is played too, and all that must be heard is."""
    done = patter("simulate")
    assert "the demo agent receptionist answers" in done.stderr
    assert "ok     the whole call" in done.stderr


def test_by_keyboard_too(patter: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Which needs no sound at all."""
    done = patter("simulate", "--text", stdin="When are you open?\n")
    assert "nine until five thirty" in done.stdout


@pytest.mark.parametrize("template", ["starter", "receptionist", "reminder", "orders", "menu", "survey"])
def test_a_new_agent_passes(patter: Callable[..., subprocess.CompletedProcess[str]], template: str) -> None:
    """`check` finds nothing wrong with it, and its own scenario holds, whoever it was made from."""
    made = patter("agents", "new", "mine", "--template", template)
    assert made.stdout.splitlines()[:3] == ["agents/mine.py", "agents/mine.toml", "tests/test_mine.py"]
    assert "mine: ok" in patter("agents", "check", "mine").stdout
    assert "ok     the whole call" in patter("simulate", "mine").stderr
