"""A live call's files: its journal, held by a lock as long as the call lasts, and at its end its record."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from patter_cli.text.redact import Redaction
from patter_cli.text.redacted import redacted_line, redacted_record

log = logging.getLogger(__name__)

JOURNAL, RECORD, SOUND = "journal.jsonl", "record.json", "call.wav"


class FolderFile:
    """One call's journal.jsonl and, once it is over, its record.json; readable by their owner only.

    What `append` took is with the operating system: it survives the process.
    """

    def __init__(
        self, place: Path, *, redaction: Redaction = Redaction.OFF, on_change: Callable[[], None] = lambda: None
    ) -> None:
        """place: the call's own folder, made with its first line. on_change: told of the first line and of the record;
        must be quick.
        """
        self.place = place
        self._redaction = redaction
        self._on_change = on_change
        self._fd = -1
        self._rest = b""
        """The end of redacted lines, where the disk took only their beginning."""
        self._size = self._whole = 0
        """Of the journal, in bytes: all, and up to the end of its last whole line."""

    @property
    def sound(self) -> Path:
        """Where the call's sound is written, by whoever does that."""
        return self.place / SOUND

    def append(self, data: bytes) -> int:
        """Write to the end of the journal. Returns how many bytes were taken. Raises OSError."""
        if self._fd < 0:
            self._open()
        if self._redaction is Redaction.OFF:
            return self._write(data)
        self._write_rest()
        struck = b"\n".join(redacted_line(line, self._redaction) for line in data.split(b"\n"))
        self._rest = struck[self._write(struck) :]
        return len(data)

    def finish(self, record: Mapping[str, Any]) -> None:
        """Write the record beside the journal, whole or not at all. Raises OSError; it may then be tried again."""
        if self._fd < 0:  # otherwise it was made, and if it is gone then so is the journal: that is to be said
            _make(self.place)
        write_record(self.place, redacted_record(record, self._redaction))
        self._on_change()
        self._write_rest()

    def close(self) -> None:
        """Let go of the call; half a line is cut off, and where nothing could be kept nothing stays. Never raises."""
        descriptor, self._fd = self._fd, -1
        if descriptor < 0:
            return
        with suppress(OSError):
            if self._whole < self._size:
                os.ftruncate(descriptor, self._whole)
        with suppress(OSError):
            if not self._whole and not (self.place / RECORD).exists():
                (self.place / JOURNAL).unlink()
                self.place.rmdir()
        with suppress(OSError):  # last, for it lets go of the lock: a call is never seen without lock and record
            os.close(descriptor)

    def _open(self) -> None:
        _make(self.place)
        self._fd = os.open(self.place / JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        _hold(self._fd)

    def _write(self, data: bytes) -> int:
        taken = os.write(self._fd, data)
        begun = self._whole > 0
        if (line_end := data.rfind(b"\n", 0, taken)) >= 0:
            self._whole = self._size + line_end + 1
        self._size += taken
        if not begun and self._whole:
            self._on_change()
        return taken

    def _write_rest(self) -> None:
        while self._rest:
            self._rest = self._rest[self._write(self._rest) :]


def _make(place: Path) -> None:
    """The call's folder, and those it is in up to the one for everything. Raises OSError."""
    for folder in (*reversed(place.parents[:3]), place):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_record(place: Path, summary: Mapping[str, Any]) -> None:
    """Whole or not at all. Raises OSError."""
    # Half a surrogate pair has no bytes of its own; its backslash form is its JSON form.
    write_whole(place / RECORD, json.dumps(summary, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace"))


def write_whole(path: Path, data: bytes) -> None:
    """A file for our eyes only, whole or not at all. Raises OSError."""
    part = path.with_name(f"{path.name}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        os.replace(part, path)
    except OSError:
        with suppress(OSError):
            part.unlink()  # a full disk keeps no litter
        raise


def _hold(descriptor: int) -> None:
    """Lock a live call's journal for as long as this file is open. Never raises.

    The operating system takes the lock back when the process dies, however it dies.
    """
    try:
        import fcntl
    except ImportError:  # Windows: nothing is ever taken for abandoned there
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        log.debug("a journal cannot be locked: %s", error)


@contextmanager
def taken(place: Path) -> Iterator[BinaryIO | None]:
    """A call folder's journal, locked and open to be read; None while its call lasts, or if there is none."""
    try:
        import fcntl

        file = (place / JOURNAL).open("rb")
    except (ImportError, OSError):
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
        else:
            yield file
