"""A carrier's recording finds the record of its call, which may not be written yet, or never be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from patter_cli.core.carrier_events import RecordingReady
from patter_cli.core.journal import Entry
from patter_cli.observe.bus import Bus
from patter_cli.server.recordings import Recordings
from patter_cli.stores.nothing import NoStore
from patter_cli.stores.sqlite import SqliteStore

READY = RecordingReady(recording_id="RE1", url="https://x.example/RE1.wav", duration_ms=3000)
KEPT = {"recording_id": "RE1", "url": "https://x.example/RE1.wav", "duration_ms": 3000}


async def test_a_record_that_is_written_late_has_its_recording(tmp_path: Path) -> None:
    """The carrier may be quicker than our disk; what the record says otherwise stays as it is."""
    store, told = SqliteStore(tmp_path), list[Entry]()
    bus = Bus(lambda call_id, entry: told.append(entry))
    file = store.begin("C1", 1_700_000_000.0)
    file.append(b"{}\n")
    recordings = Recordings(store, bus)
    recordings.ready("C1", READY)
    await asyncio.sleep(0.2)
    file.finish({"call_id": "C1", "outcome": "answered", "duration": 7.5, "recording": None})
    file.close()
    await recordings.settle(20.0)
    record = store.get("C1")
    assert record is not None
    assert (record.facts["recording"], record.facts["outcome"]) == (KEPT, "answered")
    bus.close(1.0)
    assert told == [Entry(at=7500, event=READY, commands=())]


async def test_a_call_that_never_gets_its_record_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The address is in the log then, and whoever looks on is told all the same."""
    store, told = SqliteStore(tmp_path), list[Entry]()
    bus = Bus(lambda call_id, entry: told.append(entry))
    file = store.begin("C1", 1_700_000_000.0)
    file.append(b"{}\n")
    recordings = Recordings(store, bus, wait_s=0.1)
    recordings.ready("C1", READY)
    await recordings.settle(20.0)
    file.close()
    bus.close(1.0)
    assert "https://x.example/RE1.wav" in caplog.text
    assert [each.event for each in told] == [READY]


async def test_where_nothing_is_kept_it_is_told(tmp_path: Path) -> None:
    """No store, or a call that was deleted: the bus is told, and nothing is waited for."""
    for store in (NoStore(), SqliteStore(tmp_path)):
        told = list[Entry]()
        bus = Bus(lambda call_id, entry, told=told: told.append(entry))
        recordings = Recordings(store, bus)
        recordings.ready("C1", READY)
        await asyncio.wait_for(recordings.settle(20.0), 2.0)
        bus.close(1.0)
        assert [each.event for each in told] == [READY]


async def test_those_who_wait_hold_no_thread(tmp_path: Path) -> None:
    """A hundred recordings of calls whose record is late: whoever looks up a name meanwhile has a thread at once."""
    store, bus = SqliteStore(tmp_path), Bus()
    files = [store.begin(f"C{number}", 1_700_000_000.0) for number in range(100)]
    for each in files:
        each.append(b"{}\n")
    recordings = Recordings(store, bus, wait_s=2.0)
    for number in range(100):
        recordings.ready(f"C{number}", READY)
    await asyncio.sleep(0.3)
    await asyncio.wait_for(asyncio.to_thread(str), 1.0)
    for each in files:
        each.close()
    await recordings.settle(0.0)
    bus.close(1.0)
