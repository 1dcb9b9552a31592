"""patter record replay: a stored call through the engine of today, and what is said where it does otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from patter_cli.cli.app import app
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.text.redact import Redaction
from patter_cli.text.redacted import redacted_line
from tests.bench.explain import Delay, hold
from tests.unit.stores.calls import STARTED, Kept, record

OPEN = (Delay(turn=2, stage="endpointing", ms=800),)
"""A turn whose words ask for more, so that the agent waits longer."""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATTER_LOG_DIR", str(tmp_path / "calls"))
    return SqliteStore(tmp_path / "calls")


def keep(store: SqliteStore, journal: str) -> None:
    kept = Kept(store, "LB1")
    for line in journal.splitlines():
        kept.write(line)
    kept.end(record("LB1", STARTED))


def replayed(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["record", "replay", *arguments])
    assert result.exit_code == code, result.output
    return result.stderr if code > 1 else result.stdout


@pytest.mark.parametrize("seed", range(6))
def test_the_same_engine_does_the_same(store: SqliteStore, seed: int) -> None:
    """Whoever was slow in the call, also a loop that was held for a second."""
    keep(store, hold(seed, (Delay(turn=2, stage="loop", ms=1200), Delay(turn=4, stage="tool", ms=900))))
    assert "no difference: today's engine gives call LB1 the same" in replayed("last")
    told = json.loads(replayed("LB1", "--json"))
    assert (told["same"], told["unreadable"], len(told["turns"])) == (True, 0, 7)
    assert told["orders"] > 50


def test_an_engine_that_says_something_else(store: SqliteStore) -> None:
    """The turn, the place, what was ordered then and what now, as a diff."""
    journal = hold(7, ())
    ordered = '"clause":0,"text":"All right, that is number 3.","overtakes"'
    assert journal.count(ordered) == 1
    keep(store, journal.replace(ordered, ordered.replace("number", "figure")))
    shown = replayed("last", code=1)
    assert "turn 3" in shown
    assert "- then  Speak reply" in shown
    assert 'that is figure 3."' in shown
    assert "+ now   Speak reply" in shown
    assert "1 of 7 turns differ, the first at 0:" in shown
    assert "the others are as they were" in shown


def test_an_engine_that_is_quicker(store: SqliteStore) -> None:
    """It would have taken the turn before the next fact came, which is seen although the orders are the same."""
    keep(store, hold(7, OPEN).replace('"endpoint_unfinished_ms":1000', '"endpoint_unfinished_ms":450'))
    told = json.loads(replayed("LB1", "--json", code=1))
    moments = [each for turn in told["turns"] for each in turn["moments"]]
    assert moments[0]["event"] is None
    assert "only today: its time has come" in replayed("LB1", code=1)


def test_what_cannot_be_run(store: SqliteStore) -> None:
    """No such call; a journal of a newer version; half a journal, which is run as far as it goes."""
    assert "no calls are kept yet" in replayed("last", code=2)
    keep(store, hold(7, ()))
    assert "there is no call 'X'" in replayed("X", code=2)
    (journal,) = (store.folder / "calls").rglob("journal.jsonl")
    whole = journal.read_text().splitlines(keepends=True)
    half = whole[: len(whole) // 2]
    journal.write_text("".join([*half, "{broken\n", *whole[len(whole) // 2 :]]))
    assert f"{1} lines of its journal cannot be read" in replayed("LB1")
    journal.write_text("".join(whole).replace('"v":1', '"v":99'))
    assert "nothing can be run again" in replayed("LB1", code=2)


def test_a_call_whose_words_were_struck_out(store: SqliteStore) -> None:
    """That it differs may have that reason, and this is said."""
    keep(
        store, "\n".join(redacted_line(each.encode(), Redaction.WORDS).decode() for each in hold(7, OPEN).splitlines())
    )
    assert "its words were struck out" in replayed("LB1", code=1)
