"""Sessions with MCP servers: one for each server, shared by all calls of this process, on a loop of their own.

Imported late: it needs the extra. No call's audio is on that loop, so a server that sends a megabyte holds nobody up.

    opened     before the first ring, within OPEN_S; who cannot be opened then keeps the agent from being served
    in use     each tool call has its own deadline; one that is late costs just itself, and the server is then asked
               for its tools: who does not answer that either is let go of
    lost       died, let go of, sent what is no MCP: tool calls fail at once, the next one opens it again, after a pause
               that doubles from 1 to 30 s
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import CONNECTION_CLOSED, CallToolResult, Implementation, TextContent

from patter_cli.engine.mcp_transport import BoundedHttp, command_streams
from patter_cli.errors import NotReachable, PatterError, TimedOut, ToolError, reason
from patter_cli.mcp_servers import McpServer
from patter_cli.version import VERSION

log = logging.getLogger(__name__)

Value = TypeVar("Value")

OPEN_S: Final = 20.0
"""To start, shake hands and list tools: a package runner may have to fetch the server first."""
PROBE_S: Final = 5.0
PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
CLOSE_S: Final = 5.0
"""For all of them, when the process ends: one that does not go by itself is killed after 4 s."""
TOOLS: Final = 64
"""Of one server; a model that is offered more chooses badly."""
_OURS: Final = Implementation(name="patter", version=VERSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTool:
    """A tool as its server describes it. parameters: what it says is a JSON Schema."""

    name: str
    description: str
    parameters: dict[str, Any]


class McpSession:
    """One server's. Everything but the constructor belongs to the sessions' loop."""

    def __init__(self, server: McpServer) -> None:
        self.server = server
        self.tools: tuple[OfferedTool, ...] = ()
        """Once it was open."""
        self._ready: asyncio.Future[Client] | None = None
        self._over = asyncio.Event()
        self._holding: set[asyncio.Task[None]] = set()
        self._probing: asyncio.Task[None] | None = None
        self._pause_s = PAUSE_S
        self._not_before_s = 0.0

    @property
    def is_open(self) -> bool:
        ready = self._ready
        return ready is not None and ready.done() and not ready.cancelled() and ready.exception() is None

    async def open(self) -> Client:
        """What asks the server, opened if it is not. Raises NotReachable."""
        if self._ready is None:
            loop = asyncio.get_running_loop()
            if loop.time() < self._not_before_s:
                raise NotReachable(f"MCP server {self.server.name} is down")
            self._not_before_s = loop.time() + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            self._ready, self._over = loop.create_future(), asyncio.Event()
            task = asyncio.create_task(self._hold(self._ready, self._over))
            self._holding.add(task)
            task.add_done_callback(self._holding.discard)
        return await asyncio.shield(self._ready)

    async def call(self, name: str, arguments: dict[str, Any], within_s: float) -> Any:
        """A tool's answer, JSON values. Raises TimedOut, NotReachable, ToolError."""
        client: Client | None = None
        try:
            async with asyncio.timeout(within_s):
                client = await self.open()
                return _value(await client.call_tool(name, arguments))
        except PatterError:
            raise
        except TimeoutError as error:
            self._doubt(client)
            raise TimedOut("it did not answer in time", provider=self.server.name) from error
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                self._let_go(client)
            else:
                self._doubt(client)
            raise ToolError(f"it answered with an error: {error.message[:200]}") from error
        except Exception as error:
            self._doubt(client)
            raise ToolError(f"it answered with what is no MCP: {reason(error)[:200]}") from error

    async def close(self) -> None:
        """Let go of the server, and wait until it has gone."""
        self._over.set()
        await asyncio.gather(*self._holding, return_exceptions=True)

    async def _hold(self, ready: asyncio.Future[Client], over: asyncio.Event) -> None:
        """The session from its beginning to its end: what a task enters it must leave itself."""
        name = self.server.name
        ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(OPEN_S):
                    client = await stack.enter_async_context(await self._client(stack))
                    self.tools = await _listed(client)
                self._pause_s = PAUSE_S
                ready.set_result(client)
                await over.wait()
        except TimeoutError:
            self._refuse(ready, NotReachable(f"MCP server {name} did not answer within {OPEN_S:g} s", hint=self._hint))
        except Exception as error:  # noqa: BLE001 - a group of whatever its transport raised
            self._refuse(ready, NotReachable(f"MCP server {name} cannot be used: {_why(error)}", hint=self._hint))
        finally:
            if not ready.done():
                ready.cancel()
            if self._ready is ready:
                self._ready = None

    def _refuse(self, ready: asyncio.Future[Client], error: NotReachable) -> None:
        if ready.done():
            log.warning("%s", error)
        else:
            ready.set_exception(error)

    @property
    def _hint(self) -> str:
        return "is the address right?" if self.server.is_url else f"try it in a terminal: {self.server.address}"

    async def _client(self, stack: AsyncExitStack) -> Client:
        if self.server.is_url:
            headers = {"Authorization": f"Bearer {self.server.token}"} if self.server.token else {}
            limits = httpx2.Timeout(30, read=300)
            http = httpx2.AsyncClient(headers=headers, timeout=limits, transport=BoundedHttp())
            await stack.enter_async_context(http)
            return Client(streamable_http_client(self.server.address, http_client=http), client_info=_OURS)
        return Client(command_streams(self.server.command, self.server.env), client_info=_OURS)

    def _doubt(self, client: Client | None) -> None:
        """Something went wrong: find out whether it still answers, while others go on using it."""
        if client is not None and (self._probing is None or self._probing.done()):
            self._probing = asyncio.create_task(self._probe(client))

    async def _probe(self, client: Client) -> None:
        try:
            async with asyncio.timeout(PROBE_S):
                await client.list_tools(cache_mode="bypass")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
            log.warning("MCP server %s is let go of: %s", self.server.name, reason(error) or "it hangs")
            self._let_go(client)

    def _let_go(self, client: Client | None) -> None:
        """The next call opens it again."""
        ready = self._ready
        if ready is not None and self.is_open and ready.result() is client:
            self._over.set()
            self._ready = None


