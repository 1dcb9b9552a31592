"""Every vendor and what it can do, as one table: `pytest -s tests/contract/test_capabilities.py` shows it.

What a column says is what the suites of its kind run over; a vendor's own library, where there is one, holds a session
with our stand-in of that vendor (`pytest -m sdk tests/contract`).
"""

from __future__ import annotations

import pytest

from patter_cli import registry
from patter_cli.contracts.s2s import EngineAbilities
from tests.contract.rows import MODELS
from tests.contract.speech_rows import EARS, VOICES, table
from tests.contract.test_speech_engines import ROWS as ENGINES

HEAD = ("kind", "provider", "stream", "tools", "cancel", "reconnect", "word times", "native mu-law", "SDK-proven")
NONE = ""
SDKS = {
    "openai": "openai",
    "openai-responses": "openai",
    "openai-compatible": "openai",
    "anthropic": "anthropic",
    "google": "google-genai",
    "groq": "groq",
    "cerebras": "cerebras-cloud-sdk",
}


def engine_row(name: str, can: EngineAbilities) -> tuple[object, ...]:
    """mu-law as the telephone has it, where the session is asked for it."""
    whose = name.partition(",")[0]
    sdk = {"google": "google-genai"}.get(whose, whose)
    wire = name.startswith("openai") or "ulaw_8000 and" in name
    return "engine", name, "socket", can.tools, can.cancel, True, can.word_times, wire, sdk


def rows() -> list[tuple[object, ...]]:
    """One for each vendor, wire and way of taking turns."""
    found: list[tuple[object, ...]] = [engine_row(row.name, row.can) for row in ENGINES if row.real]
    found += [("stt", row.name, "socket", NONE, NONE, True, True, row.mulaw, row.sdk or "no SDK") for row in EARS]
    found += [("llm", row.name, "http", True, True, True, NONE, NONE, SDKS[row.name]) for row in MODELS]
    found += [
        (
            "tts",
            row.name,
            "socket" if row.by_socket else "http",
            NONE,
            True,
            True,
            row.timed,
            row.native,
            row.sdk or "no SDK",
        )
        for row in VOICES
    ]
    return found


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Printed whole."""
    with capsys.disabled():
        print("\n" + table(HEAD, rows()))


@pytest.mark.parametrize("kind", ["engine", "stt", "llm", "tts"])
def test_every_vendor_is_in_it(kind: registry.Kind) -> None:
    """Whoever is in the registry with a key has a row that the suites run over."""
    names = [str(row[1]) for row in rows() if row[0] == kind]
    for row in registry.ROWS:
        if row.kind == kind and row.keys:
            vendor = row.load()(**({"agent_id": "a"} if row.name == "elevenlabs_convai" else {})).provider
            assert any(name.startswith(vendor) for name in names), row.name
