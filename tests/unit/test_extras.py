"""The command that installs what is missing works in a clone and in an installed copy."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from patter_cli.extras import install_command


@pytest.mark.parametrize("extra", ["local", "mic", "aec", "turns", "mcp"])
def test_a_clone_installs_itself(extra: str) -> None:
    """The folder with its pyproject.toml is named, for the Python that runs."""
    python, *rest = shlex.split(install_command(extra))
    assert python == sys.executable
    assert rest == ["-m", "pip", "install", "-e", f"{Path(__file__).parents[2]}[{extra}]"]


@pytest.mark.parametrize(("extra", "package"), [("mic", "miniaudio"), ("local", "onnxruntime"), ("aec", "livekit")])
def test_an_installed_copy_names_the_packages(tmp_path: Path, extra: str, package: str) -> None:
    """Nothing is asked of an index but what is there: the packages that the extra stands for."""
    words = shlex.split(install_command(extra, clone=tmp_path))
    assert any(each.startswith(package) for each in words[4:])
    assert not any("patter" in each for each in words[4:])


def test_an_extra_that_nobody_knows_is_still_a_command(tmp_path: Path) -> None:
    """It names the product's own extra then."""
    assert install_command("nothing", clone=tmp_path).endswith("'patter-cli[nothing]'")
