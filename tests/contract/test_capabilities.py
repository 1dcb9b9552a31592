"""Every vendor and what it can do, as one table: `pytest -s tests/contract/test_capabilities.py` shows it.

A column is what the rows of the suites declare and those suites hold them to, or that a test of the suite runs over the
row; a vendor's own library, where there is one, holds a session with our stand-in of that vendor
(`pytest -m sdk tests/contract`).
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from patter_cli import registry
from tests.contract import test_language_models, test_recognisers, test_speech_engines, test_voices
from tests.contract.rows import MODELS, ModelRow
from tests.contract.speech_rows import EARS, VOICES, EarsRow, VoiceRow, table
from tests.contract.test_speech_engines import ROWS as ENGINES

HEAD = ("kind", "provider", "stream", "tools", "cancel", "reconnect", "word times", "native mu-law", "SDK-proven")
NONE = ""


def tried(suite: ModuleType, test: Callable[..., Any], row: object) -> bool:
    """Whether this test of a suite runs over this row."""
    marks = getattr(test, "pytestmark", [])
    of_all = getattr(suite, "pytestmark", [])
    marks = [*marks, *(of_all if isinstance(of_all, list) else [of_all])]
    return any(mark.name == "parametrize" and mark.args[0] == "row" and row in mark.args[1] for mark in marks)


def engine_row(row: test_speech_engines.Row) -> tuple[object, ...]:
    """mu-law as the telephone has it, where the session is asked for it."""
    suite = test_speech_engines
    breaks = tried(suite, suite.test_a_session_that_breaks_raises_a_provider_error, row)
    tools = row.can.tools and tried(suite, suite.test_a_tool_is_called_and_its_answer_is_used, row)
    return "engine", row.name, "socket", tools, row.can.cancel, breaks, row.can.word_times, row.mulaw, row.sdk


def ears_row(row: EarsRow) -> tuple[object, ...]:
    """Tools are the models'."""
    breaks = tried(test_recognisers, test_recognisers.test_a_session_that_breaks_is_told_by_its_results, row)
    return "stt", row.name, "socket", NONE, NONE, breaks, row.timed, row.mulaw, row.sdk


def model_row(row: ModelRow) -> tuple[object, ...]:
    suite = test_language_models
    tools = tried(suite, suite.test_tool_calls_come_whole_in_order_and_usage_last, row)
    cancel = tried(suite, suite.test_cancelling_the_consumer_hangs_up_at_once, row)
    breaks = tried(suite, suite.test_a_reply_broken_off_is_not_a_reply, row)
    return "llm", row.name, "http", tools, cancel, breaks, NONE, NONE, row.sdk


def voice_row(row: VoiceRow) -> tuple[object, ...]:
    cancel = tried(test_voices, test_voices.test_a_clause_can_be_given_up_at_any_moment, row)
    again = tried(test_voices, test_voices.test_a_connection_that_was_lost_between_clauses_is_opened_again, row)
    stream = "socket" if row.by_socket else "http"
    return "tts", row.name, stream, NONE, cancel, again, row.timed, row.native, row.sdk


def rows() -> list[tuple[object, ...]]:
    """One for each vendor, wire and way of taking turns."""
    found = [engine_row(row) for row in ENGINES if row.real]
    found += [ears_row(row) for row in EARS]
    found += [model_row(row) for row in MODELS]
    found += [voice_row(row) for row in VOICES]
    return [(*row[:-1], row[-1] or "no SDK") for row in found]


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
