"""What an agent's author expects of every call: a function in the agent's file, `expect(call)`, that asserts it.

def expect(call):
    assert "dollar" not in call.said, "it quoted a price"
    assert len(call.tools_named("book")) <= 1, "it booked twice"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from patter_cli.simulate.fuzz.case import Fault
from patter_cli.simulate.virtual.call import VirtualResult
from patter_cli.simulate.virtual.line import MUSIC


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedCall:
    """A call that is over, as `expect` gets it."""

    said: str
    """All that the caller heard the agent say."""
    caller_said: str
    history: Sequence[Mapping[str, Any]]
    """Of {role, text, timestamp}, as callbacks get it."""
    tools: Sequence[tuple[str, Mapping[str, Any]]]
    """Each run of a tool, in order: its name and its arguments."""
    outcome: str
    reason: str
    """Why it ended: "agent", "transferred", "carrier_stop" …"""
    duration_s: float

    def tools_named(self, name: str) -> list[Mapping[str, Any]]:
        """The arguments of each run of one tool."""
        return [arguments for tool, arguments in self.tools if tool == name]


ExpectHook: TypeAlias = Callable[[ExpectedCall], Any]


def author_faults(expect: ExpectHook | None, result: VirtualResult) -> list[Fault]:
    """What the author's function says is wrong: the message of its AssertionError, or whatever else it raises."""
    if expect is None:
        return []
    call = ExpectedCall(
        said=" ".join(each.words for each in result.sounds if each.number != MUSIC and each.words),
        caller_said=" ".join(word for said in result.utterances for _, word in said.words),
        history=result.history,
        tools=[(each.name, each.arguments) for each in result.tool_runs],
        outcome="" if result.outcome is None else result.outcome.value,
        reason=result.reason,
        duration_s=result.over_ms / 1000,
    )
    try:
        expect(call)
    except AssertionError as error:
        what = str(error).partition("\n")[0] or "an assertion of expect() failed"
    except Exception as error:  # noqa: BLE001 (the author's)
        what = f"expect() raised {error!r}"
    else:
        return []
    return [Fault(rule="expect", what=what[:300], kind=re.sub(r"[0-9]+", "…", what)[:120], at_ms=result.over_ms)]
