"""Many calls added up beforehand, day by day: what `stats` would count again and again of days that are over.

A day's sums are by agent, number of ours and outcome, so a question by time, agent or outcome is answered from them;
only the first and the last day of it, if they are not whole, are counted call by call. Whoever writes calls of a day
strikes out its sums, and whoever asks next makes them anew. A day is one by this machine's clock: its beginning and end
are kept beside it, and where the clock's zone has changed since, the sums are no longer that day's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from patter_cli.contracts.store import CallQuery

if TYPE_CHECKING:
    from patter_cli.stores.tally import Tally

STEPS: tuple[str, ...] = (
    "CREATE TABLE summed (day TEXT NOT NULL PRIMARY KEY, begins REAL NOT NULL, ends REAL NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE sums (
        day TEXT NOT NULL, agent TEXT NOT NULL, number TEXT NOT NULL, outcome TEXT NOT NULL, calls INTEGER NOT NULL,
        duration_s REAL NOT NULL, known_usd REAL NOT NULL, unpriced INTEGER NOT NULL, waits BLOB NOT NULL,
        PRIMARY KEY (day, agent, number, outcome)
    )
    """,
    """
    CREATE TABLE leg_sums (
        day TEXT NOT NULL, agent TEXT NOT NULL, outcome TEXT NOT NULL, leg TEXT NOT NULL, provider TEXT NOT NULL,
        model TEXT NOT NULL, calls INTEGER NOT NULL, duration_s REAL NOT NULL, usd REAL, unpriced INTEGER NOT NULL,
        PRIMARY KEY (day, agent, outcome, leg, provider, model)
    ) WITHOUT ROWID
    """,
)
STRETCH_S = 900
"""Days begin and end at whole quarters of an hour, whatever the zone: of calls within one, any tells the day."""
OURS = "CASE direction WHEN 'outbound' THEN caller ELSE callee END"
LEG = "leg, provider, model, COUNT(*), SUM(legs.duration_s), SUM(legs.usd), SUM(legs.usd IS NULL)"

Day = tuple[str, float, float]
"""2026-11-28, and when it begins and ends, Unix seconds."""


def can_answer(query: CallQuery) -> bool:
    """Whether the question is one that sums by day, agent and outcome know enough for."""
    others = (query.number, query.text, query.min_duration_s, query.max_duration_s, query.min_usd, query.max_usd)
    return all(each is None for each in others)


def strike_out(db: sqlite3.Connection, times: Iterable[float]) -> None:
    """Calls that began then have changed."""
    some = {each // STRETCH_S: each for each in times}
    db.executemany("DELETE FROM summed WHERE begins <= ? AND ends > ?", [(each, each) for each in some.values()])


def whole_days(db: sqlite3.Connection, query: CallQuery) -> list[Day]:
    """The days with calls that lie in the question's time whole."""
    first, last = db.execute("SELECT MIN(started_at), MAX(started_at) FROM calls WHERE outcome IS NOT NULL").fetchone()
    if first is None:
        return []
    return [
        (name, begins, ends)
        for name, begins, ends in _days(max(first, query.since or first), last)
        if begins >= (query.since or begins) and ends <= (query.until or ends)
    ]


def _days(first: float, last: float) -> Iterator[Day]:
    """From the day of one time to that of another, by this machine's clock."""
    try:
        day = datetime.fromtimestamp(first).replace(hour=0, minute=0, second=0, microsecond=0)
        while (begins := day.timestamp()) <= last:
            day += timedelta(days=1)
            yield f"{day - timedelta(days=1):%Y-%m-%d}", begins, day.timestamp()
    except (ValueError, OverflowError, OSError):  # no year that a calendar has
        return


def bring_up_to_date(db: sqlite3.Connection, days: Iterable[Day]) -> None:
    """Make the sums of those days that have none. Within a transaction."""
    known = {tuple(each) for each in db.execute("SELECT day, begins, ends FROM summed")}
    for each in days:
        if each not in known:
            _sum_up(db, *each)


def missing(db: sqlite3.Connection, days: Iterable[Day]) -> bool:
    """Whether any of them has none."""
    known = {tuple(each) for each in db.execute("SELECT day, begins, ends FROM summed")}
    return any(each not in known for each in days)


def _sum_up(db: sqlite3.Connection, day: str, begins: float, ends: float) -> None:
    for table in ("summed", "sums", "leg_sums"):
        db.execute(f"DELETE FROM {table} WHERE day = ?", (day,))
    groups: dict[tuple[str, str, str], list[tuple[float, float, int, bytes]]] = {}
    for agent, number, outcome, *figures in db.execute(
        f"SELECT agent, {OURS}, outcome, duration_s, known_usd, usd IS NULL, waits FROM calls "
        "WHERE started_at >= ? AND started_at < ? AND outcome IS NOT NULL",
        (begins, ends),
    ):
        groups.setdefault((agent, number, outcome), []).append(tuple(figures))
    db.executemany(
        "INSERT INTO sums VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                day, *key, len(found), sum(each[0] or 0.0 for each in found), sum(each[1] for each in found),
                sum(each[2] for each in found), b"".join(each[3] for each in found),
            )
            for key, found in groups.items()
        ],
    )  # fmt: skip
    db.execute(
        f"INSERT INTO leg_sums SELECT ?, agent, outcome, {LEG} FROM calls JOIN legs USING (place) "
        "WHERE started_at >= ? AND started_at < ? AND outcome IS NOT NULL "
        "GROUP BY agent, outcome, leg, provider, model",
        (day, begins, ends),
    )
    db.execute("INSERT INTO summed VALUES (?, ?, ?)", (day, begins, ends))


def add_up(db: sqlite3.Connection, query: CallQuery, days: list[Day], tally: Tally) -> None:
    """Feed a tally what those days come to."""
    where, values = _of_days(query, days)
    for day, agent, number, outcome, *figures in db.execute(f"SELECT * FROM sums {where}", values):
        tally.add_group(agent, day, number, outcome, *figures)


def leg_rows(db: sqlite3.Connection, query: CallQuery, days: list[Day]) -> Iterator[tuple[object, ...]]:
    """(leg, provider, model, calls, duration_s, usd, unpriced) of those days."""
    where, values = _of_days(query, days)
    yield from db.execute(
        "SELECT leg, provider, model, SUM(calls), SUM(duration_s), SUM(usd), SUM(unpriced) "
        f"FROM leg_sums {where} GROUP BY leg, provider, model",
        values,
    )


def outside(query: CallQuery, days: list[Day]) -> list[CallQuery]:
    """The questions that are left when those days are answered: before the first and after the last. Days between
    follow each other without a gap."""
    if not days:
        return [query]
    return [replace(query, until=days[0][1]), replace(query, since=days[-1][2])]


def _of_days(query: CallQuery, days: list[Day]) -> tuple[str, list[object]]:
    where = "WHERE day BETWEEN ? AND ?"
    values: list[object] = [days[0][0], days[-1][0]]
    for column, value in (("agent", query.agent), ("outcome", query.outcome)):
        if value is not None:
            where += f" AND {column} = ?"
            values.append(value)
    return where, values
