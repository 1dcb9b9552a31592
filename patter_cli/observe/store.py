"""Where calls are kept: a folder a call, with its journal and, once it is over, its record."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

PENDING_BYTES = 8 * 1024 * 1024
"""What a call keeps in memory while the disk refuses; older lines are then dropped, and counted."""


def default_folder() -> Path:
    """PATTER_LOG_DIR, or the user's data folder."""
    chosen = os.environ.get("PATTER_LOG_DIR")
    if chosen:
        return Path(chosen)
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
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            log.warning("calls cannot be kept in %s: %s", place, error)
            return CallJournal(None)
        return CallJournal(place)


class CallJournal:
    """One call's journal.jsonl, a line a write, and its record.json at the end.

    A line is with the operating system when `write` returns: it survives the process. A disk that refuses costs the
    call nothing: lines wait in memory, up to PENDING_BYTES, for the next write.
    """

    def __init__(self, place: Path | None) -> None:
        self.place = place
        self._fd = -1
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self.dropped = 0
        if place is not None:
            self._open(place)

    def write(self, line: str) -> None:
        """Append a line. Never raises."""
        if self.place is None:
            return
        data = line.encode("utf-8", "replace") + b"\n"
        if self._pending:
            self._keep(data)
            data = b"".join(self._pending)
        try:
            if self._fd < 0:
                self._open(self.place)
            written = os.write(self._fd, data)
        except OSError as error:
            if not self._pending:
                log.warning("the journal %s cannot be written: %s", self.place, error)
                self._keep(data)
            return
        rest = data[written:]
        self._pending = [rest] if rest else []
        self._pending_bytes = len(rest)

    def close(self, summary: Mapping[str, Any]) -> None:
        """Write the record beside the journal, whole or not at all. Never raises."""
        if self.place is None:
            return
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        try:
            part = self.place / "record.json.part"
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(summary, file, ensure_ascii=False, indent=1)
            os.replace(part, self.place / "record.json")
        except OSError as error:
            log.warning("the record of %s cannot be written: %s", self.place, error)

    def _open(self, place: Path) -> None:
        try:
            self._fd = os.open(place / "journal.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            log.warning("the journal %s cannot be opened: %s", place, error)

    def _keep(self, data: bytes) -> None:
        if self._pending_bytes + len(data) > PENDING_BYTES:
            self.dropped += 1
            return
        self._pending.append(data)
        self._pending_bytes += len(data)
