"""What every request must pass before a route sees it: who asks, for which host, from which page, with how much body.

A body is read here, whole, so that a route never waits for a stranger and cannot be made to keep more than it may.
Checks are made once a connection; a media socket's messages do not come by here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from patter_cli.server.addresses import public_under
from patter_cli.server.limits import Limits

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Asgi: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_TUNNEL_HEADERS = (b"cf-ray", b"cf-connecting-ip", b"x-forwarded-for", b"forwarded")
"""Any of them: somebody else's request, carried to us. Source: cloudflared, ngrok, RFC 7239."""


class Guard:
    """Wraps the application.

    hosts: the names or addresses, in lower case, that a request may name beside loopback ones, each with the path under
    which what is public is there, or "". They may change; while there is none, only this machine is served. Who names
    one of them, or was carried here, sees only what is public. Routes see the path without that one.
    """

    def __init__(
        self,
        app: Asgi,
        *,
        hosts: Callable[[], Mapping[str, str]],
        limits: Limits,
        exposed: Callable[[str], bool] = lambda path: False,
    ) -> None:
        """exposed: whether a path is for strangers too, as carriers' are."""
        self._app = app
        self._hosts = hosts
        self._limits = limits
        self._exposed = exposed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refuse(scope)
        if refusal is not None:
            await _answer(scope, receive, send, *refusal)
        elif scope["type"] == "http":
            await self._with_body(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refuse(self, scope: Scope) -> tuple[int, str] | None:
        # Hypercorn's own limit is on headers that are not complete yet: 64 KiB in one read pass it.
        if sum(len(name) + len(value) for name, value in scope["headers"]) > self._limits.header_bytes:
            return 431, "the headers are too big"
        if header_of(scope, b"transfer-encoding") and header_of(scope, b"content-length"):
            # A tunnel may go by the one and we by the other: what is one request for it would be two for us.
            return 400, "a body has a length or comes in chunks"
        host = header_of(scope, b"host")
        name = _host_name(host)
        hosts = self._hosts()
        if name is None or not (_is_loopback(name) or name in hosts):
            return 421, "this server does not answer for that host"
        if not hosts and not _from_loopback(scope):
            return 403, "only this machine is served"
        origin = header_of(scope, b"origin")
        if scope["type"] == "websocket" and origin and not self._ours(origin, host):
            return 403, "foreign origin"
        bases: Collection[str] = (hosts[name],) if name in hosts else (*hosts.values(), *(() if hosts else ("",)))
        base = public_under(scope["path"], bases)
        if base is None and (name in hosts or is_carried(scope)) and not self._exposed(scope["path"]):
            return 404, "not found"
        scope["root_path"] = base or ""
        return None

    def _ours(self, origin: str, host: str) -> bool:
        """Is it a page of ours: on our public host, or on the very host and port that was asked?"""
        with suppress(ValueError):
            parts = urlsplit(origin.lower())
            return parts.scheme in ("http", "https") and (
                parts.netloc == host.lower() or (parts.hostname or "") in self._hosts()
            )
        return False

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()
        declared = header_of(scope, b"content-length")
        too_big = declared.isascii() and declared.isdigit() and int(declared[:20]) > self._limits.body_bytes
        try:
            async with asyncio.timeout(self._limits.body_s):
                more = not too_big
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message["body"]
                    too_big = len(body) > self._limits.body_bytes
                    more = message["more_body"] and not too_big
        except TimeoutError:
            await _answer(scope, receive, send, 408, "the body took too long")
            return
        if too_big:
            body.clear()
            await _answer(scope, receive, send, 413, "the body is too big")
            return
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replay, send)


class LocalOnly:
    """Wraps a route that asks for no secret: there for this machine, and not found through a tunnel.

    hosts: as the guard's. While there is one, nobody finds the route: a public host brings strangers, and not every
    tunnel says that it carried them.
    """

    def __init__(self, app: Asgi, hosts: Callable[[], Collection[str]] = frozenset) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = _host_name(header_of(scope, b"host"))
        here = name is not None and _is_loopback(name) and _from_loopback(scope)
        if here and not is_carried(scope) and not self._hosts():
            await self._app(scope, receive, send)
        else:
            await _answer(scope, receive, send, 404, "not found")


def header_of(scope: Scope, name: bytes) -> str:
    """The first header of this name, or ""."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


def _host_name(host: str) -> str | None:
    """The name in a Host header, in lower case, without port and brackets; None if there is no making sense of it."""
    try:
        parts = urlsplit(f"//{host.lower()}")
        has_host_alone = parts.netloc == host.lower() and parts.username is None
        port_in_range = parts.port is None or parts.port > 0
        return (parts.hostname or None) if has_host_alone and port_in_range else None
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    with suppress(ValueError):
        return ip_address(name).is_loopback
    return name == "localhost"


def is_carried(scope: Scope) -> bool:
    """Whether a tunnel brought it."""
    return any(header_of(scope, header) for header in _TUNNEL_HEADERS)


def _from_loopback(scope: Scope) -> bool:
    client = scope.get("client")
    return client is not None and _is_loopback(client[0])


async def _answer(scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
    """Answer with an error, and let go of the connection."""
    body = why.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    kind = "http.response" if scope["type"] == "http" else "websocket.http.response"

    async def reply() -> None:
        await send({"type": f"{kind}.start", "status": status, "headers": headers})
        await send({"type": f"{kind}.body", "body": body})

    if scope["type"] != "http":
        await reply()
        return
    # Hypercorn hands us the body through a short queue, and the end of the answer through the same one: while we
    # answer somebody must keep emptying it, or a peer that goes on sending holds the connection for ever.
    answering = asyncio.create_task(reply())
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        answering.cancel()
