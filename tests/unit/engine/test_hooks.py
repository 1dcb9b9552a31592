"""The author's own code, run where it can hurt only its own call."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from patter_cli.engine.author_run import LEAVE_S
from patter_cli.engine.hooks import CallEvent, IncomingMessage, call_hook, message_pieces, notify
from patter_cli.engine.threads import THREADS

EVENT = CallEvent(call_id="1", text="hello")


def message(text: str = "hello") -> IncomingMessage:
    return IncomingMessage(text=text, end_call=lambda: None, transfer_call=lambda number: None)


async def said(hook: Callable[..., Any]) -> list[str]:
    return [piece async for piece in message_pieces(hook, message())]


def test_an_event_is_a_mapping_with_attributes() -> None:
    """Both ways to a key; a wrong one says which there are."""
    assert EVENT.text == EVENT["text"] == "hello"
    assert dict(EVENT) == {"call_id": "1", "text": "hello"}
    with pytest.raises(AttributeError, match="no 'txt'; it has call_id, text"):
        _ = EVENT.txt
    assert set(message()) == {"text"}


async def test_a_callback_may_be_sync_or_async() -> None:
    """Neither runs on our loop: a sync one in a thread of its own, coroutines on a loop that they share.

    Both see the context they were called in.
    """
    loop_thread = threading.get_ident()
    threads: set[int] = set()
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("set by the call")

    def sync(event: CallEvent) -> tuple[str, bool]:
        return variable.get(), threading.get_ident() != loop_thread

    async def coroutine(event: CallEvent) -> tuple[str, bool]:
        threads.add(threading.get_ident())
        return variable.get(), threading.get_ident() != loop_thread

    assert await call_hook(sync, EVENT) == ("set by the call", True)
    assert await call_hook(coroutine, EVENT) == ("set by the call", True)
    assert await call_hook(lambda event: coroutine(event), EVENT) == ("set by the call", True)
    assert len(threads) == 1


@pytest.mark.parametrize("error", [ValueError("a bug"), SystemExit(3), StopIteration(), GeneratorExit()])
async def test_what_a_sync_callback_raises_is_an_error_and_no_more(error: BaseException) -> None:
    """Also what would end the process, or a generator."""

    def raises(event: CallEvent) -> None:
        raise error

    with pytest.raises((ValueError, RuntimeError)):
        await call_hook(raises, EVENT)


@pytest.mark.parametrize("error", [ValueError("a bug"), SystemExit(3), asyncio.CancelledError()])
async def test_what_an_async_callback_raises_is_an_error_and_no_more(error: BaseException) -> None:
    """Also its own cancellation, which is not ours."""

    async def raises(event: CallEvent) -> None:
        raise error

    with pytest.raises((ValueError, RuntimeError)):
        await call_hook(raises, EVENT)


async def test_a_deadline_is_kept_whatever_the_callback_does() -> None:
    """One that hangs, blocks or refuses its cancellation: the caller goes on, the rest runs out by itself."""
    release = threading.Event()
    refused = threading.Event()

    async def hangs(event: CallEvent) -> None:
        await asyncio.Event().wait()

    async def refuses(event: CallEvent) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            refused.set()
            await asyncio.sleep(0.1)

    for hook in (hangs, refuses, lambda event: release.wait(10)):
        with pytest.raises(TimeoutError):
            await call_hook(hook, EVENT, within_s=0.05)
    release.set()
    assert await asyncio.to_thread(refused.wait, 5)


async def test_notify_logs_what_goes_wrong_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """And goes no further; no callback is no callback."""

    def broken(event: CallEvent) -> None:
        raise ValueError("the author's own words")

    with caplog.at_level(logging.ERROR):
        await notify(broken, EVENT)
        await notify(None, EVENT)
        await notify(lambda event: asyncio.Event().wait(), EVENT, within_s=0.01)
    first, second = caplog.records
    assert "broken" in first.getMessage()
    assert first.exc_info is not None
    assert "the author's own words" in str(first.exc_info[1])
    assert "did not return" in second.getMessage()


async def test_threads_are_bounded() -> None:
    """When hundreds of sync callbacks hang, the next one is refused, not the process."""
    release = threading.Event()
    stuck = [asyncio.create_task(call_hook(lambda event: release.wait(20), EVENT)) for _ in range(THREADS)]
    await asyncio.sleep(0.05)
    with pytest.raises(RuntimeError, match="have not returned"):
        await call_hook(lambda event: "too many", EVENT)
    release.set()
    await asyncio.gather(*stuck)
    assert await call_hook(lambda event: "room again", EVENT) == "room again"


async def test_on_message_may_give_its_words_in_any_form() -> None:
    """str, coroutine, generators of both kinds, objects that return one."""

    async def pieces(event: Any) -> AsyncIterator[str]:
        yield "a"
        yield "b"

    def steps(event: Any) -> Iterator[str]:
        yield "a"
        yield "b"

    async def coroutine(event: Any) -> str:
        return "a"

    async def gives_pieces(event: Any) -> AsyncIterator[str]:
        return pieces(event)

    assert await said(lambda event: event.text) == ["hello"]
    assert await said(coroutine) == ["a"]
    assert await said(lambda event: coroutine(event)) == ["a"]
    assert await said(pieces) == await said(steps) == await said(gives_pieces) == ["a", "b"]
    assert await said(lambda event: pieces(event)) == ["a", "b"]
    assert await said(lambda event: None) == []


@pytest.mark.parametrize("lie", [42, b"bytes", ["a", "b"], {"text": "a"}])
async def test_anything_else_is_named(lie: object) -> None:
    """With the type that was given."""
    with pytest.raises(TypeError, match=type(lie).__name__):
        await said(lambda event: lie)


async def test_closing_closes_the_authors_generator() -> None:
    """At once, where it stands: its `finally` runs before the call goes on."""
    closed: list[str] = []

    async def pieces(event: Any) -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append("closed")

    for hook in (pieces, lambda event: pieces(event)):
        words = message_pieces(hook, message())
        assert await anext(words) == "a"
        await words.aclose()
        assert closed.pop() == "closed"


async def test_an_exit_in_on_message_is_an_error() -> None:
    """sys.exit() ends no process that has other calls."""

    async def exits(event: Any) -> AsyncIterator[str]:
        yield "a"
        raise SystemExit(1)

    with pytest.raises(RuntimeError, match="SystemExit"):
        await said(exits)


async def test_none_as_a_piece_is_wrong_in_every_form() -> None:
    """It does not end a reply in silence."""

    async def pieces(event: Any) -> AsyncIterator[Any]:
        yield "a"
        yield None

    def steps(event: Any) -> Iterator[Any]:
        yield "a"
        yield None

    for hook in (pieces, steps):
        with pytest.raises(TypeError, match="NoneType"):
            await said(hook)


async def test_a_sync_callback_that_hangs_keeps_no_process_alive() -> None:
    """Its thread is a daemon: nobody waits for it at exit."""
    threads: list[threading.Thread] = []
    await call_hook(lambda event: threads.append(threading.current_thread()), EVENT)
    assert threads[0].daemon


async def test_a_sync_generator_lives_in_one_thread_and_is_closed_there() -> None:
    """From its first line to its `finally`, also when it is closed while it waits for its next piece."""
    threads: list[int] = []
    release, closed = threading.Event(), threading.Event()

    def steps(event: Any) -> Iterator[str]:
        try:
            threads.append(threading.get_ident())
            yield "a"
            threads.append(threading.get_ident())
            release.wait(10)
            yield "b"
        finally:
            threads.append(threading.get_ident())
            closed.set()

    words = message_pieces(lambda event: steps(event), message())
    assert await anext(words) == "a"
    waiting = asyncio.ensure_future(anext(words))
    await asyncio.sleep(0.02)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    release.set()
    assert await asyncio.to_thread(closed.wait, 5)
    assert len(threads) == 3
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


async def test_a_coroutine_that_will_not_go_is_closed_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """It may clean up for a while; then it is closed where it stands, and nobody has waited for it."""

    async def stubborn(event: Any) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass

    async def stubborn_pieces(event: Any) -> AsyncIterator[str]:
        yield "a"
        await stubborn(event)

    with caplog.at_level(logging.ERROR):
        with pytest.raises(TimeoutError):
            await call_hook(stubborn, EVENT, within_s=0.01)
        words = message_pieces(stubborn_pieces, message())
        assert await anext(words) == "a"
        waiting = asyncio.ensure_future(anext(words))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        await asyncio.sleep(2 * LEAVE_S)
    assert [record.args for record in caplog.records] == [("stubborn",), ("stubborn_pieces",)]


async def test_endless_pieces_leave_the_loop_its_turn() -> None:
    """Even an async generator that never waits for anything."""

    async def endless(event: Any) -> AsyncIterator[str]:
        while True:
            yield ""

    others = 0

    async def other() -> None:
        nonlocal others
        while others < 20:
            others += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(other())
    words = message_pieces(endless, message())
    async for _ in words:
        if running.done():
            break
    await words.aclose()
    assert others == 20


async def test_orders_may_come_from_any_thread() -> None:
    """end_call and transfer_call are carried out on the loop, before the answer is over; a number is a str."""
    orders: list[tuple[str, bool]] = []
    loop_thread = threading.get_ident()
    event = IncomingMessage(
        end_call=lambda: orders.append(("end", threading.get_ident() == loop_thread)),
        transfer_call=lambda number: orders.append((number, threading.get_ident() == loop_thread)),
    )

    def answers(event: IncomingMessage) -> str:
        event.transfer_call("+15550100")
        event.end_call()
        with pytest.raises(TypeError, match="not int"):
            event.transfer_call(15550100)  # type: ignore[arg-type]
        return "Bye."

    assert [piece async for piece in message_pieces(answers, event)] == ["Bye."]
    assert orders == [("+15550100", True), ("end", True)]


async def test_an_error_that_cannot_be_shown_is_replaced() -> None:
    """Its own __repr__ is the author's code too."""

    class Unspeakable(Exception):
        def __repr__(self) -> str:
            raise SystemExit(1)

    def raises(event: Any) -> None:
        raise Unspeakable

    with pytest.raises(RuntimeError, match="Unspeakable, which cannot be shown"):
        await call_hook(raises, EVENT)


async def test_on_message_that_cancels_itself_has_failed() -> None:
    """It is not taken for our cancellation, which would end the reply without a word."""

    async def cancels(event: Any) -> str:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled itself"):
        await said(cancels)
