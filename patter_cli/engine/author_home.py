"""Where the author's code runs instead of in threads and on a loop of its own: for runs that keep their own time.

A call on a telephone leaves HOME alone. A simulated one sets it in its own context, and all tasks of that call have it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from patter_cli.engine.author_loop import Work


class RunHome(Protocol):
    """A loop for the author's coroutines; see author_loop.AuthorLoop."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def private(self) -> bool:
        """It ends with its one run."""

    def submit(self, work: Work) -> None:
        """Have it begin."""

    def forget(self, work: Work) -> None:
        """It is over."""

    def run(self, work: Coroutine[Any, Any, Any], hook: Callable[..., Any], context: contextvars.Context) -> Any:
        """A task for it."""

    def be_strict(self) -> None:
        """Nobody waits any more for what runs here."""

    def linger(self) -> None:
        """Its run is over; what that has left may go on for a while."""


class AuthorHome(RunHome, Protocol):
    """The same, and a place for the author's plain functions and generators."""

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        """Run a function. What it raises is raised."""

    def thread_pieces(self, start: Callable[[], Generator[Any, Any, Any]]) -> AsyncGenerator[Any, None]:
        """What a generator yields."""


HOME: Final[contextvars.ContextVar[AuthorHome | None]] = contextvars.ContextVar("author_home", default=None)
