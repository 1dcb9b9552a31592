"""One call's stream, whatever wire brings it: from its start over exactly one call to a clean end.

Theory of operation. A wire's own shell decodes what comes and hands each message to `_take` in the same
breath; the event loop calls it, so nothing here waits. The stream's task (`run`) only waits: for `start`, then for the
first of "the call is over" and "the stream is over". All that can end a stream goes through `_end`, once.

    admitted -> accepted -> waiting --start--> live --> over
                               |                ^ call returned | stop, close, lost, violation, no media, stalled
                               +-- 5 s, stop, close, drain --> over

A stranger's rubbish is counted and told in one line at the end, never logged as it comes.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from patter_cli.contracts.carrier.stream import (
    CarrierMessage,
    DtmfIn,
    Ignored,
    MediaIn,
    Refused,
    StartRefused,
    StreamConnected,
    StreamMessage,
    StreamStarted,
    StreamStopped,
)
from patter_cli.core.events import Event
from patter_cli.engine.onlooking import Onlooking
from patter_cli.engine.overheard import OnlookersEar
from patter_cli.errors import BadSignature, CallRejected, NoRoom
from patter_cli.server.calls import Call, CallRegistry, LiveCall, OpenCall, Sender
from patter_cli.server.entrance import TicketOf
from patter_cli.server.frames import GOING_AWAY, INTERNAL, NORMAL, POLICY, TRY_LATER
from patter_cli.server.limits import Limits
from patter_cli.server.tickets import CallTicket
from patter_cli.server.wire import CloseCause

log = logging.getLogger("patter.server")

LAST_WORD_S: Final = 0.15
"""A call that is cut off with the server notes why it ended, in less than what taking the server down may last."""


class OpenWire(Protocol):
    """The connection that a stream comes over."""

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye, as far as the wire has a word for it. A second close changes nothing."""

    def breathe(self) -> None:
        """Do not read it for a moment: it sends more than its share."""

    async def wait_lost(self) -> None:
        """Wait until it is down; after a close that takes `close_s` at most."""


class StreamSender(Sender, Protocol):
    """The call's way to the caller, as the stream looks after it."""

    @property
    def dropped(self) -> int:
        """Messages that the line did not take."""

    def flush(self) -> None:
        """The connection takes again."""

    def heard(self, message: CarrierMessage) -> bool:
        """The line says what only its own carrier's control understands. False: nobody waits for it."""


