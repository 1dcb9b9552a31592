"""The tools of one call at work: a model's words in, JSON text for the model out, in time, whatever happens inside.

A run has three steps, and the author's code may be in each: the check of the arguments (a dataclass may have its own),
the handler, the text of what it returned (its __str__). All three run where callbacks run (hooks.py), by one deadline,
and are never tried twice. What went wrong is logged with the tool call's id; the model learns only that it did.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from patter_cli.contracts.llm import ToolSpec
from patter_cli.core.tool_calls import END_CALL, TRANSFER_CALL
from patter_cli.engine.address_guard import check_url
from patter_cli.engine.hooks import call_hook
from patter_cli.engine.tool_result import render_error, render_result
from patter_cli.engine.webhook import call_webhook
from patter_cli.errors import (
    BadArguments,
    InputError,
    MissingCredential,
    PatterError,
    ToolError,
    ToolRaised,
    ToolTimedOut,
)
from patter_cli.tools import Tool, ToolContext, as_tool

log = logging.getLogger(__name__)

RESERVED = (TRANSFER_CALL, END_CALL)
"""Tools that every agent has."""
ARGUMENT_CHARS = 64 << 10
"""More than this no model writes in good faith, and nobody says on the telephone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutcome:
    """What a tool call came to. text: JSON, at most 16 KB, {"ok": true, "data": ...} or {"ok": false, "error": ...}."""

    ok: bool
    text: str


def ready_tools(values: Iterable[Any], *, webhook_secret: str = "") -> dict[str, Tool]:
    """An agent's tools by name, with all that can be checked before the first ring checked.

    values: Tools, or dicts of their arguments. webhook_secret: signs for webhooks without one of their own. Raises
    InputError, MissingCredential.
    """
    ready: dict[str, Tool] = {}
    for each in map(as_tool, values):
        if each.name in RESERVED:
            raise InputError(f"every agent has {each.name} already", hint="give your tool another name")
        if each.name in ready:
            raise InputError(f"two tools are called {each.name}", hint="a model could not tell them apart")
        _ = each.accepts
        ready[each.name] = _signed(each, webhook_secret) if each.webhook_url else each
    return ready


def _signed(tool: Tool, shared: str) -> Tool:
    check_url(tool.webhook_url, allow_private=tool.allow_private)
    if not (tool.secret or shared):
        hint = 'export PATTER_WEBHOOK_SECRET="$(openssl rand -hex 32)", and give it to the back-end'
        raise MissingCredential(f"tool {tool.name}: there is no secret to sign its requests with", hint=hint)
    return replace(tool, secret=tool.secret or shared)


class ToolRunner:
    """Runs the tools of one call.

    tools: as ready_tools gives them. context: what a tool may know of the call, asked anew for each run.
    """

    def __init__(self, tools: Mapping[str, Tool], context: Callable[[], ToolContext]) -> None:
        self._tools = dict(tools)
        self._context = context

    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools as a model gets them, always in the same order, so that a vendor finds them in its cache."""
        return tuple(
            ToolSpec(name=each.name, description=each.description, parameters=each.accepts.schema)
            for each in self._tools.values()
        )

    async def run(self, tool_call_id: str, name: str, arguments: str) -> ToolOutcome:
        """Do what a model asked for. Raises nothing, and returns within the tool's timeout_s; can be cancelled.

        arguments: the text that the model wrote for a JSON object.
        """
        try:
            return ToolOutcome(ok=True, text=await self._run(tool_call_id, name, arguments))
        except ToolError as error:
            return ToolOutcome(ok=False, text=render_error(str(error)))
        except Exception:
            log.exception("tool %s (%s): a fault of ours", name, tool_call_id)
            return ToolOutcome(ok=False, text=render_error("the tool failed"))

    async def _run(self, tool_call_id: str, name: str, arguments: str) -> str:
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join(self._tools) or "none"
            raise BadArguments(f"there is no tool called {name[:64]!r}; there are: {known}")
        given = parse_arguments(arguments)
        ends_at = asyncio.get_running_loop().time() + tool.timeout_s
        checked = await _step(tool, tool_call_id, ends_at, tool.accepts.check, given)
        if tool.webhook_url:
            result = await self._ask(tool, tool_call_id, checked)
        else:
            context = self._context()
            try:
                result = await _step(tool, tool_call_id, ends_at, tool.bind(checked, context))
            finally:
                context.over()
        return str(await _step(tool, tool_call_id, ends_at, render_result, result))

    async def _ask(self, tool: Tool, tool_call_id: str, arguments: Mapping[str, Any]) -> Any:
        try:
            return await call_webhook(tool, arguments, self._context(), tool_call_id)
        except TimeoutError as error:
            raise _timed_out(tool, tool_call_id) from error
        except PatterError as error:
            log.error("tool %s (%s): %s", tool.name, tool_call_id, error)
            raise ToolRaised(f"{tool.name} is out of order right now") from error


async def _step(tool: Tool, tool_call_id: str, ends_at: float, function: Callable[..., Any], *arguments: Any) -> Any:
    """Run what may be the author's code until the deadline. Raises BadArguments, ToolTimedOut, ToolRaised."""
    try:
        left_s = max(ends_at - asyncio.get_running_loop().time(), 0.0)
        return await call_hook(function, *arguments, within_s=left_s)
    except TimeoutError as error:
        raise _timed_out(tool, tool_call_id) from error
    except Exception as error:
        if function is tool.accepts.check and isinstance(error, BadArguments):
            raise
        log.error("tool %s (%s) raised", tool.name, tool_call_id, exc_info=error)
        raise ToolRaised(f"{tool.name} failed; it may or may not have done what it was asked") from error


def _timed_out(tool: Tool, tool_call_id: str) -> ToolTimedOut:
    log.error("tool %s (%s) did not finish within %g s", tool.name, tool_call_id, tool.timeout_s)
    return ToolTimedOut(f"{tool.name} took too long; it may or may not have done what it was asked")


def parse_arguments(text: str) -> dict[str, Any]:
    """The object that a model wrote; nothing at all and "null" are an empty one. Raises BadArguments."""
    if len(text) > ARGUMENT_CHARS:
        raise BadArguments("the arguments are too long")
    try:
        value = json.loads(text, parse_constant=_no_number) if text.strip() else None
        if isinstance(value, str) and value.strip().startswith("{"):  # some models encode twice
            value = json.loads(value, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        why = f": {error}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadArguments(f"the arguments are not a JSON object{why}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadArguments("the arguments are not a JSON object but something else")
    return value


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number in JSON")
