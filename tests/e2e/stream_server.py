"""A server with calls that echo, and a peer that may send any bytes at all: what the server's tests talk with."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import cast

from patter_cli.audio.frame import ULAW_8K
from patter_cli.contracts.carrier.stream import (
    DtmfIn,
    Ignored,
    MediaIn,
    Refused,
    StreamMessage,
    StreamStarted,
    StreamStopped,
)
from patter_cli.core.events import Event
from patter_cli.errors import CallRejected
from patter_cli.server.app import StreamRoute, create_app
from patter_cli.server.calls import CallRegistry, Sender
from patter_cli.server.entrance import local_entrance
from patter_cli.server.limits import Limits
from patter_cli.server.run import Server
from patter_cli.server.tickets import CallTicket

FIN, MASK = 0x80, 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class JsonCodec:
    """The plainest wire there can be, for tests of the shell around it."""

    def receive(self, text: str) -> StreamMessage:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return Refused(why="not JSON")
        match message:
            case {"event": "start", "call_id": str(call_id)}:
                return StreamStarted(stream_id="s", call_id=call_id, format=ULAW_8K)
            case {"event": "media", "payload": str(payload)}:
                return MediaIn(base64.b64decode(payload), 0, 0)
            case {"event": "key", "digit": str(digit)}:
                return DtmfIn(digit=digit)
            case {"event": "stop"}:
                return StreamStopped()
            case {"event": str(event)}:
                return Ignored(event=event)
        return Refused(why="no event")

    def media(self, payload: bytes) -> str:
        return json.dumps({"event": "media", "payload": base64.b64encode(payload).decode()})

    def mark(self, name: str) -> str:
        return json.dumps({"event": "mark", "name": name})

    def clear(self) -> str:
        return json.dumps({"event": "clear"})


class EchoCall:
    """A call that gives back what it hears, until its stream is over or it has said goodbye."""

    def __init__(self, started: StreamStarted, sender: Sender) -> None:
        self.call_id = started.call_id
        self.sender = sender
        self.heard: list[bytes] = []
        self.keys = 0
        self.stopped = 0
        self.cause = ""
        self.goodbyes: list[str] = []
        self.over = asyncio.Event()

    def on_stream(self, message: StreamMessage) -> None:
        if isinstance(message, MediaIn):
            self.heard.append(message.payload)
            self.sender.media(message.payload)
        self.keys += isinstance(message, DtmfIn)
        if isinstance(message, StreamStopped):
            self.stopped += 1

    def on_fact(self, event: Event) -> None:
        pass

    def on_closed(self, cause: str) -> None:
        self.cause = cause
        self.over.set()

    async def run(self) -> None:
        await self.over.wait()

    def begin_goodbye(self, reason: str) -> None:
        self.goodbyes.append(reason)
        self.sender.mark("goodbye")
        self.over.set()


class Exchange:
    """Opens calls; the agent's name says which kind."""

    def __init__(self) -> None:
        self.calls: list[EchoCall] = []

    def open_call(self, ticket: CallTicket, started: StreamStarted, sender: Sender) -> EchoCall:
        if ticket.agent == "nobody":
            raise CallRejected("there is no agent of that name")
        call = {"broken": BrokenCall, "deaf": DeafCall}.get(ticket.agent, EchoCall)(started, sender)
        self.calls.append(call)
        return call


class BrokenCall(EchoCall):
    """Has a bug."""

    def on_stream(self, message: StreamMessage) -> None:
        raise ZeroDivisionError("a bug in a call")


class DeafCall(EchoCall):
    """Neither ends with its stream nor says goodbye."""

    def on_closed(self, cause: str) -> None:
        self.cause = cause

    def begin_goodbye(self, reason: str) -> None:
        self.goodbyes.append(reason)


ROUTE = StreamRoute(
    path="/ws/loopback/{agent}",
    codec=JsonCodec,
    entrance=local_entrance("loopback", lambda agent: True, time.time),
    local_only=True,
)


@asynccontextmanager
async def serving(
    limits: Limits | None = None,
    *,
    max_calls: int = 100,
    drain_timeout_s: float = 0.2,
    hosts: frozenset[str] = frozenset(),
) -> AsyncIterator[tuple[Server, Exchange, CallRegistry]]:
    """A server on a free port of this machine."""
    bounds = limits or Limits()
    exchange, live = Exchange(), CallRegistry(max_calls=max_calls)
    app = create_app(
        open_call=exchange.open_call,
        streams=[ROUTE],
        live=live,
        version="0",
        hosts=lambda: dict.fromkeys(hosts, ""),
        limits=bounds,
    )
    server = Server(app, live=live, port=0, drain_timeout_s=drain_timeout_s, limits=bounds)
    await server.start()
    try:
        yield server, exchange, live
    finally:
        await server.cut()


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True, size: int = -1
) -> bytes:
    """A client's frame, wrong in any way one asks for. size: what the header claims, if not the truth."""
    size = len(payload) if size < 0 else size
    head = bytes([(FIN if fin else 0) | rsv << 4 | opcode])
    bit = MASK if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i & 3] for i, byte in enumerate(payload))


def start_message(call_id: str = "c1") -> bytes:
    return frame(TEXT, json.dumps({"event": "start", "call_id": call_id}).encode())


def media_message(payload: bytes = b"\xff" * 160) -> bytes:
    return frame(TEXT, JsonCodec().media(payload).encode())


STOP = frame(TEXT, b'{"event":"stop"}')


class Peer:
    """The client's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> Peer:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def upgrade(
        self, path: str = "/ws/loopback/echo", *, headers: str = "", host: str = "localhost", early: bytes = b""
    ) -> str:
        """Ask for a WebSocket; return the answer's head."""
        self.send(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n".encode()
            + early
        )
        return await self.head()

    async def head(self) -> str:
        return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload. Raises EOFError at the end of the connection."""
        first, size = await self.reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.reader.readexactly(8), "big")
        return first & 0x0F, await self.reader.readexactly(size)

    async def until_close(self) -> tuple[list[tuple[int, bytes]], int]:
        """Every frame up to the end, and the close code: 1006 if the connection just ended, 1005 if there was none."""
        frames: list[tuple[int, bytes]] = []
        with suppress(EOFError, ConnectionError):
            while True:
                opcode, payload = await self.receive()
                if opcode == CLOSE:
                    return frames, int.from_bytes(payload[:2], "big") if payload else 1005
                frames.append((opcode, payload))
        return frames, 1006

    async def ended(self) -> bool:
        """Wait for the end of the connection, whatever comes before it."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        return True

    def stop_reading(self) -> None:
        """From now on the kernel's buffer fills."""
        cast(asyncio.Transport, self.writer.transport).pause_reading()

    def reset(self) -> None:
        """Break off without a goodbye, so that the other side sees RST."""
        self.writer.get_extra_info("socket").setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def peer(port: int) -> AsyncIterator[Peer]:
    """A connection that is gone afterwards; a test may take 20 s, not for ever."""
    connected = await Peer.connect(port)
    try:
        async with asyncio.timeout(20):
            yield connected
    finally:
        connected.close()
