"""The loop of the author's code: whatever is done to it, the next callback runs."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from patter_cli.engine import watchdog
from patter_cli.engine.author_loop import author_loop, settle_author_code
from patter_cli.engine.hooks import CallEvent, IncomingMessage, call_hook, message_pieces
from patter_cli.engine.threads import THREADS

EVENT = CallEvent(call_id="1")
background: set[asyncio.Task[Any]] = set()


def in_background(work: Any) -> None:
    """What the authors of these tests do."""
    task = asyncio.create_task(work)
    background.add(task)
    task.add_done_callback(background.discard)


async def still_works() -> int:
    """The thread in which callbacks run now."""

    async def ask(event: CallEvent) -> int:
        await asyncio.sleep(0)
        return threading.get_ident()

    return int(await call_hook(ask, EVENT, within_s=5))


async def beside_another(stray: Callable[[], Awaitable[Any]]) -> str:
    """What another call's callback gives that is waiting meanwhile. stray: what a callback does."""
    begun = threading.Event()

    async def patient(event: CallEvent) -> str:
        begun.set()
        await asyncio.sleep(0.2)
        return "undisturbed"

    async def hostile(event: CallEvent) -> None:
        await stray()

    other = asyncio.create_task(call_hook(patient, EVENT))
    await asyncio.to_thread(begun.wait, 5)
    try:
        await call_hook(hostile, EVENT, within_s=2)
    except Exception:  # noqa: BLE001, S110 (its own business)
        pass
    return str(await other)


async def exits() -> None:
    sys.exit(3)


async def interrupts() -> None:
    raise KeyboardInterrupt


async def recurses() -> None:
    await recurses()


async def exhausts_memory() -> None:
    raise MemoryError


async def exits_in_a_task() -> None:
    in_background(exits())
    await asyncio.sleep(0.02)


async def exits_in_a_callback() -> None:
    asyncio.get_running_loop().call_soon(sys.exit, 3)
    await asyncio.sleep(0.02)


async def exits_in_a_timer() -> None:
    asyncio.get_running_loop().call_later(0.01, sys.exit)
    await asyncio.sleep(0.02)


async def exits_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(exits())
        group.create_task(interrupts())


async def exits_in_a_thread() -> None:
    await asyncio.to_thread(sys.exit, 3)


async def raises_in_a_thread_of_its_own() -> None:
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()


async def cancels_everybody() -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)


async def cancels_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(1)


async def stops_the_loop() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)


async def stops_it_from_a_thread() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(loop.call_soon_threadsafe, loop.stop)
    await asyncio.sleep(0.01)


async def closes_the_loop() -> None:
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.close)
    loop.close()
    await asyncio.sleep(0.01)


async def runs_a_loop_inside() -> None:
    asyncio.run(asyncio.sleep(0))


async def sets_another_loop() -> None:
    asyncio.set_event_loop(asyncio.new_event_loop())
    await asyncio.sleep(0)


async def sets_no_loop() -> None:
    asyncio.set_event_loop(None)
    await asyncio.sleep(0)


async def changes_the_tasks() -> None:
    asyncio.get_running_loop().set_task_factory(lambda loop, coroutine: 42)  # type: ignore[arg-type, return-value]
    await asyncio.create_task(asyncio.sleep(0))


async def ends_the_threads() -> None:
    await asyncio.get_running_loop().shutdown_default_executor()


async def fills_the_threads() -> None:
    for _ in range(40):
        in_background(asyncio.to_thread(time.sleep, 0.3))
    await asyncio.sleep(0)


async def breaks_the_exception_handler() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: sys.exit(3))
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0.01)


async def makes_a_task_of_nonsense() -> None:
    asyncio.create_task(42)  # type: ignore[arg-type]  # noqa: RUF006


async def leaves_the_directory() -> None:
    here = os.getcwd()
    os.chdir("/")
    os.chdir(here)


