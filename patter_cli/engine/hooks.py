"""The agent author's own code: callbacks and on_message, run where they can hurt only their own call.

A plain function has a thread, a coroutine the author's event loop (author_run.py). None of it is on our loop, so
waiting for it can be given up at any moment.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from patter_cli.call_event import CallEvent
from patter_cli.engine.author_run import author_pieces, author_value
from patter_cli.engine.threads import in_thread, thread_pieces
from patter_cli.engine.whereabouts import name_of

if TYPE_CHECKING:
    from patter_cli.engine.answer_service import AnswerService

log = logging.getLogger(__name__)

Hook = Callable[..., Any]

CALLBACK_S = 5.0
"""Deadline of a callback that nobody waits for."""


class IncomingMessage(CallEvent):
    """The on_message event: call_id, text, caller, callee, history; and two ways to end the conversation.

    Both ways work from any thread once the event is bound, and never raise for a call that is over.
    """

    def __init__(self, *, end_call: Callable[[], None], transfer_call: Callable[..., None], **facts: Any) -> None:
        super().__init__(**facts)
        object.__setattr__(self, "_orders", (end_call, transfer_call))
        object.__setattr__(self, "_loop", None)

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on orders are carried out on this loop, in the order given."""
        object.__setattr__(self, "_loop", loop)

    def end_call(self) -> None:
        """Hang up once this answer has been heard."""
        self._order(self._orders[0])

    def transfer_call(self, number: str, about: str = "") -> None:
        """Put the caller through once this answer has been heard. number: E.164, perhaps with ";ext=12".

        about: whoever answers is told this first, by the agent, while the caller hears music.
        """
        for name, given in (("a number", number), ("about", about)):
            if not isinstance(given, str):
                raise TypeError(f"transfer_call takes {name} as str, not {type(given).__name__}")
        self._order(partial(self._orders[1], number, about) if about else partial(self._orders[1], number))

    def _order(self, order: Callable[[], None]) -> None:
        if self._loop is None:
            order()
        else:
            with suppress(RuntimeError):  # the loop is closed: so is the call
                self._loop.call_soon_threadsafe(order)


class MachineDetectionResult(CallEvent):
    """The on_machine_detection event: call_id, caller, callee, history, classification, raw, detected_at.

    classification: human, machine, fax or unknown. raw: the carrier's word for it, or "". detected_at: Unix seconds.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The callbacks of an agent; None where there is none."""

    on_call_start: Hook | None = None
    on_call_end: Hook | None = None
    on_transcript: Hook | None = None
    on_message: Hook | AnswerService | str | None = None
    """A function, or where another process answers; in a ready agent never a plain address."""
    on_metrics: Hook | None = None
    on_machine_detection: Hook | None = None
    expect: Hook | None = None
    """What must hold of every call; asked once a simulated one is over: see simulate.fuzz.author."""


async def call_hook(hook: Hook, *arguments: Any, within_s: float = CALLBACK_S) -> Any:
    """Run the author's function, sync (in a thread) or async: a callback with its event, a tool with its arguments.

    What it raises is raised, always as an Exception; TimeoutError past the deadline, which nobody waits beyond: what
    does not go when it is cancelled is left behind. `functools.partial` is fine.
    """
    async with asyncio.timeout(within_s):
        return await _value(hook, arguments)


async def _value(hook: Hook, arguments: tuple[Any, ...]) -> Any:
    """What the function gives, awaited if it can be. Making a coroutine or a generator runs nothing of it."""
    if inspect.iscoroutinefunction(hook) or inspect.isgeneratorfunction(hook) or inspect.isasyncgenfunction(hook):
        result = hook(*arguments)
    else:
        result = await in_thread(partial(hook, *arguments), name_of(hook))
    return await author_value(result, hook) if inspect.isawaitable(result) else result


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
    result = await _value(hook, (event,))
    if inspect.isgenerator(result):
        pieces = thread_pieces(lambda: result, name_of(hook))
    elif hasattr(result, "__aiter__"):
        pieces = author_pieces(partial(_steps_of, result), hook)
    else:
        pieces = _one_piece(result)
    try:
        async for piece in pieces:
            if not isinstance(piece, str):
                raise TypeError(f"on_message gave {type(piece).__name__}, not str")
            yield piece
    finally:
        await pieces.aclose()


async def _one_piece(result: Any) -> AsyncGenerator[Any, None]:
    if result is not None:
        yield result


async def _steps_of(result: Any) -> AsyncGenerator[Any, None]:
    """On the author's loop: what any async iterable yields, closed when it is left."""
    pieces = aiter(result)
    try:
        async for piece in pieces:
            yield piece
    finally:
        if inspect.isasyncgen(pieces):
            await pieces.aclose()
