"""The threads of a process that write journals and records, so that no call ever waits for a disk.

Theory of operation. A call hands over rendered lines and goes on. A thread collects them for BATCH_S and writes each
call's with one system call; a line that will be shown (a transcript), that acts (a tool) or that begins a call is
written at once, with all before it. Only what is written is published on the bus: what anybody was shown survives
`kill -9`, and who needs to know it of a call awaits `settle`.

    call --write--> due --gathered--> round --held by one thread--> file --> bus, settle
                     ^                                               |
                     +------------------- stuck <--------------------+ full, read-only, gone: tried every RETRY_S

One thread does all of it while the disk is quick. Where a write takes longer than SLOW_S, others take calls of the same
round, up to THREADS, so that a disk which is slow a write but takes many at once is not waited for call by call. A call
is in the hands of one thread at a time, which keeps its lines in order.

A slow disk makes the journal late, nothing else. One that refuses makes its calls stuck: their lines stay in memory, up
to PENDING_BYTES a call, what is more is counted, and their entries are published all the same, for nobody can tell when
there will be room again. Calls that are over wait too, up to ENDED_BYTES altogether.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from patter_cli.contracts.store import CallFile
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry, render_entry
from patter_cli.errors import reason
from patter_cli.observe.bus import Bus

log = logging.getLogger(__name__)

BATCH_S = 0.03
"""How long lines wait for others: unseen by anybody, and at 250 calls a tenth of the system calls."""
PENDING_BYTES = 8 * 1024 * 1024
"""What a call keeps in memory while the disk takes nothing; later lines are dropped, and counted."""
ENDED_BYTES = 64 * 1024 * 1024
"""The same for all calls that are over together; the oldest makes room."""
RECORD_BYTES = 16 * 1024
"""What a record that waits is counted as."""
UNTOLD = 4096
"""Entries a call may have waiting for a disk that hangs before they may be shown; more are not published."""
RETRY_S = 1.0
SLOW_S = 0.02
"""A write that takes longer calls for another thread: network disks, and those of small rented machines."""
THREADS = 8
CLOSE_S = 3.0
"""What the end of the process leaves a disk for the rest."""

_AT_ONCE = (order.ReportTranscript, order.RunTool, order.FinishCall)


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What of a process's calls is on no disk."""

    calls: int = 0
    lines: int = 0
    records: int = 0

    def __bool__(self) -> bool:
        return self.calls > 0


@dataclass(eq=False, slots=True)
class _Call:
    """What the two sides of a call share, under the writer's lock."""

    call_id: str
    file: CallFile
    waiting: bytearray = field(default_factory=bytearray)
    """Lines to write."""
    in_hand: bytes = b""
    """Those that a thread is writing just now."""
    untold: list[Entry] = field(default_factory=list)
    """Entries to publish once their lines are written."""
    settling: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = field(default_factory=list)
    over: bool = False
    record: Mapping[str, Any] | None = None
    """What is still to be written of a call that is over."""
    dropped: int = 0
    """Lines that memory had no room for."""
    stuck: bool = False
    """The disk refused it; it is tried again."""
    queued: bool = False
    """It waits for a thread."""
    held: bool = False
    """A thread has it in hand."""
    again: bool = False
    """Something came meanwhile."""
    gone: bool = False
    """Written or given up, its file is closed."""


