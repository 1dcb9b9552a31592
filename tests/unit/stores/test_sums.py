"""What is added up beforehand says what counting says, and words are found wherever they were said."""

from __future__ import annotations

import random
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from patter_cli.contracts.store import CallQuery, CallStats
from patter_cli.stores import sums, words
from patter_cli.stores.sqlite import INDEX, SqliteStore
from tests.unit.stores.calls import AGENTS, DAY_S, OUTCOMES, STARTED, begin, keep

LEGS = [{"leg": "llm", "provider": "openai", "model": "gpt", "usd": 0.01}, {"leg": "tts", "provider": "x", "usd": None}]


def some(store: SqliteStore, count: int, seed: int = 1) -> None:
    """Calls of ten days, with turns and costs."""
    chance = random.Random(seed)
    for number in range(count):
        waits = {f"{stage}_ms": chance.randrange(2000) for stage in ("endpointing", "stt", "llm", "clause", "tts")}
        waits |= {"handover_ms": 3, "total_ms": sum(waits.values()) + 3, "turn": 1}
        keep(
            store, f"LB{seed}-{number:04}", STARTED + chance.random() * 10 * DAY_S, agent=chance.choice(AGENTS),
            outcome=chance.choice(OUTCOMES), callee=chance.choice(("+15550199", "+15550198")),
            metrics=[waits] * chance.randrange(4), duration=chance.randrange(600) / 10,
            cost={"usd": None, "known_usd": 0.01, "legs": LEGS[: chance.randrange(3)]},
        )  # fmt: skip


def counted(store: SqliteStore, query: CallQuery) -> CallStats:
    """The same without sums: nobody's call is so long."""
    return store.stats(replace(query, max_duration_s=1e9))


def questions() -> list[CallQuery]:
    half = STARTED + 4.3 * DAY_S
    return [
        CallQuery(),
        CallQuery(agent=AGENTS[0]),
        CallQuery(outcome="failed"),
        CallQuery(agent=AGENTS[1], outcome="answered"),
        CallQuery(agent="nobody"),
        CallQuery(since=half),
        CallQuery(until=half),
        CallQuery(since=STARTED + 2.5 * DAY_S, until=half, agent=AGENTS[2]),
        CallQuery(since=half, until=half + 60),
        CallQuery(until=STARTED - DAY_S),
    ]


