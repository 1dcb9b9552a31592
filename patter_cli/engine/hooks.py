"""The agent author's own code: callbacks and on_message, run where they can hurt only their own call."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

log = logging.getLogger(__name__)

Hook = Callable[..., Any]

THREADS = 256
"""Sync callbacks at work at the same time; with more, all of them hang and the next is refused."""
CALLBACK_S = 5.0
"""Deadline of a callback that nobody waits for."""

_END = object()
_busy = threading.BoundedSemaphore(THREADS)
_tasks: set[asyncio.Task[Any]] = set()
"""Async callbacks that run, also those given up that will not be cancelled."""


class CallEvent(dict[str, Any]):
    """What a callback gets: a mapping whose keys are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"this event has no {name!r}; it has {', '.join(sorted(self))}") from None


class IncomingMessage(CallEvent):
    """The on_message event: call_id, text, caller, callee, history; and two ways to end the conversation."""

    def __init__(self, *, end_call: Callable[[], None], transfer_call: Callable[[str], None], **facts: Any) -> None:
        super().__init__(**facts)
        object.__setattr__(self, "end_call", end_call)
        object.__setattr__(self, "transfer_call", transfer_call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The callbacks of an agent; None where there is none."""

    on_call_start: Hook | None = None
    on_call_end: Hook | None = None
    on_transcript: Hook | None = None
    on_message: Hook | None = None
    on_metrics: Hook | None = None


async def call_hook(hook: Hook, event: CallEvent, *, within_s: float = CALLBACK_S) -> Any:
    """Run a callback, sync (in a thread) or async. What it raises is raised, TimeoutError past the deadline."""
    task = asyncio.create_task(_outcome(hook, event))
    _tasks.add(task)
    task.add_done_callback(_forget)
    try:
        # Past the deadline it is cancelled and not waited for: code that catches everything may refuse to go.
        await asyncio.wait({task}, timeout=within_s)
    finally:
        task.cancel()
    if not task.done():
        raise TimeoutError
    if task.cancelled():
        raise RuntimeError("the callback cancelled itself")
    return task.result()


async def _outcome(hook: Hook, event: CallEvent) -> Any:
    try:
        result = hook(event) if inspect.iscoroutinefunction(hook) else await _in_thread(partial(hook, event))
        return await result if inspect.isawaitable(result) else result
    except SystemExit as error:
        raise _exited(error) from error


def _exited(error: BaseException) -> RuntimeError:
    """What must not leave a callback: it would end the process, and all other calls with it."""
    return RuntimeError(f"the callback raised {error!r}")


def _forget(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    if not task.cancelled():
        task.exception()  # whoever waited for it has it; after a deadline nobody does


async def notify(hook: Hook | None, event: CallEvent, *, within_s: float = CALLBACK_S) -> None:
    """Run a callback whose answer nobody needs; what goes wrong is logged with its traceback and goes no further."""
    if hook is None:
        return
    name = getattr(hook, "__name__", str(hook))
    try:
        await call_hook(hook, event, within_s=within_s)
    except TimeoutError:
        log.error("callback %s did not return within %.0f s", name, within_s)
    except Exception:
        log.exception("callback %s raised", name)


async def message_pieces(hook: Hook, event: IncomingMessage) -> AsyncGenerator[str, None]:
    """Run on_message in any of its forms: str, coroutine of str, async or sync generator of str pieces."""
    pieces = None
    try:
        if inspect.isgeneratorfunction(hook):
            steps = hook(event)
            while (piece := await _in_thread(partial(next, steps, _END))) is not _END:
                yield _text(piece)
            return
        run_here = inspect.iscoroutinefunction(hook) or inspect.isasyncgenfunction(hook)
        result = hook(event) if run_here else await _in_thread(partial(hook, event))
        if inspect.isawaitable(result):
            result = await result
        if hasattr(result, "__aiter__"):
            pieces = result
            async for piece in pieces:
                yield _text(piece)
        elif result is not None:
            yield _text(result)
    except SystemExit as error:
        raise _exited(error) from error
    finally:
        if inspect.isasyncgen(pieces):
            await pieces.aclose()


def _text(piece: Any) -> str:
    if not isinstance(piece, str):
        raise TypeError(f"on_message gave {type(piece).__name__}, not str")
    return piece


async def _in_thread(function: Callable[[], Any]) -> Any:
    """Run it in a thread of its own, which nobody waits for at exit: a function may never return."""
    if not _busy.acquire(blocking=False):
        raise RuntimeError(f"{THREADS} callbacks have not returned")
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            settle = partial(future.set_result, context.run(function))
        except BaseException as error:  # noqa: BLE001 (handed to whoever waits)
            harmless = isinstance(error, Exception) and not isinstance(error, StopIteration)
            settle = partial(future.set_exception, error if harmless else _exited(error))
        finally:
            _busy.release()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, future, settle)

    threading.Thread(target=run, name="patter-callback", daemon=True).start()
    return await future


def _settle(future: asyncio.Future[Any], settle: Callable[[], None]) -> None:
    if not future.done():
        settle()
