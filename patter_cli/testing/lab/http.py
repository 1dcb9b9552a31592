"""The lab's own small web server: HTTP/1.1 on a port of this machine, every request to one function."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import h11

log = logging.getLogger("patter.lab")

BODY_BYTES: Final = 1 << 20
IDLE_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRequest:
    """What the lab was asked."""

    method: str
    path: str
    """Its escapes undone."""
    query: str
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LabReply:
    """What it answers."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    lost: bool = False
    """The connection closes in place of an answer."""


LOST: Final = LabReply(lost=True)

Handler: TypeAlias = Callable[[LabRequest], Awaitable[LabReply]]


def json_reply(status: int, body: Any, headers: Mapping[str, str] | None = None) -> LabReply:
    """An answer in JSON."""
    return LabReply(
        status=status,
        headers={"content-type": "application/json", **(headers or {})},
        body=json.dumps(body, ensure_ascii=False).encode(),
    )


class WebServer:
    """Listens from `start` to `stop`."""

    def __init__(self, handle: Handler) -> None:
        """handle: what it raises is a bug of ours, logged and answered with 500."""
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._connections):
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(h11.Connection(h11.SERVER), reader, writer)
        except (h11.RemoteProtocolError, ConnectionError, TimeoutError, asyncio.CancelledError):
            pass  # whoever is there has gone, or speaks something else
        finally:
            writer.transport.abort() if writer.transport.is_closing() else writer.close()
            self._connections.discard(task)

    async def _serve(self, http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await self._next_request(http, reader)
            if request is None:
                return
            try:
                reply = await self._handle(request)
            except Exception:
                log.exception("the lab could not answer %s %s", request.method, request.path)
                reply = LabReply(status=500)
            if reply.lost:
                writer.transport.abort()
                return
            headers = [
                ("date", formatdate(usegmt=True)),
                ("content-length", str(len(reply.body))),
                *reply.headers.items(),
            ]
            writer.write(http.send(h11.Response(status_code=reply.status, headers=headers)) or b"")
            if request.method != "HEAD":
                writer.write(http.send(h11.Data(data=reply.body)) or b"")
            writer.write(http.send(h11.EndOfMessage()) or b"")
            with suppress(ConnectionError):
                await writer.drain()
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()

    async def _next_request(self, http: h11.Connection, reader: asyncio.StreamReader) -> LabRequest | None:
        head: h11.Request | None = None
        body = b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                async with asyncio.timeout(IDLE_S):
                    http.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > BODY_BYTES:
                    return None
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                path, _, query = head.target.decode("ascii").partition("?")
                headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers}
                method = head.method.decode("ascii")
                return LabRequest(method=method, path=unquote(path), query=query, headers=headers, body=body)
            else:
                return None  # it is closed
