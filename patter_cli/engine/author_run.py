"""A run of the author's coroutine: it runs on their loop (author_loop.py), its pieces are wanted on ours.

Pieces are handed over by a bounded list: the author's side is a few ahead and waits when it is full, ours waits when
it is empty, and only who waits is woken. So a reply that comes in many small pieces costs one wake-up a piece, and one
in one piece costs two in all. Whoever waits here can stop waiting at any moment, whatever the author's code does.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from patter_cli.engine.author_home import HOME, RunHome
from patter_cli.engine.author_loop import WORK, AuthorLoop, author_loop
from patter_cli.engine.steps import NOW, contained
from patter_cli.engine.watchdog import is_quarantined
from patter_cli.engine.whereabouts import name_of

log = logging.getLogger(__name__)

AHEAD = 16
"""Pieces that wait to be taken before the author's code is made to wait."""
LEAVE_S = 0.5
"""How long a cancelled coroutine may take to clean up."""
_END: Final = object()


async def author_pieces(
    start: Callable[[], AsyncGenerator[Any, None]], hook: Callable[..., Any]
) -> AsyncGenerator[Any, None]:
    """What an async generator of the author's yields; closing this closes it, and waits a little for its `finally`."""
    run = _Run(start, hook)
    try:
        while (piece := await run.take()) is not _END:
            yield piece
    finally:
        if run.leave():
            await run.wait_over(LEAVE_S)


async def author_value(awaitable: Awaitable[Any], hook: Callable[..., Any]) -> Any:
    """Await what is the author's on their loop. What it raises is raised, as an Exception."""

    async def once() -> AsyncGenerator[Any, None]:
        yield await awaitable

    run = _Run(once, hook)
    try:
        return await run.take()
    finally:
        run.leave()


