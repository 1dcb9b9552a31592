"""A call drawn as a conversation: what was said and not heard, tools, and where the time of each turn went."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from patter_cli.cli.ink import Ink, duration, money, wrapped
from patter_cli.cli.logs_table import moment
from patter_cli.contracts.store import STAGES, CallRow
from patter_cli.observe.story import CallStory, Spoken, StoryTurn, ToolUsed
from patter_cli.text.printable import printable

_MARGIN = 10
_BAR = 40
RESULT_CHARS = 300
"""Of a tool's arguments or result; --json has all of it."""


def conversation(row: CallRow, story: CallStory, ink: Ink) -> Iterator[str]:
    """The lines of a call."""
    yield from _head(row, story, ink)
    longest = max((turn.latency.total_ms for turn in story.turns if turn.latency), default=0)
    for turn in story.turns:
        yield ""
        yield from _turn(turn, longest, ink)
    yield ""
    yield from _costs(story, ink)
    if story.unreadable:
        yield ink.yellow(f"{story.unreadable} lines of its journal cannot be read, and are left out")


def _head(row: CallRow, story: CallStory, ink: Ink) -> Iterator[str]:
    yield printable(f"{row.call_id}  {row.agent or story.agent}  {row.outcome or 'live'}  {row.reason}".rstrip())
    direction = "to" if row.direction == "outbound" else "from"
    other = row.callee if row.direction == "outbound" else row.caller
    who = f", answered by {story.answered_by}" if story.answered_by else ""
    length = duration(row.duration_s if row.duration_s is not None else story.duration_ms / 1000)
    yield ink.dim(
        printable(f"{moment(row.started_at)}  {direction} {other} for {row.ours} over {row.carrier}  {length}{who}")
    )


def _turn(turn: StoryTurn, longest: int, ink: Ink) -> Iterator[str]:
    at = duration(turn.at / 1000)
    if turn.caller is not None:
        cost = f"  {money(turn.known_usd)}" if turn.known_usd else ""
        yield ink.dim(f"turn {turn.number}  {at}{cost}")
        yield from _said("caller", turn.caller, ink)
    for tool in turn.tools:
        yield from _tool(tool, ink)
    for fault in turn.faults:
        yield from _said("fault", ink.red(printable(fault)), ink, painted=True)
    if turn.latency is not None:
        yield from _waterfall(turn, longest, ink)
    for each in turn.agent:
        yield from _agent(each, ink)
    for _, text in turn.colleague:
        yield from _said("colleague", text, ink)


def _said(who: str, text: str, ink: Ink, *, painted: bool = False) -> Iterator[str]:
    room = None if ink.width is None else max(20, ink.width - _MARGIN)
    for number, line in enumerate(wrapped(text if painted else printable(text), room)):
        yield f"{ink.bold(f'{who:<{_MARGIN}}') if not number else ' ' * _MARGIN}{line}".rstrip()


def _agent(said: Spoken, ink: Ink) -> Iterator[str]:
    room = None if ink.width is None else max(20, ink.width - _MARGIN)
    lines = wrapped(printable(said.heard), room) if said.heard else []
    if said.unheard:
        lines += [ink.struck(each) for each in wrapped(printable(said.unheard), room)]
    elif said.interrupted:
        lines.append(ink.dim("cut off there"))
    for number, line in enumerate(lines):
        yield f"{ink.bold('agent'.ljust(_MARGIN)) if not number else ' ' * _MARGIN}{line}".rstrip()


def _tool(tool: ToolUsed, ink: Ink) -> Iterator[str]:
    took = "never answered" if tool.took_ms is None else f"{tool.took_ms} ms"
    yield from _said("tool", f"{tool.name}({_compact(tool.arguments)})  {took}", ink)
    if tool.result is not None:
        yield from _said("", f"= {_compact(tool.result)}", ink)


def _compact(text: str) -> str:
    """JSON on one line, as much of it as is looked at."""
    try:
        value: Any = json.loads(text)
        if isinstance(value, dict):
            shown = ", ".join(f"{name}={json.dumps(each, ensure_ascii=False)}" for name, each in value.items())
        else:
            shown = json.dumps(value, ensure_ascii=False)
    except ValueError:
        shown = text
    return shown if len(shown) <= RESULT_CHARS else f"{shown[:RESULT_CHARS]}… ({len(shown)} characters)"


def _waterfall(turn: StoryTurn, longest: int, ink: Ink) -> Iterator[str]:
    """A line for each stage that took time: when it began, how long it lasted."""
    latency = turn.latency
    assert latency is not None
    columns = _BAR if ink.width is None else max(10, min(_BAR, ink.width - _MARGIN - 24))
    begun = 0
    first = f"{latency.total_ms} ms"
    for stage in STAGES[:-1]:
        took = int(getattr(latency, f"{stage}_ms"))
        if took:
            bar = ink.bar(max(0, begun), max(0, took), of=longest, columns=columns)
            yield ink.dim(f"{first:<{_MARGIN}}{stage:<12}{took:>6}  ") + bar
            first = ""
        begun += took
    if first:
        yield ink.dim(first)


def _costs(story: CallStory, ink: Ink) -> Iterator[str]:
    known = sum(each.usd or 0.0 for each in story.cost.uses)
    parts = [
        " ".join(filter(None, (each.leg, each.provider, each.model))) + f" {money(each.usd)}"
        for each in story.cost.uses
    ]
    yield printable(f"cost {money(story.cost.usd, known)}" + (f": {', '.join(parts)}" if parts else ""))
