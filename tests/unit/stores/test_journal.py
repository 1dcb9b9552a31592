"""A live call's files: private, whole lines, a record or none, and no litter."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from patter_cli.stores.folder import CallFolders
from patter_cli.stores.journal import FolderFile
from patter_cli.text.redact import Redaction

STARTED = 1_750_000_000.0


@pytest.fixture
def file(tmp_path: Path) -> FolderFile:
    return CallFolders(tmp_path / "kept").begin("LB1", STARTED)


def lines(file: FolderFile) -> list[str]:
    return (file.place / "journal.jsonl").read_text().splitlines()


class Disk:
    """os.write with a disk behind it that takes so many bytes more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        taken = self._write(descriptor, data[: self.room])
        self.room -= taken
        return taken


def test_what_was_appended_is_in_the_file(file: FolderFile) -> None:
    """Below its day, readable by its owner only, as is every folder on the way; before, there is nothing."""
    assert not file.place.parents[2].exists()
    assert file.append('{"a":"ünï"}\n'.encode()) == 14
    assert lines(file) == ['{"a":"ünï"}']
    file.append(b"second\nthird\n")
    assert lines(file) == ['{"a":"ünï"}', "second", "third"]
    assert file.place.parts[-4:] == ("kept", "calls", "2025-06-15", "LB1")
    assert [each.stat().st_mode & 0o777 for each in (file.place, *file.place.parents[:3])] == [0o700] * 4
    assert (file.place / "journal.jsonl").stat().st_mode & 0o777 == 0o600


def test_the_record_comes_with_the_end(file: FolderFile) -> None:
    """Beside the journal, whole or not at all, private too."""
    file.append(b"line\n")
    file.finish({"outcome": "answered", "text": "ünï"})
    file.close()
    record = file.place / "record.json"
    assert json.loads(record.read_text()) == {"outcome": "answered", "text": "ünï"}
    assert record.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in file.place.iterdir()) == ["journal.jsonl", "record.json"]


def test_half_a_surrogate_pair_costs_no_record(file: FolderFile) -> None:
    """The record says what was said, as JSON can."""
    file.finish({"text": "a\ud83db"})
    assert json.loads((file.place / "record.json").read_text()) == {"text": "a\ud83db"}


def test_a_record_that_does_not_fit_leaves_the_old_one(file: FolderFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes its name only when it is whole; there is no litter, and it may be tried again."""
    file.finish({})
    record = file.place / "record.json"

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            file.finish({"outcome": "answered"})
    assert record.read_text() == "{}"
    assert [each.name for each in file.place.iterdir()] == ["record.json"]
    file.finish({"outcome": "answered"})
    assert json.loads(record.read_text()) == {"outcome": "answered"}


def test_a_full_disk_takes_what_it_can_and_says_so(file: FolderFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is appended later goes on where it stopped; half a line at the end is cut off."""
    disk = Disk(monkeypatch, room=9)
    assert file.append(b"line 0\nline 1\n") == 9
    with pytest.raises(OSError, match="No space"):
        file.append(b"ne 1\n")
    disk.room = 10
    assert file.append(b"ne 1\nline 2\n") == 10
    assert lines(file) == ["line 0", "line 1", "line "]
    file.close()
    assert lines(file) == ["line 0", "line 1"]


def test_a_full_disk_tears_no_line_that_is_struck_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redacted line is as long as it is; it is taken once, written in pieces, and ends before the next begins."""
    file = CallFolders(tmp_path, redaction=Redaction.DIGITS).begin("LB1", STARTED)
    disk = Disk(monkeypatch, room=0)
    with pytest.raises(OSError, match="No space"):
        file.append(b"pin 4711\n")
    disk.room = 12
    assert file.append(b"pin 4711\npin 4712\n") == 18
    with pytest.raises(OSError, match="No space"):
        file.append(b"pin 4713\n")
    disk.room = 6
    with pytest.raises(OSError, match="No space"):
        file.append(b"pin 4713\n")
    disk.room = 1000
    assert file.append(b"pin 4713\n") == 9
    file.finish({"text": "pin 4711"})
    file.close()
    assert lines(file) == ["pin ****"] * 3
    assert json.loads((file.place / "record.json").read_text()) == {"text": "pin ****"}


def test_the_end_writes_what_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the record, which says more; until it can, it is said that it cannot."""
    file = CallFolders(tmp_path, redaction=Redaction.DIGITS).begin("LB1", STARTED)
    disk = Disk(monkeypatch, room=12)
    file.append(b"pin 4711\npin 4712\n")
    with pytest.raises(OSError, match="No space"):
        file.finish({"outcome": "answered"})
    assert (file.place / "record.json").exists()
    disk.room = 1000
    file.finish({"outcome": "answered"})
    assert lines(file) == ["pin ****"] * 2


def test_where_nothing_could_be_kept_nothing_stays(file: FolderFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an empty journal nor its folder."""
    Disk(monkeypatch, room=3)
    assert file.append(b"line 0\n") == 3
    file.close()
    assert not file.place.exists()
    file.close()  # twice is fine


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file where it should be; and it may be made later."""
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    nowhere = CallFolders(in_the_way).begin("LB1", STARTED)
    for attempt in (lambda: nowhere.append(b"line\n"), lambda: nowhere.finish({})):
        with pytest.raises(OSError, match="file"):
            attempt()
    in_the_way.unlink()
    assert nowhere.append(b"line\n") == 5


def test_a_folder_that_goes_away_is_said(file: FolderFile) -> None:
    """Somebody deletes it during the call; it does not come back as half a call."""
    file.append(b"line\n")
    shutil.rmtree(file.place)
    file.append(b"line\n")
    with pytest.raises(FileNotFoundError):
        file.finish({"outcome": "answered"})
    file.close()
    assert not file.place.exists()
