"""The tools of MCP servers as an agent's: named after their server, their schemas checked, each run with a deadline.

What a server answers is data to the model, cut like any tool's result; what goes wrong is told as the failure of that
one tool. A tool whose name or schema no model could use is left out, and the log says so.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from patter_cli.errors import InputError, MissingExtra
from patter_cli.extras import install_command
from patter_cli.mcp_servers import McpServer
from patter_cli.tools import Tool

if TYPE_CHECKING:
    from patter_cli.engine.mcp_sessions import McpSession, McpSessions, OfferedTool

log = logging.getLogger(__name__)

SCHEMA_BYTES: Final = 16 << 10
DESCRIPTION_CHARS: Final = 1024
"""Every turn's request carries it."""


@dataclass(frozen=True, eq=False)
class McpTool(Tool):
    """A tool that somebody else's server runs."""


def mcp_tools(servers: Sequence[McpServer], *, waits: bool) -> tuple[McpTool, ...]:
    """What an agent gets from these servers. waits: blocks until those that are not open are, seconds perhaps.

    Raises MissingExtra, NotReachable, InputError for a tool that the agent names and the server lacks.
    """
    if not servers:
        return ()
    try:
        from patter_cli.engine.mcp_sessions import mcp_sessions
    except ImportError as error:
        raise MissingExtra("mcp_servers need the MCP SDK", hint=install_command("mcp")) from error
    sessions = mcp_sessions()
    opened = sessions.open(servers) if waits else sessions.opened(servers)
    return tuple(tool for each in opened for tool in _tools_of(each, sessions))


def _tools_of(session: McpSession, sessions: McpSessions) -> list[McpTool]:
    server, there = session.server, {each.name: each for each in session.tools}
    for name in server.tools:
        if name not in there:
            near = get_close_matches(name, there, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(there) or 'none'}"
            raise InputError(f"MCP server {server.name} has no tool {name!r}", hint=hint)
    made: list[McpTool] = []
    for offered in there.values():
        if server.tools and offered.name not in server.tools:
            continue
        try:
            tool = _made(offered, server, _handler(session, sessions, offered.name))
            if tool.name in {each.name for each in made}:
                raise InputError("another one has the same name for models")
            made.append(tool)
        except InputError as error:
            log.warning("MCP server %s: its tool %r is left out: %s", server.name, offered.name[:64], error)
    return made


def _made(offered: OfferedTool, server: McpServer, handler: Callable[..., Any]) -> McpTool:
    """Raises InputError for one that no model could use."""
    if len(json.dumps(offered.parameters)) > SCHEMA_BYTES:
        raise InputError(f"its schema is longer than {SCHEMA_BYTES >> 10} KB")
    name = f"{server.name}_{re.sub(r'[^a-zA-Z0-9_-]', '_', offered.name)}"
    words = " ".join(offered.description.split())[:DESCRIPTION_CHARS]
    tool = McpTool(name, words, offered.parameters, handler=handler, timeout_s=server.timeout_s)
    _ = tool.accepts
    return tool


def _handler(session: McpSession, sessions: McpSessions, name: str) -> Callable[[Mapping[str, Any]], Any]:
    """A plain function, so that it waits in a thread of its own."""

    def run(arguments: Mapping[str, Any]) -> Any:
        return sessions.submit(session.call(name, dict(arguments), session.server.timeout_s)).result()

    run.__name__ = run.__qualname__ = f"{session.server.name}.{name}"
    return run
