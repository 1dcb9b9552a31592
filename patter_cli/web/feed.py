"""What happens on calls, for any number of browsers: server-sent events out of one ring.

Theory of operation. The bus tells us in a thread of ours; each thing that happened becomes the bytes of one event,
once, and lies in the ring, numbered. A reader has nothing but a number: the last event it was given. It looks into the
ring when its pace says so, takes all that came since as one piece, and sends that. So a reader that is slow, or dead,
has no queue that could grow; what has left the ring before it looked is told to it as a number, `missed`, and it goes
on with what is there. Its pace is the slower the more readers there are, so that all together send about as often as
READS_PER_S says: each send takes the loop 0.1 ms or so, and calls have that loop.

    bus thread -> LiveCall.feed -> ring <- reader <- reader <- ...
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections import OrderedDict
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested
from patter_cli.core.journal import Entry
from patter_cli.observe.cost import LIST_PRICES
from patter_cli.observe.prices import PriceTable
from patter_cli.web.endpoint import json_bytes
from patter_cli.web.pulse import LiveCall

ROOM: Final = 2048
"""Events that are kept for readers who look seldom: some seconds of 50 calls."""
CALLS: Final = 10_000
"""Calls that are followed at the same time; of more the oldest are forgotten."""
PACE_S: Final = 0.1
"""Between two looks of a reader, if there are few: less is not seen."""
READS_PER_S: Final = 200
"""Of all readers together."""
PING_S: Final = 15.0
"""After so long without an event a reader is sent a line, so that a connection that is gone shows."""
READERS: Final = 200
"""At the same time."""
_HEADERS: Final = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]


class LiveFeed:
    """The ring, and where each call stands. An observer of the bus."""

    def __init__(self, prices: PriceTable = LIST_PRICES) -> None:
        self._prices = prices
        self._calls: OrderedDict[str, LiveCall] = OrderedDict()
        self._lock = threading.Lock()
        self._events: list[tuple[str, bytes]] = []
        """(call id, the event's bytes); cut back to ROOM when there are twice as many."""
        self._dropped = 0
        """Events that are no longer in it; the first that is has the number after that."""
        self._epoch = secrets.token_hex(4)
        """In every event's id, so that a number of another process of ours means nothing here."""
        self._waiting: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}
        self.readers = 0

    def __call__(self, call_id: str, entry: Entry) -> None:
        """Take what the bus tells."""
        call = self._calls.get(call_id)
        if call is None:
            if not isinstance(entry.event, fact.CallConnected | DialRequested):
                return  # of a call that is over: its recording is ready
            call = LiveCall(call_id, self._prices)
            with self._lock:
                self._calls[call_id] = call
                while len(self._calls) > CALLS:
                    self._calls.popitem(last=False)
        told = list(call.feed(entry))
        if call.over:
            with self._lock:
                self._calls.pop(call_id, None)
        if told:
            self._append(call_id, told)

    def _append(self, call_id: str, told: list[dict[str, Any]]) -> None:
        with self._lock:
            for each in told:
                number = self._dropped + len(self._events) + 1
                head = f"id: {self._epoch}-{number}\nevent: {each['what']}\ndata: ".encode()
                self._events.append((call_id, head + json_bytes(each) + b"\n\n"))
            if len(self._events) > 2 * ROOM:
                self._dropped += len(self._events) - ROOM
                del self._events[:-ROOM]
            waiting, self._waiting = self._waiting, {}
        for future, loop in waiting.items():
            loop.call_soon_threadsafe(_wake, future)

    def forget(self, call_id: str, outcome: str, reason: str) -> None:
        """A call that is over without a word of it in its journal: its process died, and another wrote its record."""
        with self._lock:
            call = self._calls.pop(call_id, None)
        if call is not None:
            over = {"what": "ended", "outcome": outcome, "reason": reason}
            self._append(call_id, [{"call_id": call_id, "at_ms": call.at_ms, "time": None, **over}])

    # --- what is asked -----------------------------------------------------------------------------------------------

    def live(self) -> dict[str, dict[str, Any]]:
        """Where each call stands, by its id, as LiveCall.render, with `facts` of its beginning."""
        with self._lock:
            calls = list(self._calls.items())
        return {call_id: {**call.render(), "facts": dict(call.facts)} for call_id, call in calls}

    @property
    def last_event(self) -> str:
        """The id of the last one."""
        return f"{self._epoch}-{self._end}"

    def place(self, after: str) -> int:
        """Where to go on after this event's id; after one that is none of ours, at the end."""
        epoch, _, number = after.partition("-")
        if epoch != self._epoch or not (number.isascii() and number.isdigit()):
            return self._end
        return min(int(number[:15]), self._end)

    def knows(self, after: str) -> bool:
        """Whether this may be an event's id of ours, and not of a server that was here before."""
        return after.partition("-")[0] == self._epoch

    def take(self, place: int, call_id: str | None = None) -> tuple[bytes, int, int]:
        """(what came from this place on, the next place, how many of it are gone)."""
        with self._lock:
            missed = max(0, self._dropped - place)
            events = self._events[max(0, place - self._dropped) :]
            end = self._dropped + len(self._events)
        return b"".join(each for of, each in events if call_id is None or of == call_id), end, missed

    async def wait(self, place: int, within_s: float) -> bool:
        """Wait until there is something from this place on; False if nothing came."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._dropped + len(self._events) > place:
                return True
            future: asyncio.Future[None] = loop.create_future()
            self._waiting[future] = loop
        try:
            async with asyncio.timeout(within_s):
                await future
        except TimeoutError:
            return False
        finally:
            with self._lock:
                self._waiting.pop(future, None)
        return True

    @property
    def _end(self) -> int:
        with self._lock:
            return self._dropped + len(self._events)

    @property
    def pace_s(self) -> float:
        """Between two looks of a reader."""
        return max(PACE_S, self.readers / READS_PER_S)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class EventStream:
    """One reader's answer."""

    def __init__(self, feed: LiveFeed, *, after: str, call_id: str | None, ping_s: float = PING_S) -> None:
        self._feed = feed
        self._after = after
        self._call_id = call_id
        self._ping_s = ping_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await send({"type": "http.response.body", "body": b""})
            return
        self._feed.readers += 1
        gone = asyncio.create_task(_until_gone(receive))
        telling = asyncio.create_task(self._tell(send))
        try:
            await asyncio.wait({gone, telling}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._feed.readers -= 1
            for task in (gone, telling):
                task.cancel()
            await asyncio.gather(gone, telling, return_exceptions=True)

    async def _tell(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        place = self._feed.place(self._after)

        async def piece(body: bytes) -> None:
            await send({"type": "http.response.body", "body": body, "more_body": True})

        await piece(b"retry: 2000\n\n")
        if self._after and not self._feed.knows(self._after):
            await piece(_missed(None))
        while True:
            if not await self._feed.wait(place, self._ping_s):
                await piece(b": nothing happens\n\n")
                continue
            body, place, missed = self._feed.take(place, self._call_id)
            if missed:
                body = _missed(missed) + body
            if body:
                await piece(body)
            await asyncio.sleep(self._feed.pace_s)


def _missed(count: int | None) -> bytes:
    """An event that says how many are gone; None: nobody knows, for the server that told the last one is gone."""
    return f"event: missed\ndata: {json.dumps({'count': count})}\n\n".encode()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
