"""What is loaded when: a vendor only once somebody wants it."""

from __future__ import annotations

import subprocess
import sys

import pytest

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


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("deepgram", ("providers.live_voice", "audio.resample")),
        ("elevenlabs", ("providers.live_hearing",)),
        ("elevenlabs_convai", ("providers.live_hearing", "providers.live_voice")),
        ("gemini_live", ("providers.google", "providers.live_voice")),
    ],
)
def test_a_vendor_loads_what_its_kind_needs(module: str, never: tuple[str, ...]) -> None:
    """Ears load no voice, a voice no ears, and an engine neither."""
    code = f"import sys, patter_cli.providers.{module}; print(*[each for each in sys.modules if 'patter_cli' in each])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [each for each in never if f"patter_cli.{each}" in loaded] == []
