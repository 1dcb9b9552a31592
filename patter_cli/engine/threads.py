"""Threads for the author's code: one for each run, which nobody waits for at exit, and never too many.

Three things can run in one: a function; a generator, piece by piece as it is asked for; and, for code that may not be
on the server's loop any more, a coroutine's generator with an event loop of its own. Whoever waits for them can stop
waiting at any moment. What goes on in the thread then is nobody's business but its own: a generator is closed there,
so its `finally` runs in the thread that it ran in.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final

from patter_cli.engine.watchdog import contained

log = logging.getLogger(__name__)

THREADS = 256
"""At work at the same time; with more, all of them hang and the next is refused."""
LINGER_S = 30.0
"""How long a coroutine's own loop goes on for the tasks that it has left there."""
END: Final = object()
"""Comes after a generator's last piece."""

_busy = threading.BoundedSemaphore(THREADS)


async def in_thread(function: Callable[[], Any]) -> Any:
    """Run it in a thread of its own: it may never return. What it raises is raised."""
    answer = Answer()
    waiting = answer.expect()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 (handed to whoever waits)
            answer.fail(error)
        else:
            answer.give(result)

    _start(run)
    return await waiting


async def thread_pieces(start: Callable[[], Generator[Any, Any, Any]]) -> AsyncGenerator[Any, None]:
    """What a generator yields, one piece at a time, all of it in one thread."""
    wanted: SimpleQueue[bool] = SimpleQueue()
    answer = Answer()

    def run() -> None:
        try:
            steps = start()
            try:
                while wanted.get():
                    answer.give(piece := next(steps, END))
                    if piece is END:
                        return
            finally:
                steps.close()
        except BaseException as error:  # noqa: BLE001 (handed to whoever waits)
            answer.fail(error)

    _start(run)
    try:
        while True:
            waiting = answer.expect()
            wanted.put(True)
            if (piece := await waiting) is END:
                return
            yield piece
    finally:
        answer.abandon()
        wanted.put(False)


async def own_loop_pieces(start: Callable[[], AsyncGenerator[Any, None]]) -> AsyncGenerator[Any, None]:
    """What an async generator yields, with an event loop of its own, in a thread. Cancelled with whoever waits."""
    own = asyncio.new_event_loop()
    wanted = asyncio.Queue[None]()
    answer = Answer()
    task: asyncio.Task[None] | None = None

    async def work() -> None:
        nonlocal task
        task = asyncio.current_task()
        await serve_pieces(start(), wanted, answer)
        if left := asyncio.all_tasks() - {task}:
            await asyncio.wait(left, timeout=LINGER_S)

    def stop() -> None:
        if task is not None:
            task.cancel()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: own) as runner:
                runner.run(work())
        except BaseException as error:  # noqa: BLE001 (handed to whoever waits)
            answer.fail(error)

    try:
        _start(run)
    except RuntimeError:
        own.close()
        raise
    try:
        while True:
            waiting = answer.expect()
            own.call_soon_threadsafe(wanted.put_nowait, None)
            if (piece := await waiting) is END:
                return
            yield piece
    finally:
        if not answer.last:
            answer.abandon()
            with suppress(RuntimeError):  # its loop is closed: it is over
                own.call_soon_threadsafe(stop)


async def serve_pieces(pieces: AsyncGenerator[Any, None], wanted: asyncio.Queue[None], answer: Answer) -> None:
    """Give a piece for every one that is wanted; close the generator when it ends, fails or nobody waits."""
    try:
        while not answer.abandoned:
            await wanted.get()
            answer.give(piece := await anext(pieces, END))
            if piece is END:
                break
    except BaseException as error:  # noqa: BLE001 (handed to whoever waits)
        answer.fail(error)
    finally:
        await pieces.aclose()


class Answer:
    """The way back to the loop that waits, from a thread or from a task."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[Any] | None = None
        self.abandoned = False
        """Nobody waits any more."""
        self.last = False
        """Nothing comes after what was given."""

    def expect(self) -> asyncio.Future[Any]:
        """On the loop: what will be given next."""
        self._future = self._loop.create_future()
        return self._future

    def abandon(self) -> None:
        """On the loop: nobody waits any more."""
        self.abandoned = True

    def give(self, piece: Any) -> None:
        """From anywhere."""
        self.last = piece is END
        self._settle(lambda future: future.set_result(piece))

    def fail(self, error: BaseException) -> None:
        """From anywhere. An error that nobody waits for is logged."""
        self.last = True
        if not self.abandoned:
            cancelled = isinstance(error, asyncio.CancelledError)
            safe = RuntimeError("the author's code cancelled itself") if cancelled else contained(error)
            self._settle(lambda future: future.set_exception(safe))
        elif not isinstance(error, asyncio.CancelledError):
            log.error("the author's code failed when nobody waited for it any more", exc_info=error)

    def _settle(self, settle: Callable[[asyncio.Future[Any]], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._settle_here, settle)

    def _settle_here(self, settle: Callable[[asyncio.Future[Any]], None]) -> None:
        if self._future is not None and not self._future.done():
            settle(self._future)


def _start(run: Callable[[], None]) -> None:
    """Raises RuntimeError when there are too many."""
    if not _busy.acquire(blocking=False):
        raise RuntimeError(f"{THREADS} callbacks have not returned")
    context = contextvars.copy_context()

    def main() -> None:
        try:
            context.run(run)
        finally:
            _busy.release()

    try:
        threading.Thread(target=main, name="patter-callback", daemon=True).start()
    except RuntimeError:  # the system has no more of them
        _busy.release()
        raise
