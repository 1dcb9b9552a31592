"""Who holds a loop is named, interrupted where that is possible, and moved off it."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import pytest

from patter_cli.engine import watchdog
from patter_cli.engine.filtering import GuardedFilter
from patter_cli.engine.hooks import CallEvent, IncomingMessage, call_hook, message_pieces
from patter_cli.engine.watchdog import interrupting, is_quarantined, times_held, told_when_held, watched

EVENT = CallEvent()


def message() -> IncomingMessage:
    return IncomingMessage(end_call=lambda: None, transfer_call=lambda number: None)


def wait_for_verdict(hook: Callable[..., Any]) -> None:
    """Hold the loop for exactly as long as it takes to be noticed."""
    while not is_quarantined(hook):
        time.sleep(0.01)


async def shared_thread() -> int:
    """The thread of the loop that callbacks share."""

    async def where(event: CallEvent) -> int:
        return threading.get_ident()

    return int(await call_hook(where, EVENT))


async def test_a_coroutine_that_holds_the_loop_is_named_and_moved(caplog: pytest.LogCaptureFixture) -> None:
    """The log says file, line and function, once; its next run has a thread and a loop of its own."""
    shared = await shared_thread()

    async def sleepy(event: CallEvent) -> bool:
        if threading.get_ident() == shared:
            wait_for_verdict(sleepy)
        await asyncio.sleep(0)
        return threading.get_ident() == shared

    with caplog.at_level(logging.ERROR):
        assert await call_hook(sleepy, EVENT) is True
        assert await call_hook(sleepy, EVENT) is False
        assert await call_hook(partial(sleepy), EVENT) is False
    [record] = caplog.records
    assert "test_watchdog.py:" in record.getMessage()
    assert "sleepy has held the event loop for" in record.getMessage()
    assert times_held()["sleepy"] == 1


async def test_our_own_loop_runs_on_while_a_callback_holds_its_own() -> None:
    """No frame of a call waits for the author's code, not even the first time."""
    late: list[float] = []

    async def sleepy(event: CallEvent) -> None:
        time.sleep(0.5)

    holding = asyncio.create_task(call_hook(sleepy, EVENT))
    while not holding.done():
        before = time.monotonic()
        await asyncio.sleep(0.01)
        late.append(time.monotonic() - before - 0.01)
    assert max(late) < 0.2
    assert len(late) > 20


async def test_all_closures_of_one_function_are_that_function() -> None:
    """A tool that on_call_start makes anew for each call is convicted once."""
    shared = await shared_thread()

    def made(number: int) -> Any:
        async def closure(event: CallEvent) -> bool:
            if threading.get_ident() == shared:
                wait_for_verdict(closure)
            return threading.get_ident() == shared

        return closure

    assert await call_hook(made(1), EVENT) is True
    assert await call_hook(made(2), EVENT) is False


async def test_two_functions_under_one_decorator_are_two() -> None:
    """The other is not convicted with the one."""
    shared = await shared_thread()

    def decorated(function: Callable[[], None]) -> Any:
        async def wrapper(event: CallEvent) -> bool:
            function()
            return threading.get_ident() == shared

        return wrapper

    def holds() -> None:
        if threading.get_ident() == shared:
            wait_for_verdict(held)

    held, innocent = decorated(holds), decorated(lambda: None)
    assert await call_hook(held, EVENT) is True
    assert await call_hook(held, EVENT) is False
    assert await call_hook(innocent, EVENT) is True


async def test_an_async_generator_is_moved_too() -> None:
    """Its pieces come from its own loop, in order, and closing it runs its finally there."""
    shared = await shared_thread()
    seen: list[str] = []

    async def pieces(event: Any) -> AsyncIterator[str]:
        try:
            if threading.get_ident() == shared:
                wait_for_verdict(pieces)
            yield "a"
            await asyncio.sleep(0)
            yield "b" if threading.get_ident() != shared else "on the shared loop"
            await asyncio.Event().wait()
        finally:
            seen.append("moved" if threading.get_ident() != shared else "shared")

    for expected in ("on the shared loop", "b"):
        words = message_pieces(pieces, message())
        assert [await anext(words), await anext(words)] == ["a", expected]
        last = asyncio.ensure_future(anext(words))
        await asyncio.sleep(0.01)
        last.cancel()
        await asyncio.wait({last})
        await words.aclose()
    assert seen == ["shared", "moved"]


async def test_what_is_moved_and_cancelled_is_cancelled_in_its_own_loop() -> None:
    """A deadline reaches it; so does what it raises."""
    shared = await shared_thread()
    cancelled = threading.Event()

    async def slow(event: CallEvent) -> None:
        if threading.get_ident() == shared:
            wait_for_verdict(slow)
            return
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def broken(event: CallEvent) -> None:
        if threading.get_ident() == shared:
            wait_for_verdict(broken)
        raise SystemExit(3)

    await call_hook(slow, EVENT)
    with pytest.raises(TimeoutError):
        await call_hook(slow, EVENT, within_s=0.05)
    assert await asyncio.to_thread(cancelled.wait, 5)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="SystemExit"):
            await call_hook(broken, EVENT)