class CallStream(ABC):
    """The server's side of one stream."""

    def __init__(self, ticket_of: TicketOf, open_call: OpenCall, live: CallRegistry, limits: Limits) -> None:
        self._ticket_of = ticket_of
        self._open_call = open_call
        self._live = live
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._open_wire: OpenWire | None = None
        self._sender: StreamSender | None = None
        self._call: Call | None = None
        self._ticket: CallTicket | None = None
        self._early: list[MediaIn] = []
        self._counts: Counter[str] = Counter()
        self._first_refusal = ""
        self._tokens = float(limits.messages_per_s)
        self._tokens_at = self._heard_at = self._keys_at = self._loop.time()
        self._keys = float(limits.keys_per_s)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._cause = ""

    @abstractmethod
    def _sender_for(self, started: StreamStarted) -> StreamSender:
        """The way to the caller, in this format."""

    def _attach(self, wire: OpenWire) -> None:
        """The connection is there; from now on it may be read."""
        self._open_wire = wire
        if self._cause:  # turned away while the connection was being made
            wire.close(GOING_AWAY)
        self._arm("start", self._limits.start_s, self._never_started)

    async def _hold_open(self, wire: OpenWire) -> None:
        """Hold the connection until it and its call are over."""
        try:
            await self._started
            if self._call is not None:
                await self._hold(self._call)
            self._end("finished", NORMAL)
            await wire.wait_lost()
        except asyncio.CancelledError:
            self._end("server_stopped", GOING_AWAY)
            raise
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._tell()

    # What the registry of live calls asks.

    def begin_goodbye(self, reason: str) -> None:
        if self._call is not None:
            try:
                self._call.begin_goodbye(reason)
            except Exception:
                log.exception("call %s failed", self._call_id)
                self._end("internal_error", INTERNAL)

    def reject(self, reason: str) -> None:
        self._end("rejected", GOING_AWAY, reason)

    def on_fact(self, event: Event) -> None:
        if self._call is not None:
            self._call.on_fact(event)

    def let_in(self, ear: OnlookersEar, *, talks: bool) -> Onlooking | None:
        line = None if self._call is None else self._call.line
        return None if line is None else line.onlookers.let_in(ear, talks=talks)

    def hung_up(self) -> None:
        self._end("carrier_stop", NORMAL)

    # What every wire tells.

    def on_blocked(self) -> None:
        self._arm("stall", self._limits.send_stall_s, self._stalled)

    def on_writable(self) -> None:
        self._timers.pop("stall").cancel()
        if self._sender is not None:
            self._sender.flush()

    def on_gone(self, how: CloseCause) -> None:
        self._end("protocol" if how is CloseCause.VIOLATION else "carrier_close")

    # Private, in the order of a call.

    def _within_rate(self, now: float) -> bool:
        """Whether one more message is this call's share. now: of the event loop's clock."""
        rate = self._limits.messages_per_s
        self._tokens = min(float(rate), self._tokens + (now - self._tokens_at) * rate)
        self._tokens_at = now
        if self._tokens < 1.0:
            self._counts["over_rate"] += 1
            if self._open_wire is not None:
                self._open_wire.breathe()
            return False
        self._tokens -= 1.0
        return True

    def _takes_key(self, now: float) -> bool:
        """Each key is a fact for the call and a line of its journal, and a broken line may repeat one without end."""
        rate = self._limits.keys_per_s
        self._keys = min(float(rate), self._keys + (now - self._keys_at) * rate)
        self._keys_at = now
        if self._keys < 1.0:
            return False
        self._keys -= 1.0
        return True

    def _take(self, message: StreamMessage, now: float) -> None:
        """One message, at a time of the event loop's clock. Raises whatever bug the call has: the caller ends it."""
        if type(message) is MediaIn:
            self._heard_at = now
            if self._call is not None:
                self._call.on_stream(message)
            elif len(self._early) < self._limits.early_media:
                self._early.append(message)
            else:
                self._counts["early_media"] += 1
            return
        match message:
            case StreamStarted():
                self._start(message)
            case StartRefused(why=why):
                log.warning("a call was refused: its stream's %s", ascii(why[:200]))
                self._end("bad_start", POLICY, why[:100])
            case Refused():
                self._counts["refused"] += 1
                self._first_refusal = self._first_refusal or message.why
            case Ignored():
                self._counts["ignored"] += 1
            case CarrierMessage():
                if self._sender is None or not self._sender.heard(message):
                    self._counts["unasked"] += 1
            case StreamConnected():
                pass
            case DtmfIn() if not self._takes_key(now):
                self._counts["keys_over_rate"] += 1
            case _:
                if self._call is not None:
                    self._call.on_stream(message)
                if isinstance(message, StreamStopped):
                    self._end("carrier_stop", NORMAL)

    def _start(self, started: StreamStarted) -> None:
        if self._started.done() or self._open_wire is None:
            self._counts["second_start"] += 1
            return
        self._sender = self._sender_for(started)
        try:
            ticket = self._ticket_of(started)
            self._live.begin(self, LiveCall(ticket=ticket, began_s=self._loop.time()))
            self._ticket = ticket
            self._call = self._open_call(ticket, started, self._sender)
        except BadSignature as error:
            log.warning("a call was refused: %s", error)
            self._end("rejected", POLICY, "not your call")
            return
        except CallRejected as error:
            if not isinstance(error, NoRoom):  # of that the log is told once for a crowd
                log.warning("a call was refused: %s", error)
            self._end("rejected", TRY_LATER, str(error))
            return
        self._started.set_result(None)
        self._timers.pop("start").cancel()
        self._heard_at = self._loop.time()
        self._arm("media", self._limits.media_gap_s, self._check_media)
        early, self._early = self._early, []
        for message in early:
            self._call.on_stream(message)

    async def _hold(self, call: Call) -> None:
        """Run the call. When its stream is over first, it has a moment to finish."""
        task = asyncio.create_task(call.run())
        try:
            await asyncio.wait({task, self._over}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({task}, timeout=self._limits.end_s)
        except asyncio.CancelledError:
            self._end("server_stopped", GOING_AWAY)
            await asyncio.wait({task}, timeout=LAST_WORD_S)
            raise
        finally:
            if not task.done():
                self._counts["cancelled"] += 1
                task.cancel()
                await asyncio.wait({task}, timeout=self._limits.end_s)
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                log.error("call %s failed", self._call_id, exc_info=error)
                self._end("internal_error", INTERNAL)

    def _check_media(self) -> None:
        silent_s = self._loop.time() - self._heard_at
        if silent_s >= self._limits.media_gap_s:
            self._end("media_timeout", NORMAL)
        else:
            self._arm("media", self._limits.media_gap_s - silent_s, self._check_media)

    def _never_started(self) -> None:
        self._end("never_started", POLICY, "no start")

    def _stalled(self) -> None:
        self._end("carrier_stalled", POLICY, "not reading")

    def _end(self, cause: str, code: int = NORMAL, reason: str = "") -> None:
        if self._cause:
            return
        self._cause = cause
        if cause == "finished":
            self._live.finish(self)
        if self._open_wire is not None:
            self._open_wire.close(code, reason)
        if self._call is not None and cause != "finished":
            try:
                self._call.on_closed(cause)
            except Exception:
                log.exception("call %s failed at its end", self._call_id)
        for waited_for in (self._over, self._started):
            if not waited_for.done():
                waited_for.set_result(None)

    def _arm(self, name: str, after_s: float, action: Callable[[], None]) -> None:
        self._timers[name] = self._loop.call_later(after_s, action)

    def _tell(self) -> None:
        """One line a stream. What came from outside is escaped."""
        if self._sender is not None and self._sender.dropped:
            self._counts["unsent"] = self._sender.dropped
        counts = " ".join(f"{name}={count}" for name, count in sorted(self._counts.items()))
        if self._first_refusal:
            counts += f" first_refused={self._first_refusal[:80]!a}"
        ticket = self._ticket
        log.info(
            "stream over agent=%s call=%s line=%s cause=%s %s",
            ascii(ticket.agent[:80] if ticket else ""),
            self._call_id,
            ascii(ticket.carrier_call_id[:80] if ticket else ""),
            self._cause,
            counts,
        )

    @property
    def _call_id(self) -> str:
        """Ours, once there is a call."""
        return self._ticket.call_id if self._ticket is not None else "none"
