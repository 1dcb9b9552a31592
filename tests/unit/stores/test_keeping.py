"""How long calls are kept, and how they are copied while more are written."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from patter_cli.contracts.store import CallQuery
from patter_cli.errors import InputError
from patter_cli.stores.sqlite import INDEX, SqliteStore
from tests.unit.stores.calls import DAY_S, STARTED, begin, fill, keep

NOW = STARTED + 100 * DAY_S


def ids(store: SqliteStore) -> list[str]:
    return [each.call_id for each in store.list(CallQuery(limit=None))]


def test_old_calls_are_forgotten(tmp_path: Path) -> None:
    """With their recordings, wherever those are; a younger one and one that lasts stay. Twice is once."""
    recording = tmp_path / "old.wav"
    recording.write_bytes(b"RIFF")
    store = SqliteStore(tmp_path / "calls", keep_days=30)
    keep(store, "old", NOW - 31 * DAY_S, recording_path=str(recording))
    keep(store, "young", NOW - 29 * DAY_S)
    live = begin(store, "live", NOW - 40 * DAY_S)
    assert store.expire(NOW) == 1
    assert ids(store) == ["young", "live"]
    assert not recording.exists()
    assert not list(tmp_path.glob("calls/calls/*/old"))
    assert store.expire(NOW) == 0
    live.die()


def test_calls_are_kept_for_ever_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    """Nothing is deleted by itself."""
    store = SqliteStore(tmp_path)
    keep(store, "old", 0.0)
    assert store.expire(NOW) == 0
    assert ids(store) == ["old"]


def test_only_a_recording_is_removed_with_a_call(tmp_path: Path) -> None:
    """A record that names something else does not lead to its end."""
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    store = SqliteStore(tmp_path / "calls")
    keep(store, "LB1", STARTED, recording_path=str(other))
    keep(store, "LB2", STARTED, recording_path=["x"])
    assert store.delete("LB1")
    assert store.delete("LB2")
    assert other.read_text() == "mine"


def test_what_cannot_be_deleted_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And nothing fails because of it: here a recording that is a folder."""
    recording = tmp_path / "a.wav"
    recording.mkdir()
    store = SqliteStore(tmp_path / "calls", keep_days=1)
    keep(store, "old", 0.0, recording_path=str(recording))
    with caplog.at_level(logging.WARNING):
        assert store.expire(NOW) == 0
    assert "are not all deleted" in caplog.text


def test_a_copy_is_a_store(tmp_path: Path) -> None:
    """With its index; a live call is in it up to its last whole line, and whole the next time."""
    store, copy = SqliteStore(tmp_path / "calls"), SqliteStore(tmp_path / "copy")
    fill(store)
    live = begin(store, "live", NOW)
    live.file.append(b'{"half')
    assert store.backup(tmp_path / "copy") == 31
    assert (tmp_path / "copy" / INDEX).exists()
    assert ids(copy) == ids(store)
    assert len(list(copy.journal("live"))) == 1
    (journal,) = (tmp_path / "copy").glob("calls/*/live/journal.jsonl")
    assert journal.read_bytes().endswith(b"\n")
    assert journal.stat().st_mode & 0o077 == 0
    live.end({"call_id": "live", "outcome": "answered", "started_at": NOW})
    keep(store, "new", NOW + 1)
    assert store.backup(tmp_path / "copy") == 2
    assert ids(SqliteStore(tmp_path / "copy")) == ids(store)
    assert SqliteStore(tmp_path / "copy").stats(CallQuery()) == store.stats(CallQuery())
    assert store.backup(tmp_path / "copy") == 0


def test_a_place_that_no_copy_can_be_in(tmp_path: Path) -> None:
    """The folder itself, one inside or around it, a file; one that cannot be made."""
    store = SqliteStore(tmp_path / "calls")
    keep(store, "LB1", STARTED)
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "calls", tmp_path / "calls" / "calls" / "x", tmp_path, tmp_path / "file"):
        with pytest.raises(InputError):
            store.backup(target)
    with pytest.raises(InputError):
        store.backup(tmp_path / "file" / "below")
    assert ids(store) == ["LB1"]
