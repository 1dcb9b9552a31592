"""A call's lines on their way to its file. A disk that refuses costs the call nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from patter_cli.contracts.store import CallFile

log = logging.getLogger(__name__)

PENDING_BYTES = 8 * 1024 * 1024
"""What a call keeps in memory while the disk refuses; later lines are then dropped, and counted."""


class WrittenJournal:
    """One call's journal, a line a write. Lines that the disk refuses wait in memory for the next."""

    def __init__(self, file: CallFile | None) -> None:
        """file None: nothing is kept."""
        self._file = file
        self._pending = bytearray()
        self._warned = False
        self.dropped = 0

    def write(self, line: str) -> None:
        """Append a line. Never raises."""
        if self._file is None:
            return
        data = line.encode("utf-8", "replace") + b"\n"
        if len(self._pending) + len(data) > PENDING_BYTES:
            self.dropped += 1
        else:
            self._pending += data
        self._flush(self._file)

    def close(self, summary: Mapping[str, Any]) -> None:
        """The call is over; the summary is its record. Never raises."""
        if self._file is None:
            return
        if self._pending:
            self._flush(self._file)
        lost = self.dropped + self._pending.count(b"\n")
        if lost:
            log.warning("the journal of call %s is not whole: %d lines were lost", summary.get("call_id"), lost)
        try:
            self._file.finish(summary)
        except OSError as error:
            log.warning("the record of call %s cannot be written: %s", summary.get("call_id"), error)
        self._file.close()

    def _flush(self, file: CallFile) -> None:
        """Write what waits, as much of it as the disk takes."""
        try:
            while self._pending:
                del self._pending[: file.append(bytes(self._pending))]
        except OSError as error:
            if not self._warned:
                self._warned = True
                log.warning("the journal of a call cannot be written: %s", error.strerror or error)