class JournalWriter:
    """Opens calls' journals; publishes their entries. `close` at the end of the process."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        """Something is due; the thread that gathers waits for it."""
        self._more = threading.Condition(lock)
        """One thread cannot do it alone; the spare ones wait for that."""
        self._open: set[_Call] = set()
        self._due: list[_Call] = []
        """Calls with something new, in the order it came."""
        self._round: deque[_Call] = deque()
        """What was gathered and nobody holds yet."""
        self._gathering = False
        self._spare = 0
        """Threads that wait for work of a slow disk."""
        self._slow = False
        """The last write took long."""
        self._hurry = False
        """Something is to be written at once."""
        self._idle = False
        """The gathering thread waits for the first line of a batch."""
        self._closing = self._last_try = False
        self._threads: list[threading.Thread] = []
        self._stuck: dict[_Call, None] = {}
        self._retry_at = 0.0
        self._losses = Losses()

    def open(self, call_id: str, file: CallFile | None) -> WrittenJournal:
        """Begin a call's journal. file None: nothing is kept, the bus is told at once."""
        return WrittenJournal(self, call_id, None if file is None else _Call(call_id, file))

    @property
    def losses(self) -> Losses:
        """What is lost for good; of calls that are open, once the writer is closed."""
        return self._losses

    def close(self, within_s: float = CLOSE_S) -> None:
        """Write what waits, as far as the disk takes it in this time, and say what was lost. Twice is fine."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify()
            self._more.notify_all()
        atexit.unregister(self.close)
        until = time.monotonic() + within_s
        for thread in self._threads:  # which may grow meanwhile
            thread.join(max(0.0, until - time.monotonic()))
        hangs = any(thread.is_alive() for thread in self._threads)
        with self._changed:
            left, self._open = self._open, set()
            for call in left:
                self._count(call)
        for call in () if hangs else left:
            call.file.close()
        if self._losses:
            log.warning(
                "%d calls were not kept whole: %d lines of journals and %d records were lost",
                self._losses.calls,
                self._losses.lines,
                self._losses.records,
            )

    # --- a call's side, on its loop ---------------------------------------------------------------------------

    def publish(self, call_id: str, entry: Entry) -> None:
        """Tell the bus of a call that is not kept."""
        self._bus.publish(call_id, entry)

    def write(self, call: _Call, entry: Entry) -> None:
        """Have an entry written."""
        line = render_entry(entry.at, entry.event, entry.commands).encode("utf-8", "replace") + b"\n"
        at_once = isinstance(entry.event, fact.CallConnected) or any(isinstance(c, _AT_ONCE) for c in entry.commands)
        with self._changed:
            if len(call.waiting) + len(call.in_hand) + len(line) > PENDING_BYTES or self._closing:
                call.dropped += 1
            else:
                call.waiting += line
            if len(call.untold) < UNTOLD:
                call.untold.append(entry)
            self._notice(call, at_once=at_once)

    def finish(self, call: _Call, record: Mapping[str, Any]) -> None:
        """Have the record written, behind the last line."""
        with self._changed:
            call.over, call.record = True, record
            self._notice(call, at_once=True)

    async def settle(self, call: _Call, within_s: float) -> None:
        """Wait until the call's lines so far are written, or for so long; not for a disk that refuses."""
        with self._changed:
            if self._closing or call.stuck or not (call.waiting or call.in_hand):
                return
            loop = asyncio.get_running_loop()
            written: asyncio.Future[None] = loop.create_future()
            call.settling.append((loop, written))
            self._notice(call, at_once=True)
        await asyncio.wait({written}, timeout=within_s)

    def _notice(self, call: _Call, *, at_once: bool) -> None:
        """The call has something to write. The lock is held."""
        if call.held:
            call.again = True
        elif not call.queued:
            call.queued = True
            self._due.append(call)
        if self._idle or (at_once and not self._hurry):
            self._changed.notify()
        self._hurry = self._hurry or at_once
        self._idle = False
        if self._closing:
            return
        self._open.add(call)
        if not self._threads:
            self._start()
            atexit.register(self.close)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, daemon=True, name=f"patter-journal-{len(self._threads)}")
        self._threads.append(thread)
        thread.start()

    # --- the threads ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (call := self._take()) is not None:
            began = time.monotonic()
            self._work(call)
            self._slow = time.monotonic() - began > SLOW_S

    def _take(self) -> _Call | None:
        """Wait for a call that has something to write, and hold it. None: the writer is closed."""
        with self._changed:
            while not self._round:
                if self._gathering:
                    self._spare += 1
                    self._more.wait()
                    self._spare -= 1
                    continue
                self._gathering = True
                self._gather()
                self._gathering = False
                if self._closing and not self._round:
                    self._more.notify_all()
                    return None
            call = self._round.popleft()
            call.queued, call.held = False, True
            if self._slow and self._spare:
                self._more.notify()
            elif self._slow and self._round and len(self._threads) < THREADS:
                self._start()
            return call

    def _gather(self) -> None:
        """Wait for a round of calls, and some time for others to join it. The lock is held."""
        while not self._due and not self._closing:
            wait_s = self._retry_at - time.monotonic() if self._stuck else None
            if wait_s is not None and wait_s <= 0:
                break
            self._idle = True
            self._changed.wait(wait_s)
            self._idle = False
        if not self._hurry and not self._closing:
            self._changed.wait(BATCH_S)
        self._hurry = False
        self._round.extend(self._due)
        self._due.clear()
        again = self._closing and not self._last_try
        self._last_try = self._closing
        if again or (self._stuck and time.monotonic() >= self._retry_at):
            self._retry_at = time.monotonic() + RETRY_S
            for call in self._stuck:
                call.stuck = False  # tried as if it had never been refused
                if call.held:
                    call.again = True
                elif not call.queued:
                    call.queued = True
                    self._round.append(call)

    def _work(self, call: _Call) -> None:
        """Write what the held call has, tell whoever waited for it, and let go of it."""
        with self._changed:
            data = call.in_hand = bytes(call.waiting)
            call.waiting.clear()
            untold, call.untold = call.untold, []
            settling, call.settling = call.settling, []
            over, record, tries = call.over, call.record, not (call.stuck or call.gone)
        written, trouble = _append(call.file, data) if tries else (0, None)
        if tries and record is not None:
            # Also if its journal is not whole: of the two it says more.
            refused = _finish(call.file, record)
            record, trouble = (record, refused) if refused else (None, trouble)
        with self._changed:
            call.waiting[:0] = data[written:]
            call.in_hand = b""
            if over:
                call.record = record
            if trouble is not None:
                self._suspend(call, trouble)
            elif tries:
                self._resume(call)
                if over:
                    self._let_go(call)
        for entry in untold:
            self._bus.publish(call.call_id, entry)
        for loop, future in settling:
            _resolve(loop, future)
        with self._changed:
            call.held = False
            if call.again:
                call.again, call.queued = False, True
                self._due.append(call)
                self._hurry = True
                self._changed.notify()

    def _suspend(self, call: _Call, trouble: OSError) -> None:
        """The disk refuses this call; it is said for the first of them. The lock is held."""
        if not self._stuck:
            self._retry_at = time.monotonic() + RETRY_S
            why = reason(trouble)
            log.warning("journals and records cannot be written: %s; they are kept in memory until they can", why)
        call.stuck = True
        self._stuck[call] = None
        ended = [each for each in self._stuck if each.over and (each is call or not each.held)]
        size = sum(_size(each) for each in ended)
        for oldest in ended:
            if size <= ENDED_BYTES:
                break
            size -= _size(oldest)
            del self._stuck[oldest]
            self._let_go(oldest)

    def _resume(self, call: _Call) -> None:
        """The disk took what this call had; it is said for the last of them. The lock is held."""
        if call in self._stuck:
            del self._stuck[call]
            if not self._stuck:
                log.warning("journals and records are written again")

    def _let_go(self, call: _Call) -> None:
        """The call is over, and written or given up. The lock is held."""
        if call not in self._open:
            return  # the process is at its end and has counted it already
        self._open.discard(call)
        self._count(call)
        call.gone = True
        call.file.close()

    def _count(self, call: _Call) -> None:
        """Add what is not written of a call to the losses. The lock is held."""
        lines = call.waiting.count(b"\n") + call.in_hand.count(b"\n") + call.dropped
        records = int(call.record is not None)
        if lines or records:
            before = self._losses
            self._losses = Losses(calls=before.calls + 1, lines=before.lines + lines, records=before.records + records)


