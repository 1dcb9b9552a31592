"""A WebSocket that speaks to its reader directly: no task, no queue and no await between the socket and the call.

Theory of operation. Hypercorn accepts the connection, reads the request and asks the application, as for any other
request; the application answers 503, 403 or `accept`. From there on, in stock Hypercorn, each frame passes a stream
reader, a task, the HTTP/1 layer, wsproto, a queue and the application's own task: 121-153 us. Here `accept` puts a
`Wire` in the place of the stream reader (`transport.set_protocol`, which asyncio and uvloop both support), and a frame
is `data_received`, `FrameReader.feed`, `Sink.on_text`. When the socket ends, the stream reader is told, so Hypercorn
takes the connection down as it always does.

    bytes -> Connection (reads the request) -> Http11 -> WebSocketStream -> application
                                                              | accept(sink)
    bytes -> Wire -> sink                                     v

Extensions are never negotiated: permessage-deflate would let 379 KB become 400 MB before any limit is looked at. HTTP/2
is not spoken, neither by upgrade nor by prior knowledge. What is overridden of Hypercorn is written for 0.18.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto
from typing import Final, Protocol, cast

import h11
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Request, Response, StreamClosed
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WSStream
from hypercorn.typing import AppWrapper, ConnectionState, LifespanState, WebsocketAcceptEvent
from hypercorn.utils import parse_socket_addr

from patter_cli.server.frames import (
    FrameReader,
    PeerClose,
    Ping,
    Received,
    Violation,
    close_frame,
    ping_frame,
    pong_frame,
    text_frame,
)
from patter_cli.server.limits import Limits

SOCKET: Final = "patter.socket"
"""Where the application finds its WebSocketStream: scope["state"][SOCKET]."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Source: RFC 6455, section 1.3."""


class CloseCause(Enum):
    """How a socket ended."""

    CLOSED = auto()
    """The other side said goodbye."""
    LOST = auto()
    """The connection broke, or ended without a goodbye."""
    VIOLATION = auto()
    """The other side broke the protocol and was sent away."""
    SILENT = auto()
    """The other side answered no ping."""


class Sink(Protocol):
    """Who reads a socket. Every call comes from the event loop, must be quick and must not raise."""

    def on_text(self, text: str) -> None:
        """A text message."""

    def on_binary(self, data: bytes) -> None:
        """A binary message."""

    def on_blocked(self) -> None:
        """The socket takes nothing at the moment: do not write."""

    def on_writable(self) -> None:
        """It takes again."""

    def on_gone(self, how: CloseCause) -> None:
        """The other side is gone; comes once, unless we closed first. Nothing else comes after it."""


