"""One media socket: from the upgrade, over `start` and exactly one call, to a clean end, whatever the carrier sends.

Theory of operation. `MediaStream` is a `Sink`: the event loop calls it for each message, and it hands the decoded
message to the call in the same breath. Its task (`run`) only waits: for `start`, then for the first of "the call is
over" and "the stream is over". All that can end a stream goes through `_end`, once.

    admitted -> accepted -> waiting --start--> live --> over
                               |                ^ call returned | stop, close, lost, violation, no media, stalled
                               +-- 5 s, stop, close, drain --> over

A stranger's rubbish is counted and told in one line at the end, never logged as it comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from patter_cli.contracts.carrier.stream import (
    CarrierMessage,
    Ignored,
    MediaIn,
    Refused,
    StartRefused,
    StreamCodec,
    StreamConnected,
    StreamStarted,
    StreamStopped,
)
from patter_cli.core.events import Event
from patter_cli.errors import BadSignature, CallRejected, CarrierError, ConfigError, UnknownAgent
from patter_cli.server.calls import Call, CallRegistry, LiveCall, OpenCall
from patter_cli.server.entrance import Entrance, TicketOf
from patter_cli.server.frames import GOING_AWAY, INTERNAL, NORMAL, POLICY, TRY_LATER
from patter_cli.server.limits import Limits
from patter_cli.server.tickets import CallTicket
from patter_cli.server.wire import SOCKET, CloseCause, WebSocketStream, Wire

log = logging.getLogger("patter.server")

CodecFactory: TypeAlias = Callable[[], StreamCodec]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_CONTROL_CHARS: Final = 200
"""A message this short is a mark or a clear, or a few ms of audio. 20 ms of mu-law take 300."""
_CONTROL_QUEUE_CHARS: Final = 8 * 1024
_WRAPPING_CHARS_PER_S: Final = 50 * 128
"""JSON around the audio of one second in 20 ms messages."""


LAST_WORD_S: Final = 0.15
"""A call that is cut off with the server notes why it ended, in less than what taking the server down may last."""


class SocketSender:
    """The call's way to the caller: straight to the socket, or into a short queue while the socket takes nothing."""

    def __init__(self, wire: Wire, *, audio_chars: int) -> None:
        """audio_chars: what the queue holds; marks and clears have a little room on top."""
        self._wire = wire
        self._audio_chars = audio_chars
        self._queue: deque[str] = deque()
        self._queued_chars = 0
        self._hear: Callable[[CarrierMessage], bool] | None = None
        self.dropped = 0

    @property
    def closed(self) -> bool:
        return self._wire.closed

    def send(self, text: str) -> None:
        if self._wire.closed:
            return
        if self._wire.writable and not self._queue:
            self._wire.write(text)
            return
        room = self._audio_chars + (_CONTROL_QUEUE_CHARS if len(text) <= _CONTROL_CHARS else 0)
        if self._queued_chars + len(text) > room:
            self.dropped += 1
            return
        self._queue.append(text)
        self._queued_chars += len(text)

    def listen(self, hear: Callable[[CarrierMessage], bool]) -> None:
        self._hear = hear

    def heard(self, message: CarrierMessage) -> bool:
        """The line says what only its own carrier's control understands. False: nobody waits for it."""
        return self._hear is not None and self._hear(message)

    def flush(self) -> None:
        """The socket takes again."""
        while self._queue and self._wire.writable:
            text = self._queue.popleft()
            self._queued_chars -= len(text)
            self._wire.write(text)


