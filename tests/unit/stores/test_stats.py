"""What many calls come to: exact percentiles, costs by whom, and the same whatever becomes of the index."""

from __future__ import annotations

import sqlite3
from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.contracts.store import STAGES, CallQuery, CallStats, Spread
from patter_cli.stores import tally
from patter_cli.stores.sqlite import INDEX, SqliteStore
from patter_cli.stores.tally import spread
from tests.unit.stores.calls import DAY_S, STARTED, begin, keep


def turn(total_ms: int) -> dict[str, int]:
    """A turn that waited for a model alone."""
    parts = {f"{stage}_ms": 0 for stage in STAGES}
    return {**parts, "turn": 1, "llm_ms": total_ms, "total_ms": total_ms}


def cost(usd: float | None) -> dict[str, Any]:
    """A model's, and of a line that is free."""
    legs = [
        {"leg": "llm", "provider": "acme", "model": "m1", "usd": usd},
        {"leg": "telephony", "provider": "loopback", "model": "inbound", "usd": 0.0},
    ]
    return {"usd": usd, "known_usd": usd or 0.0, "legs": legs, "prices": "2026-11-21"}


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """Three calls of two agents on two days, and one that goes on."""
    kept = SqliteStore(tmp_path)
    keep(kept, "LB1", STARTED, metrics=[turn(100), turn(300)], cost=cost(0.5))
    keep(kept, "LB2", STARTED + 5, metrics=[turn(200)], cost=cost(None), outcome="failed", direction="outbound")
    keep(kept, "LB3", STARTED + DAY_S, agent="desk", metrics=[turn(900)], cost=cost(0.25), duration=600.0)
    begin(kept, "LB4", STARTED + DAY_S)
    return kept


def test_calls_add_up(store: SqliteStore) -> None:
    """Waits turn by turn, costs as far as they are known, and how many calls are not known whole."""
    told = store.stats(CallQuery())
    assert (told.calls, told.live, told.unpriced, told.known_usd) == (4, 1, 1, 0.75)
    assert dict(told.outcomes) == {"answered": 2, "failed": 1}
    assert told.stages["total"] == Spread(turns=4, p50=200, p95=900, p99=900, most=900)
    assert told.stages["tts"] == Spread(turns=4)
    agents = {each.name: each for each in told.agents}
    assert (agents["shop"].calls, agents["shop"].waits.p50, agents["desk"].known_usd) == (3, 200, 0.25)
    assert [each.calls for each in told.days] == [2, 2]
    assert {each.name: each.calls for each in told.numbers} == {"+15550199": 3, "+15550100": 1}
    vendors = {each.name: each for each in told.vendors}
    assert (vendors["llm acme m1"].calls, vendors["llm acme m1"].unpriced) == (3, 1)
    assert vendors["telephony loopback inbound"].known_usd == 0


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (CallQuery(min_duration_s=60), ["LB3"]),
        (CallQuery(max_duration_s=60), ["LB2", "LB1"]),
        (CallQuery(min_usd=0.3), ["LB1"]),
        (CallQuery(max_usd=0.3, agent="desk"), ["LB3"]),
        (CallQuery(text="WHEN do you"), ["LB3", "LB2", "LB1"]),
        (CallQuery(text="100%"), []),
        (CallQuery(text="w_en"), []),
        (CallQuery(text="zz\ud83d"), []),
    ],
)
def test_what_calls_are_asked_for(store: SqliteStore, query: CallQuery, ids: list[str]) -> None:
    """By length, cost and words; signs that SQL would read mean themselves. Statistics are of the same calls."""
    assert [each.call_id for each in store.list(query) if each.outcome] == ids
    assert store.stats(query).calls == len(store.list(query))


def test_an_id_is_found_by_either_end(store: SqliteStore) -> None:
    """The youngest first; what no call has finds nothing."""
    assert store.find("LB") == ("LB4", "LB3", "LB2", "LB1")
    assert store.find("B3") == ("LB3",)
    assert store.find("LB", limit=1) == ("LB4",)
    assert store.find("%") == store.find("LBX") == store.find("\ud83d") == ()


def test_an_index_of_the_version_before_is_filled_anew(store: SqliteStore, tmp_path: Path) -> None:
    """It has the calls, and not what they waited for."""
    told = store.stats(CallQuery())
    with sqlite3.connect(tmp_path / INDEX) as db:
        db.executescript("DROP TABLE legs; DROP TABLE words; PRAGMA user_version = 1;")
        for column in ("waited_ms", "usd", "known_usd", "waits"):
            db.execute(f"ALTER TABLE calls DROP COLUMN {column}")
    assert SqliteStore(tmp_path).stats(CallQuery()) == told


def test_statistics_need_no_index(store: SqliteStore, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One of a newer version is left alone, and they are made from the folders."""
    told = store.stats(CallQuery())
    with sqlite3.connect(tmp_path / INDEX) as db:
        db.execute("PRAGMA user_version = 999")
    assert SqliteStore(tmp_path).stats(CallQuery()) == told
    assert SqliteStore(tmp_path).find("LB1") == ("LB1",)
    assert "999" in caplog.text


def test_a_deleted_call_leaves_nothing_in_the_index(store: SqliteStore, tmp_path: Path) -> None:
    """What was said in it least of all."""
    assert store.delete("LB1")
    store.list(CallQuery())
    with sqlite3.connect(tmp_path / INDEX) as db:
        for table in ("calls", "legs", "words"):
            assert not db.execute(f"SELECT * FROM {table} WHERE place LIKE '%LB1'").fetchall()


def test_nothing_was_ever_kept(tmp_path: Path) -> None:
    """That is no error."""
    assert SqliteStore(tmp_path / "none").stats(CallQuery()) == CallStats()
    assert SqliteStore(tmp_path / "none").find("x") == ()


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=300))
def test_a_percentile_was_measured(values: list[int]) -> None:
    """Nearest rank: so many of the values are not above it."""
    found, ordered = spread(array("i", values)), sorted(values)
    for percent, value in ((50, found.p50), (95, found.p95), (99, found.p99)):
        assert value == ordered[-(-len(values) * percent // 100) - 1]
    assert (found.turns, found.most) == (len(values), ordered[-1])


def test_of_many_turns_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """However they are found."""
    values = array("i", [each * 7919 % 2003 for each in range(5000)])
    found = spread(values)
    monkeypatch.setattr(tally, "MANY", 1)
    assert spread(values) == found
