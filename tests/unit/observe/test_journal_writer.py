"""The writer's thread: calls never wait, what is shown is on disk, a disk that refuses loses as little as can be."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry, parse_journal
from patter_cli.observe import journal_writer
from patter_cli.observe.bus import Bus
from patter_cli.observe.journal_writer import JournalWriter, Losses
from patter_cli.stores.folder import CallFolders

STARTED = 1_750_000_000.0


def tick(at: int) -> Entry:
    return Entry(at=at, event=fact.Tick(), commands=())


def said(at: int, text: str) -> Entry:
    report = order.ReportTranscript(role="user", text=text, interrupted=False, at_ms=at)
    return Entry(at=at, event=fact.Tick(), commands=(report,))


class Disk:
    """A call's file on a disk that is slow, full or hangs, as it is told to be."""

    def __init__(self) -> None:
        self.data = b""
        self.writes = 0
        self.slow_s = 0.0
        self.room = 1 << 30
        self.released = threading.Event()
        self.released.set()
        self.record: Mapping[str, Any] | None = None
        self.closed = False

    def append(self, data: bytes) -> int:
        self.writes += 1
        self._wait()
        if not self.room:
            raise OSError(28, "No space left on device")
        taken = data[: self.room]
        self.room -= len(taken)
        self.data += taken
        return len(taken)

    def finish(self, record: Mapping[str, Any]) -> None:
        self._wait()
        if not self.room:
            raise OSError(28, "No space left on device")
        self.record = record

    def close(self) -> None:
        self.closed = True

    def _wait(self) -> None:
        time.sleep(self.slow_s)
        self.released.wait(5)

    @property
    def times(self) -> list[int]:
        return [each.at for each in parse_journal(self.data.decode())]


class Shown:
    """An observer that remembers what it was told, and what was on disk then."""

    def __init__(self, disk: Disk) -> None:
        self.times: list[int] = []
        self.on_disk: list[bool] = []
        self._disk = disk

    def __call__(self, call_id: str, entry: Entry) -> None:
        self.times.append(entry.at)
        self.on_disk.append(entry.at in self._disk.times)


def eventually(true: Callable[[], bool], within_s: float = 3.0) -> bool:
    until = time.monotonic() + within_s
    while not true() and time.monotonic() < until:
        time.sleep(0.005)
    return true()


@pytest.fixture
def disk() -> Disk:
    return Disk()


def test_what_is_shown_is_on_disk(disk: Disk) -> None:
    """Every entry is published, in order, and none before its line was written."""
    shown = Shown(disk)
    bus = Bus(shown)
    writer = JournalWriter(bus)
    journal = writer.open("c", disk)
    for at in range(50):
        journal.write(said(at, "Hello.") if at % 10 == 0 else tick(at))
        time.sleep(0.002)
    journal.close({"outcome": "answered"})
    writer.close()
    bus.close(within_s=1)
    assert shown.times == disk.times == list(range(50))
    assert all(shown.on_disk)
    assert disk.record == {"outcome": "answered"}
    assert disk.closed
    assert disk.writes < 25
    assert writer.losses == Losses()


