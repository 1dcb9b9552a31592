"""What only this server can answer: how it is known that an address leads here, and not to somebody else's server.

A proof is made by whoever is about to look, good for a minute, once over HTTP and once over a WebSocket. Strangers find
nothing at its path.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from patter_cli.server.addresses import CHECK_PATH
from patter_cli.server.guard import Receive, Scope, Send
from patter_cli.server.media import refuse_upgrade
from patter_cli.server.wire import SOCKET, CloseCause, WebSocketStream, Wire

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

LIFE_S: Final = 60.0
MOST: Final = 64
"""Proofs that wait at the same time."""
ECHO_S: Final = 5.0
"""For the message that is answered."""
WORD_CHARS: Final = 64
"""What is sent back of it."""


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

        path = CHECK_PATH + "/{token}"
        return [Route(path, asked, methods=["GET"]), WebSocketRoute(path, _ProofSocket(self))]


class _ProofSocket:
    """The ASGI application of the WebSocket route."""

    def __init__(self, proofs: Proofs) -> None:
        self._proofs = proofs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._proofs.take(scope["path_params"]["token"], "websocket")
        if answer is None:
            await refuse_upgrade(send, 404, "not found")
            return
        echo = _Echo(answer)
        try:
            request: WebSocketStream = scope["state"][SOCKET]
            wire = echo.wire = await request.accept(echo)
        except ConnectionError:
            return  # it went away before we had answered
        with suppress(TimeoutError):
            async with asyncio.timeout(ECHO_S):
                await echo.over.wait()
        wire.close(1000)
        await wire.wait_lost()


class _Echo:
    """Answers one message."""

    def __init__(self, answer: str) -> None:
        self._answer = answer
        self.wire: Wire | None = None
        self.over = asyncio.Event()

    def on_text(self, text: str) -> None:
        if self.wire is not None and not self.over.is_set():
            self.wire.write(self._answer + text[:WORD_CHARS])
        self.over.set()

    def on_binary(self, data: bytes) -> None:
        self.over.set()

    def on_blocked(self) -> None:
        self.over.set()

    def on_writable(self) -> None:
        return

    def on_gone(self, how: CloseCause) -> None:
        self.over.set()
