"""A web server that answers as Twilio's REST API does, request by request, as a test has written it down."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from patter_cli import Twilio

ACCOUNT = "AC00000000000000000000000000000001"
TOKEN = "patter-test-auth-token-0001"
CALL = "CA00000000000000000000000000000001"
CALLS = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    path: str
    fields: list[tuple[str, str]]
    """Of its form or its query."""
    authorization: str

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.fields if each == name]

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value


HANG_UP = object()
"""Close the connection without an answer."""

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]


@dataclass(slots=True)
class Api:
    """What it was asked, and what it still has to answer."""

    base_url: str
    answers: list[Any] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def carrier(self) -> Twilio:
        return Twilio(ACCOUNT, TOKEN, base_url=self.base_url)

    def date(self) -> str:
        return format_datetime(self.clock(), usegmt=True)


@asynccontextmanager
async def twilio_api(*answers: Any) -> AsyncIterator[Api]:
    """answers: (status, JSON or text[, headers]) or HANG_UP, for one request each."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split()
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
        parts = urlsplit(target)
        fields = parse_qsl(body or parts.query, keep_blank_values=True)
        api.asked.append(Asked(method, unquote(parts.path), fields, headers.get("authorization", "")))
        assert not body or headers["content-type"] == "application/x-www-form-urlencoded"
        answer = api.answers.pop(0) if api.answers else (500, "nothing is left to answer with")
        if answer is not HANG_UP:
            if api.asked[-1].authorization != f"Basic {b64encode(f'{ACCOUNT}:{TOKEN}'.encode()).decode()}":
                answer = (401, {"code": 20003, "message": "Authenticate", "status": 401})
            status, content, *more = answer
            said = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            extra = {"Date": api.date(), **(more[0] if more else {})}
            rest = "".join(f"{name}: {value}\r\n" for name, value in extra.items())
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(said)}\r\n{rest}\r\n".encode() + said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    api = Api(base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", answers=list(answers))
    async with server:
        yield api
