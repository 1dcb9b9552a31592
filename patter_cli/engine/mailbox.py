"""One call's events in order, with a deadline: many post, one reads."""

from __future__ import annotations

import asyncio
from collections import deque

from patter_cli.core.events import Event, Ms, SpanGrew, Tick, TranscriptPartial
from patter_cli.engine.clock import CallClock

ROOM = 4096
"""More waiting events than any call has in a minute. Beyond it the dispensable ones are dropped and counted."""


class Mailbox:
    """Bounded, in order, one consumer."""

    def __init__(self, clock: CallClock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._events: deque[Event] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due: Ms = 0
        """When the timer rings."""
        self.dropped = 0

    @property
    def waiting(self) -> bool:
        """Events are there that nobody has looked at."""
        return bool(self._events)

    def post(self, event: Event) -> None:
        """Add an event; never blocks. Past ROOM, what only says how far something has come makes way."""
        if len(self._events) >= ROOM and isinstance(event, TranscriptPartial | SpanGrew):
            self.dropped += 1
            return
        self._events.append(event)
        self._wake()

    async def next(self, until: Ms | None) -> Event:
        """The next event, or a Tick once call time reaches `until`."""
        while not self._events:
            if until is not None and self._clock.now() >= until:
                return Tick()
            self._waiter = self._loop.create_future()
            if until is not None:
                self._ring_by(until)
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._events.popleft()

    def close(self) -> None:
        """Nobody reads any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring_by(self, until: Ms) -> None:
        """Have the timer ring by then. One that rings earlier is left: most deadlines move before they are reached."""
        if self._timer is not None:
            if self._due <= until:
                return
            self._timer.cancel()
        self._due = until
        # One millisecond late rather than early: a Tick before its deadline would only be asked again.
        self._timer = self._loop.call_at(self._clock.loop_time(until + 1), self._rung)

    def _rung(self) -> None:
        self._timer = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
