"""What would end or hang a program from inside, in tools and callbacks of a server embedded in a process of its own.

Nobody helps that server: it is started with asyncio.run, as a program of somebody's would. Its acts are in hostile.py.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.e2e import hostile
from tests.e2e.conftest import SENTENCES, Caller, Log, Phone
from tests.e2e.test_serve import free_port, project, serving

ROOT = Path(__file__).parents[2]
LATE_MS = 200
"""How late audio may come at a neighbour's ear, with all of this on two cores."""
HEARD = ("nine to six", "one moment", "something went wrong", "the tool is broken")


class Embedded:
    """The server's process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.lines: list[str] = []
        server: Any = SimpleNamespace(media_url=lambda agent: f"ws://127.0.0.1:{port}/ws/loopback/{agent}")
        self.phone = Phone(server, Log())
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode(errors="replace").rstrip())

    @property
    def log(self) -> str:
        return "\n".join(self.lines)


@asynccontextmanager
async def embedded() -> AsyncIterator[Embedded]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.e2e.hostile",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            port = int(await process.stdout.readline())
        yield Embedded(process, port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def canary(server: Embedded, name: str) -> float:
    """A neighbour's call: listens, asks, is answered, hangs up. Returns how late its audio was at worst, in ms."""
    async with Caller(server.phone, "canary", name) as caller:
        await caller.until_heard("how can i help?", 20)
        await caller.say(SENTENCES[5])
        await caller.until_heard("this is my answer.", 12)
    return caller.tap.worst_gap_ms()


async def victim(server: Embedded, agent: str) -> str:
    """One question to an agent that does something hostile. Returns what was heard."""
    async with Caller(server.phone, agent) as caller:
        await caller.line.wait_for(lambda: caller.line.quiet_ms > 300, 0.6)
        await caller.say(SENTENCES[0])
        await caller.until(lambda: any(each in caller.ear.text for each in HEARD), 10)
        return caller.ear.text


async def beside_a_canary(server: Embedded, agents: Iterable[str]) -> None:
    """All of these calls at once, and one next to them that must not notice; a second look at what the machine did."""
    agents = tuple(agents)
    for attempt in ("first", "second"):
        late, *_ = await asyncio.gather(canary(server, attempt), *(victim(server, each) for each in agents))
        print(f"{agents}: the canary {late:.0f} ms late")
        if late < LATE_MS:
            break
    else:
        pytest.fail(f"the canary was {late:.0f} ms late, twice")
    assert server.process.returncode is None


@pytest.mark.parametrize("act", ["spins", "sleeps", "spins_in_a_task", "spins_in_a_callback"])
@pytest.mark.parametrize("form", ["tool", "message"])
async def test_code_that_holds_its_loop(form: str, act: str) -> None:
    """It is named; its caller hears of it; the neighbour hears no gap; afterwards calls are answered as before."""
    async with embedded() as server:
        await beside_a_canary(server, [f"{form}-{act}"])
        assert await canary(server, "afterwards") < LATE_MS
    assert "has held the event loop for" in server.log


async def test_everything_that_would_end_the_server_at_once() -> None:
    """Eleven acts, each from a tool and from on_message, while a neighbour is on the phone: 22 calls hear an answer."""
    acts = [each.__name__ for each in hostile.ENDING]
    async with embedded() as server:
        await beside_a_canary(server, [f"{form}-{act}" for form in ("tool", "message") for act in acts])
        assert await canary(server, "afterwards") < LATE_MS
    assert "exits, started by" in server.log
    assert "stops_the_loop would stop the event loop" in server.log


CLOSES_STDERR = """
import sys

def on_transcript(event):
    sys.stderr.close()
    raise ValueError("and nobody can say so")
"""
EXITS_IN_ITS_VOICE = """
import asyncio, sys
from dataclasses import dataclass
from tests.e2e.conftest import LetterVoice

async def leaves():
    sys.exit(3)

class Voice(LetterVoice):
    async def open(self):
        return self

    async def synthesize(self, text):
        if "pressed" in text:
            self.leaving = asyncio.create_task(leaves())
        async for samples in super().synthesize(text):
            yield samples

agent = Agent("You repeat.", "Hello.", stt=EARS, tts=Voice())
"""


async def test_a_closed_standard_error_is_no_end(tmp_path: Path) -> None:
    """What cannot be logged any more is lost; the call goes on, and so does the server."""
    async with serving(project(tmp_path, CLOSES_STDERR), "--port", free_port()) as server:
        for number in (1, 2):
            caller, ear = server.caller(number)
            async with caller:
                assert await caller.wait_for(partial(ear.has_heard, "hello."), 10)
                caller.press("5")
                assert await caller.wait_for(partial(ear.has_heard, "you pressed"), 10)
        assert server.process.returncode is None


async def test_what_ends_the_servers_own_loop_is_named_and_calls_get_their_goodbye(tmp_path: Path) -> None:
    """A voice of somebody's own runs on it and leaves a task there that calls sys.exit: a neighbour hears a goodbye."""
    folder = project(tmp_path, EXITS_IN_ITS_VOICE)
    async with serving(folder, "--port", free_port(), "--drain-timeout", "1") as server:
        (neighbour, heard), (caller, _) = server.caller(1), server.caller(2)
        async with neighbour, caller:
            assert await neighbour.wait_for(lambda: heard.has_heard("hello."), 10)
            caller.press("5")
            said = await neighbour.wait_for(lambda: heard.has_heard("goodbye."), 10)
            assert said, "\n".join(server.lines)
            assert await server.exits(within_s=6) == 0
    assert any("echo.py:" in line and "leaves would end the loop" in line for line in server.lines)
