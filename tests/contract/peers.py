"""A vendor on a real socket: HTTP/1.1, one scripted answer a request, every cut and pause where the script wants it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Await:
    """Go on only when the test says so."""

    event: asyncio.Event


@dataclass(frozen=True, slots=True)
class Cut:
    """Break the connection here, without the end of the body: abruptly, or politely with a FIN."""

    abruptly: bool = True


Step: TypeAlias = bytes | Await | Cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One response. steps: each piece of bytes is one chunk. chunked False: the end of the connection ends the body."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("content-type", "text/event-stream"),)
    steps: tuple[Step, ...] = ()
    chunked: bool = True


def streamed(*steps: Step) -> Answer:
    """A stream of events."""
    return Answer(steps=steps)


def in_json(value: Any, status: int = 200, **headers: str) -> Answer:
    """A plain JSON answer."""
    names = tuple((name.replace("_", "-"), text) for name, text in headers.items())
    content = json.dumps(value).encode()
    return Answer(status=status, headers=(("content-type", "application/json"), *names), steps=(content,))


@dataclass(slots=True, kw_only=True)
class Request:
    """What a client asked. connection: counts from 1. gone: set when the client hangs up on the answer."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


Script: TypeAlias = Callable[[Request], Answer]


class Peer:
    """The server. Its answers come from a script, or one after the other from a list."""

    def __init__(self, script: Script | Sequence[Answer]) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.open_connections = 0
        self.arrived = asyncio.Event()
        self.url = ""
        self._script = script

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side has had enough."""
        self.connections += 1
        self.open_connections += 1
        number = self.connections
        early: bytes | None = b""
        try:
            while early is not None and (request := await self._receive(early, reader, number)):
                self.requests.append(request)
                self.arrived.set()
                early = await self._answer(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_connections -= 1
            writer.close()

    async def _receive(self, early: bytes, reader: asyncio.StreamReader, connection: int) -> Request | None:
        try:
            head = early + await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Request(method=method, path=path, headers=headers, body=body, connection=connection)

    async def _answer(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        """Play one answer. Returns what already came of the next request, None if the connection is over."""
        answer = self._script(request) if callable(self._script) else self._script[len(self.requests) - 1]
        playing = asyncio.create_task(self._play(answer, writer))
        # A client that waits for an answer says nothing: if its side ends, it has hung up.
        listening = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({playing, listening}, return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                request.gone.set()
                return None
            if not playing.result():
                return None
            listening.cancel()
            await asyncio.wait({listening})
            return b"" if listening.cancelled() else listening.result()
        finally:
            playing.cancel()
            listening.cancel()

    @staticmethod
    async def _play(answer: Answer, writer: asyncio.StreamWriter) -> bool:
        lines = [f"HTTP/1.1 {answer.status} Scripted", *(f"{name}: {value}" for name, value in answer.headers)]
        lines.append("transfer-encoding: chunked" if answer.chunked else "connection: close")
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        for step in answer.steps:
            match step:
                case bytes():
                    writer.write(b"%x\r\n%b\r\n" % (len(step), step) if answer.chunked else step)
                    await writer.drain()
                case Await(event):
                    await event.wait()
                case Cut(abruptly):
                    await writer.drain()
                    if abruptly:
                        writer.transport.abort()
                    return False
        if answer.chunked:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return answer.chunked


@asynccontextmanager
async def peer(script: Script | Sequence[Answer]) -> AsyncIterator[Peer]:
    """A peer on a free port of this machine; url has no slash at its end."""
    serving = Peer(script)
    connections: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await serving.handle(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            connections.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=1 << 20)
    serving.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield serving
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
