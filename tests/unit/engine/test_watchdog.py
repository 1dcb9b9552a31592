"""Who holds the loop is named, interrupted where that is possible, and moved off it."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from patter_cli.engine import watchdog
from patter_cli.engine.hooks import CallEvent, IncomingMessage, call_hook, message_pieces
from patter_cli.engine.watchdog import interrupting, is_quarantined, times_held, watched

EVENT = CallEvent()


def message() -> IncomingMessage:
    return IncomingMessage(end_call=lambda: None, transfer_call=lambda number: None)


def wait_for_verdict(hook: Callable[..., Any]) -> None:
    """Hold the loop for exactly as long as it takes to be noticed."""
    while not is_quarantined(hook):
        time.sleep(0.01)


async def test_a_coroutine_that_holds_the_loop_is_named_and_moved(caplog: pytest.LogCaptureFixture) -> None:
    """The log says file, line and function, once; its next run has a thread and a loop of its own."""
    here = threading.get_ident()

    async def sleepy(event: CallEvent) -> bool:
        if threading.get_ident() == here:
            wait_for_verdict(sleepy)
        await asyncio.sleep(0)
        return threading.get_ident() == here

    with watched(), caplog.at_level(logging.ERROR):
        assert await call_hook(sleepy, EVENT) is True
        assert await call_hook(sleepy, EVENT) is False
        assert await call_hook(partial(sleepy), EVENT) is False
    [record] = caplog.records
    assert "test_watchdog.py:" in record.getMessage()
    assert "sleepy has held the event loop for" in record.getMessage()
    assert times_held()["sleepy"] == 1


async def test_an_async_generator_is_moved_too() -> None:
    """Its pieces come from its own loop, in order, and closing it runs its finally there."""
    here = threading.get_ident()
    seen: list[str] = []
    closed = threading.Event()

    async def pieces(event: Any) -> AsyncIterator[str]:
        try:
            if threading.get_ident() == here:
                wait_for_verdict(pieces)
            yield "a"
            await asyncio.sleep(0)
            yield "b" if threading.get_ident() != here else "on the loop"
            await asyncio.Event().wait()
        finally:
            seen.append("moved" if threading.get_ident() != here else "here")
            closed.set()

    with watched():
        for expected in ("on the loop", "b"):
            closed.clear()
            words = message_pieces(pieces, message())
            assert [await anext(words), await anext(words)] == ["a", expected]
            last = asyncio.ensure_future(anext(words))
            await asyncio.sleep(0.01)
            last.cancel()
            await asyncio.wait({last})
            await words.aclose()
            await asyncio.to_thread(closed.wait, 5)
    assert seen == ["here", "moved"]


async def test_what_is_moved_and_cancelled_is_cancelled_in_its_own_loop() -> None:
    """A deadline reaches it; so does what it raises."""
    cancelled = threading.Event()
    here = threading.get_ident()

    async def slow(event: CallEvent) -> None:
        if threading.get_ident() == here:
            wait_for_verdict(slow)
            return
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def broken(event: CallEvent) -> None:
        if threading.get_ident() == here:
            wait_for_verdict(broken)
        raise SystemExit(3)

    with watched():
        await call_hook(slow, EVENT)
        with pytest.raises(TimeoutError):
            await call_hook(slow, EVENT, within_s=0.05)
        assert await asyncio.to_thread(cancelled.wait, 5)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="SystemExit"):
                await call_hook(broken, EVENT)


async def test_a_task_it_left_on_its_own_loop_still_runs() -> None:
    """The loop goes on until what was started there is done."""
    here = threading.get_ident()
    saved = threading.Event()

    async def save() -> None:
        await asyncio.sleep(0.05)
        saved.set()

    async def starts_a_task(event: CallEvent) -> asyncio.Task[None] | None:
        if threading.get_ident() == here:
            wait_for_verdict(starts_a_task)
            return None
        return asyncio.create_task(save())

    with watched():
        await call_hook(starts_a_task, EVENT)
        await call_hook(starts_a_task, EVENT)
        assert await asyncio.to_thread(saved.wait, 5)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
async def test_what_does_not_let_go_is_interrupted() -> None:
    """Sleep or endless loop, past `except Exception` too: it raises in the author's code, and nowhere else."""

    async def sleeps(event: CallEvent) -> None:
        time.sleep(60)

    async def spins(event: CallEvent) -> None:
        while True:
            with suppress(Exception):
                time.sleep(0)

    with watched(), interrupting():
        for hook in (sleeps, spins):
            with pytest.raises(RuntimeError, match="held the event loop for"):
                await call_hook(hook, EVENT, within_s=60)


async def test_a_loop_that_others_hold_is_told_of_without_a_culprit() -> None:
    """A callback of the author's that is no hook's step: the log gives the line that the loop is at."""
    noticed = threading.Event()
    told: list[str] = []

    class Notice(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())
            noticed.set()

    handler = Notice()
    logging.getLogger(watchdog.__name__).addHandler(handler)
    with watched():
        asyncio.get_running_loop().call_soon(lambda: noticed.wait(5))
        await asyncio.sleep(0.01)
    logging.getLogger(watchdog.__name__).removeHandler(handler)
    assert "test_watchdog.py" in told[0]
    assert "has held the event loop" in told[0]
    assert times_held()["?"] >= 1


async def test_waiting_is_not_holding() -> None:
    """A hook that awaits for longer than the limit, among others that do the same, is left in peace."""

    async def patient(event: CallEvent) -> str:
        await asyncio.sleep(watchdog.HELD_S + 0.1)
        return "done"

    with watched():
        assert await asyncio.gather(*(call_hook(patient, EVENT) for _ in range(5))) == ["done"] * 5
    assert not is_quarantined(patient)


async def test_a_future_and_a_timeout_pass_through_the_steps() -> None:
    """Being watched changes nothing: values, errors, timeouts, tasks and the current task are as ever."""

    async def author(event: CallEvent) -> list[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        loop.call_soon(future.set_result, "from a future")
        seen: list[Any] = [await future, await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))]
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            seen.append("timed out")
        return seen

    with watched():
        assert await call_hook(author, EVENT) == ["from a future", [1, 2], "timed out"]


async def test_any_awaitable_will_do() -> None:
    """A plain function may return a future."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str] = loop.create_future()
    loop.call_later(0.01, future.set_result, "later")
    with watched():
        assert await call_hook(lambda event: future, EVENT) == "later"


async def test_the_thread_rests_when_nobody_is_watched() -> None:
    """Two who ask are one watch; after the last the loop does not beat any more."""
    with watched(), watched():
        assert len(watchdog._watches) == 1
    assert watchdog._watches == {}
    assert not watchdog._anybody.is_set()
