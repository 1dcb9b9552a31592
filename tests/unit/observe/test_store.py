"""Call folders: private, a line at a time, and harmless when the disk refuses."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from patter_cli.observe import store
from patter_cli.observe.store import CallJournal, CallStore, default_folder

STARTED = 1_750_000_000.0


@pytest.fixture
def journal(tmp_path: Path) -> CallJournal:
    return CallStore(tmp_path).open("LB1", STARTED)


def lines(journal: CallJournal) -> list[str]:
    assert journal.place is not None
    return (journal.place / "journal.jsonl").read_text().splitlines()


def test_a_line_is_in_the_file_when_write_returns(journal: CallJournal) -> None:
    """Whole, with its newline, and readable by its owner only."""
    journal.write('{"a":"ünï"}')
    assert lines(journal) == ['{"a":"ünï"}']
    journal.write("second")
    assert lines(journal) == ['{"a":"ünï"}', "second"]
    assert journal.place is not None
    assert journal.place.stat().st_mode & 0o777 == 0o700
    assert (journal.place / "journal.jsonl").stat().st_mode & 0o777 == 0o600
    assert journal.place.parts[-3:] == ("calls", "2025-06-15", "LB1")


def test_the_record_comes_with_the_end(journal: CallJournal) -> None:
    """Beside the journal, whole or not at all, private too."""
    journal.write("line")
    journal.close({"outcome": "answered", "text": "ünï"})
    assert journal.place is not None
    record = journal.place / "record.json"
    assert json.loads(record.read_text()) == {"outcome": "answered", "text": "ünï"}
    assert record.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in journal.place.iterdir()) == ["journal.jsonl", "record.json"]


def test_half_a_surrogate_pair_is_written_all_the_same(journal: CallJournal) -> None:
    """What a vendor garbled costs a character, not the line."""
    journal.write("a\ud83db")
    assert lines(journal) == ["a?b"]


class Disk:
    """os.write with a disk behind it that takes so many bytes more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: bytes | bytearray) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        taken = self._write(descriptor, bytes(data[: self.room]))
        self.room -= taken
        return taken


def test_a_full_disk_keeps_lines_in_memory_until_there_is_room(
    journal: CallJournal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In order, none twice, also when a line was cut in the middle; it is said once."""
    disk = Disk(monkeypatch, room=12)
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            journal.write(f"line {number}")
        assert lines(journal) == ["line 0", "line "]
        disk.room = 10_000
        journal.write("line 5")
    assert lines(journal) == [f"line {number}" for number in range(6)]
    assert len(caplog.records) == 1


def test_what_waits_is_written_at_the_end_if_it_can_be(journal: CallJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Space came back after the last line."""
    disk = Disk(monkeypatch, room=0)
    journal.write("line 0")
    disk.room = 10_000
    journal.close({})
    assert lines(journal) == ["line 0"]


def test_memory_is_bounded_too(
    journal: CallJournal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What does not fit is dropped and counted, and the count is told at the end."""
    Disk(monkeypatch, room=0)
    monkeypatch.setattr(store, "PENDING_BYTES", 100)
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            journal.write("123456789")
        journal.close({})
    assert journal.dropped == 10
    assert "10 lines" in caplog.text


def test_a_folder_that_cannot_be_made_or_goes_away_harms_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file where the folder should be; a folder that is deleted during the call."""
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with caplog.at_level(logging.WARNING):
        nowhere = CallStore(in_the_way).open("LB1", STARTED)
        nowhere.write("line")
        nowhere.close({})
        assert len(caplog.records) == 1
        gone = CallStore(tmp_path / "kept").open("LB2", STARTED)
        assert gone.place is not None
        gone.place.rmdir()
        gone.write("line")
        gone.write("line")
        gone.close({})
    assert len(caplog.records) == 4
    assert not gone.place.exists()


def test_nothing_is_kept_where_nothing_shall_be(tmp_path: Path) -> None:
    """A store without a folder."""
    journal = CallStore(None).open("LB1", STARTED)
    journal.write("line")
    journal.close({"a": 1})
    assert journal.place is None


def test_the_folder_is_the_users() -> None:
    """Unless somebody says where."""
    assert default_folder().name == "patter"


def test_half_a_surrogate_pair_costs_no_record(journal: CallJournal) -> None:
    """The record says what was said, as JSON can."""
    journal.close({"text": "a\ud83db"})
    assert journal.place is not None
    assert json.loads((journal.place / "record.json").read_text()) == {"text": "a\ud83db"}


def test_a_record_that_does_not_fit_leaves_the_old_one(journal: CallJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes its name only when it is whole."""
    assert journal.place is not None
    record = journal.place / "record.json"
    record.write_text("{}")

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    journal.close({"outcome": "answered"})
    assert record.read_text() == "{}"
