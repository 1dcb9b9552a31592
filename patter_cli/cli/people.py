"""A list of people to ring, and the file beside it of what became of each: what a run that was killed leaves behind.

A line "dialling" is on disk before somebody is rung, "rings" with the call's id once the carrier has the call, and
then one with the outcome. So the next run knows whom it must not ring again, and where to look up what became of them.
"""

from __future__ import annotations

import csv
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from patter_cli.errors import InputError, reason

COLUMNS: Final = ("number", "attempt", "outcome", "reason", "answered_by", "duration_s", "call_id", "at")
DIALLING: Final = "dialling"
RINGS: Final = "rings"
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
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {_unread(error)}", hint="a CSV file with a column number") from error
    header = [each.strip() for each in table[0]] if table else []
    if header.count("number") != 1:
        raise InputError(f"{path} has no column number", hint="number,name as its first line")
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
        self._tried = Counter[str]()
        self.last: dict[str, Entry] = {}
        """By number, everybody who was ever rung."""
        self.call_ids: set[str] = set()
        """The calls whose line says what became of them, or will."""
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path} cannot be read: {_unread(error)}", hint="move it away") from error
        for row in rows:
            at = row.get("at") or ""
            entry = Entry(
                outcome=row.get("outcome") or "",
                call_id=row.get("call_id") or "",
                at_s=float(at) if at.isascii() and at.isdecimal() else 0.0,
            )
            self._note(_as_text(row.get("number") or ""), entry)

    def tried(self, number: str) -> int:
        """How often it was rung."""
        return self._tried[number]

    def write(
        self, number: str, outcome: str, reason: str = "", by: str = "", duration_s: str = "", call_id: str = ""
    ) -> None:
        """On disk when this returns. Raises InputError: a run that cannot remember whom it rang must not ring."""
        now_s = time.time()
        self._note(number, Entry(outcome=str(outcome), call_id=call_id, at_s=now_s))
        cells = (number, str(self._tried[number]), str(outcome), reason, by, duration_s, call_id, f"{now_s:.0f}")
        try:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                if file.tell() == 0:
                    writer.writerow(COLUMNS)
                writer.writerow([_as_cell(each) for each in cells])
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(f"{self._path} cannot be written: {_unread(error)}", hint="make room for it") from error

    def _note(self, number: str, entry: Entry) -> None:
        self._tried[number] += entry.outcome == DIALLING
        self.last[number] = entry
        self.call_ids |= {entry.call_id} - {""}


def _as_cell(text: str) -> str:
    """What no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _as_text(cell: str) -> str:
    return cell.removeprefix("'").strip()


def _unread(error: OSError | UnicodeDecodeError | csv.Error) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else reason(error)
