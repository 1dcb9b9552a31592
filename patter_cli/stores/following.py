"""The journals of call folders as they grow: what was written since one looked last, by whichever process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from patter_cli.stores.journal import JOURNAL, RECORD

DAYS = 3
"""Folders of so many days are looked through for new calls: a call is where it began, by another clock perhaps."""
PIECE = 1 << 20


class FolderFollow:
    """Whoever follows the folders. Calls that are over by then are left alone, those that last are read from their
    beginning."""

    def __init__(self, calls: Path) -> None:
        self._calls = calls
        self._read: dict[Path, int] = {}
        """How much was read of a journal that may still grow."""
        self._known: set[Path] = set()
        for place in self._places():
            self._known.add(place)
            if not (place / RECORD).exists():
                self._read[place] = 0

    def lines(self) -> Iterator[tuple[str, str]]:
        """(call id, line): the whole lines that were written since the last time, without their newlines."""
        for place in self._places():
            if place not in self._known:
                self._known.add(place)
                self._read[place] = 0
        for place in list(self._read):
            over = (place / RECORD).exists()  # before it is read: what is written before the record is then in
            yield from self._new_lines(place)
            if over or not place.exists():
                self._read.pop(place, None)

    def _new_lines(self, place: Path) -> Iterator[tuple[str, str]]:
        while True:
            try:
                with (place / JOURNAL).open("rb") as file:
                    file.seek(self._read[place])
                    data = file.read(PIECE)
            except OSError:
                return
            whole = data.rfind(b"\n") + 1
            if not whole and len(data) < PIECE:
                return
            self._read[place] += whole or len(data)  # a line without end is none of ours
            for line in data[:whole].split(b"\n")[:-1]:
                yield place.name, line.decode("utf-8", "replace")

    def _places(self) -> list[Path]:
        """The youngest days' call folders, in the order of their names."""
        try:
            days = sorted(each.name for each in os.scandir(self._calls) if each.is_dir())
        except OSError:
            return []
        found = []
        for day in days[-DAYS:]:
            try:
                with os.scandir(self._calls / day) as inside:
                    found += [self._calls / day / each.name for each in inside if each.is_dir()]
            except OSError:
                continue
        return sorted(found)
