"""What happens on calls, told to whoever wants to know: the screen, a fold, an exporter. None of them holds up a call.

Each subscriber has a thread and a bounded queue of its own. Whoever publishes never waits: what does not fit into a
queue is dropped there, for that subscriber alone, counted, and said once the subscriber takes entries again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from patter_cli.core.journal import Entry

log = logging.getLogger(__name__)

ROOM = 10_000
"""Entries that wait for one subscriber: what 250 busy calls bring in ten seconds."""

Observer: TypeAlias = Callable[[str, Entry], None]
"""(call_id, entry): sees the entries of all calls, those of one call in order, in a thread that is its own. It may
block; what it raises is logged."""


class Bus:
    """One publisher's side, any number of subscribers."""

    def __init__(self, *observers: Observer) -> None:
        self._subscribers = [_Subscriber(each, ROOM) for each in observers]

    def subscribe(self, observer: Observer, *, room: int = ROOM) -> None:
        """Tell this one everything that is published from now on. room: entries that may wait for it."""
        self._subscribers = [*self._subscribers, _Subscriber(observer, room)]

    def publish(self, call_id: str, entry: Entry) -> None:
        """Tell everybody, from any thread. Never blocks and never raises."""
        for subscriber in self._subscribers:
            subscriber.put(call_id, entry)

    def close(self, within_s: float) -> int:
        """Let everybody take what still waits, in this time altogether. Returns how many entries were never told."""
        until = time.monotonic() + within_s
        return sum(each.close(until) for each in self._subscribers)


class _Subscriber:
    def __init__(self, observer: Observer, room: int) -> None:
        self._observer = observer
        self._room = room
        self._waiting: deque[tuple[str, Entry]] = deque()
        self._changed = threading.Condition()
        self._missed = self._missed_before = 0
        self._closing = False
        self._thread: threading.Thread | None = None

    def put(self, call_id: str, entry: Entry) -> None:
        with self._changed:
            if self._closing or len(self._waiting) >= self._room:
                self._missed += 1
                return
            self._waiting.append((call_id, entry))
            if len(self._waiting) == 1:
                self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="patter-observer")
                self._thread.start()

    def close(self, until: float) -> int:
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
        with self._changed:
            return self._missed + len(self._waiting)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closing:
                        return
                    self._changed.wait()
                call_id, entry = self._waiting.popleft()
                missed, self._missed_before = self._missed - self._missed_before, self._missed
            if missed:
                log.warning("%s was too slow: %d entries of calls were not told to it", _name(self._observer), missed)
            try:
                self._observer(call_id, entry)
            except Exception:
                log.exception("an observer of call %s raised", call_id)


def _name(observer: Observer) -> str:
    return getattr(observer, "__qualname__", "") or type(observer).__qualname__
