"""What an MCP client may read: agents, kept calls, a call that goes on, why one was slow; and a call tried by text.

Everything is what a command prints with --json. What callers said stands in it as they said it: data, and the tools'
descriptions say so.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from patter_cli.cli.discovery import find_agents
from patter_cli.cli.explaining import explain_call
from patter_cli.cli.logs_query import call_query, resolve_call
from patter_cli.contracts.store import CallStore
from patter_cli.core.commands import FinishCall, ReportTranscript
from patter_cli.core.journal import parse_entry
from patter_cli.errors import InputError, PatterError
from patter_cli.observe.export import row_facts
from patter_cli.observe.retold import tell

LIST_LIMIT: Final = 100
"""Calls in one answer: a model reads all of them."""
FOLLOW_S: Final = 55.0
"""One answer waits for so long at most; clients commonly give up after 60 s."""
LOOK_S: Final = 0.2
BEGINS_S: Final = 3.0
"""A call that was just placed is in the store by then."""
SIMULATE_S: Final = 50.0
SAID: Final = 20
"""Sentences of a caller in one simulation."""

Facts = dict[str, Any]


def agents_here() -> Facts:
    """{agents: [...]}, as `patter agents list --json`. Raises InputError."""
    found = find_agents(Path.cwd())
    return {"agents": [{"name": each.name, "summary": each.summary, "error": each.error} for each in found]}


def calls_kept(store: CallStore, *, limit: int, **filters: Any) -> Facts:
    """{calls: [...]}, the youngest first. filters: as `patter logs list` has them. Raises PatterError."""
    return {"calls": [row_facts(each) for each in store.list(call_query(limit=min(limit, LIST_LIMIT), **filters))]}


def call_kept(store: CallStore, written: str) -> Facts:
    """One call, turn by turn: {call, turns, cost, unreadable}. Raises PatterError."""
    call_id = resolve_call(store, written)
    record = store.get(call_id)
    if record is None:
        raise InputError(f"call {call_id} was forgotten meanwhile", hint="patter logs list shows those that are kept")
    return {"call": row_facts(record.row), **tell(record, store.journal(call_id)).render()}


def call_explained(store: CallStore, written: str, turn: int | None) -> Facts:
    """As `patter explain --json`. Raises PatterError."""
    explained = explain_call(store, written, turn)
    turns = [each.render() for each in explained.turns]
    return {"call_id": explained.call_id, "turns": turns, "unreadable": explained.unreadable}


async def followed(
    store: CallStore, written: str, *, after: int, wait_s: float, on_line: Callable[[Facts], Awaitable[None]]
) -> Facts:
    """What was said in a call from line `after` on: {call_id, lines: [{role, text, at_ms, interrupted}], next, over,
    outcome, reason}.

    Waits up to wait_s for something new; once there is something, it stays until the time is up or the call is over,
    and tells each line at once. Raises PatterError.
    """
    until_s = time.monotonic() + min(wait_s, FOLLOW_S)
    call_id = await _begun(store, written)
    lines: list[Facts] = []
    told, read = after, 0
    end: FinishCall | None = None
    while True:
        fresh = await asyncio.to_thread(_lines_after, store, call_id, read)
        read += len(fresh)
        for line in fresh:
            said, over = _said(line)
            lines += said
            end = over or end
        for each in lines[told:]:
            await on_line(each)
        told = max(told, len(lines))
        if end is not None or time.monotonic() >= until_s:
            break
        await asyncio.sleep(LOOK_S)
    return {
        "call_id": call_id,
        "lines": lines[after:],
        "next": len(lines),
        "over": end is not None,
        "outcome": None if end is None else end.outcome.value,
        "reason": "" if end is None else end.reason,
    }


def _lines_after(store: CallStore, call_id: str, read: int) -> list[str]:
    return list(islice(store.journal(call_id), read, None))


async def _begun(store: CallStore, written: str) -> str:
    """The call's id, once something of it was written down. Raises InputError."""
    until_s = time.monotonic() + BEGINS_S
    while True:
        try:
            return await asyncio.to_thread(resolve_call, store, written)
        except InputError:
            if time.monotonic() >= until_s:
                raise
        await asyncio.sleep(LOOK_S)


def _said(line: str) -> tuple[list[Facts], FinishCall | None]:
    """What a line of the journal reports, and whether the call is over by it."""
    try:
        commands = parse_entry(line).commands
    except InputError:
        return [], None  # half written, damaged, or a newer version's
    said = [
        {"role": each.role, "text": each.text, "at_ms": each.at_ms, "interrupted": each.interrupted}
        for each in commands
        if isinstance(each, ReportTranscript)
    ]
    return said, next((each for each in commands if isinstance(each, FinishCall)), None)


async def simulated(agent: str, say: Sequence[str], scenario: str, variables: Mapping[str, str]) -> Facts:
    """A call by text on virtual time, as `patter simulate --text --json`. Raises PatterError.

    In a process of its own: the agent's code is read anew each time, and one that hangs is ended.
    """
    if say and scenario:
        raise InputError("say and scenario cannot go together", hint="leave one of them out")
    if len(say) > SAID or any(not each.strip() for each in say):
        raise InputError(f"a caller says from 1 to {SAID} sentences, none of them empty")
    if any(each.startswith("-") for each in (agent, scenario)):
        raise InputError("names do not begin with a dash", hint="list_agents has those that there are")
    with tempfile.TemporaryDirectory() as folder:
        path = await asyncio.to_thread(_scenario_file, agent, say, scenario, Path(folder))
        arguments = ["simulate", agent, "--scenario", path, "--text", "--json"]
        for name, value in variables.items():
            arguments += ["--set", f"{name}={value}"]
        return await _patter(arguments)


def _scenario_file(agent: str, say: Sequence[str], scenario: str, folder: Path) -> str:
    """The file that is played. folder: for one that is written for this. Raises InputError."""
    if say:
        steps = "".join(f"[[step]]\nsay = {json.dumps(each, ensure_ascii=False)}\n" for each in say)
        file = folder / "said.toml"
        file.write_text(steps, encoding="utf-8", errors="replace")
        return str(file)
    if scenario:
        return scenario
    beside = Path(agent).with_suffix(".toml") if agent.endswith(".py") else Path("agents", f"{agent}.toml")
    if not beside.is_file():
        raise InputError(f"{agent} has no scenario beside it", hint='say: ["When are you open?"]')
    return str(beside)


async def _patter(arguments: Sequence[str]) -> Facts:
    """What a command prints as JSON. Raises the error that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "patter_cli", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SIMULATE_S):
            out, _ = await process.communicate()
    except TimeoutError:
        raise PatterError(f"the simulation took longer than {SIMULATE_S:g} s", hint="does the agent hang?") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        facts: Facts = json.loads(out)
        error = facts.get("error")
    except (ValueError, AttributeError):
        raise PatterError("the simulation ended without a result", hint=f"patter {' '.join(arguments[:2])}") from None
    if isinstance(error, dict):
        raise PatterError(str(error.get("message")), hint=str(error.get("hint") or ""))
    return facts