def test_a_transcript_is_written_at_once_and_the_rest_in_batches(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick waits for others; words do not."""
    monkeypatch.setattr(journal_writer, "BATCH_S", 0.5)
    writer = JournalWriter(Bus())
    journal = writer.open("c", disk)
    journal.write(tick(0))
    time.sleep(0.1)
    assert disk.writes == 0
    journal.write(said(1, "Hello."))
    assert eventually(lambda: disk.times == [0, 1], 0.3)
    journal.write(tick(2))
    time.sleep(0.1)
    assert disk.times == [0, 1]
    assert eventually(lambda: disk.times == [0, 1, 2])
    writer.close()


@pytest.mark.parametrize("slow_s", [0.2, 1.0])
def test_a_slow_disk_holds_up_no_call(disk: Disk, slow_s: float) -> None:
    """Writing costs the call nothing, however long the disk takes; it all gets there."""
    disk.slow_s = slow_s
    writer = JournalWriter(Bus())
    journal = writer.open("c", disk)
    worst = 0.0
    for at in range(100):
        began = time.monotonic()
        journal.write(said(at, "Hello."))
        worst = max(worst, time.monotonic() - began)
        time.sleep(0.003)
    assert worst < 0.05
    journal.close({})
    writer.close(within_s=5)
    assert disk.times == list(range(100))
    assert disk.record == {}


class Desk:
    """What the calls of one disk do at the same time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.writing: list[Disk] = []
        self.most = 0
        self.mixed = False


class SharedDisk(Disk):
    """One call's file on a disk that takes its time for each write, and several at once."""

    def __init__(self, desk: Desk, slow_s: float) -> None:
        super().__init__()
        self.desk, self.slow_s = desk, slow_s

    def append(self, data: bytes) -> int:
        with self.desk.lock:
            self.desk.mixed = self.desk.mixed or self in self.desk.writing
            self.desk.writing.append(self)
            self.desk.most = max(self.desk.most, len(self.desk.writing))
        try:
            return super().append(data)
        finally:
            with self.desk.lock:
                self.desk.writing.remove(self)


@pytest.mark.parametrize(("slow_s", "most"), [(0.0, 1), (0.05, journal_writer.THREADS)])
def test_a_disk_that_is_slow_a_write_is_written_to_by_several(slow_s: float, most: int) -> None:
    """Calls do not wait for each other; the lines of one stay in order, in one pair of hands, and all get there."""
    desk = Desk()
    disks = [SharedDisk(desk, slow_s) for _ in range(40)]
    shown: dict[str, list[int]] = {}
    bus = Bus(lambda call_id, entry: shown.setdefault(call_id, []).append(entry.at))
    writer = JournalWriter(bus)
    journals = [writer.open(str(number), disk) for number, disk in enumerate(disks)]
    for at in range(30):
        for journal in journals:
            journal.write(said(at, "Hello.") if at % 5 == 0 else tick(at))
        time.sleep(0.01)
    for journal in journals:
        journal.close({"outcome": "answered"})
    writer.close(within_s=20)
    bus.close(within_s=5)
    assert desk.most == most
    assert not desk.mixed
    assert all(disk.times == list(range(30)) for disk in disks)
    assert all(times == list(range(30)) for times in shown.values())
    assert len(shown) == 40
    assert all(disk.record and disk.closed for disk in disks)
    assert not writer.losses


async def test_settle_waits_for_the_disk_and_not_for_ever(disk: Disk) -> None:
    """It returns when the line is written, at once if it is already, and after its deadline where the disk hangs."""
    loop = asyncio.get_running_loop()
    writer = JournalWriter(Bus())
    journal = writer.open("c", disk)
    journal.write(tick(0))
    await journal.settle(2)
    assert disk.times == [0]
    began = loop.time()
    await journal.settle(2)
    assert loop.time() - began < 0.01
    disk.slow_s = 0.2
    journal.write(tick(1))
    await asyncio.sleep(0.08)  # it is being written
    await journal.settle(2)
    assert disk.times == [0, 1]
    disk.released.clear()
    journal.write(tick(2))
    began = loop.time()
    await journal.settle(0.3)
    assert 0.25 < loop.time() - began < 1
    disk.released.set()
    writer.close()
    assert disk.times == [0, 1, 2]


async def test_a_full_disk_keeps_lines_in_memory_until_there_is_room(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They are shown all the same, nobody waits, it is said once, and said again when it is over."""
    monkeypatch.setattr(journal_writer, "RETRY_S", 0.1)
    shown = Shown(disk)
    bus = Bus(shown)
    writer = JournalWriter(bus)
    journal = writer.open("c", disk)
    other = Disk()
    second = writer.open("d", other)
    disk.room = 50
    other.room = 0
    with caplog.at_level(logging.WARNING):
        for at in range(5):
            journal.write(said(at, "Hello."))
            second.write(tick(100 + at))
            await journal.settle(1)
        assert eventually(lambda: len(shown.times) == 10)
        assert len(disk.data) == 50
        assert [record.message for record in caplog.records] == [
            "journals and records cannot be written: the disk is full; they are kept in memory until they can"
        ]
        disk.room = other.room = 1 << 20
        assert eventually(lambda: disk.times == [0, 1, 2, 3, 4] and other.times == [100, 101, 102, 103, 104])
        assert eventually(lambda: len(caplog.records) == 2)
        assert caplog.records[1].message == "journals and records are written again"
        journal.close({})
        second.close({})
        writer.close()
    assert disk.record == other.record == {}
    assert writer.losses == Losses()
    assert len(caplog.records) == 2


def test_a_call_that_is_over_waits_for_room_too(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record is written when there is room, after its last lines."""
    monkeypatch.setattr(journal_writer, "RETRY_S", 0.05)
    writer = JournalWriter(Bus())
    journal = writer.open("c", disk)
    disk.room = 0
    journal.write(tick(0))
    journal.close({"a": 1})
    time.sleep(0.2)
    assert disk.record is None
    disk.room = 1000
    assert eventually(lambda: disk.record == {"a": 1})
    assert disk.times == [0]
    assert disk.closed
    writer.close()
    assert not writer.losses


def test_what_is_lost_at_the_end_is_counted_and_said(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    """Lines and records, one sentence."""
    writer = JournalWriter(Bus())
    other = Disk()
    journal, second = writer.open("c", disk), writer.open("d", other)
    disk.room = 0
    for at in range(7):
        journal.write(tick(at))
        second.write(tick(at))
    journal.close({})
    second.close({})
    with caplog.at_level(logging.WARNING):
        writer.close()
        writer.close()
    assert writer.losses == Losses(calls=1, lines=7, records=1)
    assert other.times == list(range(7))
    assert disk.closed
    assert other.closed
    assert caplog.records[-1].message == ("1 calls were not kept whole: 7 lines of journals and 1 records were lost")


def test_a_disk_that_hangs_does_not_keep_the_process(disk: Disk) -> None:
    """Closing has a deadline; what the disk has in its hands is counted as lost as well, of every call."""
    disk.released.clear()
    writer = JournalWriter(Bus())
    other = Disk()
    journal, second = writer.open("c", disk), writer.open("d", other)
    journal.write(said(0, "Hello."))
    time.sleep(0.1)
    for at in range(3):
        second.write(tick(at))
    journal.close({})
    began = time.monotonic()
    writer.close(within_s=0.2)
    assert time.monotonic() - began < 1
    assert writer.losses == Losses(calls=2, lines=4, records=1)
    disk.released.set()


def test_memory_is_bounded(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is dropped and counted, of a call that goes on and of many that are over."""
    monkeypatch.setattr(journal_writer, "PENDING_BYTES", 1000)
    monkeypatch.setattr(journal_writer, "RETRY_S", 0.05)
    writer = JournalWriter(Bus())
    journal = writer.open("c", disk)
    disk.room = 0
    for at in range(100):
        journal.write(said(at, "x" * 20))
    disk.room = 1 << 20
    assert eventually(lambda: len(disk.times) == 6)
    journal.close({})
    assert eventually(lambda: writer.losses == Losses(calls=1, lines=94))
    monkeypatch.setattr(journal_writer, "ENDED_BYTES", 5 * journal_writer.RECORD_BYTES)
    ended = [Disk() for _ in range(8)]
    for number, each in enumerate(ended):
        each.room = 0
        writer.open(str(number), each).close({})
        assert eventually(lambda each=each: each in {call.file for call in writer._stuck})
    assert [each.closed for each in ended] == [True, True, True, False, False, False, False, False]
    assert writer.losses.records == 3
    writer.close()
    assert writer.losses.records == 8


def test_a_call_of_a_store_is_whole_in_its_folder(tmp_path: Path) -> None:
    """Journal and record, as a reader expects them."""
    writer = JournalWriter(Bus())
    folder = CallFolders(tmp_path).begin("LB1", STARTED)
    journal = writer.open("LB1", folder)
    journal.write(said(0, "Hello."))
    journal.close({"outcome": "answered"})
    writer.close()
    assert [each.at for each in parse_journal((folder.place / "journal.jsonl").read_text())] == [0]
    assert json.loads((folder.place / "record.json").read_text()) == {"outcome": "answered"}


async def test_nothing_is_kept_where_nothing_shall_be() -> None:
    """The bus is told at once, and there is nothing to wait for."""
    told: list[int] = []
    bus = Bus(lambda call_id, entry: told.append(entry.at))
    writer = JournalWriter(bus)
    journal = writer.open("c", None)
    journal.write(tick(3))
    await journal.settle(5)
    journal.close({})
    writer.close()
    bus.close(within_s=1)
    assert told == [3]