async def _listed(client: Client) -> tuple[OfferedTool, ...]:
    """All tools, page by page, up to TOOLS."""
    found: list[OfferedTool] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        found += (
            OfferedTool(name=each.name, description=each.description or "", parameters=dict(each.input_schema))
            for each in page.tools
        )
        cursor = page.next_cursor
        if not cursor or len(found) >= TOOLS:
            return tuple(found[:TOOLS])


def _value(result: CallToolResult) -> Any:
    """What a tool returned: what is structured, or else its texts. What it says went wrong is data as well."""
    words = "\n".join(
        each.text if isinstance(each, TextContent) else f"[{each.type}, which cannot be said]"
        for each in result.content
    )
    if result.is_error:
        return {"failed": True, "message": words}
    return words if result.structured_content is None else result.structured_content


def _why(error: BaseException) -> str:
    """The first thing that went wrong, of a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MCPError):
        return "it ended, or speaks no MCP" if error.code == CONNECTION_CLOSED else error.message[:200]
    return (reason(error).splitlines() or [""])[0][:200] if isinstance(error, Exception) else type(error).__name__


class McpSessions:
    """All of this process's, with their loop and its thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._sessions: dict[McpServer, McpSession] = {}
        threading.Thread(target=self._loop.run_forever, name="mcp", daemon=True).start()
        atexit.register(self.close)

    def open(self, servers: Sequence[McpServer]) -> list[McpSession]:
        """Blocks until all of them are open. Raises NotReachable, the first server's that is not."""
        return self.submit(self._open(servers)).result()

    def opened(self, servers: Sequence[McpServer]) -> list[McpSession]:
        """Those that are open already; blocks for nothing. Raises NotReachable for one that is not."""
        found = [self._sessions.get(each) for each in servers]
        for server, session in zip(servers, found, strict=True):
            if session is None or not session.is_open:
                raise NotReachable(
                    f"MCP server {server.name} is not open, and a call does not wait for it",
                    hint="name it in the mcp_servers of the agent that is served",
                )
        return [each for each in found if each is not None]

    def submit(self, work: Coroutine[Any, Any, Value]) -> Future[Value]:
        """From any thread: have it done on the sessions' loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _open(self, servers: Sequence[McpServer]) -> list[McpSession]:
        sessions = [self._sessions.setdefault(each, McpSession(each)) for each in servers]
        outcomes = await asyncio.gather(*(each.open() for each in sessions), return_exceptions=True)
        for each in outcomes:
            if isinstance(each, BaseException):
                raise each
        return sessions

    def close(self) -> None:
        """Let go of all of them; blocks for CLOSE_S at most. Whoever opens one again gets a new session."""

        async def all_of_them() -> None:
            sessions = list(self._sessions.values())
            self._sessions.clear()
            await asyncio.gather(*(each.close() for each in sessions))

        with suppress(Exception):
            self.submit(all_of_them()).result(CLOSE_S)


@cache
def mcp_sessions() -> McpSessions:
    """The process's."""
    return McpSessions()
