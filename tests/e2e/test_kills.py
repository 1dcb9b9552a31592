"""`kill -9` while calls are live: what was shown is kept, and the next start closes every call."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from patter_cli.contracts.store import CallQuery
from patter_cli.observe.interrupted import close_abandoned
from patter_cli.simulate.caller import LineCaller
from patter_cli.stores.sqlite import SqliteStore
from tests.e2e.test_serve import Serving, free_port, project, serving

CALLS = 20
READY_S = 2.0
"""How long a start may take after a kill."""
SHOWN = re.compile(r"\[(\w{6})\] caller  (.*)")


async def press_on(caller: LineCaller, chance: random.Random) -> None:
    """A caller who presses a key every now and then."""
    async with caller:
        while caller.ended is None:
            await caller.wait_for(lambda: False, chance.uniform(0.1, 0.5))
            if caller.ended is None:
                caller.press(chance.choice("0123456789"))


async def killed_at(server: Serving, after_s: float, chance: random.Random) -> list[str]:
    """Let calls be held and kill the server in the middle of them. What it had shown, line by line."""
    callers = [server.caller(number)[0] for number in range(CALLS)]
    held = [asyncio.create_task(press_on(each, chance)) for each in callers]
    await asyncio.sleep(after_s)
    server.process.kill()
    await server.exits(within_s=5)
    await asyncio.gather(*held, return_exceptions=True)
    return server.lines


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """Every call's record by the end of its id."""
    found = {}
    for journal in folder.rglob("journal.jsonl"):
        record = journal.with_name("record.json")
        assert record.is_file(), f"{journal.parent} is still open"
        found[journal.parent.name[-6:]] = json.loads(record.read_text())
    return found


async def started_again(folder: Path) -> float:
    """Start a server on what the last one left, and end it. Seconds until it takes calls."""
    began = time.monotonic()
    async with serving(project(folder), "--port", free_port()):
        return time.monotonic() - began


async def kill_again_and_again(folder: Path, times: int, *, whole_starts: bool) -> None:
    """whole_starts: the next server closes what was left, and its start is timed; else only what it does first."""
    starts_s = []
    chance = random.Random(times)
    interrupted = compared = 0
    for _ in range(times):
        async with serving(project(folder), "--port", free_port()) as server:
            shown = await killed_at(server, chance.uniform(0.4, 2.5), chance)
        if whole_starts:
            starts_s.append(await started_again(folder))
        else:
            began = time.monotonic()
            close_abandoned(SqliteStore(folder / "kept"))
            starts_s.append(time.monotonic() - began)
        store = SqliteStore(folder / "kept")
        listed = store.list(CallQuery(limit=None))
        assert not [row for row in listed if row.outcome is None]
        store.reindex()
        assert store.list(CallQuery(limit=None)) == listed
        kept = records(folder / "kept")
        assert len(kept) == len(listed)
        for call, text in (match.groups() for match in map(SHOWN.match, shown) if match):
            compared += 1
            assert text in [each["text"] for each in kept[call]["history"] if each["role"] == "user"]
        interrupted += sum(each["outcome"] == "interrupted" for each in kept.values())
        for place in (folder / "kept" / "calls").iterdir():
            place.rename(folder / f"seen-{time.monotonic_ns()}")
    assert interrupted >= times * CALLS / 2
    assert compared >= times
    print(f"{times} starts after a kill took s: median {median(starts_s):.2f}  most {max(starts_s):.2f}")
    assert median(starts_s) < READY_S  # the most is printed: other programs on the machine can make it long


async def test_a_killed_server_loses_nothing_that_was_shown(tmp_path: Path) -> None:
    """Killed at moments of chance with twenty calls live: each is closed, with every line that was printed."""
    await kill_again_and_again(tmp_path, 20, whole_starts=False)


@pytest.mark.slow
async def test_two_hundred_kills(tmp_path: Path) -> None:
    """The same, for longer."""
    await kill_again_and_again(tmp_path, 200, whole_starts=True)


async def test_the_next_start_closes_what_was_left(tmp_path: Path) -> None:
    """`patter serve` does it by itself, says so, and leaves the call of a server that still runs alone."""
    async with serving(project(tmp_path), "--port", free_port()) as running:
        caller, ear = running.caller()
        async with caller:
            assert await caller.wait_for(lambda: ear.text == "hello.", 10)
            async with serving(tmp_path, "--port", free_port()) as server:
                second, second_ear = server.caller(1)
                async with second:
                    assert await second.wait_for(lambda: second_ear.text == "hello.", 10)
                    server.process.kill()
                    await server.exits(within_s=5)
            async with serving(tmp_path, "--port", free_port()):
                outcomes = [json.loads(each.read_text())["outcome"] for each in running.folder.rglob("record.json")]
                assert outcomes == ["interrupted"]
            assert caller.ended is None
