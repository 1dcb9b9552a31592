"""A call's lines on their way: in order, none twice, and a disk that refuses costs the call nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from patter_cli.observe import journal_writer
from patter_cli.observe.journal_writer import WrittenJournal


class Disk:
    """A file on a disk that takes so many bytes more."""

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.written = b""
        self.record: Mapping[str, Any] | None = None
        self.closed = False

    def append(self, data: bytes) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        taken = data[: self.room]
        self.room -= len(taken)
        self.written += taken
        return len(taken)

    def finish(self, record: Mapping[str, Any]) -> None:
        if not self.room:
            raise OSError(28, "No space left on device")
        self.record = record

    def close(self) -> None:
        self.closed = True

    @property
    def lines(self) -> list[str]:
        return self.written.decode().splitlines()


def test_a_line_is_in_the_file_when_write_returns() -> None:
    """Whole, with its newline; the record comes with the end."""
    disk = Disk()
    journal = WrittenJournal(disk)
    journal.write('{"a":"ünï"}')
    journal.write("half \ud83d")
    assert disk.written == '{"a":"ünï"}\nhalf ?\n'.encode()
    journal.close({"outcome": "answered"})
    assert (disk.record, disk.closed) == ({"outcome": "answered"}, True)


def test_a_full_disk_keeps_lines_in_memory_until_there_is_room(caplog: pytest.LogCaptureFixture) -> None:
    """In order, none twice, also when a line was cut in the middle; it is said once."""
    disk = Disk(room=12)
    journal = WrittenJournal(disk)
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            journal.write(f"line {number}")
        assert disk.lines == ["line 0", "line "]
        disk.room = 10_000
        journal.write("line 5")
    assert disk.lines == [f"line {number}" for number in range(6)]
    assert len(caplog.records) == 1


def test_what_waits_is_written_at_the_end_if_it_can_be() -> None:
    """Space came back after the last line."""
    disk = Disk(room=0)
    journal = WrittenJournal(disk)
    journal.write("line 0")
    disk.room = 10_000
    journal.close({})
    assert (disk.lines, disk.record) == (["line 0"], {})


def test_memory_is_bounded_too(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What does not fit is dropped and counted; what was lost is told at the end, and the call is let go."""
    monkeypatch.setattr(journal_writer, "PENDING_BYTES", 100)
    disk = Disk(room=0)
    journal = WrittenJournal(disk)
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            journal.write("123456789")
        assert journal.dropped == 10
        journal.close({"call_id": "LB1"})
    assert "LB1 is not whole: 20 lines" in caplog.text
    assert "record of call LB1 cannot be written" in caplog.text
    assert disk.closed


def test_nothing_is_kept_where_nothing_shall_be() -> None:
    """A journal without a file."""
    journal = WrittenJournal(None)
    journal.write("line")
    journal.close({"a": 1})
    assert journal.dropped == 0
