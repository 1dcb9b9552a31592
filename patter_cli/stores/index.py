"""The index of the call folders: one SQLite file, read and written by several processes at once.

It holds nothing that the folders do not hold, so it may be thrown away at any time. Write-ahead logging lets readers
go on while somebody writes; whoever finds it locked waits for BUSY_S. Its `user_version` says how many of MIGRATIONS
it has been through; whoever opens it brings it up to date, in one transaction.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from patter_cli.contracts.store import CallQuery, CallRow, CallStats
from patter_cli.stores import sums, words
from patter_cli.stores.indexed import IndexedCall
from patter_cli.text.redact import mask_number

if TYPE_CHECKING:
    from patter_cli.stores.tally import Tally

BUSY_S = 2.0
"""A writer holds the lock for milliseconds, a rebuild of 10,000 calls for about 0.1 s (tests.bench.store)."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE calls (
            place TEXT NOT NULL PRIMARY KEY,
            call_id TEXT NOT NULL,
            started_at REAL NOT NULL,
            agent TEXT NOT NULL,
            caller TEXT NOT NULL,
            callee TEXT NOT NULL,
            direction TEXT NOT NULL,
            carrier TEXT NOT NULL,
            outcome TEXT,
            reason TEXT NOT NULL,
            duration_s REAL,
            turns INTEGER NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX calls_by_id ON calls (call_id)",
        "CREATE INDEX calls_by_start ON calls (started_at, call_id)",
        "CREATE INDEX calls_by_agent ON calls (agent, started_at, call_id)",
        "CREATE INDEX calls_by_outcome ON calls (outcome, started_at, call_id)",
        "CREATE INDEX calls_by_caller ON calls (caller)",
        "CREATE INDEX calls_by_callee ON calls (callee)",
    ),
    (
        # What a version before did not look for is read again from the folders by the next list.
        "DELETE FROM calls",
        "ALTER TABLE calls ADD COLUMN waited_ms INTEGER",
        "ALTER TABLE calls ADD COLUMN usd REAL",
        "ALTER TABLE calls ADD COLUMN known_usd REAL NOT NULL DEFAULT 0",
        "ALTER TABLE calls ADD COLUMN waits BLOB NOT NULL DEFAULT x''",
        """
        CREATE TABLE legs (
            place TEXT NOT NULL,
            leg TEXT NOT NULL,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            usd REAL,
            duration_s REAL NOT NULL,
            PRIMARY KEY (place, leg, provider, model)
        ) WITHOUT ROWID
        """,
        "CREATE TABLE words (place TEXT NOT NULL PRIMARY KEY, said TEXT NOT NULL)",
    ),
    (*sums.STEPS, *words.STEPS),
)
"""What each version of the file adds to the one before. A step that was shipped is never changed."""

_NAMES = [each.name for each in fields(CallRow)]
_COLUMNS = ", ".join(_NAMES)
_ROW = f"INSERT INTO calls (place, {_COLUMNS}, waits) VALUES (?{', ?' * len(fields(CallRow))}, ?)"
_NEWER_ROW = (
    f"{_ROW} ON CONFLICT (place) DO UPDATE SET "
    f"{', '.join(f'{each.name} = excluded.{each.name}' for each in fields(CallRow))}, waits = excluded.waits "
    "WHERE excluded.outcome IS NOT NULL OR calls.outcome IS NULL"
)
"""A call that is over does not begin again: the row was read before, and comes late."""

_ALL = 2**31


class NewerIndex(Exception):
    """The file was written by a newer version of this program; it is not touched."""


