"""The vendor's end of a WebSocket, by the sans-I/O half of `websockets`; also what no honest vendor does with one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import cast

from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol


class LabSocket:
    """One session's socket. `receive` gives what the client says, None once it has gone."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event, protocol: ServerProtocol
    ) -> None:
        self.gone = gone
        """The client has closed, or its side broke."""
        self.close_code: int | None = None
        """That the client closed with; None: it has not, or without one."""
        self._reader = reader
        self._writer = writer
        self._protocol = protocol
        self._messages: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._parts: list[bytes] = []
        self._opcode = Opcode.TEXT
        self._reading = asyncio.Event()
        self._reading.set()

    async def receive(self) -> str | bytes | None:
        """The client's next message."""
        return await self._messages.get()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (message := await self.receive()) is not None:
            yield message

    async def send(self, message: str | bytes) -> None:
        """Say something; nothing happens if the client has gone."""
        with suppress(InvalidState, ConnectionError):
            if isinstance(message, str):
                self._protocol.send_text(message.encode("utf-8", "surrogatepass"))
            else:
                self._protocol.send_binary(message)
            await self._flush()

    async def ping(self, payload: bytes = b"") -> None:
        """A ping of the protocol's own."""
        with suppress(InvalidState, ConnectionError):
            self._protocol.send_ping(payload)
            await self._flush()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close as the protocol has it."""
        with suppress(InvalidState, ConnectionError):
            self._protocol.send_close(code, reason)
            await self._flush()

    def cut(self) -> None:
        """Break the connection at once, without a word."""
        self._writer.transport.abort()

    async def send_raw(self, octets: bytes) -> None:
        """What is no frame, straight onto the wire."""
        with suppress(ConnectionError):
            self._writer.write(octets)
            await self._writer.drain()

    def stop_reading(self) -> None:
        """Let whatever the client says pile up on its side, as a half open connection does."""
        self._reading.clear()

    async def listen(self) -> None:
        """Read until the client has gone."""
        try:
            while True:
                await self._reading.wait()
                octets = await self._reader.read(1 << 16)
                if octets:
                    self._protocol.receive_data(octets)
                else:
                    self._protocol.receive_eof()
                for event in self._protocol.events_received():
                    self._take(cast(Frame, event))
                await self._flush()
                if not octets or self._protocol.state is not OPEN:
                    break
        except ConnectionError:
            pass
        finally:
            self.gone.set()
            self._messages.put_nowait(None)

    def _take(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY | Opcode.CONT:
                if frame.opcode is not Opcode.CONT:
                    self._opcode, self._parts = frame.opcode, []
                self._parts.append(bytes(frame.data))
                if frame.fin:
                    whole = b"".join(self._parts)
                    self._messages.put_nowait(whole.decode() if self._opcode is Opcode.TEXT else whole)
            case Opcode.CLOSE:
                self.close_code = self._protocol.close_code
            case _:
                pass

    async def _flush(self) -> None:
        for octets in self._protocol.data_to_send():
            if octets:
                self._writer.write(octets)
            else:
                with suppress(OSError, RuntimeError):
                    self._writer.write_eof()
        await self._writer.drain()


@asynccontextmanager
async def open_socket(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event
) -> AsyncIterator[LabSocket]:
    """Take a client's request for a WebSocket. head: the request as it came. Its first subprotocol is taken."""

    def first(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return offered[0] if offered else None

    protocol = ServerProtocol(select_subprotocol=first, max_size=None)
    protocol.receive_data(head)
    (handshake,) = protocol.events_received()
    protocol.send_response(protocol.accept(cast(Handshake, handshake)))
    socket = LabSocket(reader, writer, gone, protocol)
    await socket._flush()
    listening = asyncio.create_task(socket.listen())
    try:
        yield socket
        await socket.close()
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