async def test_a_loop_of_its_own_ends_with_its_run_and_what_that_has_left() -> None:
    """A task started there goes on until it is done; then the thread is gone."""
    shared = await shared_thread()
    saved = threading.Event()
    threads: list[threading.Thread] = []

    async def save() -> None:
        await asyncio.sleep(0.05)
        saved.set()

    async def starts_a_task(event: CallEvent) -> None:
        if threading.get_ident() == shared:
            wait_for_verdict(starts_a_task)
            return
        threads.append(threading.current_thread())
        asyncio.get_running_loop().create_task(save())

    await call_hook(starts_a_task, EVENT)
    await call_hook(starts_a_task, EVENT)
    assert await asyncio.to_thread(saved.wait, 5)
    await asyncio.to_thread(threads[0].join, 5)
    assert not threads[0].is_alive()


async def test_what_does_not_let_go_is_interrupted() -> None:
    """An endless loop, past `except Exception` too; a sleep when it is over."""

    async def sleeps(event: CallEvent) -> None:
        time.sleep(1.2)
        while True:
            pass

    async def spins(event: CallEvent) -> None:
        while True:
            with suppress(Exception):
                time.sleep(0)

    for hook in (sleeps, spins):
        with pytest.raises(RuntimeError, match="held its event loop for"):
            await call_hook(hook, EVENT, within_s=60)


async def test_a_thread_of_its_own_is_not_spun_in_for_ever() -> None:
    """What was moved may block as long as somebody waits; then it is stopped."""
    shared = await shared_thread()
    threads: list[threading.Thread] = []

    async def spins(event: CallEvent) -> None:
        if threading.get_ident() == shared:
            wait_for_verdict(spins)
            return
        threads.append(threading.current_thread())
        while True:
            pass

    await call_hook(spins, EVENT)
    with pytest.raises(TimeoutError):
        await call_hook(spins, EVENT, within_s=0.1)
    await asyncio.sleep(1.5)
    assert not threads[0].is_alive()


@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="nobody can say here what a thread has used")
async def test_a_plain_function_that_computes_for_ever_is_stopped_when_nobody_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One that sleeps or waits may finish: what it does may be half done."""
    threads: list[threading.Thread] = []
    saved = threading.Event()

    def spins(event: CallEvent) -> None:
        threads.append(threading.current_thread())
        while True:
            pass

    def saves(event: CallEvent) -> None:
        time.sleep(1)
        saved.set()

    with caplog.at_level(logging.ERROR):
        for hook in (spins, saves):
            with pytest.raises(TimeoutError):
                await call_hook(hook, EVENT, within_s=0.1)
        assert await asyncio.to_thread(saved.wait, 10)
        await asyncio.to_thread(threads[0].join, 20)
    assert not threads[0].is_alive()
    assert "spins goes on computing" in caplog.text
    assert "saves" not in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
async def test_an_audio_filter_that_does_not_let_go_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """It is the one thing of the author's on our loop: named, interrupted, and gone; sys.exit in one likewise."""
    frame = np.zeros(160, np.int16)

    class Hangs:
        def process(self, samples: Any, rate_hz: int) -> Any:
            while True:
                pass

    class Exits:
        def process(self, samples: Any, rate_hz: int) -> Any:
            sys.exit(3)

    with watched(), interrupting(), caplog.at_level(logging.ERROR):
        await asyncio.sleep(0)
        for each in (Hangs(), Exits()):
            guarded = GuardedFilter(each, rate_hz=8000)
            assert guarded.process(frame) is frame
            assert guarded.bypassed
    assert "process has held the event loop" in caplog.text


async def test_a_loop_that_others_hold_is_told_of_without_a_culprit() -> None:
    """Nobody's step: the log gives the line that the loop is at."""
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
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(1))
                raise ValueError("a bug")
        except* ValueError:
            seen.append("a group")
        return seen

    assert await call_hook(author, EVENT) == ["from a future", [1, 2], "timed out", "a group"]


async def test_any_awaitable_will_do() -> None:
    """A plain function may return an object with __await__."""

    class Later:
        def __await__(self) -> Any:
            yield from asyncio.sleep(0.01).__await__()
            return "later"

    assert await call_hook(lambda event: Later(), EVENT) == "later"


async def test_the_thread_rests_when_nobody_is_watched() -> None:
    """Two who ask are one watch; after the last no loop beats any more."""
    await shared_thread()
    await asyncio.sleep(0.05)
    with watched(), watched():
        assert asyncio.get_running_loop() in watchdog._watches
    assert asyncio.get_running_loop() not in watchdog._watches


async def test_a_held_loop_is_told_of() -> None:
    """For how long, as far as it is watched; whoever does not listen any more is not told."""
    told: list[tuple[float, str]] = []
    with watched():
        with told_when_held(lambda held_s, by: told.append((held_s, by))):
            await asyncio.sleep(0.12)
            time.sleep(0.4)
            await asyncio.sleep(0.12)
        time.sleep(0.3)
        await asyncio.sleep(0.12)
    longest, by = max(told)
    assert 0.3 < longest < 2
    assert "test_watchdog.py:" in by


async def test_the_collector_is_told_of_as_itself() -> None:
    """A loop that stood still while Python looked for garbage was held by that."""
    told: list[tuple[float, str]] = []
    with watched(), told_when_held(lambda held_s, by: told.append((held_s, by))):
        await asyncio.sleep(0.12)
        until = time.monotonic() + 0.4
        while time.monotonic() < until:
            gc.collect()
        await asyncio.sleep(0.12)
    assert max(told)[1] == "gc"
