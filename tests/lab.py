"""What tests of the carrier lab share: an office that takes webhooks, and a lab whose people are quick to voice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from patter_cli.audio import tone
from patter_cli.audio.frame import Samples
from patter_cli.testing.lab.http import LabReply, LabRequest, WebServer
from patter_cli.testing.lab.server import CarrierLab

Lab = TypeVar("Lab", bound=CarrierLab)
HOST = "phone.example"


async def hum(text: str) -> Samples:
    """A voice that needs no model: 10 ms a letter."""
    return tone.beep(300, 10 * len(text), 8000)


def quick(kind: type[Lab], port: int, **settings: Any) -> Lab:
    """A lab that reaches phone.example at this port."""
    return kind(**{"reach": {HOST: port}, "voice": hum, **settings})


async def until(condition: Callable[[], object], within_s: float = 6.0) -> None:
    for _ in range(round(within_s / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came")


class Office:
    """phone.example: takes every webhook, and answers a path with the document that was set for it."""

    def __init__(self) -> None:
        self.got: list[LabRequest] = []
        self._documents: dict[str, LabReply] = {}
        self._web = WebServer(self._take)

    @property
    def port(self) -> int:
        return self._web.port

    async def __aenter__(self) -> Office:
        await self._web.start()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._web.stop()

    def says(self, path: str, document: str | bytes, *, status: int = 200, kind: str = "text/xml") -> None:
        """What this path answers from now on; others answer with nothing."""
        body = document.encode() if isinstance(document, str) else document
        self._documents[path] = LabReply(status=status, headers={"content-type": kind}, body=body)

    def posted(self, path: str) -> list[dict[str, str]]:
        """The forms that came to a path, in order."""
        return [
            dict(parse_qsl(each.body.decode() or each.query, keep_blank_values=True))
            for each in self.got
            if each.path == path
        ]

    async def _take(self, request: LabRequest) -> LabReply:
        self.got.append(request)
        return self._documents.get(request.path, LabReply(status=204))
