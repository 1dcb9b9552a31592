"""An event loop whose clock jumps to the next timer: what takes seconds on a call takes none here."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only when there is nothing left to do. Not for code that waits for threads or sockets."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_s = 0.0

    def time(self) -> float:
        return self._virtual_s

    def _run_once(self) -> None:
        loop: Any = super()
        timers = [timer.when() for timer in vars(self)["_scheduled"] if not timer.cancelled()]
        if not vars(self)["_ready"] and timers:
            self._virtual_s = max(self._virtual_s, min(timers))
        loop._run_once()


def virtually(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
