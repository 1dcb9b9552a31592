"""The index file: its versions, and who may change it when."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from patter_cli.contracts.store import CallQuery, CallRow
from patter_cli.stores.index import MIGRATIONS, CallIndex, NewerIndex, set_aside
from patter_cli.stores.indexed import IndexedCall

ROW = CallRow(
    call_id="LB1", started_at=1.5, agent="shop", caller="+15550100", callee="x", direction="inbound",
    carrier="loopback", outcome=None, reason="", duration_s=None, turns=0,
)  # fmt: skip
OVER = replace(ROW, outcome="answered", duration_s=3.25, turns=2)


def test_an_older_file_is_brought_up_to_date_with_its_rows(tmp_path: Path) -> None:
    """Step by step, in order, once."""
    with CallIndex(tmp_path / "index") as index:
        index.put([("day/LB1", IndexedCall(row=OVER))])
    steps = (*MIGRATIONS, ("ALTER TABLE calls ADD COLUMN note TEXT",), ("UPDATE calls SET note = agent || turns",))
    for _ in range(2):
        with CallIndex(tmp_path / "index", steps) as index:
            assert index.select(CallQuery()) == [("day/LB1", OVER)]
            assert index._db.execute("SELECT note FROM calls").fetchall() == [("shop2",)]
    with pytest.raises(NewerIndex):
        CallIndex(tmp_path / "index")


def test_a_step_that_fails_changes_nothing(tmp_path: Path) -> None:
    """All steps are one: the file stays what it was."""
    with CallIndex(tmp_path / "index") as index:
        index.put([("day/LB1", IndexedCall(row=OVER))])
    with pytest.raises(sqlite3.OperationalError):
        CallIndex(tmp_path / "index", (*MIGRATIONS, ("ALTER TABLE calls ADD COLUMN note TEXT", "NONSENSE")))
    with CallIndex(tmp_path / "index") as index:
        assert index.select(CallQuery()) == [("day/LB1", OVER)]


def test_a_call_that_is_over_does_not_begin_again(tmp_path: Path) -> None:
    """A row that was read before the end and comes after it is late; a rebuild takes what it reads."""
    with CallIndex(tmp_path / "index") as index:
        index.put([("day/LB1", IndexedCall(row=ROW))])
        index.put([("day/LB1", IndexedCall(row=OVER))])
        index.put([("day/LB1", IndexedCall(row=ROW))])
        assert index.select(CallQuery()) == [("day/LB1", OVER)]
        index.put([("day/LB1", IndexedCall(row=ROW))], anew=True)
        assert index.places() == {"day/LB1": False}


def test_only_a_damaged_file_is_set_aside_and_only_once(tmp_path: Path) -> None:
    """Whoever comes second finds a good one."""
    path = tmp_path / "index"
    with CallIndex(path) as index:
        index.put([("day/LB1", IndexedCall(row=OVER))])
    assert not set_aside(path)
    path.write_bytes(b"x" * 10_000)
    assert set_aside(path)
    assert (tmp_path / "index.corrupt").stat().st_size == 10_000
    assert not path.exists()
    assert not set_aside(path)
    with CallIndex(path) as index:
        assert index.places() == {}
