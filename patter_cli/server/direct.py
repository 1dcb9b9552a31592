"""A port of its own for a carrier that calls us straight over TCP (contracts.carrier.direct).

    connection -> DirectWire: bytes to the codec, its messages -> DirectStream: the same life as any other call's stream

Nothing authenticates such a connection but its first message, so until then it is a stranger's: it has a deadline,
takes no call's place, and is closed for the first byte that is wrong. There is no word for "busy" on such a wire: a
call that cannot be taken is closed, and the other side goes on with what it does when nobody answers.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import cast

from patter_cli.contracts.carrier.direct import ByteCodec, DirectCarrier
from patter_cli.contracts.carrier.stream import MarkIn, StreamMessage, StreamStarted
from patter_cli.engine.watchdog import watched
from patter_cli.errors import CallRejected, PortBusy
from patter_cli.server.call_stream import CallStream
from patter_cli.server.calls import CallRegistry, OpenCall
from patter_cli.server.entrance import TicketOf
from patter_cli.server.frames import INTERNAL
from patter_cli.server.limits import Limits
from patter_cli.server.live_sender import LiveSender
from patter_cli.server.port import bind_port
from patter_cli.server.wire import CloseCause

log = logging.getLogger("patter.server")

SEND_BUFFER_BYTES = 8 * 1024
"""The kernel's part of what waits for a peer that does not read: half a second, since nothing in it can be cleared."""

_TAKE_DOWN_S = 0.4
"""For streams that were cut to note why they ended."""


class DirectStream(CallStream):
    """The server's side of one connection."""

    def __init__(
        self, wire: DirectWire, ticket_of: TicketOf, open_call: OpenCall, live: CallRegistry, limits: Limits
    ) -> None:
        super().__init__(ticket_of, open_call, live, limits)
        self._wire = wire
        self._live_sender: LiveSender | None = None
        self._attach(wire)

    async def run(self) -> None:
        """Hold the connection until it and its call are over."""
        try:
            await self._hold_open(self._wire)
        finally:
            if self._live_sender is not None:
                self._live_sender.close()

    def on_message(self, message: StreamMessage) -> None:
        now = self._loop.time()
        if self._within_rate(now):
            try:
                self._take(message, now)
            except Exception:  # a bug in one call must not reach the event loop, and so the other calls
                log.exception("call %s failed", self._call_id)
                self._end("internal_error", INTERNAL)

    def _sender_for(self, started: StreamStarted) -> LiveSender:
        self._live_sender = LiveSender(
            self._wire,
            self._wire.codec,
            started.format,
            on_mark=self._on_mark,
            kept_ms=int(self._limits.send_queue_s * 1000),
        )
        return self._live_sender

    def _on_mark(self, mark: MarkIn) -> None:
        if not self._cause:
            self.on_message(mark)


