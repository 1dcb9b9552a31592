"""One media socket: a carrier's WebSocket, from the upgrade to the stream of one call (server.call_stream).

`MediaStream` is a `Sink`: the event loop calls it for each message, and it hands the decoded message on in the same
breath.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from patter_cli.contracts.carrier.stream import CarrierMessage, StreamCodec, StreamStarted
from patter_cli.errors import BadSignature, CallRejected, CarrierError, ConfigError, UnknownAgent
from patter_cli.server.call_stream import CallStream
from patter_cli.server.calls import CallRegistry, OpenCall
from patter_cli.server.entrance import Entrance, TicketOf
from patter_cli.server.frames import INTERNAL
from patter_cli.server.limits import Limits
from patter_cli.server.wire import SOCKET, WebSocketStream, Wire

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


class SocketSender:
    """The call's way to the caller: straight to the socket, or into a short queue while the socket takes nothing."""

    def __init__(self, wire: Wire, codec: StreamCodec, *, audio_chars: int) -> None:
        """audio_chars: what the queue holds; marks and clears have a little room on top."""
        self._wire = wire
        self._codec = codec
        self._audio_chars = audio_chars
        self._queue: list[str] = []
        self._queued_chars = 0
        self._hear: Callable[[CarrierMessage], bool] | None = None
        self.dropped = 0

    @property
    def closed(self) -> bool:
        return self._wire.closed

    def media(self, payload: bytes) -> None:
        self.send(self._codec.media(payload))

    def mark(self, name: str) -> None:
        self.send(self._codec.mark(name))

    def clear(self) -> None:
        self.send(self._codec.clear())

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
            text = self._queue.pop(0)
            self._queued_chars -= len(text)
            self._wire.write(text)


class MediaStream(CallStream):
    """The server's side of one media socket."""

    def __init__(
        self, ticket_of: TicketOf, codec: StreamCodec, open_call: OpenCall, live: CallRegistry, limits: Limits
    ) -> None:
        super().__init__(ticket_of, open_call, live, limits)
        self._codec = codec
        self._wire: Wire | None = None

    async def run(self, wire: Wire) -> None:
        """Hold the socket until it and its call are over."""
        self._wire = wire
        self._attach(wire)
        await self._hold_open(wire)

    def on_text(self, text: str) -> None:
        now = self._loop.time()
        if self._within_rate(now):
            try:
                self._take(self._codec.receive(text), now)
            except Exception:  # a bug in one call must not reach the event loop, and so the other calls
                log.exception("call %s failed", self._call_id)
                self._end("internal_error", INTERNAL)

    def on_binary(self, data: bytes) -> None:
        self._counts["binary"] += 1

    def _sender_for(self, started: StreamStarted) -> SocketSender:
        assert self._wire is not None  # nothing is read before
        audio_chars = started.format.bytes_per_ms * 1000 * 4 // 3 + _WRAPPING_CHARS_PER_S
        return SocketSender(self._wire, self._codec, audio_chars=int(audio_chars * self._limits.send_queue_s))


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
