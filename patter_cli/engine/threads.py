"""Threads for the author's code: one for each run, which nobody waits for at exit, and never too many.

A function can run in one, or a generator, piece by piece as it is asked for. Whoever waits for them can stop waiting
at any moment. What goes on in the thread then is nobody's business but its own: a generator is closed there, so its
`finally` runs in the thread that it ran in.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final

from patter_cli.engine.author_home import HOME
from patter_cli.engine.steps import contained
from patter_cli.engine.watchdog import leave_behind

log = logging.getLogger(__name__)

THREADS = 256
"""At work at the same time; with more, all of them hang and the next is refused."""
_END: Final = object()
"""Comes after a generator's last piece."""

_busy = threading.BoundedSemaphore(THREADS)


async def in_thread(function: Callable[[], Any], name: str) -> Any:
    """Run it in a thread of its own: it may never return. What it raises is raised."""
    if (home := HOME.get()) is not None:
        return await home.in_thread(function)
    answer = _Answer()
    waiting = answer.expect()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 (handed to whoever waits)
            answer.fail(error)
        else:
            answer.over = True
            answer.give(result)

    thread = start_thread(run)
    try:
        return await waiting
    finally:
        answer.leave(thread, name)


async def thread_pieces(start: Callable[[], Generator[Any, Any, Any]], name: str) -> AsyncGenerator[Any, None]:
    """What a generator yields, one piece at a time, all of it in one thread."""
    if (home := HOME.get()) is not None:
        async for each in home.thread_pieces(start):
            yield each
        return
    wanted: SimpleQueue[bool] = SimpleQueue()
    answer = _Answer()

    def run() -> None:
        try:
            steps = start()
            try:
                while wanted.get():
                    answer.give(piece := next(steps, _END))
                    if piece is _END:
                        return
            finally:
                steps.close()
                answer.over = True
        except BaseException as error:  # noqa: BLE001 (handed to whoever waits)
            answer.fail(error)

    thread = start_thread(run)
    try:
        while True:
            waiting = answer.expect()
            wanted.put(True)
            if (piece := await waiting) is _END:
                return
            yield piece
    finally:
        answer.leave(thread, name)
        wanted.put(False)


def in_background(function: Callable[[], Any]) -> Future[Any]:
    """The same for who has an event loop of their own. Raises RuntimeError when there are too many."""
    future: Future[Any] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 (handed to whoever waits)
            future.set_exception(error)
        else:
            future.set_result(result)

    start_thread(run)
    return future


class AuthorThread(threading.Thread):
    """A daemon thread that knows what it costs."""

    _clock: int | None = None

    def run(self) -> None:
        if hasattr(time, "pthread_getcpuclockid"):
            self._clock = time.pthread_getcpuclockid(threading.get_ident())
        super().run()

    def used_s(self) -> float | None:
        """The processor's time so far; None: it is over, or nobody can say."""
        if self._clock is None or not self.is_alive():
            return None
        try:
            return time.clock_gettime(self._clock)
        except OSError:  # it ended just now
            return None


def start_thread(run: Callable[[], None], *, counted: bool = True) -> AuthorThread:
    """Run it in a daemon thread, in a copy of this context. Raises RuntimeError when there are too many.

    counted: among THREADS.
    """
    if counted and not _busy.acquire(blocking=False):
        raise RuntimeError(f"{THREADS} callbacks have not returned")
    context = contextvars.copy_context()

    def main() -> None:
        try:
            context.run(run)
        finally:
            if counted:
                _busy.release()

    try:
        thread = AuthorThread(target=main, name="patter-callback", daemon=True)
        thread.start()
    except RuntimeError:  # the system has no more of them
        if counted:
            _busy.release()
        raise
    return thread


class _Answer:
    """The way back from a thread to the loop that waits."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[Any] | None = None
        self.abandoned = False
        """Nobody waits any more."""
        self.over = False
        """Nothing comes any more."""

    def expect(self) -> asyncio.Future[Any]:
        """On the loop: what will be given next."""
        self._future = self._loop.create_future()
        return self._future

    def leave(self, thread: AuthorThread, name: str) -> None:
        """On the loop: nobody waits any more; the thread may finish, but not compute for ever."""
        self.abandoned = True
        if not self.over and thread.ident is not None:
            leave_behind(name, thread.ident, thread.used_s)

    def give(self, piece: Any) -> None:
        """From the thread."""
        self._settle(lambda future: future.set_result(piece))

    def fail(self, error: BaseException) -> None:
        """From the thread. An error that nobody waits for is logged."""
        self.over = True
        if self.abandoned:
            log.error("the author's code failed when nobody waited for it any more", exc_info=error)
            return
        cancelled = isinstance(error, asyncio.CancelledError)
        safe = RuntimeError("the author's code cancelled itself") if cancelled else contained(error)
        self._settle(lambda future: future.set_exception(safe))

    def _settle(self, settle: Callable[[asyncio.Future[Any]], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._settle_here, settle)

    def _settle_here(self, settle: Callable[[asyncio.Future[Any]], None]) -> None:
        if self._future is not None and not self._future.done():
            settle(self._future)
