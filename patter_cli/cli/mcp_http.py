"""The MCP server over HTTP: for this machine, and for who has the token.

Behind the server's own guard, which looks at Host, sizes and where a request comes from. A page in a browser has no
business here, so whatever names a foreign Origin is refused; and whoever guesses tokens waits.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

from mcp.server.mcpserver import MCPServer

from patter_cli.server.calls import CallRegistry
from patter_cli.server.guard import Asgi, Guard, Receive, Scope, Send, header_of
from patter_cli.server.limits import Limits
from patter_cli.server.run import Server
from patter_cli.web.access import Access

PATH: Final = "/mcp"
HOST: Final = "127.0.0.1"


class TokenOnly:
    """Wraps an application: only requests with the token reach it."""

    def __init__(self, app: Asgi, access: Access, now_s: Callable[[], float] = time.time) -> None:
        self._app = app
        self._access = access
        self._now_s = now_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        refused = self._refusal(scope)
        if refused is None:
            await self._app(scope, receive, send)
            return
        status, message, hint = refused
        body = json.dumps({"message": message, "hint": hint}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if status == 401:
            headers.append((b"www-authenticate", b'Bearer realm="patter"'))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        """(status, message, hint)"""
        if header_of(scope, b"origin"):
            return 403, "pages do not ask here", "an MCP client sends no Origin"
        side = scope["client"][0] if scope.get("client") else ""
        if waits_s := self._access.waits_s(side, self._now_s()):
            return 429, "too many wrong tokens came from there", f"wait {waits_s} s"
        scheme, _, token = header_of(scope, b"authorization").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return 401, "the token is missing", "send it as Authorization: Bearer"
        if not self._access.is_token(token.strip(), side, self._now_s()):
            return 401, "the token is not this server's", "patter mcp --http prints it when it starts"
        return None


class McpOverHttp:
    """Serves one, as `run_until_signal` wants it."""

    def __init__(self, mcp: MCPServer, access: Access, *, port: int) -> None:
        """port: 0 for any free one."""
        self._mcp = mcp
        app = mcp.streamable_http_app(streamable_http_path=PATH)
        guarded = Guard(TokenOnly(app, access), hosts=dict, limits=Limits())
        self._server = Server(guarded, live=CallRegistry(), host=HOST, port=port)
        self._sessions: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    @property
    def url(self) -> str:
        """Once started."""
        return f"http://{HOST}:{self._server.port}{PATH}"

    async def start(self) -> None:
        """Raises PortBusy or BadSetting."""
        ready = asyncio.Event()
        # Its task group must be left by the task that entered it.
        self._sessions = asyncio.create_task(self._hold_sessions(ready))
        await ready.wait()
        await self._server.start()

    async def shutdown(self) -> None:
        await self.cut()

    async def cut(self) -> None:
        await self._server.cut()
        self._over.set()
        if self._sessions is not None:
            await self._sessions

    async def _hold_sessions(self, ready: asyncio.Event) -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._mcp.session_manager.run())
            ready.set()
            await self._over.wait()