HOSTILE = [
    exits,
    interrupts,
    recurses,
    exhausts_memory,
    exits_in_a_task,
    exits_in_a_callback,
    exits_in_a_timer,
    exits_in_a_group,
    exits_in_a_thread,
    raises_in_a_thread_of_its_own,
    cancels_everybody,
    cancels_itself,
    stops_the_loop,
    stops_it_from_a_thread,
    closes_the_loop,
    runs_a_loop_inside,
    sets_another_loop,
    sets_no_loop,
    changes_the_tasks,
    ends_the_threads,
    fills_the_threads,
    breaks_the_exception_handler,
    makes_a_task_of_nonsense,
    leaves_the_directory,
]


@pytest.mark.parametrize("stray", HOSTILE, ids=lambda stray: stray.__name__)
async def test_it_hurts_its_own_call_only(stray: Callable[[], Awaitable[Any]]) -> None:
    """Another call's callback that is waiting meanwhile gives what it would have given, on the same loop as ever."""
    before = await still_works()
    assert await beside_another(stray) == "undisturbed"
    assert await still_works() == before


async def test_an_exit_in_the_background_is_told_to_its_call(caplog: pytest.LogCaptureFixture) -> None:
    """The callback that started the task has failed; the log says which function it was, and where."""

    async def on_message(event: CallEvent) -> str:
        in_background(exits())
        await asyncio.sleep(5)
        return "never"

    with caplog.at_level(logging.ERROR), pytest.raises(RuntimeError, match="SystemExit"):
        await call_hook(on_message, EVENT)
    [record] = caplog.records
    assert "test_author_loop.py:" in record.getMessage()
    assert "exits, started by on_message" in record.getMessage()


async def test_an_exit_that_its_author_waits_for_is_an_error_like_others() -> None:
    """It may be caught."""

    async def on_message(event: CallEvent) -> str:
        try:
            await asyncio.gather(asyncio.to_thread(sys.exit, 3))
        except SystemExit:
            return "caught"
        return "never"

    assert await call_hook(on_message, EVENT) == "caught"


async def test_who_would_stop_the_loop_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """With file, line and function."""

    async def stops(event: CallEvent) -> str:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return "unimpressed"

    with caplog.at_level(logging.ERROR):
        assert await call_hook(stops, EVENT) == "unimpressed"
    assert "test_author_loop.py:" in caplog.text
    assert "stops would stop the event loop" in caplog.text


async def test_a_task_in_the_background_that_holds_the_loop_is_stopped() -> None:
    """Though its callback is long over; the callback that starts such tasks has a loop of its own from then on."""
    shared = await still_works()

    async def spins() -> None:
        while True:
            pass

    async def starts_it(event: CallEvent) -> int:
        in_background(spins())
        return threading.get_ident()

    assert await call_hook(starts_it, EVENT) == shared
    assert await still_works() == shared
    assert watchdog.is_quarantined(starts_it)
    assert await call_hook(starts_it, EVENT) != shared


async def test_a_callback_of_the_loop_that_holds_it_is_stopped() -> None:
    """call_soon is nobody's task."""

    def spins() -> None:
        while True:
            pass

    async def starts_it(event: CallEvent) -> None:
        asyncio.get_running_loop().call_soon(spins)

    before = await still_works()
    await call_hook(starts_it, EVENT)
    assert await still_works() == before


async def test_a_lost_loop_is_replaced_until_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    """What had begun there fails, what waits moves, what is new goes elsewhere; afterwards all is as before."""
    home = await still_works()
    release, begun = threading.Event(), threading.Event()

    async def hangs(event: CallEvent) -> None:
        release.wait(30)

    async def patient(event: CallEvent) -> str:
        begun.set()
        await asyncio.sleep(1)
        return "too late"

    had_begun = asyncio.create_task(call_hook(patient, EVENT, within_s=20))
    await asyncio.to_thread(begun.wait, 5)
    with caplog.at_level(logging.ERROR):
        culprit = asyncio.create_task(call_hook(hangs, EVENT, within_s=20))
        await asyncio.sleep(0.1)
        began_at = time.monotonic()
        moved = asyncio.create_task(still_works())
        assert await moved != home
        assert 2 < time.monotonic() - began_at < 4.5
        for each in (had_begun, culprit):
            with pytest.raises(RuntimeError, match="hangs held the event loop"):
                await each
        assert await still_works() != home
    assert "hangs still holds the callbacks' event loop; another takes over" in caplog.text
    release.set()
    await asyncio.sleep(0.3)
    assert await still_works() == home


