"""Call events, sent to somebody's own server as signed POSTs, again and again until it takes them.

    POST https://example.com/patter
    X-Patter-Timestamp, X-Patter-Signature    as of webhook tools: check them with `verify_webhook`
    Idempotency-Key: C1:ended                 the event's id: the same again is the same event
    {"id": ..., "event": "call.ended", ..., "attempt": 1}

2xx takes it. A 4xx says that it never will, but for 408, 425 and 429; everything else is tried again after 1 s,
2 s, 4 s, up to 10 minutes, for a day. Events of one call may overtake each other, so each has its time.

Where calls are kept, an event is kept too until it is settled, so that a server that stops, or is killed, loses none:
the next one for the same address sends it. A call of which that server had not told the end is told again from its
journal, as interrupted where it was: under the same ids, so whoever has taken some of it can tell.

It has a thread and a loop of its own: a TLS handshake takes milliseconds, and calls have the other loop.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from patter_cli.contracts.outlasting import KEPT_S, MOST_KEPT, Outbox
from patter_cli.core.journal import Entry
from patter_cli.engine.address_guard import Resolver, check_url, look_up
from patter_cli.engine.webhook import TryAgain, guarded, post, signed_headers, trusted
from patter_cli.errors import BadSetting, InputError, PatterError, reason
from patter_cli.observe.cost import LIST_PRICES
from patter_cli.observe.exposition import Counter
from patter_cli.observe.interrupted import with_its_end
from patter_cli.observe.notices import KINDS, Notices, begins
from patter_cli.observe.prices import PriceTable

log = logging.getLogger("patter.notify")

TRY_S: Final = 10.0
"""One try, all of it."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 600.0
AT_ONCE: Final = 8
"""Tries at the same time."""
CALLS: Final = 10_000
OVER: Final = 1000
"""Calls that are over and of which it is remembered whose they were: a carrier's recording is ready in a minute."""
_PATIENT: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """Where call events go. Raises BadSetting for an address that cannot be one, an event that there is not, or no
    secret."""

    url: str
    secret: str = field(repr=False)
    events: tuple[str, ...] = ("started", "ended")
    allow_private: bool = False
    """It is on this machine or its network."""

    def __post_init__(self) -> None:
        try:
            check_url(self.url, allow_private=self.allow_private)
        except InputError as error:
            hint = error.hint.replace("allow_private=True", "notify-private = true")
            raise BadSetting(str(error).replace("a webhook", "where call events go"), hint=hint) from error
        if not self.secret:
            raise BadSetting(
                "call events are signed, and there is no secret for that",
                hint="PATTER_WEBHOOK_SECRET: openssl rand -hex 32 makes a good one",
            )
        if unknown := set(self.events) - set(KINDS):
            raise BadSetting(f"there is no call event {min(unknown)!r}", hint=f"there are {', '.join(KINDS)}")