class WrittenJournal:
    """One call's journal, for the call: nothing here blocks or raises."""

    def __init__(self, writer: JournalWriter, call_id: str, call: _Call | None) -> None:
        self._writer = writer
        self._call_id = call_id
        self._call = call

    def write(self, entry: Entry) -> None:
        """Have an entry written, then published."""
        if self._call is None:
            self._writer.publish(self._call_id, entry)
        else:
            self._writer.write(self._call, entry)

    async def settle(self, within_s: float) -> None:
        """Wait until what was written so far survives the process, for so long at most."""
        if self._call is not None:
            await self._writer.settle(self._call, within_s)

    def close(self, record: Mapping[str, Any]) -> None:
        """The call is over."""
        if self._call is not None:
            self._writer.finish(self._call, record)


def _append(file: CallFile, data: bytes) -> tuple[int, OSError | None]:
    """How much was written, and why not all."""
    written = 0
    try:
        while written < len(data):
            written += file.append(data[written:])
    except OSError as error:
        return written, error
    return written, None


def _finish(file: CallFile, record: Mapping[str, Any]) -> OSError | None:
    try:
        file.finish(record)
    except OSError as error:
        return error
    return None


def _size(call: _Call) -> int:
    return len(call.waiting) + RECORD_BYTES


def _resolve(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    def resolve() -> None:
        if not future.done():
            future.set_result(None)

    try:
        loop.call_soon_threadsafe(resolve)
    except RuntimeError:
        pass  # the loop is closed: nobody waits any more
