"""The author's code of a call on virtual time: coroutines on the call's own loop, plain functions in turn with it.

A plain function has a thread, and the loop stands still until it returns or sleeps, so that two of them never race and
one call is always the same call. A sleep of theirs is one of the loop's. What does not return within PATIENCE_S of the
world's time is left behind, as one that hangs.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import partial
from typing import Any, Final

from patter_cli.engine.author_loop import Work
from patter_cli.engine.steps import LetGo, contained, in_steps

log = logging.getLogger(__name__)

PATIENCE_S: Final = 5.0
"""A function that has not come back by then, in the world's time, never will."""
_END: Final = object()

_real_sleep: Final = time.sleep
_here: Final = threading.local()


class VirtualHome:
    """Where one call's author code runs; see engine.author_home.AuthorHome."""

    private = False

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._idle: list[_Partner] = []
        self._all: list[_Partner] = []

    def submit(self, work: Work) -> None:
        self.loop.call_soon(work.begin, self)

    def forget(self, work: Work) -> None:
        """Nothing is kept of it."""

    def run(self, work: Coroutine[Any, Any, Any], hook: Callable[..., Any], context: contextvars.Context) -> Any:
        return asyncio.Task(in_steps(work, hook, None), loop=self.loop, context=context)

    def be_strict(self) -> None:
        """Nobody holds this loop for others."""

    def linger(self) -> None:
        """It ends with the call."""

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        partner = self._partner()
        try:
            return await partner.does(function)
        finally:
            if not partner.away:
                self._idle.append(partner)

    async def thread_pieces(self, start: Callable[[], Generator[Any, Any, Any]]) -> AsyncGenerator[Any, None]:
        partner = self._partner()
        steps = await partner.does(start)
        try:
            while (piece := await partner.does(partial(next, steps, _END))) is not _END:
                yield piece
        finally:
            if not partner.away:
                await partner.does(steps.close)
                self._idle.append(partner)

    def close(self) -> None:
        """The call is over: whoever still sleeps is woken to end."""
        for each in self._all:
            each.dismiss()

    def _partner(self) -> _Partner:
        if self._idle:
            return self._idle.pop()
        partner = _Partner()
        self._all.append(partner)
        return partner


def virtual_sleep(seconds: float) -> None:
    """time.sleep, for a function of the author's in a virtual call; for all others, the real one."""
    partner: _Partner | None = getattr(_here, "partner", None)
    if partner is None:
        _real_sleep(seconds)
    else:
        partner.sleep(seconds)


class _Partner:
    """A thread that takes turns with the loop: one of the two stands still."""

    def __init__(self) -> None:
        self.away = False
        """It works or sleeps on something that nobody waits for any more, or never came back."""
        self._go = threading.Semaphore(0)
        self._done = threading.Semaphore(0)
        self._function: Callable[[], Any] | None = None
        self._context = contextvars.copy_context()
        self._result: Any = None
        self._error: BaseException | None = None
        self._sleeps_s: float | None = None
        self._dismissed = False
        threading.Thread(target=self._main, daemon=True, name="patter-virtual").start()

    async def does(self, function: Callable[[], Any]) -> Any:
        """On the loop. What it raises is raised."""
        self._function, self._context, self.away = function, contextvars.copy_context(), True
        await self._turn()
        while self._sleeps_s is not None:
            seconds, self._sleeps_s = self._sleeps_s, None
            await asyncio.sleep(seconds)
            await self._turn()
        self.away = False
        result, error, self._result, self._error = self._result, self._error, None, None
        if error is not None:
            cancelled = isinstance(error, asyncio.CancelledError)
            raise RuntimeError("the author's code cancelled itself") if cancelled else contained(error)
        return result

    def sleep(self, seconds: float) -> None:
        """In the thread."""
        self._sleeps_s = max(0.0, seconds)
        self._done.release()
        self._go.acquire()
        if self._dismissed:
            raise LetGo("its call is over")

    def dismiss(self) -> None:
        """It is not needed any more."""
        self._dismissed = True
        self._go.release()

    async def _turn(self) -> None:
        self._go.release()
        if not self._done.acquire(timeout=PATIENCE_S):
            log.error("a function has not returned within %.0f s; the call goes on without it", PATIENCE_S)
            await asyncio.get_running_loop().create_future()

    def _main(self) -> None:
        _here.partner = self
        while True:
            self._go.acquire()
            if self._dismissed or self._function is None:
                return
            try:
                self._result = self._context.run(self._function)
            except BaseException as error:  # noqa: BLE001 (handed to whoever waits)
                self._error = error
            if self._dismissed:
                return
            self._done.release()