class Notifier:
    """An observer of the bus. Starts its thread with the first event."""

    def __init__(
        self,
        settings: NotifySettings,
        prices: PriceTable = LIST_PRICES,
        *,
        resolve: Resolver = look_up,
        first_pause_s: float = FIRST_PAUSE_S,
        outbox: Outbox | None = None,
    ) -> None:
        """outbox: where events wait that nobody has taken; None: in this process alone."""
        self._settings = settings
        self._prices = prices
        self._resolve = resolve
        self._first_pause_s = first_pause_s
        self._outbox = outbox
        self._calls: OrderedDict[str, Notices] = OrderedDict()
        self._over: OrderedDict[str, Notices] = OrderedDict()
        """Calls whose recording may still come."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tries = asyncio.Semaphore(AT_ONCE)
        self._waiting: set[str] = set()
        """The ids of events that are under way."""
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._closed = False
        self.sent = Counter("patter_notices_total", "Call events that were sent.", ("event", "result"))
        """result: taken, refused, dropped, given_up, or forgotten with its call."""

    def __call__(self, call_id: str, entry: Entry) -> None:
        """Take what the bus tells."""
        call = self._calls.get(call_id) or self._over.get(call_id)
        if call is None:
            call = Notices(call_id, self._prices)
            if begins(entry):
                self._calls[call_id] = call
                if self._outbox is not None:
                    self._outbox.begin(call_id)
                while len(self._calls) > CALLS:
                    self._calls.popitem(last=False)
        self._feed(call, entry)
        if call.over and self._calls.pop(call_id, None) is not None:
            if self._outbox is not None:
                self._outbox.end(call_id)
            self._over[call_id] = call
            while len(self._over) > OVER:
                self._over.popitem(last=False)

    def take_up(self, journal: Callable[[str], Iterable[str]]) -> None:
        """Send what servers before this one could not, in a thread of its own. journal: a call's lines, by its id."""
        if self._outbox is not None:
            work = threading.Thread(
                target=self._take_up, args=(self._outbox, journal), daemon=True, name="patter-notify-left"
            )
            work.start()

    def close(self, within_s: float) -> int:
        """Wait for what is under way, not for longer than this; how many events nobody took. Twice is fine."""
        if self._closed:
            return 0
        self._idle.wait(within_s)
        with self._lock:
            self._closed, left, loop = True, len(self._waiting), self._loop
            self._loop = None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)
        if left and loop is not None:
            then = "are lost" if self._outbox is None else "are sent by the next server"
            log.warning("%d call events were not taken before the end, and %s", left, then)
        if self._outbox is not None:
            self._outbox.close()
        return left

    def _feed(self, call: Notices, entry: Entry, but: Collection[str] = ()) -> None:
        """but: ids of events that are under way, or were."""
        for notice in call.feed(entry):
            if notice["event"].removeprefix("call.") in self._settings.events and notice["id"] not in but:
                if self._outbox is not None:
                    self._outbox.put(notice)
                self._send(notice)

    def _take_up(self, outbox: Outbox, journal: Callable[[str], Iterable[str]]) -> None:
        left = outbox.take_over()
        if left.waiting or left.calls:
            log.info("%d call events and %d calls that a server left are told", len(left.waiting), len(left.calls))
        waited = {each.notice["id"] for each in left.waiting}
        for each in left.waiting:
            self._send(each.notice, each.age_s)
        for call_id in left.calls:
            call = Notices(call_id, self._prices)
            try:
                for entry in with_its_end(journal(call_id)):
                    self._feed(call, entry, waited)
            except (OSError, PatterError) as error:
                log.warning("what came of call %s is not told: %s", call_id, reason(error))
            else:
                outbox.end(call_id)

    # --- sending -----------------------------------------------------------------------------------------------------

    def _send(self, notice: Mapping[str, Any], age_s: float = 0.0) -> None:
        """age_s: since it was first to be sent."""
        with self._lock:
            if notice["id"] in self._waiting or (self._closed and self._outbox is not None):
                return
            if self._closed or len(self._waiting) >= MOST_KEPT:
                self._settle(notice, "dropped")
                return
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run, args=(self._loop,), daemon=True, name="patter-notify").start()
            self._waiting.add(notice["id"])
            self._idle.clear()
            loop = self._loop
        asyncio.run_coroutine_threadsafe(self._deliver(notice, age_s), loop)

    async def _deliver(self, notice: Mapping[str, Any], age_s: float) -> None:
        result = "given_up"
        try:
            async with asyncio.timeout(KEPT_S - age_s):
                result = await self._until_taken(notice)
        except TimeoutError:
            log.error("call event %s was tried for a day and is given up", notice["id"])
        except asyncio.CancelledError:
            return  # the server is gone, and the event waits for the next one
        except Exception:
            log.exception("call event %s could not be sent", notice["id"])
        self._settle(notice, result)
        with self._lock:
            self._waiting.discard(notice["id"])
            if not self._waiting:
                self._idle.set()

    def _settle(self, notice: Mapping[str, Any], result: str) -> None:
        """Nobody sends it any more."""
        self.sent.add(notice["event"], result)
        if self._outbox is not None:
            self._outbox.settle(notice["id"])

    async def _until_taken(self, notice: Mapping[str, Any]) -> str:
        attempt, pause_s = 1, self._first_pause_s
        while True:
            async with self._tries:
                why, after_s = await self._try(notice, attempt)
            if why in ("taken", "refused"):
                return why
            wait_s = max(pause_s * (0.5 + random.random()), after_s or 0.0)
            log.warning("call event %s: %s; tried again in %.0f s", notice["id"], why, wait_s)
            await asyncio.sleep(wait_s)
            if self._outbox is not None and self._outbox.is_forgotten(notice["id"]):
                return "forgotten"
            attempt, pause_s = attempt + 1, min(2 * pause_s, LONGEST_PAUSE_S)

    async def _try(self, notice: Mapping[str, Any], attempt: int) -> tuple[str, float | None]:
        """("taken", or "refused" for good, or why not yet, and after how long again if it says so)."""
        settings = self._settings
        body = json.dumps({**notice, "attempt": attempt}).encode()
        headers = signed_headers(settings.secret, notice["id"], body)
        tls = await asyncio.to_thread(trusted) if settings.url.startswith("https") else None
        backend = guarded(self._resolve, allow_private=settings.allow_private)
        try:
            async with asyncio.timeout(TRY_S):
                reply = await post(settings.url, headers, body, backend, tls, idempotent=True)
        except TryAgain as again:
            return str(again), again.after_s
        except TimeoutError:
            return f"no answer within {TRY_S:.0f} s", None
        except PatterError as error:
            return str(error), None
        if 200 <= reply.status < 300:
            return "taken", None
        if 400 <= reply.status < 500 and reply.status not in _PATIENT:
            log.error("call event %s was refused: it answered %d", notice["id"], reply.status)
            return "refused", None
        return f"it answered {reply.status}", None


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """The thread."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(_settled(left))
    finally:
        loop.close()


async def _settled(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
