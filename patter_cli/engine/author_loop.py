"""The event loop of the author's code: one for the process, in a thread of its own, which nothing in it can end.

Theory of operation. What authors make once, clients, locks, sessions, belongs to the loop it was first used on, so the
callbacks of all calls share one. No call's audio is on it. Whatever is done to it is contained here:

    sys.exit in a task, a callback        the loop goes on; the log says where, the work it came from has failed
    loop.stop(), close(), another factory  refused, with the line that asked
    cancelling asyncio.all_tasks()        there are none: tasks made here are kept in a list of ours
    to_thread(what never returns)         a thread for each, not a pool that fills up
    a step that will not end              interrupted after 1 s (watchdog.py); after 3 s the loop is lost

A lost loop may have been left for a moment or for ever. What had begun on it fails, what had not moves to the next
loop, which takes all new work until the lost one beats again: then that is the first choice as before, because what
the author made at import was made for it. Functions that have held a loop once run on one of their own.

What cannot be contained: os._exit, os.abort, a crash in C, file descriptors of others closed by number. Signals to this
process: see self_signals.py.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol

from patter_cli.engine.author_home import RunHome
from patter_cli.engine.steps import in_steps
from patter_cli.engine.threads import in_background, start_thread
from patter_cli.engine.watchdog import LoopWatch
from patter_cli.engine.whereabouts import name_of, place, place_of

log = logging.getLogger(__name__)

LOOPS = 16
"""Lost at the same time; with more, the author's coroutines are refused."""
LINGER_S = 30.0
"""How long a loop of one run goes on for the tasks that the run has left there."""

if sys.platform == "win32":
    _Base = asyncio.ProactorEventLoop
else:
    _Base = asyncio.SelectorEventLoop


class Work(Protocol):
    """A run of the author's code, as its loop sees it."""

    hook: Callable[..., Any]

    def begin(self, home: RunHome) -> None:
        """On the loop's thread: start, unless another loop has taken it."""

    def fail(self, error: BaseException) -> None:
        """From any thread: it is over, with this error. Nothing if it is over already."""

    def move(self) -> bool:
        """From any thread: leave a lost loop for another, unless it has begun there."""


WORK: Final[contextvars.ContextVar[Work | None]] = contextvars.ContextVar("work", default=None)
"""What a task of the author's comes from."""


