"""A list of people to ring, and the file beside it of what became of each: what a run that was killed leaves behind.

A line "dialling" is on disk before somebody is rung, "rings" with the call's id once the carrier has the call, and
then one with the outcome. So the next run knows whom it must not ring again, and where to look up what became of them.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from patter_cli.errors import InputError, reason

COLUMNS: Final = ("number", "attempt", "outcome", "reason", "answered_by", "duration_s", "call_id", "at")
DIALLING: Final = "dialling"
RINGS: Final = "rings"
MOST_BYTES: Final = 64 << 20
"""Of a list; a million people take some 40 MB."""
NOT_RUNG: Final = "not_rung"
"""It was to be, and nobody was asked for it: the next run rings it."""
UNKNOWN: Final = "unknown"
"""It may have rung: nobody could say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Who is on a list. rows: (number, variables), in their order."""

    path: Path
    rows: tuple[tuple[str, Mapping[str, str]], ...]

    @property
    def results(self) -> Path:
        return self.path.with_suffix(".results.csv")


def read_people(path: Path) -> People:
    """Read a list: UTF-8, with a header; the column number is whom to ring, the others are variables.

    Raises InputError for a file that cannot be read or has no such column, or a row of another length.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InputError(f"{path} is larger than {MOST_BYTES >> 20} MB", hint="ring it in parts")
        table = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {_unread(error)}", hint="a CSV file with a column number") from error
    header = [each.strip() for each in table[0]] if table else []
    if "number" not in header:
        raise InputError(f"{path} has no column number", hint="number,name as its first line")
    if twice := next((each for each in header if header.count(each) > 1), ""):
        raise InputError(f"{path} has more than one column {twice}", hint="take the others out, or rename them")
    rows = []
    for line, row in enumerate(table[1:], 2):
        if not any(each.strip() for each in row):
            continue
        if len(row) != len(header):
            raise InputError(f"{path}:{line} has {len(row)} cells, the header {len(header)}", hint="quote the commas")
        cells = dict(zip(header, (each.strip() for each in row), strict=True))
        rows.append((_as_text(cells.pop("number")), cells))
    return People(path=path, rows=tuple(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The last that is known of a number. at_s: Unix time, 0 where nobody wrote it down."""

    outcome: str
    call_id: str
    at_s: float

    @property
    def open(self) -> bool:
        """It was being rung when the run ended, or nobody could say what became of it."""
        return self.outcome in (DIALLING, RINGS, UNKNOWN)


class Results:
    """The file of one list."""

    def __init__(self, path: Path) -> None:
        """Reads what is there. Raises InputError."""
        self._path = path
        self._file: FileIO | None = None
        """Open while it is held."""
        self._tried = Counter[str]()
        self.last: dict[str, Entry] = {}
        """By number, everybody who was ever rung."""
        self.call_ids: set[str] = set()
        """The calls whose line says what became of them, or will."""
        try:
            self._read(path.read_bytes())
        except FileNotFoundError:
            pass
        except OSError as error:
            raise InputError(f"{path} cannot be read: {_unread(error)}", hint="move it away") from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else rings this list meanwhile; what others have written until now is read. Raises InputError."""
        try:
            file = self._path.open("a+b", buffering=0)
        except OSError as error:
            raise InputError(f"{self._path} cannot be written: {_unread(error)}", hint="make room for it") from error
        with file:
            if sys.platform != "win32":
                import fcntl

                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise InputError(
                        f"another patter call rings the people of {self._path}", hint="wait until it is done"
                    ) from error
            file.seek(0)
            content = file.read()
            self._read(content)
            file.truncate(content.rfind(b"\n") + 1)  # of a line that was being written when the power went
            self._file = file
            try:
                yield
            finally:
                self._file = None

    def _read(self, content: bytes) -> None:
        """All whole lines. Raises InputError for a file that is not ours: then nobody knows who was rung."""
        whole = content[: content.rfind(b"\n") + 1]
        try:
            rows = list(csv.reader(io.StringIO(whole.decode(), newline=""), strict=True))
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{self._path} cannot be read: {_unread(error)}", hint="move it away") from error
        begun = ",".join(COLUMNS).encode().startswith(content)  # and nothing more was written
        if tuple(rows[0][: len(COLUMNS)]) != COLUMNS if rows else not begun:
            raise InputError(
                f"{self._path} is not what became of a list: it has other columns",
                hint="move it away; who was rung is then not known any more",
            )
        self._tried.clear()
        self.last.clear()
        for line, row in enumerate(rows[1:], 2):
            if not any(row):
                continue
            cells = dict(zip(COLUMNS, row, strict=False))
            if len(row) < len(COLUMNS) or not cells["number"] or not cells["outcome"]:
                raise InputError(f"{self._path}:{line} cannot be read", hint="correct that line, or take it out")
            at = cells["at"]
            at_s = float(at) if at.isascii() and at.isdecimal() else 0.0
            entry = Entry(outcome=cells["outcome"], call_id=cells["call_id"], at_s=at_s)
            self._note(_as_text(cells["number"]), entry)

    def tried(self, number: str) -> int:
        """How often it was rung."""
        return self._tried[number]

    def write(
        self, number: str, outcome: str, reason: str = "", by: str = "", duration_s: str = "", call_id: str = ""
    ) -> None:
        """On disk when this returns, whole or not at all; only while it is held. Raises InputError: a run that cannot
        remember whom it rang must not ring."""
        assert self._file is not None
        now_s = time.time()
        self._note(number, Entry(outcome=str(outcome), call_id=call_id, at_s=now_s))
        cells = (number, str(self._tried[number]), str(outcome), reason, by, duration_s, call_id, f"{now_s:.0f}")
        size, lines = self._file.seek(0, os.SEEK_END), io.StringIO(newline="")
        csv.writer(lines).writerows(([COLUMNS] if size == 0 else []) + [tuple(map(_as_cell, cells))])
        content = lines.getvalue().encode()
        try:
            if self._file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(size)
            raise InputError(f"{self._path} cannot be written: {_unread(error)}", hint="make room for it") from error

    def _note(self, number: str, entry: Entry) -> None:
        self._tried[number] += (entry.outcome == DIALLING) - (entry.outcome == NOT_RUNG)
        self.last[number] = entry
        self.call_ids |= {entry.call_id} - {""}


def _as_cell(text: str) -> str:
    """What no spreadsheet takes for a formula, on one line."""
    text = " ".join(text.splitlines())
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _as_text(cell: str) -> str:
    return cell.removeprefix("'").strip()


def _unread(error: OSError | UnicodeDecodeError | csv.Error) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else reason(error)
