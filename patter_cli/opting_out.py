"""opt_out: a tool for agents that ring people, and who is asked not to again writes the do-not-call list."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from patter_cli.destinations import DoNotCall
from patter_cli.errors import InputError
from patter_cli.kept_calls import default_folder
from patter_cli.settings import Settings
from patter_cli.tools import Tool, ToolContext

_DONE = "This number is never called again. Say so, say goodbye, and end the call."


def _unbound(args: Mapping[str, Any], ctx: ToolContext) -> str:
    raise InputError("opt_out is used on a call only", hint="Agent(tools=[opt_out])")


opt_out = Tool(
    "opt_out",
    "Use it when the person says that they want no more calls, in whatever words. Their number is never called again.",
    handler=_unbound,
)
"""Put it into Agent(tools=[…]). The number is the call's own, so that nobody can be opted out by somebody else."""


def do_not_call(settings: Settings) -> DoNotCall:
    """The list of who wants no calls."""
    return DoNotCall(settings.do_not_call or default_folder() / "do-not-call.txt")


def bind_opt_out(tools: Sequence[Any], unwanted: DoNotCall) -> tuple[Any, ...]:
    """An agent's tools, with this one writing to the list."""

    def write(args: Mapping[str, Any], ctx: ToolContext) -> str:
        number = ctx.callee if ctx.direction == "outbound" else ctx.caller
        unwanted.add(number, f"asked on call {ctx.call_id}", time.time())
        return _DONE

    bound = Tool(opt_out.name, opt_out.description, handler=write)
    return tuple(bound if each is opt_out else each for each in tools)