class Wire(asyncio.Protocol):
    """One open WebSocket."""

    def __init__(self, transport: asyncio.Transport, sink: Sink, limits: Limits) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._hypercorn = cast(asyncio.StreamReaderProtocol, transport.get_protocol())
        self._sink = sink
        self._limits = limits
        self._reader = FrameReader(max_bytes=limits.message_bytes, frames_per_turn=limits.frames_per_turn)
        self._resting = False
        self._silent_pings = 0
        self._close_sent = False
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._ping_timer = self._loop.call_later(limits.ping_s, self._ping)
        self._close_timer: asyncio.TimerHandle | None = None
        self.closed = False
        """The gate: once it is set nothing is written and nothing more is reported."""
        self.writable = True

    def write(self, text: str) -> None:
        """Send one text message. Goes nowhere once closed. Ask `writable` first, or it is kept in memory."""
        if not self.closed:
            self._transport.write(text_frame(text))

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye; the other side has a moment to answer. A second close changes nothing."""
        self.closed = True
        self._send_close(code, reason)

    def breathe(self) -> None:
        """Do not read this socket for a moment: it sends more than its share."""
        if not self._resting and not self._transport.is_closing():
            self._resting = True
            self._transport.pause_reading()
            self._loop.call_later(self._limits.breath_s, self._resume)

    async def wait_lost(self) -> None:
        """Wait until the connection is down; after a close that takes `close_s` at most."""
        await asyncio.shield(self._lost)

    # What the event loop calls.

    def data_received(self, data: bytes) -> None:
        self._silent_pings = 0
        self._take(self._reader.feed(data))

    def eof_received(self) -> bool:
        # Nobody reads what we still have to say: waiting for it to be taken would keep a dead call alive.
        self._gone(CloseCause.LOST)
        self._transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ping_timer.cancel()
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._gone(CloseCause.LOST)
        self._lost.set_result(None)
        self._hypercorn.connection_lost(exc)

    def pause_writing(self) -> None:
        self.writable = False
        self._hypercorn.pause_writing()
        if not self.closed:
            self._sink.on_blocked()

    def resume_writing(self) -> None:
        self.writable = True
        self._hypercorn.resume_writing()
        if not self.closed:
            self._sink.on_writable()

    # Private, in the order the data meets them.

    def _take(self, received: list[Received]) -> None:
        pong: bytes | None = None
        for item in received:
            if type(item) is str:
                if not self.closed:
                    self._sink.on_text(item)
            elif type(item) is bytes:
                if not self.closed:
                    self._sink.on_binary(item)
            elif type(item) is Ping:
                pong = item.payload
            elif type(item) is PeerClose:
                self._send_close(item.code)
                self._gone(CloseCause.CLOSED)
                self._transport.close()
            elif type(item) is Violation:
                self._send_close(item.code, item.why)
                self._gone(CloseCause.VIOLATION)
        # The latest ping stands for all before it (RFC 6455, 5.5.3), and who does not read gets no pong: a flood of
        # pings fills nothing.
        if pong is not None and not self.closed and self.writable:
            self._transport.write(pong_frame(pong))
        if self._reader.backlog:
            self.breathe()

    def _resume(self) -> None:
        self._resting = False
        if not self._transport.is_closing():
            self._transport.resume_reading()
            self._take(self._reader.feed(b""))

    def _ping(self) -> None:
        if self._silent_pings >= 2:
            self._gone(CloseCause.SILENT)
            self._transport.abort()
            return
        self._silent_pings += 1
        if self.writable and not self.closed:
            self._transport.write(ping_frame())
        self._ping_timer = self._loop.call_later(self._limits.ping_s, self._ping)

    def _gone(self, how: CloseCause) -> None:
        if not self.closed:
            self.closed = True
            self._sink.on_gone(how)

    def _send_close(self, code: int, reason: str = "") -> None:
        if not self._close_sent and not self._transport.is_closing():
            self._close_sent = True
            self._transport.write(close_frame(code, reason))
            self._close_timer = self._loop.call_later(self._limits.close_s, self._transport.abort)


class WebSocketStream(WSStream):
    """A WebSocket request, until it is accepted; the application's end of the hand-over to a Wire."""

    transport: asyncio.Transport
    limits: Limits

    async def handle(self, event: StreamEvent) -> None:
        if isinstance(event, Request):
            state = ConnectionState({**event.state, SOCKET: self})
            await super().handle(replace(event, state=state, headers=_without_bad_keys(event.headers)))
            if self.closed:  # refused with 400 as no handshake; Hypercorn would keep the connection
                await self.send(StreamClosed(stream_id=self.stream_id))
        elif isinstance(event, StreamClosed):
            await super().handle(event)
        elif not self.closed and self.state is ASGIWebsocketState.HANDSHAKE:
            # Frames before our answer are not allowed, and nobody could read them in order.
            self.state = ASGIWebsocketState.HTTPCLOSED
            await self._send_error_response(400)
            await self.send(StreamClosed(stream_id=self.stream_id))

    async def accept(self, sink: Sink) -> Wire:
        """Answer 101 and let sink read the socket. Raises ConnectionError if it is gone."""
        key = self.handshake.key
        if self.closed or self.state is not ASGIWebsocketState.HANDSHAKE or key is None:
            raise ConnectionResetError("the WebSocket handshake was not completed")
        self.state = ASGIWebsocketState.CLOSED  # for Hypercorn: it has nothing more to say on this connection
        self.handshake.accepted = True
        accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
        headers = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", accept)]
        self.transport.pause_reading()
        await self.send(Response(stream_id=self.stream_id, headers=headers, status_code=101))
        if self.transport.is_closing():
            raise ConnectionResetError("the connection broke during the WebSocket handshake")
        wire = Wire(self.transport, sink, self.limits)
        self.transport.set_protocol(wire)
        self.transport.resume_reading()
        return wire

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        raise NotImplementedError(f'accept a WebSocket with scope["state"]["{SOCKET}"].accept(sink)')


