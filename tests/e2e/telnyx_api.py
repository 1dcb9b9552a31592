"""Telnyx's API as far as we ask it, as a real HTTP server: it keeps what it was asked and answers as it is told."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

CALL: Final = "v3:TESTcallcontrolid"
DROP: Final = "drop"
"""In place of an answer: the request is read, and the connection closed."""
SILENCE: Final = "silence"
"""In place of an answer: nothing."""


@dataclass(slots=True, kw_only=True)
class Asked:
    """One request. path: as it was on the wire, escapes and all."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(slots=True, kw_only=True)
class Answer:
    status: int = 200
    body: Any = field(default_factory=lambda: {"data": {"result": "ok"}})
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, code: str, detail: str = "no") -> Answer:
    return Answer(status=status, body={"errors": [{"code": code, "title": "Refused", "detail": detail}]})


class TelnyxApi:
    """answers: by "METHOD path", the next ones in order; the last stays. Whatever is not in it is accepted."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, deque[Answer | str]] = defaultdict(deque)
        self.resources: dict[str, dict[str, Any]] = {}
        """What GET shows and PATCH changes, by path."""
        self.base_url = ""
        self.was_asked = asyncio.Event()

    def will(self, request: str, *answers: Answer | str) -> None:
        self.answers[request] = deque(answers)

    @property
    def bodies(self) -> list[tuple[str, Any]]:
        """What was asked for: the path's last part, and the body without the id that each has."""
        return [
            (each.path.rsplit("/", 1)[1], {k: v for k, v in (each.body or {}).items() if k != "command_id"})
            for each in self.asked
        ]

    @property
    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.bodies]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                answer = self._answer(await _read(reader))
                if answer == SILENCE:
                    await asyncio.sleep(30)
                if isinstance(answer, str):
                    return
                content = json.dumps(answer.body).encode()
                lines = [f"HTTP/1.1 {answer.status} x", f"content-length: {len(content)}"]
                lines += [f"{name}: {value}" for name, value in answer.headers.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _answer(self, asked: Asked) -> Answer | str:
        self.asked.append(asked)
        self.was_asked.set()
        waiting = self.answers[f"{asked.method} {asked.path}"]
        if waiting:
            return waiting.popleft() if len(waiting) > 1 else waiting[0]
        known = self.resources.get(asked.path)
        if known is not None and asked.method == "PATCH":
            known.update(asked.body)
        return Answer(body={"data": known}) if known is not None else Answer()


@asynccontextmanager
async def telnyx_api() -> AsyncIterator[TelnyxApi]:
    api = TelnyxApi()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    api.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2"
    try:
        yield api
    finally:
        server.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
    content = await reader.readexactly(int(headers.get("content-length", 0)))
    path, _, query = target.partition("?")
    return Asked(
        method=method,
        path=path.removeprefix("/v2"),
        query=dict(parse_qsl(query)),
        headers=headers,
        body=json.loads(content) if content else None,
    )
