"""An event loop whose clock does not run while the machine does something else.

What a test plays against real sockets is over in real time, and on a machine with others on it the test would find out
how busy they are: a line that is not looked at for three seconds has heard nothing for three seconds. Here the clock is
what this thread has worked, and what it has waited with nothing to do. Whoever takes our place meanwhile takes none of
it; and since all sides of a call are in one process, none of them can tell.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

IDLE_SPEED = 2.0
"""How much faster than the world's the clock runs while there is nothing to do."""


class _Clock:
    """Seconds of work and of rest."""

    def __init__(self) -> None:
        self._counted_s = time.monotonic()
        self._worked_s = time.thread_time()

    def now_s(self) -> float:
        return self._counted_s + time.thread_time() - self._worked_s

    def rest(self, seconds: float) -> None:
        self._counted_s += seconds


class _Selector(selectors.DefaultSelector):
    """Waits, and counts it: a nap that took longer than it was to be has taken as long as it was to be."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        began_s = time.monotonic()
        found = super().select(timeout / IDLE_SPEED)
        waited_s = (time.monotonic() - began_s) * IDLE_SPEED
        self._clock.rest(min(waited_s, timeout) if found else timeout)
        return found


class PatientLoop(asyncio.SelectorEventLoop):
    """Counts its own time."""

    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(_Selector(self._clock))

    def time(self) -> float:
        return self._clock.now_s()


def run_patiently(work: Coroutine[Any, Any, Result]) -> Result:
    """asyncio.run, in such a loop."""
    with asyncio.Runner(loop_factory=PatientLoop) as runner:
        return runner.run(work)