class _Run:
    """One run, used from two threads; what both change is changed under its lock."""

    def __init__(self, start: Callable[[], AsyncGenerator[Any, None]], hook: Callable[..., Any]) -> None:
        """On our loop. Raises RuntimeError: there is no room for it."""
        self.hook = hook
        self._start = start
        self._here = asyncio.get_running_loop()
        self._context: contextvars.Context | None = contextvars.copy_context()
        self._lock = threading.Lock()
        self._given: deque[Any] = deque()
        self._taken = 0
        self._waiter: asyncio.Future[None] | None = None
        """Of ours, for a piece."""
        self._room: asyncio.Future[None] | None = None
        """Of theirs, for room."""
        self._error: BaseException | None = None
        self._over = False
        self._left = False
        """Nobody takes what comes any more."""
        self._task: asyncio.Task[Any] | None = None
        self._home: RunHome = HOME.get() or (AuthorLoop(private=True) if is_quarantined(hook) else author_loop())
        self._home.submit(self)

    # --- our side --------------------------------------------------------------------------------------------

    async def take(self) -> Any:
        """The next piece, or _END. Raises what the author's code raised, as an Exception."""
        if not self._given:
            await self._wait()
        elif self._taken % AHEAD == 0:
            await asyncio.sleep(0)  # the other calls have their turn, however fast the pieces come
        if self._given[0] is _END:
            await asyncio.sleep(0)  # orders that were given before the end are on our loop by now: they come first
            if self._error is not None:
                raise self._error
            return _END
        self._taken += 1
        piece = self._given.popleft()
        if self._room is not None and len(self._given) <= AHEAD // 2:
            with self._lock:
                room, self._room = self._room, None
            self._post(_wake, room)
        return piece

    def leave(self) -> bool:
        """Nobody takes anything any more: cancel it. False if it is over."""
        if self._over:
            return False
        self._left = True
        self._post(self._cancel)
        self._here.call_later(LEAVE_S, self._show_out)
        return True

    async def wait_over(self, within_s: float) -> None:
        """Until it has cleaned up, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not self._over:
                    self._given.clear()
                    await self._wait()

    async def _wait(self) -> None:
        with self._lock:
            if self._given:
                return
            self._waiter = waiter = self._here.create_future()
        await waiter

    def _show_out(self) -> None:
        if not self._over:
            log.error("%s went on although it was cancelled; it is closed where it stands", name_of(self.hook))
            self._home.be_strict()
            self._post(self._cancel, NOW)

    def _post(self, function: Callable[..., Any], *arguments: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: it is over
            self._home.loop.call_soon_threadsafe(function, *arguments)

    # --- their side ------------------------------------------------------------------------------------------

    def begin(self, home: RunHome) -> None:
        if is_quarantined(self.hook) and not home.private and not self._left:  # convicted while it waited for its turn
            self._go_to(partial(AuthorLoop, private=True))
            return
        with self._lock:
            if self._home is not home or self._over or self._context is None:
                return
            context, self._context = self._context, None
        if self._left:
            self.fail(RuntimeError("nobody waits"))
            return
        context.run(WORK.set, self)
        self._task = home.run(self._work(), self.hook, context)
        self._task.add_done_callback(self._finished)

    def move(self) -> bool:
        return self._go_to(author_loop)

    def fail(self, error: BaseException) -> None:
        self._end(error)
        self._post(self._cancel)

    def _go_to(self, find: Callable[[], AuthorLoop]) -> bool:
        """To another loop, as long as it has not begun on this one."""
        try:
            home = find()
        except RuntimeError as error:
            self.fail(error)
            return True
        with self._lock:
            if self._context is None or self._over:
                return False
            before, self._home = self._home, home
        before.forget(self)
        home.submit(self)
        return True

    def _cancel(self, *message: str) -> None:
        if self._task is None:
            self.begin(self._home)
        else:
            self._task.cancel(*message)

    async def _work(self) -> None:
        error: BaseException | None = None
        try:
            pieces = self._start()
            try:
                async for piece in pieces:
                    if (room := self._give(piece)) is not None:
                        await room
            finally:
                await pieces.aclose()
        except BaseException as raised:  # noqa: BLE001 (handed to whoever waits)
            error = raised
        self._end(error)
        if self._left and isinstance(error, Exception):
            log.error("%s failed when nobody waited for it any more", name_of(self.hook), exc_info=error)

    def _give(self, piece: Any) -> asyncio.Future[None] | None:
        """Returns what to wait for before the next one."""
        with self._lock:
            if not self._over:
                self._given.append(piece)
            if len(self._given) >= AHEAD and not self._over:
                self._room = self._home.loop.create_future()
            waiter, self._waiter = self._waiter, None
        self._tell(waiter)
        return self._room

    def _end(self, error: BaseException | None) -> None:
        """From any thread."""
        with self._lock:
            if self._over:
                return
            self._over = True
            if isinstance(error, asyncio.CancelledError):
                error = None if self._left else RuntimeError("the author's code cancelled itself")
            self._error = None if error is None else _hinted(contained(error))
            self._given.append(_END)
            waiter, self._waiter = self._waiter, None
        self._home.forget(self)
        self._tell(waiter)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        """The task is over, perhaps without having told so: closed where it stood."""
        error = None if task.cancelled() else task.exception()
        self._end(error or asyncio.CancelledError())
        if self._home.private:
            self._home.linger()

    def _tell(self, waiter: asyncio.Future[None] | None) -> None:
        if waiter is not None:
            with suppress(RuntimeError):  # our loop is closed: nobody waits
                self._here.call_soon_threadsafe(_wake, waiter)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _hinted(error: BaseException) -> BaseException:
    """The error, with a word of explanation where an author could not guess it."""
    if isinstance(error, RuntimeError) and "different" in str(error) and "loop" in str(error):
        error.add_note(
            "callbacks run on an event loop of their own, in a thread: make clients and locks in a callback or at "
            "import, and reach your own loop with asyncio.run_coroutine_threadsafe"
        )
    return error
