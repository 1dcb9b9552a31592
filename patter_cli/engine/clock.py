"""Call time: whole milliseconds since a call's stream began, on the event loop's monotonic clock."""

from __future__ import annotations

import asyncio

from patter_cli.core.events import Ms


class CallClock:
    """Running call time. Starts when it is made."""

    __slots__ = ("_loop", "_start")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._start = loop.time()

    def now(self) -> Ms:
        return int((self._loop.time() - self._start) * 1000)

    def now_ms(self) -> float:
        """The same with its fraction, for the media plane."""
        return (self._loop.time() - self._start) * 1000

    def loop_time(self, at: float) -> float:
        """Call time `at` as the loop counts, for call_at."""
        return self._start + at / 1000
