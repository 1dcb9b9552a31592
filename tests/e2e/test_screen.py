"""The screen of `patter serve` on a real terminal: calls are seen, keys do what they say, and it is given back."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.server.registration import running
from patter_cli.simulate.caller import LineCaller
from tests.e2e.conftest import Earpiece
from tests.e2e.glass import Glass
from tests.e2e.test_call_command import Desk
from tests.e2e.test_serve import AGENT, PROGRAM, ROOT, free_port, project
from tests.e2e.test_unread import ANSWERED_S, listening, waits

BROKEN = """
import patter_cli.tui.live as live

def broken(*args, **kwargs):
    raise ZeroDivisionError("drawing")

live.draw = broken
"""


@asynccontextmanager
async def served(
    folder: Path, glass: Glass, *arguments: str, first: str = "", after: str = "", env: dict[str, str] | None = None
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A server in front of a terminal, and its address."""
    port = free_port()
    process = await glass.start(
        *(sys.executable, "-c", first + PROGRAM, "serve", "echo", "--port", port, "--drain-timeout", "0", *arguments),
        cwd=project(folder, after),
        env={"PYTHONPATH": str(ROOT), "PATTER_LOG_DIR": str(folder / "kept"), **(env or {})},
    )
    try:
        await listening(int(port))
        yield process, f"ws://127.0.0.1:{port}/ws/loopback/echo"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def glass() -> AsyncIterator[Glass]:
    """A terminal of 80 by 24."""
    made = Glass()
    yield made  # type: ignore[misc]
    made.close()


