"""An agent's tools in a virtual call: they run, and it is noted what they were asked. Nobody's back-end is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from patter_cli.engine.mcp_tools import McpTool
from patter_cli.tools import Tool, ToolContext


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """A tool was run. at_ms: call time."""

    at_ms: int
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class NotedTool(Tool):
    """The same tool."""

    note: Callable[[str, Mapping[str, Any]], None] | None = None

    def bind(self, arguments: Mapping[str, Any], ctx: ToolContext) -> functools.partial[Any]:
        if self.note is not None:
            self.note(self.name, arguments)
        return super().bind(arguments, ctx)


def noted(tool: Tool, note: Callable[[str, Mapping[str, Any]], None]) -> Tool:
    """A tool that tells of each run. A webhook or an MCP server is not asked: it has done whatever it was to do."""
    given = {each.name: getattr(tool, each.name) for each in fields(Tool)}
    if tool.webhook_url or isinstance(tool, McpTool):
        given |= {"webhook_url": "", "handler": lambda arguments: "done", "by_name": False}
    made = NotedTool(**given, note=note)
    made.__dict__["accepts"] = tool.accepts  # worked out once for all calls
    return made
