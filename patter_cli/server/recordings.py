"""Recordings that carriers make: they are ready when their call is over, and belong to its record all the same."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from patter_cli.contracts.store import CallStore
from patter_cli.core.carrier_events import RecordingReady
from patter_cli.core.journal import Entry
from patter_cli.engine.record import recording_facts
from patter_cli.errors import PatterError, reason
from patter_cli.observe.bus import Bus

log = logging.getLogger("patter.server")

RECORD_S: Final = 10.0
"""By then a call that is over has its record, unless the disk takes none."""
LOOK_S: Final = 0.1


class Recordings:
    """One server's: what comes too late for the call's own journal."""

    def __init__(self, store: CallStore, bus: Bus, *, wait_s: float = RECORD_S) -> None:
        """wait_s: how long a call's record is waited for."""
        self._store = store
        self._bus = bus
        self._wait_s = wait_s
        self._tasks: set[asyncio.Task[None]] = set()

    def ready(self, call_id: str, event: RecordingReady) -> None:
        """The recording of a call of ours, by our id, can be fetched."""
        task = asyncio.create_task(self._keep(call_id, event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self, within_s: float) -> None:
        """Wait until all that came is written, or has had its time, but not for longer than this."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=within_s)

    async def _keep(self, call_id: str, event: RecordingReady) -> None:
        try:
            duration_ms = await self._add_in_time(call_id, event)
        except (PatterError, OSError) as error:
            log.error("the recording of call %s is at %s, and its record does not say so: %s", call_id, event.url,
                      reason(error))  # fmt: skip
            duration_ms = 0
        self._bus.publish(call_id, Entry(at=duration_ms, event=event, commands=()))

    async def _add_in_time(self, call_id: str, event: RecordingReady) -> int:
        """`_add`, again until the record is there. It is waited for here: a thread that slept would be one less of
        those that look up names and mark tickets. Raises OSError where it never is."""
        until = time.monotonic() + self._wait_s
        while (duration_ms := await asyncio.to_thread(self._add, call_id, event)) is None:
            if time.monotonic() >= until:
                raise OSError("it has no record")
            await asyncio.sleep(LOOK_S)
        return duration_ms

    def _add(self, call_id: str, event: RecordingReady) -> int | None:
        """Returns how long the call was, in ms; 0 for one that is not kept, None for one that has no record yet."""
        if self._store.get(call_id) is None:
            return 0
        if not self._store.add(call_id, {"recording": recording_facts(event)}):
            return None
        record = self._store.get(call_id)  # it may have been finished just now
        return 0 if record is None else round((record.row.duration_s or 0.0) * 1000)