def rounded(stats: CallStats) -> CallStats:
    """Sums of floats depend on their order, in the last digit."""

    def less(shares: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(replace(each, duration_s=round(each.duration_s, 1), known_usd=round(each.known_usd, 4))  # type: ignore[type-var, attr-defined]
                     for each in shares)  # fmt: skip

    groups = {name: less(getattr(stats, name)) for name in ("agents", "days", "numbers", "vendors")}
    return replace(stats, duration_s=round(stats.duration_s, 1), known_usd=round(stats.known_usd, 4), **groups)  # type: ignore[arg-type]


def test_sums_say_what_counting_says(tmp_path: Path) -> None:
    """Of everything, of an agent, of an outcome, from the middle of one day to the middle of another."""
    store = SqliteStore(tmp_path)
    some(store, 150)
    for query in questions():
        without_live = counted(store, query)
        assert rounded(store.stats(query)) == rounded(without_live), query


def test_sums_follow_what_changes(tmp_path: Path) -> None:
    """Calls that come, that end, that are deleted and that get another record, in days that were added up before."""
    store = SqliteStore(tmp_path)
    some(store, 40)
    store.stats(CallQuery())
    some(store, 20, seed=2)
    live = begin(store, "LB9", STARTED + DAY_S)
    for call_id in ("LB1-0003", "LB2-0003"):
        assert store.delete(call_id)
    store.add("LB1-0004", {"outcome": "busy"})
    for query in questions():
        ended = replace(query, max_duration_s=1e9)
        told = store.stats(query)
        assert rounded(replace(told, calls=0, live=0, agents=(), days=(), numbers=())) == rounded(
            replace(store.stats(ended), calls=0, live=0, agents=(), days=(), numbers=())
        )
        assert told.calls - told.live == store.stats(ended).calls
    assert store.stats(CallQuery()).live == 1
    live.die()


def test_another_clock_has_other_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever moves a machine to another zone sees that zone's days, also of those that were added up."""
    if not hasattr(time, "tzset"):
        pytest.skip("no zone can be set here")
    store = SqliteStore(tmp_path)
    some(store, 60)
    for zone in ("UTC", "Asia/Kolkata", "America/New_York", "Pacific/Chatham", "UTC"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            assert rounded(store.stats(CallQuery())) == rounded(counted(store, CallQuery()))
        finally:
            monkeypatch.delenv("TZ")
            time.tzset()


def test_who_may_not_write_counts(tmp_path: Path) -> None:
    """A day that was not added up is counted call by call where the file is somebody else's."""
    store = SqliteStore(tmp_path)
    some(store, 30)
    store.list(CallQuery())
    expected = rounded(counted(store, CallQuery()))
    other = sqlite3.connect(tmp_path / INDEX)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert rounded(SqliteStore(tmp_path).stats(CallQuery())) == expected
    finally:
        other.rollback()
        other.close()


def test_what_cannot_be_answered_from_sums_is_counted() -> None:
    """A number, words, a length, a cost."""
    assert sums.can_answer(CallQuery(agent="a", outcome="b", since=1.0, until=2.0))
    for query in (
        CallQuery(number="1"), CallQuery(text="a"), CallQuery(min_duration_s=1.0), CallQuery(max_duration_s=1.0),
        CallQuery(min_usd=1.0), CallQuery(max_usd=1.0),
    ):  # fmt: skip
        assert not sums.can_answer(query)


SAID = (
    "When do you open on Sunday?", "Half past five, o'clock sharp!", "I'd like 5 m² of carpet", "Straße und Fuß",
    "Привет, как дела?", "50% off_today (really)", "pineapple-juice", "naïve café", "अच्छा ठीक है", "x" * 300,
    'He said "no way" & left <b>', "über-cool", "a\u0301 la carte", "日本語です", "...", "İstanbul",
)  # fmt: skip


def test_words_are_found_wherever_they_were_said(tmp_path: Path) -> None:
    """Every piece of every line, from its middle or its beginning, in whatever case, finds just the calls that have
    it: whatever the index of words makes of it."""
    store = SqliteStore(tmp_path)
    for number, text in enumerate(SAID):
        keep(store, f"LB{number:02}", STARTED + number, history=[{"role": "user", "text": text, "timestamp": STARTED}])
    chance = random.Random(7)
    pieces = [text[(at := chance.randrange(len(text))) : at + chance.randrange(1, 14)] for text in SAID * 40]
    for piece in [*SAID, *pieces, "zebra", "%", "_", '"', "open zebra", "pen on sun", "e"]:
        if piece.strip():
            found = [each.call_id for each in store.list(CallQuery(text=piece))]
            has = [f"LB{n:02}" for n, text in enumerate(SAID) if piece.casefold() in text.casefold()]
            assert found == has[::-1], piece


def test_where_there_is_no_index_of_words_all_are_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every SQLite has one."""
    monkeypatch.setattr(words, "has_full_text", lambda db: False)
    store = SqliteStore(tmp_path)
    keep(store, "LB1", STARTED)
    assert [each.call_id for each in store.list(CallQuery(text="do you op"))] == ["LB1"]
    assert store.list(CallQuery(text="zebra")) == ()


def test_common_words_are_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More calls have them than are worth naming one by one; and a word that many others begin with."""
    monkeypatch.setattr(words, "FEW", 5)
    monkeypatch.setattr(words, "TERMS", 3)
    store = SqliteStore(tmp_path)
    for number in range(12):
        text = f"hello{number} there, number{number}"
        keep(store, f"LB{number:02}", STARTED + number, history=[{"role": "user", "text": text, "timestamp": STARTED}])
    assert len(store.list(CallQuery(text="there"))) == 12
    assert len(store.list(CallQuery(text="hello"))) == 12
    assert [each.call_id for each in store.list(CallQuery(text="hello7 there, num"))] == ["LB07"]
    store.delete("LB07")
    assert store.list(CallQuery(text="hello7")) == ()