class AuthorLoop:
    """One loop with its thread. private: for one run, which may hold it; it ends with it."""

    def __init__(self, *, private: bool = False) -> None:
        """Raises RuntimeError: there are too many threads."""
        self.loop = _Loop()
        self.loop.keep_factory(self._task)
        self.private = private
        self._watch = LoopWatch(
            self.loop, theirs=True, on_lost=None if private else self._lose, lenient=private, thread_id=0
        )
        self._works: set[Work] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        try:
            start_thread(self._main, counted=private)
        except RuntimeError:
            self._release()
            self.loop.close()
            raise

    @property
    def lost(self) -> bool:
        """Somebody holds it and has for a while."""
        return self._watch.lost

    def submit(self, work: Work) -> None:
        """From any thread: have it begin. Raises RuntimeError: the loop is over."""
        self._works.add(work)
        self._watch.begin()
        self.loop.call_soon_threadsafe(work.begin, self)

    def forget(self, work: Work) -> None:
        """From any thread, once for each work: it is over, or has moved."""
        self._works.discard(work)
        self._watch.end()
        if self.private:
            self.be_strict()
            with suppress(RuntimeError):  # closed already
                self.loop.call_soon_threadsafe(self._release_if_idle)

    def run(self, work: Coroutine[Any, Any, Any], hook: Callable[..., Any], context: contextvars.Context) -> Any:
        """On the loop: a task for it. Its steps go by the name of the hook."""
        task = asyncio.Task(in_steps(work, hook, self._watch), loop=self.loop, context=context)
        self._keep(task)
        return task

    def be_strict(self) -> None:
        """From any thread: nobody waits any more for what runs here, so it may not hold a private loop either."""
        self._watch.lenient = False

    def cancel_all(self) -> None:
        """On the loop: what the author's code has left here may clean up."""
        for task in tuple(self._tasks):
            task.cancel()

    @property
    def at_work(self) -> bool:
        return bool(self._tasks)

    # --- tasks -----------------------------------------------------------------------------------------------

    def _task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Any,
        *,
        context: contextvars.Context | None = None,
        **more: Any,
    ) -> asyncio.Task[Any]:
        """The factory: whatever the author's code starts is part of the run it was started in."""
        if not asyncio.iscoroutine(coroutine):
            raise TypeError(f"a coroutine was expected, got {coroutine!r}")
        work = WORK.get() if context is None else context.get(WORK)
        background: Any = self._background(coroutine, work)
        for name in ("__name__", "__qualname__"):  # what its repr shows
            setattr(background, name, getattr(coroutine, name, "task"))
        task: asyncio.Task[Any] = asyncio.Task(background, loop=loop, context=context, **more)
        self._keep(task)
        return task

    async def _background(self, coroutine: Any, work: Work | None) -> Any:
        hook = coroutine if work is None else work.hook
        try:
            return await in_steps(coroutine, hook, self._watch)
        except RuntimeError as error:
            if error.__cause__ is not None and not isinstance(error.__cause__, Exception):
                asked_by = "" if work is None else f", started by {name_of(work.hook)}"
                log.error("%s%s: %s; its call has been told", place_of(error.__cause__), asked_by, error)
                if work is not None:
                    work.fail(error)
                task = asyncio.current_task()
                assert task is not None
                task.add_done_callback(asyncio.Task.exception)  # it has been logged
            raise

    def _keep(self, task: asyncio.Task[Any]) -> None:
        asyncio.tasks._unregister_task(task)
        if not self._tasks:
            self._watch.begin()
        self._tasks.add(task)
        task.add_done_callback(self._let_go)

    def _let_go(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not self._tasks:
            self._watch.end()
        self._release_if_idle()

    # --- the thread ------------------------------------------------------------------------------------------

    def _main(self) -> None:
        self._watch.thread_id = threading.get_ident()
        asyncio.set_event_loop(self.loop)
        while not self.loop.released:
            try:
                self.loop.run_forever()
            except BaseException as error:  # noqa: BLE001 (it would end the loop of all other calls' callbacks)
                log.error("%s raised %r on the callbacks' event loop, which goes on", place_of(error), error)
        with suppress(Exception):
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def _release_if_idle(self) -> None:
        if self.private and not self._works and not self._tasks:
            self._release()

    def _release(self) -> None:
        self.loop.released = True
        self.loop.stop()

    def linger(self) -> None:
        """On a private loop, its run being over: what it has left may go on for a while."""
        if self._tasks:
            self.loop.call_later(LINGER_S, self.cancel_all)

    def _lose(self, name: str) -> None:
        """In the watchdog's thread: nobody else waits for this loop until it beats again."""
        log.error(
            "%s still holds the callbacks' event loop; another takes over, where clients and locks made on this one "
            "do not work until it is back",
            name,
        )
        for work in tuple(self._works):
            if not work.move():
                work.fail(RuntimeError(f"{name} held the event loop of the callbacks"))


class _Loop(_Base):
    """An event loop that belongs to all calls, so that none of them can stop it."""

    released = False
    """We are done with it."""
    _author_executor: Executor | None = None

    def keep_factory(self, factory: Any) -> None:
        super().set_task_factory(factory)

    def stop(self) -> None:
        if self.released:
            super().stop()
        else:
            _refuse("stop")

    def close(self) -> None:
        if self.released:
            super().close()
        else:
            _refuse("close")

    def set_task_factory(self, factory: Any) -> None:
        _refuse("change")

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Nothing: the threads are everybody's."""

    def set_default_executor(self, executor: Any) -> None:
        self._author_executor = executor

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """A thread for each, where the author gave no executor: a pool is full when all of it hangs."""
        chosen = executor or self._author_executor
        if chosen is not None:
            return super().run_in_executor(chosen, func, *args)
        return asyncio.wrap_future(in_background(partial(func, *args)), loop=self)


def _refuse(what: str) -> None:
    frame = sys._getframe(2)
    log.error("%s would %s the event loop of all callbacks; it stays as it is", place([frame]), what)


_loops: list[AuthorLoop] = []
_choice = threading.Lock()


def author_loop() -> AuthorLoop:
    """Where the author's coroutines run now, from any thread. Raises RuntimeError: LOOPS of them are held."""
    with _choice:
        for each in _loops:
            if not each.lost:
                return each
        if len(_loops) >= LOOPS:
            raise RuntimeError(f"callbacks hold {LOOPS} event loops")
        _loops.append(AuthorLoop())
        return _loops[-1]


async def settle_author_code(within_s: float) -> None:
    """The program ends: what the author's code has in the background is cancelled and may clean up."""
    for each in _loops:
        each.loop.call_soon_threadsafe(each.cancel_all)
    ends_at = time.monotonic() + within_s
    while any(each.at_work for each in _loops) and time.monotonic() < ends_at:  # noqa: ASYNC110 (other threads)
        await asyncio.sleep(0.01)