class DirectWire(asyncio.Protocol):
    """One open connection. Once `closed` is set nothing is written and nothing more is reported."""

    def __init__(self, port: DirectPort, codec: ByteCodec, limits: Limits) -> None:
        self._loop = asyncio.get_running_loop()
        self._port = port
        self.codec = codec
        self._limits = limits
        self._transport: asyncio.Transport
        self._stream: DirectStream | None = None
        self._resting = False
        self._lost = asyncio.Event()
        self._close_timer: asyncio.TimerHandle | None = None
        self.closed = False
        self.writable = True

    def write(self, data: bytes) -> None:
        """Send a message. Goes nowhere once closed. Ask `writable` first, or it is kept in memory."""
        if not self.closed:
            self._transport.write(data)

    def close(self, code: int, reason: str = "") -> None:
        """Hang up; the other side has a moment to close. It is read meanwhile, and not listened to: to close with
        something unread would reset the connection, and that may overtake the last message."""
        if not self.closed and not self._transport.is_closing():
            self._transport.write(self.codec.hang_up())
            self._close_timer = self._loop.call_later(self._limits.close_s, self._transport.abort)
        self.closed = True

    def abort(self) -> None:
        """Cut it. One that is down is fine."""
        self._transport.abort()

    def breathe(self) -> None:
        if not self._resting and not self._transport.is_closing():
            self._resting = True
            self._transport.pause_reading()
            self._loop.call_later(self._limits.breath_s, self._resume)

    async def wait_lost(self) -> None:
        await self._lost.wait()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)  # what the kernel does not take is not on its way
        self._stream = self._port.take(self)
        if self._stream is None:
            self.closed = True
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if not self.closed:
            self.codec.push(data, self._loop.time() * 1000)
            self._read()

    def eof_received(self) -> bool:
        # Such a wire has no other way to say that the caller is gone.
        if not self.closed and self._stream is not None:
            self.closed = True
            self._stream.hung_up()
        self._transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._close_timer is not None:
            self._close_timer.cancel()
        if not self.closed and self._stream is not None:
            self.closed = True
            self._stream.on_gone(CloseCause.LOST)
        self._lost.set()

    def pause_writing(self) -> None:
        self.writable = False
        if not self.closed and self._stream is not None:
            self._stream.on_blocked()

    def resume_writing(self) -> None:
        self.writable = True
        if not self.closed and self._stream is not None:
            self._stream.on_writable()

    def _read(self) -> None:
        """What is whole, up to one socket's share: then the others have their turn."""
        assert self._stream is not None  # or the connection was refused
        for _ in range(self._limits.frames_per_turn):
            message = self.codec.pop() if not self.closed else None
            if message is None:
                return
            self._stream.on_message(message)
        self.breathe()

    def _resume(self) -> None:
        self._resting = False
        if not self._transport.is_closing():
            self._transport.resume_reading()
            if not self.closed:
                self._read()


class DirectPort:
    """Where one carrier's calls come in."""

    def __init__(
        self,
        carrier: DirectCarrier,
        ticket_of: TicketOf,
        open_call: OpenCall,
        live: CallRegistry,
        limits: Limits | None = None,
    ) -> None:
        """ticket_of: who is on the phone, by the stream's first message."""
        self._carrier = carrier
        self._ticket_of = ticket_of
        self._open_call = open_call
        self._live = live
        self._limits = limits or Limits()
        self._streams: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self.port = carrier.port
        """The one listened on, once started."""

    @property
    def address(self) -> str:
        """As a dialplan has it."""
        host = self._carrier.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises PortBusy, NotReachable or BadSetting."""
        try:
            sock = bind_port(self._carrier.host, self._carrier.port, send_buffer_bytes=SEND_BUFFER_BYTES)
        except PortBusy as error:
            hint = f"stop it, or choose another: {type(self._carrier).__name__}(port=…)"
            raise PortBusy(str(error), hint=hint) from error
        self.port = sock.getsockname()[1]
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: DirectWire(self, self._carrier.stream(), self._limits), sock=sock, backlog=socket.SOMAXCONN
        )

    async def cut(self) -> None:
        """Take nobody any more, and end who is here. Twice is fine."""
        if self._listener is not None:
            self._listener.close()
        for task in self._streams:
            task.cancel()
        if self._streams:
            await asyncio.wait(set(self._streams), timeout=_TAKE_DOWN_S)

    def take(self, wire: DirectWire) -> DirectStream | None:
        """Hold a connection that has come in; None: there is no room for it."""
        if len(self._streams) >= self._limits.max_connections:
            return None
        stream = DirectStream(wire, self._ticket_of, self._open_call, self._live, self._limits)
        try:
            self._live.admit(stream)
        except CallRejected:
            return None
        task = asyncio.get_running_loop().create_task(self._hold(stream))
        self._streams.add(task)

        def leave(task: asyncio.Task[None]) -> None:
            self._streams.discard(task)
            self._live.leave(stream)
            wire.abort()

        task.add_done_callback(leave)
        return stream

    async def _hold(self, stream: DirectStream) -> None:
        with watched():
            await stream.run()
