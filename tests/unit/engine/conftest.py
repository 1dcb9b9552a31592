"""An event loop whose clock jumps to the next timer: what takes seconds on a call takes none here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from patter_cli.engine.author_loop import Work, _loops

AUTHOR_S = 0.1
"""What the author's code, on a loop of its own in real time, may take before time passes without it."""

Result = TypeVar("Result")


def _author_works() -> set[Work]:
    return {work for each in tuple(_loops) for work in tuple(each._works)}


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only when there is nothing left to do, and the author's code has had a moment. Not for sockets."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_s = 0.0
        self._strays = _author_works()  # what another test has left, which may never end, is not waited for

    def time(self) -> float:
        return self._virtual_s

    def _run_once(self) -> None:
        loop: Any = super()
        timers = [timer.when() for timer in vars(self)["_scheduled"] if not timer.cancelled()]
        if not vars(self)["_ready"] and timers:
            until = time.monotonic() + AUTHOR_S
            while not vars(self)["_ready"] and time.monotonic() < until and _author_works() - self._strays:
                time.sleep(0.0005)
        if not vars(self)["_ready"] and timers:
            self._virtual_s = max(self._virtual_s, min(timers))
        loop._run_once()


def virtually(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