class CallIndex:
    """The file, open. Whatever the methods find wrong with it raises sqlite3.Error."""

    def __init__(self, path: Path | None, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
        """Open and bring up to date, or make. path None: in memory. Raises sqlite3.Error, OSError, NewerIndex."""
        if path is not None:  # SQLite would make it, and the files beside it, for everybody to read
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._db = sqlite3.connect(path or ":memory:", timeout=BUSY_S, isolation_level=None)
        try:
            with suppress(sqlite3.OperationalError):  # somebody else is doing it
                self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost rows, which the folders give back
            self._migrate(migrations)
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> CallIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def _migrate(self, migrations: Sequence[Sequence[str]]) -> None:
        if self._version() == len(migrations):
            return
        with self._transaction():
            version = self._version()  # another process may have been quicker
            if version > len(migrations):
                raise NewerIndex(f"it has version {version}, and {len(migrations)} is known here")
            skipped = () if words.has_full_text(self._db) else words.STEPS
            for statement in (each for step in migrations[version:] for each in step if each not in skipped):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {len(migrations)}")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing, and nobody else writes meanwhile."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def put(self, calls: Iterable[tuple[str, IndexedCall]], *, gone: Iterable[str] = (), anew: bool = False) -> None:
        """Have these places' calls, and none for those that are gone. anew: whatever is there now."""
        with self._transaction():
            given = list(calls)
            gone = list(gone)
            ends = [call.row.started_at for _, call in given if call.row.outcome is not None]
            for place in gone:
                ends += (at for (at,) in self._db.execute("SELECT started_at FROM calls WHERE place = ?", (place,)))
            sums.strike_out(self._db, ends)
            leaving = [(each,) for each in (*gone, *(place for place, _ in given if anew))]
            ended = [(place, call) for place, call in given if call.row.outcome is not None]
            self._db.executemany("DELETE FROM calls WHERE place = ?", leaving)
            for table in ("legs", "words"):
                self._db.executemany(f"DELETE FROM {table} WHERE place = ?", leaving)
                self._db.executemany(f"DELETE FROM {table} WHERE place = ?", [(place,) for place, _ in ended])
            self._db.executemany(
                _NEWER_ROW,
                [(place, *(getattr(call.row, name) for name in _NAMES), call.waits) for place, call in given],
            )
            self._db.executemany(
                "INSERT INTO legs VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (place, each.leg, each.provider, each.model, each.usd, call.row.duration_s or 0.0)
                    for place, call in ended
                    for each in call.legs
                ],
            )
            self._db.executemany(
                "INSERT INTO words VALUES (?, ?)", [(place, call.said) for place, call in ended if call.said]
            )

    def places(self) -> dict[str, bool]:
        """Every place, and whether its call is over."""
        return {place: bool(over) for place, over in self._db.execute("SELECT place, outcome IS NOT NULL FROM calls")}

    def select(self, query: CallQuery) -> list[tuple[str, CallRow]]:
        """The calls that fit with their places, the youngest first. A number is found where it was masked, too."""
        where, values = self._conditions(query)
        if query.after is not None:
            later = "(started_at, call_id) < (SELECT started_at, call_id FROM calls WHERE call_id = ?)"
            where, values = f"{where} AND {later}" if where else f"WHERE {later}", [*values, _text(query.after)]
        limit = _ALL if query.limit is None else min(query.limit, _ALL)
        found = self._db.execute(
            f"SELECT place, {_COLUMNS} FROM calls {where} ORDER BY started_at DESC, call_id DESC LIMIT ?",
            [*values, limit],
        )
        return [(place, CallRow(**dict(zip(_NAMES, row, strict=True)))) for place, *row in found]

    def find(self, text: str, limit: int) -> tuple[str, ...]:
        """The ids that begin or end with this, the youngest call's first."""
        text = _pattern(text)
        found = self._db.execute(
            "SELECT call_id FROM calls WHERE call_id LIKE ? ESCAPE '\\' OR call_id LIKE ? ESCAPE '\\' "
            "ORDER BY started_at DESC, call_id DESC LIMIT ?",
            (f"{text}%", f"%{text}", limit),
        )
        return tuple(call_id for (call_id,) in found)

    def stats(self, query: CallQuery) -> CallStats:
        """What the calls that fit come to."""
        from patter_cli.stores.tally import Tally  # a list needs none

        tally = Tally()
        days = self._summed_days(query)
        if days:
            sums.add_up(self._db, query, days, tally)
            tally.add_legs(sums.leg_rows(self._db, query, days))
        for each in sums.outside(query, days):
            self._count(each, tally)
        if days and query.outcome is None:  # sums are of calls that are over
            self._count_live(replace(query, since=days[0][1], until=days[-1][2]), tally)
        return tally.stats()

    def _summed_days(self, query: CallQuery) -> list[sums.Day]:
        """The days that are counted already; none where the file cannot be written to make it so."""
        if not sums.can_answer(query):
            return []
        days = sums.whole_days(self._db, query)
        if sums.missing(self._db, days):
            try:
                with self._transaction():
                    sums.bring_up_to_date(self._db, days)
            except sqlite3.OperationalError as error:
                if is_damage(error):
                    raise
                return []
        return days

    def _count(self, query: CallQuery, tally: Tally) -> None:
        """Call by call."""
        where, values = self._conditions(query)
        for row in self._db.execute(
            f"SELECT started_at, agent, {sums.OURS}, outcome, duration_s, usd, known_usd, waits FROM calls {where}",
            values,
        ):
            tally.add(*row)
        inside = f"WHERE place IN (SELECT place FROM calls {where})" if where else ""
        tally.add_legs(self._db.execute(f"SELECT {sums.LEG} FROM legs {inside} GROUP BY leg, provider, model", values))

    def _count_live(self, query: CallQuery, tally: Tally) -> None:
        where, values = self._conditions(query)
        for row in self._db.execute(
            f"SELECT started_at, agent, {sums.OURS}, outcome, duration_s, usd, known_usd, waits FROM calls "
            f"{where} AND outcome IS NULL",
            values,
        ):
            tally.add(*row)

    def copy_to(self, path: Path) -> None:
        """Write the file as it is now to another place, while others may go on writing it."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
        other = sqlite3.connect(path)
        try:
            self._db.backup(other)
        finally:
            other.close()

    def _conditions(self, query: CallQuery) -> tuple[str, list[float | str]]:
        """What calls must fulfil, as SQL, and the values for its question marks."""
        wanted = _conditions(query)
        if query.text is not None:
            condition, values = words.fits(self._db, _text(query.text.casefold()))
            wanted.append((condition, tuple(values)))
        where = f"WHERE {' AND '.join(condition for condition, _ in wanted)}" if wanted else ""
        return where, [value for _, values in wanted for value in values]


def _conditions(query: CallQuery) -> list[tuple[str, tuple[float | str, ...]]]:
    """What calls must fulfil but for what was said: each as SQL, with the values for its question marks."""
    wanted: list[tuple[str, tuple[float | str, ...]]] = []
    for condition, value in (
        ("started_at >= ?", query.since),
        ("started_at < ?", query.until),
        ("duration_s >= ?", query.min_duration_s),
        ("duration_s <= ?", query.max_duration_s),
        ("known_usd >= ?", query.min_usd),
        ("known_usd <= ?", query.max_usd),
    ):
        if value is not None:
            wanted.append((condition, (value,)))
    if query.agent is not None:
        wanted.append(("agent = ?", (_text(query.agent),)))
    if query.outcome is not None:
        wanted.append(("outcome = ?", (_text(query.outcome),)))
    if query.number is not None:
        number = plain_number(query.number)
        wanted.append(("(caller IN (?, ?) OR callee IN (?, ?))", (number, mask_number(number)) * 2))
    return wanted


def _pattern(text: str) -> str:
    """For LIKE: the text itself, whatever it holds."""
    return re.sub(r"([\\%_])", r"\\\1", _text(text))


def plain_number(number: str) -> str:
    """A phone number as calls have it, without what people put between its digits; anything else as it is."""
    bare = re.sub(r"[ ().-]", "", number)
    return bare if re.fullmatch(r"\+?[0-9]+", bare) else _text(number)


def _text(value: str) -> str:
    """A word from a command line may hold bytes that are no characters: it then fits nothing."""
    return value.encode("utf-8", "replace").decode()


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault, and not a lock, a full disk or a missing right."""
    name = vars(error).get("sqlite_errorname")
    if name is None:  # Python's own: a text that is no text
        return isinstance(error, sqlite3.OperationalError)
    # Our statements are right, so one that fails with the plain error has found other tables than ours.
    return name in ("SQLITE_NOTADB", "SQLITE_ERROR") or name.startswith("SQLITE_CORRUPT")


def set_aside(path: Path) -> bool:
    """Move a damaged file out of the way, once, whoever else finds it too. False if somebody has. Raises OSError."""
    with _alone(path.with_name(f"{path.name}.lock")):
        try:
            with CallIndex(path) as index:
                index.select(CallQuery(limit=None))
                if index._db.execute("PRAGMA quick_check").fetchone()[0] == "ok":
                    return False
        except sqlite3.Error as error:
            if not is_damage(error):
                return False
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                os.replace(f"{path}{suffix}", f"{path}.corrupt{suffix}")
        return True


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time, where there are locks for that."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "wb") as file:
        with suppress(ImportError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
