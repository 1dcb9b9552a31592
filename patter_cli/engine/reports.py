"""What the author's callbacks are told of a call: one after the other, beside the call, and still after its end.

A call does not wait for them: its socket is closed while on_call_end still writes to somebody's database. Each has its
own deadline, all of a call together have LAST_S after its end, and a server that stops waits for them a little.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from patter_cli.call_event import CallEvent
from patter_cli.engine.hooks import Hook, notify

log = logging.getLogger(__name__)

WAITING = 256
"""Reports that may wait for their turn; a call whose callbacks are slower loses the oldest, with a line in the log."""
LAST_S = 20.0
"""What callbacks get in all once their call is over."""

_delivering: set[asyncio.Task[None]] = set()


class Reports:
    """One call's reports."""

    def __init__(self, call_id: str, settled: Callable[[], Awaitable[None]] | None = None) -> None:
        """settled: returns once all that happened so far is on disk, which is when it may be told."""
        self._call_id = call_id
        self._settled = settled
        self._waiting: list[tuple[Hook, CallEvent]] = []
        self._task: asyncio.Task[None] | None = None

    def tell(self, hook: Hook, event: CallEvent) -> None:
        """Have this callback told, after those before it."""
        if len(self._waiting) >= WAITING:
            del self._waiting[0]
            log.error("callbacks of call %s are too slow; one was dropped", self._call_id)
        self._waiting.append((hook, event))
        if self._task is None:
            self._task = asyncio.create_task(self._deliver())
            _delivering.add(self._task)
            self._task.add_done_callback(_delivering.discard)

    async def finish(self, within_s: float) -> None:
        """The call is over: wait for a moment; what is not done by then goes on by itself, up to LAST_S."""
        task = self._task
        if task is None:
            return
        end = asyncio.get_running_loop().call_later(LAST_S, task.cancel)
        task.add_done_callback(lambda _: end.cancel())
        await asyncio.wait({task}, timeout=within_s)

    async def _deliver(self) -> None:
        while self._waiting:
            hook, event = self._waiting.pop(0)
            if self._settled is not None:
                await self._settled()
            await notify(hook, event)
        self._task = None


async def settle_reports(within_s: float) -> None:
    """Wait until the callbacks of calls that are over have been told, but not for longer than this."""
    if _delivering:
        _, late = await asyncio.wait(set(_delivering), timeout=within_s)
        if late:
            log.error("callbacks of %d calls were still running", len(late))
