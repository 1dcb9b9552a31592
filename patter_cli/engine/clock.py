"""Call time: whole milliseconds since a call's stream began, on the event loop's monotonic clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

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


class CallAlarm:
    """Rings once in call time, at the time that was set last."""

    __slots__ = ("_clock", "_loop", "_timer")

    def __init__(self, clock: CallClock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: Ms, act: Callable[[], None]) -> None:
        self.cancel()
        # One millisecond late rather than early: who is rung before the time would only ask again.
        self._timer = self._loop.call_at(self._clock.loop_time(at + 1), act)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
