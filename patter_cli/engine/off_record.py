"""A call's tools that want it off the record: it is from the first that asks until the last of them is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

from patter_cli.core.carrier_events import OffRecordRequested
from patter_cli.core.events import Event
from patter_cli.errors import CarrierError


class OffRecord:
    """One call's, for the loop of that call."""

    def __init__(self, post: Callable[[Event], None]) -> None:
        self._post = post
        self._wanted_by: set[Switch] = set()
        self._waiting: list[tuple[bool, Future[None]]] = []
        self._closed = False

    def switch(self) -> Switch:
        """For one run of a tool."""
        return Switch(self, asyncio.get_running_loop())

    def want(self, by: Switch, off: bool, answer: Future[None]) -> None:
        """A tool at work wants it, or no longer does. answer: done once that is so, or with CarrierError."""
        if self._closed or (off and by.over):
            answer.set_exception(CarrierError("the call is over" if self._closed else "the tool is over"))
            return
        (self._wanted_by.add if off else self._wanted_by.discard)(by)
        if not off and self._wanted_by:
            answer.set_result(None)  # another one wants it still
            return
        self._waiting.append((off, answer))
        self._post(OffRecordRequested(off=off))

    def end(self, by: Switch) -> None:
        """That run is over, and wants nothing any more."""
        by.over = True
        if by in self._wanted_by and not self._closed:
            self.want(by, False, Future())

    def told(self, off: bool, message: str) -> None:
        """The answer to all that waits for this. message: why it is not so; "": it is."""
        answered = [answer for asked, answer in self._waiting if asked is off]
        self._waiting = [each for each in self._waiting if each[0] is not off]
        for answer in answered:
            if message:
                answer.set_exception(CarrierError(message))
            else:
                answer.set_result(None)

    def close(self) -> None:
        """The call is over."""
        self._closed = True
        for off in (True, False):
            self.told(off, "the call is over")


class Switch:
    """One run of a tool, which may be in any thread."""

    def __init__(self, record: OffRecord, loop: asyncio.AbstractEventLoop) -> None:
        self._record = record
        self._loop = loop
        self.over = False

    def turn(self, off: bool) -> Future[None]:
        """Ask for it, from any thread; done once it is so, or with CarrierError."""
        answer: Future[None] = Future()
        try:
            self._loop.call_soon_threadsafe(self._record.want, self, off, answer)
        except RuntimeError:  # the loop is closed
            answer.set_exception(CarrierError("the call is over"))
        return answer

    def end(self) -> None:
        """The run is over; on the call's own loop."""
        self._record.end(self)
