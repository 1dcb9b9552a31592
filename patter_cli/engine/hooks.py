"""The agent author's own code: callbacks and on_message, run where they can hurt only their own call."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from patter_cli.engine.threads import END, Answer, in_thread, own_loop_pieces, serve_pieces, thread_pieces
from patter_cli.engine.watchdog import NOW, contained, is_quarantined, name_of, watch_steps

log = logging.getLogger(__name__)

Hook = Callable[..., Any]

CALLBACK_S = 5.0
"""Deadline of a callback that nobody waits for."""
LEAVE_S = 0.5
"""How long a cancelled coroutine may take to clean up."""

_tasks: set[asyncio.Task[Any]] = set()
"""The author's code at work, also what was given up and will not be cancelled."""


class CallEvent(dict[str, Any]):
    """What a callback gets: a mapping whose keys are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"this event has no {name!r}; it has {', '.join(sorted(self))}") from None


class IncomingMessage(CallEvent):
    """The on_message event: call_id, text, caller, callee, history; and two ways to end the conversation.

    Both ways work from any thread once the event is bound, and never raise for a call that is over.
    """

    def __init__(self, *, end_call: Callable[[], None], transfer_call: Callable[[str], None], **facts: Any) -> None:
        super().__init__(**facts)
        object.__setattr__(self, "_orders", (end_call, transfer_call))
        object.__setattr__(self, "_loop", None)

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on orders are carried out on this loop, in the order given."""
        object.__setattr__(self, "_loop", loop)

    def end_call(self) -> None:
        """Hang up once this answer has been heard."""
        self._order(self._orders[0])

    def transfer_call(self, number: str) -> None:
        """Put the caller through once this answer has been heard. number: E.164."""
        if not isinstance(number, str):
            raise TypeError(f"transfer_call takes a number as str, not {type(number).__name__}")
        self._order(partial(self._orders[1], number))

    def _order(self, order: Callable[[], None]) -> None:
        if self._loop is None:
            order()
        else:
            with suppress(RuntimeError):  # the loop is closed: so is the call
                self._loop.call_soon_threadsafe(order)


class MachineDetectionResult(CallEvent):
    """The on_machine_detection event: call_id, caller, callee, classification, raw, detected_at.

    classification: human, machine, fax or unknown. raw: the carrier's word for it, or "". detected_at: Unix seconds.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The callbacks of an agent; None where there is none."""

    on_call_start: Hook | None = None
    on_call_end: Hook | None = None
    on_transcript: Hook | None = None
    on_message: Hook | None = None
    on_metrics: Hook | None = None
    on_machine_detection: Hook | None = None


async def call_hook(hook: Hook, *arguments: Any, within_s: float = CALLBACK_S) -> Any:
    """Run the author's function, sync (in a thread) or async: a callback with its event, a tool with its arguments.

    What it raises is raised, always as an Exception; TimeoutError past the deadline. `functools.partial` is fine.
    """
    task = asyncio.create_task(_outcome(hook, arguments))
    _tasks.add(task)
    task.add_done_callback(_forget)
    try:
        # Past the deadline it is cancelled and not waited for: code that catches everything may refuse to go.
        await asyncio.wait({task}, timeout=within_s)
    finally:
        if not task.done():
            task.cancel()
            asyncio.get_running_loop().call_later(LEAVE_S, _show_out, task, hook)
    if not task.done():
        raise TimeoutError
    if task.cancelled():
        raise RuntimeError("the callback cancelled itself")
    if (error := task.exception()) is not None:
        raise contained(error)
    return task.result()


async def _outcome(hook: Hook, arguments: tuple[Any, ...]) -> Any:
    if is_quarantined(hook):
        [result] = [each async for each in own_loop_pieces(partial(_once, hook, arguments))]
        return result
    bound = partial(hook, *arguments)
    result = bound() if inspect.iscoroutinefunction(hook) else await in_thread(bound)
    return await watch_steps(result, hook) if inspect.isawaitable(result) else result


async def _once(hook: Hook, arguments: tuple[Any, ...]) -> AsyncGenerator[Any, None]:
    result = hook(*arguments)
    yield await watch_steps(result, hook) if inspect.isawaitable(result) else result


def _show_out(task: asyncio.Task[Any], hook: Hook) -> None:
    if not task.done():
        log.error("%s went on although it was cancelled; it is closed where it stands", name_of(hook))
        task.cancel(NOW)


def _forget(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    if not task.cancelled():
        task.exception()  # whoever waited for it has it; after a deadline nobody does


async def notify(hook: Hook | None, event: CallEvent, *, within_s: float = CALLBACK_S) -> None:
    """Run a callback whose answer nobody needs; what goes wrong is logged with its traceback and goes no further."""
    if hook is None:
        return
    name = name_of(hook)
    try:
        await call_hook(hook, event, within_s=within_s)
    except TimeoutError:
        log.error("callback %s did not return within %.0f s", name, within_s)
    except Exception:
        log.exception("callback %s raised", name)


async def message_pieces(hook: Hook, event: IncomingMessage) -> AsyncGenerator[str, None]:
    """Run on_message in any of its forms: str, coroutine of str, async or sync generator of str pieces.

    Closing it stops the author's code: at its next `yield` or `await`, or not at all, in which case it is left behind.
    What it raises is raised, always as an Exception; TypeError for a piece that is no str.
    """
    event.bind(asyncio.get_running_loop())
    start = partial(_pieces_of, hook, event)
    pieces = own_loop_pieces(start) if is_quarantined(hook) else _task_pieces(start, hook)
    try:
        async for piece in pieces:
            if not isinstance(piece, str):
                raise TypeError(f"on_message gave {type(piece).__name__}, not str")
            yield piece
    finally:
        await pieces.aclose()


async def _task_pieces(start: Callable[[], AsyncGenerator[Any, None]], hook: Hook) -> AsyncGenerator[Any, None]:
    """What an async generator yields, in a task of its own: one that will not be cancelled keeps nobody waiting.

    Between two pieces the loop gets its turn, even if the author's code never waits for anything.
    """
    wanted = asyncio.Queue[None]()
    answer = Answer()
    task = asyncio.create_task(serve_pieces(start(), wanted, answer))
    _tasks.add(task)
    task.add_done_callback(_forget)
    try:
        while True:
            waiting = answer.expect()
            wanted.put_nowait(None)
            if (piece := await waiting) is END:
                return
            yield piece
    finally:
        if not answer.last:
            answer.abandon()
            task.cancel()
            try:
                await asyncio.wait({task}, timeout=LEAVE_S)
            finally:
                _show_out(task, hook)


async def _pieces_of(hook: Hook, event: IncomingMessage) -> AsyncGenerator[Any, None]:
    """Whatever on_message gives, as pieces; what is on the loop goes by its name, step by step."""
    if inspect.isgeneratorfunction(hook) or inspect.iscoroutinefunction(hook) or inspect.isasyncgenfunction(hook):
        result = hook(event)
    else:
        result = await in_thread(partial(hook, event))
    if inspect.isawaitable(result):
        result = await watch_steps(result, hook)
    if inspect.isgenerator(result):
        steps = thread_pieces(lambda: result)
        try:
            async for piece in steps:
                yield piece
        finally:
            await steps.aclose()
    elif hasattr(result, "__aiter__"):
        pieces = aiter(result)
        try:
            while (piece := await watch_steps(anext(pieces, END), hook)) is not END:
                yield piece
        finally:
            if inspect.isasyncgen(pieces):
                await watch_steps(pieces.aclose(), hook)
    elif result is not None:
        yield result
