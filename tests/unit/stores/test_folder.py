"""What is read of call folders: whatever their files hold, a row that can be shown and indexed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patter_cli.contracts.store import CallQuery
from patter_cli.stores.folder import CallFolders
from patter_cli.stores.index import CallIndex
from tests.unit.stores.calls import STARTED, first_line, record

SHARED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
RECORD = record("LB1", STARTED)
PLACE = "2025-06-15/LB1"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "calls" / PLACE
    folder.mkdir(parents=True)
    return folder


def indexed(folder: Path) -> None:
    """The row comes back from an index as it went in, and is found by its own agent and outcome."""
    call = CallFolders(folder).indexed(PLACE)
    assert call is not None
    row = call.row
    assert row.call_id == "LB1"
    with CallIndex(None) as index:
        index.put([(PLACE, call)])
        query = CallQuery(agent=row.agent, outcome=row.outcome)
        assert index.select(query) == [(PLACE, row)]
        assert index.stats(query).calls == 1


@SHARED
@given(facts=st.fixed_dictionaries({}, optional=dict.fromkeys(RECORD, VALUES)))
def test_a_record_of_anything_is_a_row(tmp_path: Path, place: Path, facts: dict[str, Any]) -> None:
    """Fields that are missing, or of another kind, count as unknown."""
    (place / "record.json").write_text(json.dumps(RECORD | facts if len(facts) % 2 else facts))
    indexed(tmp_path)


@SHARED
@given(content=st.binary(max_size=200) | VALUES.map(lambda each: json.dumps(each).encode()))
def test_a_file_of_anything_is_a_row(tmp_path: Path, place: Path, content: bytes) -> None:
    """As a record, and as a journal; its lines can be read."""
    for name in ("record.json", "journal.jsonl"):
        (place / name).write_bytes(content)
        indexed(tmp_path)
    assert len(list(CallFolders(tmp_path).lines(PLACE))) == content.count(b"\n")


@pytest.mark.parametrize("cut", [1, 50, -2, -1])
def test_a_line_that_is_not_whole_is_not_read(tmp_path: Path, place: Path, cut: int) -> None:
    """The call is listed by its folder until its first line is there."""
    line = first_line("LB1", STARTED + 77).encode() + b"\n"
    (place / "journal.jsonl").write_bytes(line[:cut])
    row = CallFolders(tmp_path).row(PLACE)
    assert row is not None
    assert (row.agent, row.started_at, row.outcome) == ("", 1_749_945_600.0, None)
    (place / "journal.jsonl").write_bytes(line)
    row = CallFolders(tmp_path).row(PLACE)
    assert row is not None
    assert (row.agent, row.started_at, row.outcome) == ("shop", STARTED + 77, None)
