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
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType

from patter_cli.contracts.store import CallQuery, CallRow
from patter_cli.text.redact import mask_number

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
)
"""What each version of the file adds to the one before. A step that was shipped is never changed."""

_COLUMNS = ", ".join(each.name for each in fields(CallRow))
_ROW = f"INSERT INTO calls (place, {_COLUMNS}) VALUES (?{', ?' * len(fields(CallRow))})"
_NEWER_ROW = (
    f"{_ROW} ON CONFLICT (place) DO UPDATE SET "
    f"{', '.join(f'{each.name} = excluded.{each.name}' for each in fields(CallRow))} "
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
            for statement in (each for step in migrations[version:] for each in step):
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

    def put(self, rows: Iterable[tuple[str, CallRow]], *, gone: Iterable[str] = (), anew: bool = False) -> None:
        """Have these places' rows, and none for those that are gone. anew: whatever is there now."""
        with self._transaction():
            given = [(place, *astuple(row)) for place, row in rows]
            leaving = [*gone, *(each[0] for each in given if anew)]
            self._db.executemany("DELETE FROM calls WHERE place = ?", [(each,) for each in leaving])
            self._db.executemany(_NEWER_ROW, given)

    def places(self) -> dict[str, bool]:
        """Every place, and whether its call is over."""
        return {place: bool(over) for place, over in self._db.execute("SELECT place, outcome IS NOT NULL FROM calls")}

    def select(self, query: CallQuery) -> list[tuple[str, CallRow]]:
        """The calls that fit with their places, the youngest first. A number is found where it was masked, too."""
        wanted: dict[str, tuple[float | str, ...]] = {}
        if query.since is not None:
            wanted["started_at >= ?"] = (query.since,)
        if query.until is not None:
            wanted["started_at < ?"] = (query.until,)
        if query.agent is not None:
            wanted["agent = ?"] = (_text(query.agent),)
        if query.outcome is not None:
            wanted["outcome = ?"] = (_text(query.outcome),)
        if query.number is not None:
            number = plain_number(query.number)
            wanted["(caller IN (?, ?) OR callee IN (?, ?))"] = (number, mask_number(number)) * 2
        if query.after is not None:
            wanted["(started_at, call_id) < (SELECT started_at, call_id FROM calls WHERE call_id = ?)"] = (
                _text(query.after),
            )
        where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
        limit = _ALL if query.limit is None else min(query.limit, _ALL)
        found = self._db.execute(
            f"SELECT place, {_COLUMNS} FROM calls {where} ORDER BY started_at DESC, call_id DESC LIMIT ?",
            [*(value for values in wanted.values() for value in values), limit],
        )
        names = [each.name for each in fields(CallRow)]
        return [(place, CallRow(**dict(zip(names, values, strict=True)))) for place, *values in found]


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
