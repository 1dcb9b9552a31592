"""What is loaded when: a vendor only once somebody wants it."""

from __future__ import annotations

import subprocess
import sys

from tests.bench.imports import loaded_by_the_package, modules


def test_the_package_loads_no_vendor() -> None:
    """Nor anything that vendors need."""
    assert [each for each in loaded_by_the_package() if "providers" in each] == []


def test_a_language_model_loads_no_numpy() -> None:
    """It handles no sound; and no vendor loads another one's library."""
    models = [each for each in modules() if each.rpartition(".")[2] in ("openai", "anthropic", "google", "groq")]
    libraries = ("numpy", "openai", "anthropic")
    code = f"import sys, {', '.join(models)}; print([each for each in {libraries} if each in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
