"""An event loop whose clock jumps: when nothing is left to do now, it is at once the time of the next timer.

Time is counted in whole milliseconds. While something real is under way, a thread of asyncio's or a socket, the clock
runs no faster than the world's; nothing else is waited for, so that a call of an hour takes as long as its work takes.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

_HAIR_S: Final = 1e-7
"""What the clock is past each millisecond, so that no rounding makes it the one before."""
FROZEN_S: Final = 30.0
"""So long, in the world's time, the clock stands still for threads; then it runs as the world's does."""


class _Selector(selectors.DefaultSelector):
    """Waits for nothing but what is real."""

    def __init__(self) -> None:
        super().__init__()
        self.loop: VirtualLoop | None = None

    def select(self, timeout: float | None = None) -> Any:
        loop = self.loop
        if loop is None:
            return super().select(timeout)
        if timeout is not None and timeout <= 0:
            return super().select(0) if loop.something_real else []
        return loop.rest(timeout, super().select)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Counts its own time, from 0 on."""

    def __init__(self) -> None:
        self._now_ms = 0
        self._in_threads = 0
        self._thread = threading.get_ident()
        self._waiting = _Selector()
        super().__init__(self._waiting)
        self._waiting.loop = self
        self._own_files = len(self._waiting.get_map())

    def time(self) -> float:
        return self._now_ms / 1000 + _HAIR_S if self._now_ms else 0.0

    @property
    def now_ms(self) -> int:
        """Since the loop was made."""
        return self._now_ms

    @property
    def something_real(self) -> bool:
        """A thread or a socket is at work that has a time of its own."""
        return self._in_threads > 0 or len(self._waiting.get_map()) > self._own_files

    def rest(self, timeout: float | None, select: Callable[[float | None], Any]) -> Any:
        """Nothing is to be done for `timeout` seconds; None: not until something real happens."""
        if not self.something_real:
            if timeout is None:
                raise RuntimeError("nothing will ever happen on this virtual loop")
            self._now_ms = max(self._now_ms + 1, math.ceil((self.time() + timeout - 2 * _HAIR_S) * 1000))
            return []
        began_s = time.monotonic()
        if self._in_threads and (found := select(FROZEN_S)):
            return found
        found = select(timeout)
        waited_s = time.monotonic() - began_s
        self._now_ms += int((waited_s if timeout is None else min(waited_s, timeout)) * 1000) + (not found)
        return found

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """The same, without a system call where it comes from the loop's own thread."""
        if threading.get_ident() == self._thread:
            return self.call_soon(callback, *args, context=context)
        return super().call_soon_threadsafe(callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """The same; the clock waits for it."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._out_of_thread)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """The same; it is a thread's work, too."""
        self._in_threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._in_threads -= 1

    def _out_of_thread(self, _: asyncio.Future[Any]) -> None:
        self._in_threads -= 1


def run_virtually(work: Coroutine[Any, Any, Result]) -> Result:
    """asyncio.run, in such a loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