class MediaStream:
    """The server's side of one media socket."""

    def __init__(
        self, ticket_of: TicketOf, codec: StreamCodec, open_call: OpenCall, live: CallRegistry, limits: Limits
    ) -> None:
        self._ticket_of = ticket_of
        self._codec = codec
        self._open_call = open_call
        self._live = live
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._sender: SocketSender | None = None
        self._call: Call | None = None
        self._ticket: CallTicket | None = None
        self._early: list[MediaIn] = []
        self._counts: Counter[str] = Counter()
        self._first_refusal = ""
        self._tokens = float(limits.messages_per_s)
        self._tokens_at = self._heard_at = self._loop.time()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._started = asyncio.Event()
        self._over = asyncio.Event()
        self._cause = ""

    async def run(self, wire: Wire) -> None:
        """Hold the socket until it and its call are over."""
        self._wire = wire
        if self._cause:  # turned away while the upgrade was being answered
            wire.close(GOING_AWAY)
        self._arm("start", self._limits.start_s, self._never_started)
        try:
            await self._started.wait()
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

    def hung_up(self) -> None:
        self._end("carrier_stop", NORMAL)

    # What the wire tells.

    def on_text(self, text: str) -> None:
        now = self._loop.time()
        rate = self._limits.messages_per_s
        self._tokens = min(float(rate), self._tokens + (now - self._tokens_at) * rate)
        self._tokens_at = now
        if self._tokens < 1.0:
            self._counts["over_rate"] += 1
            if self._wire is not None:
                self._wire.breathe()
            return
        self._tokens -= 1.0
        try:
            self._receive(text, now)
        except Exception:  # a bug in one call must not reach the event loop, and so the other calls
            log.exception("call %s failed", self._call_id)
            self._end("internal_error", INTERNAL)

    def on_binary(self, data: bytes) -> None:
        self._counts["binary"] += 1

    def on_blocked(self) -> None:
        self._arm("stall", self._limits.send_stall_s, self._stalled)

    def on_writable(self) -> None:
        self._timers.pop("stall").cancel()
        if self._sender is not None:
            self._sender.flush()

    def on_gone(self, how: CloseCause) -> None:
        self._end("protocol" if how is CloseCause.VIOLATION else "carrier_close")

    # Private, in the order of a call.

    def _receive(self, text: str, now: float) -> None:
        message = self._codec.receive(text)
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
            case _:
                if self._call is not None:
                    self._call.on_stream(message)
                if isinstance(message, StreamStopped):
                    self._end("carrier_stop", NORMAL)

    def _start(self, started: StreamStarted) -> None:
        if self._started.is_set() or self._wire is None:
            self._counts["second_start"] += 1
            return
        audio_chars = started.format.bytes_per_ms * 1000 * 4 // 3 + _WRAPPING_CHARS_PER_S
        self._sender = SocketSender(self._wire, audio_chars=int(audio_chars * self._limits.send_queue_s))
        try:
            ticket = self._ticket_of(started)
            self._live.begin(self, LiveCall(ticket=ticket, began_s=self._loop.time()))
            self._ticket = ticket
            self._call = self._open_call(ticket, started, self._codec, self._sender)
        except BadSignature as error:
            log.warning("a call was refused: %s", error)
            self._end("rejected", POLICY, "not your call")
            return
        except CallRejected as error:
            self._end("rejected", TRY_LATER, str(error))
            return
        self._started.set()
        self._timers.pop("start").cancel()
        self._heard_at = self._loop.time()
        self._arm("media", self._limits.media_gap_s, self._check_media)
        early, self._early = self._early, []
        for message in early:
            self._call.on_stream(message)

    async def _hold(self, call: Call) -> None:
        """Run the call. When its stream is over first, it has a moment to finish."""
        task = asyncio.create_task(call.run())
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({task}, timeout=self._limits.end_s)
        except asyncio.CancelledError:
            self._end("server_stopped", GOING_AWAY)
            await asyncio.wait({task}, timeout=LAST_WORD_S)
            raise
        finally:
            over.cancel()
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
        if self._wire is not None:
            self._wire.close(code, reason)
        if self._call is not None and cause != "finished":
            try:
                self._call.on_closed(cause)
            except Exception:
                log.exception("call %s failed at its end", self._call_id)
        self._over.set()
        self._started.set()

    def _arm(self, name: str, after_s: float, action: Callable[[], None]) -> None:
        self._timers[name] = self._loop.call_later(after_s, action)

    def _tell(self) -> None:
        """One line a socket. What came from outside is escaped."""
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


class MediaSocket:
    """The ASGI application of a media route."""

    def __init__(
        self, codec: CodecFactory, entrance: Entrance, open_call: OpenCall, live: CallRegistry, limits: Limits
    ) -> None:
        self._codec = codec
        self._entrance = entrance
        self._open_call = open_call
        self._live = live
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            headers = {str(name, "latin-1"): str(value, "latin-1") for name, value in scope["headers"]}
            ticket_of = await self._entrance(scope["path_params"], headers)
        except UnknownAgent as error:
            await refuse_upgrade(send, 404, str(error))
            return
        except BadSignature as error:
            log.info("a media socket was refused: %s", error)
            await refuse_upgrade(send, 403, "forbidden")
            return
        except ConfigError as error:
            log.error("a media socket cannot be verified: %s", error)
            await refuse_upgrade(send, 503, "not configured")
            return
        except CarrierError as error:
            await refuse_upgrade(send, 503, str(error))
            return
        stream = MediaStream(ticket_of, self._codec(), self._open_call, self._live, self._limits)
        try:
            self._live.admit(stream, scope["path_params"].get("agent", ""))
        except CallRejected as error:
            await refuse_upgrade(send, 503, str(error))
            return
        try:
            request: WebSocketStream = scope["state"][SOCKET]
            wire = await request.accept(stream)
            await stream.run(wire)
        except ConnectionError:
            pass  # it went away before we had answered
        finally:
            self._live.leave(stream)


async def refuse_upgrade(send: Send, status: int, why: str) -> None:
    """Answer a WebSocket request with an HTTP error."""
    body = why.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