async def test_locks_and_queues_of_one_call_work_in_the_next() -> None:
    """What is made at import is for all calls: they share a loop."""
    lock = asyncio.Lock()
    most = 0
    inside = 0

    async def guarded(event: CallEvent) -> None:
        nonlocal most, inside
        async with lock:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(call_hook(guarded, EVENT) for _ in range(5)))
    assert most == 1


async def test_what_belongs_to_another_loop_fails_with_a_word_of_advice() -> None:
    """A future of the program around us cannot be awaited in a callback; there is a way, and it works."""
    ours = asyncio.get_running_loop()
    future: asyncio.Future[str] = ours.create_future()
    another: asyncio.Future[str] = ours.create_future()

    async def wrong(event: CallEvent) -> str:
        return await another

    async def wait_for_it() -> str:
        return await future

    async def right(event: CallEvent) -> str:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(wait_for_it(), ours))

    with pytest.raises(RuntimeError) as caught:
        await call_hook(wrong, EVENT)
    assert "run_coroutine_threadsafe" in caught.value.__notes__[0]
    ours.call_later(0.01, future.set_result, "from our side")
    assert await call_hook(right, EVENT) == "from our side"


async def test_pieces_come_as_they_are_made_and_a_few_ahead() -> None:
    """The first is heard while the second is made; a generator that nobody listens to is made to wait."""
    made: list[int] = []
    go_on = threading.Event()

    async def pieces(event: Any) -> AsyncIterator[str]:
        yield "first"
        await asyncio.to_thread(go_on.wait, 5)
        for number in range(1000):
            made.append(number)
            yield str(number)

    words = message_pieces(pieces, IncomingMessage(end_call=lambda: None, transfer_call=lambda number: None))
    assert await anext(words) == "first"
    assert made == []
    go_on.set()
    assert await anext(words) == "0"
    await asyncio.sleep(0.1)
    assert 2 <= len(made) < 40
    assert [await anext(words) for _ in range(999)] == [str(number) for number in range(1, 1000)]
    with pytest.raises(StopAsyncIteration):
        await anext(words)


async def test_an_order_given_before_the_end_comes_before_the_end() -> None:
    """end_call() in the last line of an async on_message is not lost."""
    orders: list[str] = []

    async def pieces(event: Any) -> AsyncIterator[str]:
        yield "Goodbye."
        event.end_call()

    for _ in range(50):
        event = IncomingMessage(end_call=lambda: orders.append("end"), transfer_call=lambda number: None)
        async for _piece in message_pieces(pieces, event):
            pass
        assert orders.pop() == "end"


async def test_an_executor_of_the_authors_is_used() -> None:
    """Theirs for to_thread; without one there is a thread for each, and never too many."""

    async def name(event: CallEvent) -> str:
        return str(await asyncio.to_thread(lambda: threading.current_thread().name))

    async def uses_its_own(event: CallEvent) -> str:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(thread_name_prefix="mine") as pool:
            return str(await loop.run_in_executor(pool, lambda: threading.current_thread().name))

    release = threading.Event()

    async def floods(event: CallEvent) -> None:
        await asyncio.gather(*(asyncio.to_thread(release.wait, 5) for _ in range(THREADS + 1)))

    assert await call_hook(name, EVENT) == "patter-callback"
    assert (await call_hook(uses_its_own, EVENT)).startswith("mine")
    with pytest.raises(RuntimeError, match="have not returned"):
        await call_hook(floods, EVENT)
    release.set()
    await asyncio.sleep(0.1)


async def test_at_the_end_what_is_left_may_clean_up() -> None:
    """The program ends: background tasks are cancelled and have a moment."""
    cleaned, begun = threading.Event(), threading.Event()

    async def background_work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async def starts_it(event: CallEvent) -> None:
        in_background(background_work())

    await call_hook(starts_it, EVENT)
    await asyncio.to_thread(begun.wait, 5)
    await settle_author_code(1.0)
    assert cleaned.is_set()
    assert not author_loop().at_work
