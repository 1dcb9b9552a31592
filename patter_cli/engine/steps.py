"""The author's code, step by step: what runs from one `await` to the next goes by its function's name."""

from __future__ import annotations

import asyncio
import ctypes
import time
import types
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

NOW = "now"
"""`task.cancel(NOW)`: no more cleaning up. The author's code is closed where it stands, whatever it catches."""


class Watch(Protocol):
    """Who wants to know what is on a loop."""

    step: Step | None


class LetGo(BaseException):
    """Raised in the author's code that keeps a loop, or a cancelled task. No Exception: it is not theirs to catch."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else "it held its event loop for 1 s"


@dataclass(slots=True, eq=False)
class Step:
    """The author's code, from one await to the next. hook: their function that it belongs to."""

    hook: Callable[..., Any]
    began_at: float
    looks: int = 0
    """How often the watch found it running."""
    named: bool = False


async def in_steps(awaitable: Awaitable[Any], hook: Callable[..., Any], watch: Watch | None) -> Any:
    """Await the author's code, every step of it under its function's name; without a watch it may hold its loop.

    What must not leave it (SystemExit, KeyboardInterrupt and the like would end the loop) comes out as RuntimeError.
    """
    return await _steps(awaitable if asyncio.iscoroutine(awaitable) else _coroutine(awaitable), hook, watch)


def contained(error: BaseException) -> BaseException:
    """The same error, or what takes the place of one that must not leave the author's code."""
    name = type(error).__name__
    try:
        shown = (str(error), repr(error))[1]
    except BaseException:  # noqa: BLE001 (the author's __str__ and __repr__ are the author's code too)
        return RuntimeError(f"the author's code raised {name}, which cannot be shown")
    harmless = isinstance(error, (Exception, asyncio.CancelledError)) and not isinstance(error, StopIteration)
    if harmless:
        return error
    instead = RuntimeError(str(error) if isinstance(error, LetGo) else f"the author's code raised {shown}")
    instead.__cause__ = error
    return instead


def raise_in_thread(thread_id: int) -> None:
    """Have `LetGo` raised in a thread of the author's, as soon as it runs Python again."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(LetGo))


@types.coroutine
def _steps(work: Any, hook: Callable[..., Any], watch: Watch | None) -> Generator[Any, Any, Any]:
    """`await work`, taken apart: between `send` and its return the author's code runs."""
    value: Any = None
    error: BaseException | None = None
    while True:
        try:
            if watch is not None:
                watch.step = Step(hook, time.monotonic())
            waits_for = work.send(value) if error is None else work.throw(error)
        except StopIteration as done:
            return done.value
        except BaseException as raised:
            if raised is error:  # our own cancellation or closing, on its way out
                raise
            safe = contained(raised)
            raise safe from safe.__cause__
        finally:
            if watch is not None:
                watch.step = None
        try:
            value, error = (yield waits_for), None
        except BaseException as thrown:
            if isinstance(thrown, asyncio.CancelledError) and thrown.args == (NOW,):
                with suppress(BaseException):
                    work.throw(LetGo("it goes on although it was cancelled"))  # if it awaits even now, so be it
                raise
            error = thrown


async def _coroutine(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
