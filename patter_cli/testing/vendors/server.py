"""A vendor's place on a port of this machine: HTTP/1.1 and WebSocket, every cut and pause where the script wants it.

    def script(request: Request) -> Answer | Talk: ...

    async with serve(script) as lab:
        client = TheirClient(base_url=lab.url)

A script answers each request. With an Answer, whose steps are sent one by one; or, where the client wants a WebSocket,
with a Talk, a coroutine that has the socket to itself. An Answer to such a client refuses it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from patter_cli.testing.vendors.sockets import LabSocket, open_socket

HEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Await:
    """Go on only when the test says so."""

    event: asyncio.Event


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Break the connection here, without the end of the body: abruptly, or politely with a FIN."""

    abruptly: bool = True


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing more, and keep the connection for as long as the client does."""


Step: TypeAlias = bytes | Await | Pause | Cut | Hang


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One response. steps: each piece of bytes is one chunk. chunked False: the end of the connection ends the body.

    before: what happens before its first line is sent.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("content-type", "text/event-stream"),)
    steps: tuple[Step, ...] = ()
    chunked: bool = True
    before: tuple[Step, ...] = ()


def streamed(*steps: Step) -> Answer:
    """A stream of events."""
    return Answer(steps=steps)


def in_json(value: Any, status: int = 200, **headers: str) -> Answer:
    """A plain JSON answer. headers: with _ for -."""
    names = tuple((name.replace("_", "-"), text) for name, text in headers.items())
    content = json.dumps(value).encode()
    return Answer(status=status, headers=(("content-type", "application/json"), *names), steps=(content,))


@dataclass(slots=True, kw_only=True)
class Request:
    """What a client asked. connection: counts from 1. gone: set when the client hangs up on the answer."""

    method: str
    target: str
    """As it stood in the first line, with its query."""
    headers: dict[str, str]
    """By their names in lower case."""
    body: bytes
    connection: int
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def path(self) -> str:
        """Without the query, escapes undone."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        """The last value of each name."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def wants_socket(self) -> bool:
        """Whether this is the beginning of a WebSocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


Talk: TypeAlias = Callable[[LabSocket], Awaitable[None]]
Script: TypeAlias = Callable[[Request], Answer | Talk]


class LabServer:
    """The server. Its answers come from a script, or one after the other from a list."""

    def __init__(self, script: Script | Sequence[Answer | Talk]) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.open_connections = 0
        self.arrived = asyncio.Event()
        """The first request is there."""
        self.port = 0
        self.url = ""
        """http://127.0.0.1:port and the path that `serve` was given, without a slash at its end."""
        self._script = script

    @property
    def socket_url(self) -> str:
        """The same for WebSockets."""
        return "ws" + self.url.removeprefix("http")

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side has had enough."""
        self.connections += 1
        self.open_connections += 1
        number = self.connections
        early: bytes | None = b""
        try:
            while early is not None and (received := await _receive(early, reader, number)):
                request, head = received
                self.requests.append(request)
                self.arrived.set()
                answer = self._script(request) if callable(self._script) else self._script[len(self.requests) - 1]
                if isinstance(answer, Answer):
                    early = await _answer(answer, request, reader, writer)
                else:
                    async with open_socket(head, reader, writer, request.gone) as socket:
                        await answer(socket)
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_connections -= 1
            writer.close()


async def _receive(early: bytes, reader: asyncio.StreamReader, connection: int) -> tuple[Request, bytes] | None:
    """The next request, and its head as it came."""
    try:
        head = early + await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await _body(headers, reader)
    return Request(method=method, target=target, headers=headers, body=body, connection=connection), head


async def _body(headers: dict[str, str], reader: asyncio.StreamReader) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


async def _answer(
    answer: Answer, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bytes | None:
    """Play one answer. Returns what already came of the next request, None if the connection is over."""
    playing = asyncio.create_task(_play(answer, writer))
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


async def _play(answer: Answer, writer: asyncio.StreamWriter) -> bool:
    """Whether the connection may be used again."""
    lines = [f"HTTP/1.1 {answer.status} Scripted", *(f"{name}: {value}" for name, value in answer.headers)]
    lines.append("transfer-encoding: chunked" if answer.chunked else "connection: close")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    if not await _steps(answer.before, writer, chunked=False):
        return False
    writer.write(head)
    if not await _steps(answer.steps, writer, chunked=answer.chunked):
        return False
    if answer.chunked:
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    return answer.chunked


async def _steps(steps: tuple[Step, ...], writer: asyncio.StreamWriter, *, chunked: bool) -> bool:
    for step in steps:
        match step:
            case bytes():
                writer.write(b"%x\r\n%b\r\n" % (len(step), step) if chunked else step)
                await writer.drain()
            case Await(event):
                await event.wait()
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Hang():
                await asyncio.Event().wait()
            case Cut(abruptly):
                await writer.drain()
                if abruptly:
                    writer.transport.abort()
                return False
    return True


@asynccontextmanager
async def serve(
    script: Script | Sequence[Answer | Talk], path: str = "/v1", *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[LabServer]:
    """A vendor on a free port of this machine. path: of its base address; "" for none. tls: see `tls.lab_tls`."""
    lab = LabServer(script)
    connections: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await lab.handle(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            connections.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=HEAD_BYTES, ssl=tls)
    lab.port = server.sockets[0].getsockname()[1]
    lab.url = f"http{'s' if tls else ''}://127.0.0.1:{lab.port}{path}"
    try:
        yield lab
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
