"""Where calls are kept: a folder a call, with its journal and, once it is over, its record."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from patter_cli.observe.interrupted import abandoned_calls, hold

log = logging.getLogger(__name__)

PENDING_BYTES = 8 * 1024 * 1024
"""What a call keeps in memory while the disk refuses; later lines are then dropped, and counted."""


def default_folder() -> Path:
    """Of the user's data: where calls are kept if nobody says where."""
    from platformdirs import user_data_path

    return user_data_path("patter")


class CallStore:
    """Call folders under `folder/calls/<day>/<call id>/`, readable by their owner only."""

    def __init__(self, folder: Path | None) -> None:
        """folder None: nothing is kept."""
        self.folder = folder

    def open(self, call_id: str, started_at: float) -> CallJournal:
        """Begin a call's journal. call_id must be safe as a file name; started_at in Unix seconds."""
        if self.folder is None:
            return CallJournal(None)
        day = time.strftime("%Y-%m-%d", time.gmtime(started_at))
        place = self.folder / "calls" / day / call_id
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.folder / "calls", place.parent, place):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            log.warning("calls cannot be kept in %s: %s", place, error)
            return CallJournal(None)
        return CallJournal(place)

    def close_abandoned(self) -> int:
        """Give every call that another, dead process left open its record: outcome "interrupted". Returns how many.

        A call of a process that still runs is left alone. Never raises; reads the folders, so keep it off the loop.
        """
        closed = 0
        for place, record in abandoned_calls(self.folder / "calls") if self.folder is not None else ():
            try:
                _write_record(place, record)
                closed += 1
            except OSError as error:
                log.warning("the record of %s cannot be written: %s", place, error)
        if closed:
            log.warning("%d calls of a process that was killed were closed as interrupted", closed)
        return closed


class CallJournal:
    """One call's journal.jsonl, a line a write, and its record.json at the end.

    A line is with the operating system when `write` returns: it survives the process. A disk that refuses costs the
    call nothing: lines wait in memory, up to PENDING_BYTES, for the next write.
    """

    def __init__(self, place: Path | None) -> None:
        self.place = place
        self._fd = -1
        self._pending = bytearray()
        self._warned = False
        self.dropped = 0

    def write(self, line: str) -> None:
        """Append a line. Never raises."""
        if self.place is None:
            return
        data = line.encode("utf-8", "replace") + b"\n"
        if len(self._pending) + len(data) > PENDING_BYTES:
            self.dropped += 1
        else:
            self._pending += data
        self._flush(self.place)

    def close(self, summary: Mapping[str, Any]) -> None:
        """Write the record beside the journal, whole or not at all. Never raises."""
        if self.place is None:
            return
        if self._pending:
            self._flush(self.place)
        if self.dropped or self._pending:
            log.warning("the journal %s is not whole: %d lines did not fit", self.place, self.dropped)
        descriptor, self._fd = self._fd, -1
        try:
            _write_record(self.place, summary)
        except OSError as error:
            log.warning("the record of %s cannot be written: %s", self.place, error)
        finally:
            if descriptor >= 0:  # last, for it lets go of the lock: a call is never seen without lock and record
                with suppress(OSError):
                    os.close(descriptor)

    def _flush(self, place: Path) -> None:
        """Write what waits, as much of it as the disk takes."""
        trouble = "the disk is full"
        try:
            if self._fd < 0:
                self._fd = os.open(place / "journal.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                hold(self._fd)
            del self._pending[: os.write(self._fd, self._pending)]
        except OSError as error:
            trouble = error.strerror or str(error)
        if self._pending and not self._warned:
            self._warned = True
            log.warning("the journal %s cannot be written: %s", place, trouble)


def _write_record(place: Path, summary: Mapping[str, Any]) -> None:
    """Whole or not at all. Raises OSError."""
    # Half a surrogate pair has no bytes of its own; its backslash form is its JSON form.
    text = json.dumps(summary, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace")
    part = place / "record.json.part"
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text)
        os.replace(part, place / "record.json")
    except OSError:
        with suppress(OSError):
            part.unlink()  # a full disk keeps no litter
        raise
