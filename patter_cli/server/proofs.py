"""What only this server can answer: how it is known that an address leads here, and not to somebody else's server.

A proof is made by whoever is about to look, good for a minute, once over HTTP and once over a WebSocket. Strangers find
nothing at its path.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from patter_cli.server.addresses import CHECK_PATH

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.websockets import WebSocket

LIFE_S: Final = 60.0
MOST: Final = 64
"""Proofs that wait at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """token: where to ask. answer: what this server says there."""

    token: str
    answer: str


class Proofs:
    """Those that wait to be asked for."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """now_s: any clock in seconds."""
        self._now_s = now_s
        self._waiting: dict[tuple[str, str], tuple[str, float]] = {}

    def new(self) -> Proof:
        """One more."""
        now_s = self._now_s()
        proof = Proof(token=secrets.token_urlsafe(16), answer=secrets.token_urlsafe(32))
        self._waiting = {key: value for key, value in self._waiting.items() if value[1] > now_s}
        for oldest in list(self._waiting)[: -2 * (MOST - 1)]:
            del self._waiting[oldest]
        for kind in ("http", "websocket"):
            self._waiting[proof.token, kind] = proof.answer, now_s + LIFE_S
        return proof

    def take(self, token: str, kind: str) -> str | None:
        """The answer, once for each kind of connection; None where nobody is to ask."""
        answer, until_s = self._waiting.pop((token, kind), ("", 0.0))
        return answer if until_s > self._now_s() else None

    def routes(self) -> list[BaseRoute]:
        """Where they are answered."""
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route, WebSocketRoute

        async def asked(request: Request) -> Response:
            answer = self.take(request.path_params["token"], "http")
            if answer is None:
                return PlainTextResponse("not found", 404)
            return PlainTextResponse(answer, headers={"cache-control": "no-store"})

        async def connected(socket: WebSocket) -> None:
            answer = self.take(socket.path_params["token"], "websocket")
            if answer is None:
                await socket.send_denial_response(PlainTextResponse("not found", 404))
                return
            await socket.accept()
            await socket.send_text(answer + (await socket.receive_text())[:64])
            await socket.close()

        path = CHECK_PATH + "/{token}"
        return [Route(path, asked, methods=["GET"]), WebSocketRoute(path, connected)]