class Http11(H11Protocol):
    """HTTP/1.1 only, with our WebSockets."""

    transport: asyncio.Transport
    limits: Limits

    async def _check_protocol(self, event: h11.Request) -> None:
        """Hypercorn changes to HTTP/2 here if asked to; we go on with HTTP/1.1, as a server may."""

    async def _create_stream(self, request: h11.Request) -> None:
        headers = dict(request.headers)
        tokens = {token.strip().lower() for token in headers.get(b"connection", b"").split(b",")}
        upgrade = headers.get(b"upgrade", b"").strip().lower()
        if request.http_version != b"1.1" and request.http_version != b"1.0":
            await self._send_error_response(505)
            await self.send(Closed())
        elif request.method != b"GET" or b"upgrade" not in tokens or upgrade != b"websocket":
            await super()._create_stream(request)
        else:
            stream = WebSocketStream(
                self.app,
                self.config,
                self.context,
                self.task_group,
                self.ssl,
                self.client,
                self.server,
                self.stream_send,
                STREAM_ID,
            )
            stream.transport, stream.limits = self.transport, self.limits
            self.stream = stream
            self.connection = H11WSConnection(cast(h11.Connection, self.connection))
            await stream.handle(
                Request(
                    stream_id=STREAM_ID,
                    headers=list(request.headers),
                    http_version=request.http_version.decode(),
                    method="GET",
                    raw_path=request.target,
                    state=self.connection_state,
                )
            )


class Http11Only(ProtocolWrapper):
    """Hypercorn's choice of a protocol, made."""

    async def handle(self, event: Event) -> None:
        await self.protocol.handle(event)


class Connection(TCPServer):
    """One TCP connection, taken down within a deadline whatever the other side does."""

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        limits: Limits,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        super().__init__(app, asyncio.get_running_loop(), config, context, LifespanState({}), reader, writer)
        self.limits = limits

    async def run(self) -> None:
        sock = self.writer.get_extra_info("socket")
        try:
            client = parse_socket_addr(sock.family, sock.getpeername())
            server = parse_socket_addr(sock.family, sock.getsockname())
            async with TaskGroup(self.loop) as task_group:
                self._task_group = task_group
                self.protocol = self._http(task_group, client, server)
                await self.idle_task.restart(task_group, self._idle_timeout)
                await self._read_data()
        except OSError:
            pass  # gone before we could ask who it was
        finally:
            await self._close()

    def _http(
        self, task_group: TaskGroup, client: tuple[str, int] | None, server: tuple[str, int] | None
    ) -> ProtocolWrapper:
        send: Callable[[Event], Awaitable[None]] = self.protocol_send
        state = ConnectionState(self.state)
        wrapper = Http11Only(
            self.app, self.config, self.context, task_group, state, False, client, server, send, "http/1.1"
        )
        http = Http11(self.app, self.config, self.context, task_group, state, False, client, server, send)
        http.transport, http.limits = cast(asyncio.Transport, self.writer.transport), self.limits
        wrapper.protocol = http
        return wrapper

    async def protocol_send(self, event: Event) -> None:
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        try:
            async with asyncio.timeout(self.limits.write_s):
                await super().protocol_send(event)
        except TimeoutError:
            self.writer.transport.abort()

    async def _close(self) -> None:
        self.writer.close()
        try:
            async with asyncio.timeout(self.limits.write_s):
                with suppress(OSError):
                    await self.writer.wait_closed()
        except TimeoutError:
            self.writer.transport.abort()
        finally:
            await self.idle_task.stop()


def _without_bad_keys(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers; without the handshake's key, which Hypercorn then misses, unless it is one of 16 bytes."""
    keys = [value for name, value in headers if name == b"sec-websocket-key"]
    with suppress(binascii.Error):
        if len(keys) == 1 and len(base64.b64decode(keys[0], validate=True)) == 16:
            return headers
    return [(name, value) for name, value in headers if name != b"sec-websocket-key"]