async def over(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(12):
        return await process.wait()


def reasons(folder: Path) -> list[str]:
    """How the calls ended that are kept."""
    return [json.loads(each.read_text())["reason"] for each in sorted(folder.rglob("record.json"))]


async def test_a_call_is_seen_and_steered(tmp_path: Path, glass: Glass) -> None:
    """Shown while it lasts, in a terminal that changes its size; muted, hung up, and all of it left by a key."""
    async with served(tmp_path, glass) as (process, url):
        await glass.shows("nobody is on the phone", f"echo answers at {url}", "q quit")
        ear = Earpiece()
        caller = LineCaller(url, TwilioLine("MZ1"), handset=ear)
        async with caller:
            await glass.shows("1 live", "echo ← loopback", "agent   Hello.")
            caller.press("5")
            await glass.shows("caller  [DTMF: 5]", "agent   You pressed [DTMF: 5].", "none yet")
            glass.resize(120, 30)
            await glass.shows("─│─", "listening")
            assert max(map(len, glass.text.splitlines())) == 120
            glass.resize(60, 20)
            await glass.wait(lambda: max(map(len, glass.text.splitlines())) <= 60, what="60 columns")

            glass.type("m")
            await glass.shows("muted, ", "m unmute")
            caller.press("6")
            await asyncio.sleep(0.7)
            glass.type("m")
            await glass.shows("the caller is heard again")
            assert "[DTMF: 6]" not in glass.text

            glass.type("?")
            await glass.shows("hang the call up, with a goodbye")
            glass.type("xh")
            await glass.shows("hang up loopback? y: yes")
            glass.type("n")
            await glass.shows("f follow")
            assert "1 live" in glass.text
            glass.type("hy")
            assert await caller.wait_for(lambda: caller.ended is not None, 15)
        assert ear.has_heard("goodbye")
        await glass.shows("0 live", "1 over")
        glass.type("q")
        assert await over(process) == 0
    await glass.wait(lambda: "1 call, " in glass.after, 2, "summary")
    assert glass.restored
    assert reasons(tmp_path) == ["operator"]


@pytest.mark.parametrize("how", ["\x03", signal.SIGTERM, signal.SIGQUIT, "error"])
async def test_the_terminal_is_given_back_however_it_ends(tmp_path: Path, glass: Glass, how: object) -> None:
    """Ctrl-C, signals, and an error while it starts: modes, cursor and what was there before; errors are read."""
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell's background jobs ignore it, and so would ours
    async with served(tmp_path, glass) if how != "error" else failing(tmp_path, glass) as (process, _):
        if how == "error":
            assert await over(process) == 6
        else:
            await glass.shows("nobody is on the phone", "echo answers")
            assert not glass.restored
            if isinstance(how, str):
                glass.type(how)
            else:
                process.send_signal(how)
            assert await over(process) == (-signal.SIGQUIT if how is signal.SIGQUIT else 0)
    await glass.wait(lambda: glass.restored, 2, "terminal as it was")
    if how == "error":
        assert "error: " in glass.after
        assert "is already in use" in glass.after


async def test_a_terminal_that_is_closed_lets_calls_say_goodbye(tmp_path: Path, glass: Glass) -> None:
    """As on Ctrl-C, though it is told twice, by the terminal and by the shell that was in it; all is kept."""
    async with served(tmp_path, glass) as (process, url):
        await glass.shows("nobody is on the phone", "echo answers")
        ear = Earpiece()
        caller = LineCaller(url, TwilioLine("MZ1"), handset=ear)
        async with caller:
            await glass.shows("agent   Hello.")
            glass.hang_up()
            process.send_signal(signal.SIGHUP)
            assert await caller.wait_for(lambda: caller.ended is not None, 15)
        assert ear.has_heard("goodbye")
        assert await over(process) == 0
    assert reasons(tmp_path) == ["drain"]


async def test_a_call_whose_terminal_is_closed_is_called_off(tmp_path: Path, glass: Glass) -> None:
    """patter call: nobody's telephone rings on for a command that has gone."""
    process = await glass.start(
        *(sys.executable, "-c", PROGRAM, "call", "+12025550109", "echo", "--carrier", "lab"),
        cwd=project(tmp_path),
        env={"PYTHONPATH": str(ROOT), "PATTER_LOG_DIR": str(tmp_path / "kept")},
    )
    await glass.shows("echo → +1***0109", "it rings", within_s=40)
    glass.hang_up()
    process.send_signal(signal.SIGHUP)
    await over(process)
    (record,) = tmp_path.rglob("record.json")
    assert json.loads(record.read_text())["outcome"] == "canceled"


@asynccontextmanager
async def failing(folder: Path, glass: Glass) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A server that finds its port taken."""
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    process = await glass.start(
        *(sys.executable, "-c", PROGRAM, "serve", "echo", "--port", str(port)),
        cwd=project(folder),
        env={"PYTHONPATH": str(ROOT), "PATTER_LOG_DIR": str(folder / "kept")},
    )
    try:
        yield process, ""
    finally:
        taken.close()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_screen_that_breaks_leaves_lines(tmp_path: Path, glass: Glass) -> None:
    """A bug in the drawing ends the drawing: the terminal is given back, and calls go on and are told of as lines."""
    async with served(tmp_path, glass, first=BROKEN) as (process, url):
        await glass.wait(lambda: "the screen broke" in glass.after, what="word of it")
        assert max(await waits(url, "1")) < 2 * ANSWERED_S
        await glass.wait(lambda: "agent   You pressed [DTMF: 1]." in glass.after, what="transcript")
        process.send_signal(signal.SIGTERM)
        assert await over(process) == 0
    assert glass.restored


async def test_a_screen_that_nobody_reads_stops_no_call(tmp_path: Path, glass: Glass) -> None:
    """A terminal under Ctrl-S: each key is answered in time, and it ends as ever."""
    chatty = "\n\ndef on_transcript(event):\n    for _ in range(2000):\n        print('x' * 99)\n"
    async with served(tmp_path, glass, after=chatty) as (process, url):
        await glass.shows("nobody is on the phone")
        glass.hold()
        glass.resize(400, 300)  # a frame is more than such a terminal takes unread
        assert max(await waits(url, "12")) < ANSWERED_S
        process.send_signal(signal.SIGTERM)
        assert await over(process) == 0


async def test_a_terminal_that_can_do_nothing_gets_lines(tmp_path: Path, glass: Glass) -> None:
    """No orders to it, and what a pipe gets."""
    async with served(tmp_path, glass, env={"TERM": "dumb"}) as (process, url):
        await waits(url, "1")
        process.send_signal(signal.SIGTERM)
        assert await over(process) == 0
    assert "\x1b" not in glass.sent
    assert "agent   You pressed [DTMF: 1]." in glass.sent


async def test_a_change_that_cannot_be_used_is_seen_until_it_is_put_right(tmp_path: Path, glass: Glass) -> None:
    """With --reload: its fault in the log, and above it, whatever is printed meanwhile, that the old one answers."""
    async with served(tmp_path, glass, "--reload") as (process, _):
        await glass.shows("echo answers")
        file = tmp_path / "agents" / "echo.py"
        whole = file.read_text()
        file.write_text(whole + "def broken(:\n")
        await glass.shows("error: agents/echo.py:", "echo: as before a change that cannot be used")
        file.write_text(whole + "\n")
        await glass.shows("echo has changed")
        await glass.wait(lambda: "as before a change" not in glass.text, what="end of the notice")
        process.send_signal(signal.SIGTERM)
        assert await over(process) == 0


async def test_no_color_sends_no_colour(tmp_path: Path, glass: Glass) -> None:
    """The screen is there all the same."""
    async with served(tmp_path, glass, env={"NO_COLOR": "1"}) as (process, _):
        await glass.shows("nobody is on the phone", "q quit")
        process.send_signal(signal.SIGTERM)
        assert await over(process) == 0
    orders = {each for part in glass.sent.split("\x1b[")[1:] if (each := part.partition("m")[0]).isdigit()}
    assert orders <= {"0", "1", "2", "7", "9"}


async def test_a_simulated_call_is_shown_and_then_told(tmp_path: Path, glass: Glass) -> None:
    """The screen has it while it lasts; what a pipe would have got is printed below the command afterwards."""
    process = await glass.start(
        *(sys.executable, "-c", PROGRAM, "simulate", "echo", "--say", "Hello."),
        cwd=project(tmp_path),
        env={"PYTHONPATH": str(ROOT), "PATTER_LOG_DIR": str(tmp_path / "kept")},
    )
    await glass.shows("patter simulate echo", "1 live", "echo ← loopback", "agent   Hello.", within_s=40)
    assert "agent   Hello." not in glass.after
    async with asyncio.timeout(40):
        assert await process.wait() == 0
    await glass.wait(lambda: "call over after" in glass.after, 2, "transcript")
    assert "agent   Hello." in glass.after
    assert glass.restored


async def test_a_call_that_is_made_is_shown_from_its_first_ring(tmp_path: Path, glass: Glass) -> None:
    """Whom the lab has picks up; the number is masked, and the result is printed at the end."""
    process = await glass.start(
        *(sys.executable, "-c", PROGRAM, "call", "+12025550101", "echo", "--carrier", "lab"),
        cwd=project(tmp_path),
        env={"PYTHONPATH": str(ROOT), "PATTER_LOG_DIR": str(tmp_path / "kept")},
    )
    await glass.shows("patter call echo", "echo → +1***0101", "it rings", "answered", "agent   Hello.", within_s=40)
    glass.type("hy")
    async with asyncio.timeout(20):
        assert await process.wait() == 0
    await glass.wait(lambda: "s: operator" in glass.after, 2, "result")
    assert glass.restored


async def test_a_list_is_shown_while_it_is_rung(tmp_path: Path, glass: Glass) -> None:
    """How far it is and what became of whom, with the calls below it; one is hung up, and q lets nobody else be rung.
    What it came to is printed at the end."""
    people = ["+12025550108", "+12025550101", "+12125550101", *(f"+1212555{each}09" for each in range(20, 40))]
    folder = project(tmp_path)
    (folder / "people.csv").write_text("number,name\n" + "".join(f"{each},Ada\n" for each in people))
    process = await glass.start(
        *(sys.executable, "-c", PROGRAM, "call", "--csv", "people.csv", "echo", "--carrier", "lab", "--yes"),
        *("--concurrency", "3"),
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATTER_LOG_DIR": str(tmp_path / "kept")},
    )
    await glass.shows("patter call --csv people.csv", "list people.csv", "1 busy", "3 on the line", within_s=40)
    await glass.shows("echo → +1***0101", "agent   Hello.", within_s=40)
    await glass.shows("+1***2009", "ringing")
    glass.type("hy")
    await glass.shows("1 answered", within_s=40)
    glass.type("q")
    await glass.wait(lambda: "nobody else is rung" in glass.text or "left: the same" in glass.after, what="word of it")
    async with asyncio.timeout(30):
        assert await process.wait() == 130
    await glass.wait(lambda: "left: the same command goes on with them" in glass.after, 2, "what is left")
    assert glass.restored
    assert "1 busy" in glass.after


async def test_what_a_running_server_holds_is_shown_where_it_was_asked_for(tmp_path: Path) -> None:
    """A call from its first ring, though another process has it, and a list with its calls; h ends one there."""
    desk = Desk(tmp_path)
    (tmp_path / "agents" / "hum.py").write_text(AGENT)  # the quick one: nobody talks here
    desk.people("+12125550143", "+12125550146", "+13125550143")
    server = desk.start("serve", "hum")
    patter = (sys.executable, "-m", "patter_cli", "call")
    one, many = Glass(), Glass()
    try:
        await one.wait(lambda: bool(running(tmp_path / "r" / "patter")), what="server")
        calling = await one.start(*patter, "+12125550146", "hum", cwd=tmp_path, env=desk.environment)
        flags = ("--csv", "people.csv", "hum", "--calls-per-second", "20")
        listed = await many.start(*patter, *flags, cwd=tmp_path, env=desk.environment)
        await one.shows("patter call hum", "1 live", "hum → +1***0146", "it rings")
        one.type("hy")
        await many.shows("list people.csv", "1 live", "hum → +1***0146", "it rings", "1 busy", "1 left")
        many.type("hy")
        async with asyncio.timeout(20):
            assert (await calling.wait(), await listed.wait()) == (1, 1)
        await one.wait(lambda: "canceled after" in one.after, 2, "result")
        await many.wait(lambda: "2 busy, 1 canceled" in many.after, 2, "what became of them")
        assert one.restored
        assert many.restored
    finally:
        server.kill()
        server.communicate()
        one.close()
        many.close()
