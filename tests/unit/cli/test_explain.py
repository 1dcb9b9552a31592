"""patter explain: what made a stored call slow, and what is said where there is nothing to explain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from patter_cli.cli.app import app
from patter_cli.stores.sqlite import SqliteStore
from tests.bench.explain import Delay, hold
from tests.unit.stores.calls import STARTED, Kept, record


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATTER_LOG_DIR", str(tmp_path / "calls"))
    return SqliteStore(tmp_path / "calls")


def keep(store: SqliteStore, call_id: str, journal: str) -> None:
    kept = Kept(store, call_id)
    for line in journal.splitlines():
        kept.write(line)
    kept.end(record(call_id, STARTED))


def explained(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["explain", *arguments])
    assert result.exit_code == code, result.output
    return result.stderr if code else result.stdout


def test_a_slow_turn(store: SqliteStore) -> None:
    """Its stage, what it cost, the setting; a turn can be asked for alone."""
    keep(store, "LB1", hold(7, (Delay(turn=2, stage="tts", ms=500),)))
    shown = explained("last")
    assert "turn 3  waited" in shown
    assert "tts" in shown
    assert "change tts=" in shown
    assert "the other 5 turns were as quick as usual" in shown
    told = json.loads(explained("LB1", "3", "--json"))
    assert [(each["number"], each["causes"][0]["stage"]) for each in told["turns"]] == [(3, "tts")]
    assert "slow: its only turn took no longer" in explained("LB1", "2")


def test_a_quick_call(store: SqliteStore) -> None:
    """Nothing is blamed."""
    keep(store, "LB1", hold(7, ()))
    assert "nothing made call LB1 slow" in explained("LB1")


def test_what_cannot_be_explained(store: SqliteStore) -> None:
    """No call, no such call, no such turn, no journal; each with the way out."""
    assert "no calls are kept yet" in explained("last", code=2)
    keep(store, "LB1", hold(7, ()))
    assert "the nearest: LB1" in explained("LB2", code=2)
    assert "answered were 1, 2, 3, 4, 5, 6" in explained("LB1", "9", code=2)
    assert "cannot be 'x'" in explained("LB1", "x", code=2)
    keep(store, "broken", "\x00\n{}")
    assert "cannot be read" in explained("broken", code=2)


def test_a_damaged_journal_is_explained_as_far_as_it_goes(store: SqliteStore) -> None:
    """How much is missing is in the JSON."""
    lines = hold(7, (Delay(turn=0, stage="llm", ms=900),)).splitlines()
    keep(store, "LB1", "\n".join([*lines[: len(lines) // 2], "{half", *lines[len(lines) // 2 :]]))
    told = json.loads(explained("LB1", "--json"))
    assert told["unreadable"] == 1
    assert told["turns"][0]["causes"][0]["stage"] == "llm"
    assert len(told["turns"]) < 6
