"""`patter serve` as a process of its own: where it answers, how it stops, what survives when it cannot stop."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from patter_cli.audio.wav import read_channel
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.core.commands import ReportTranscript
from patter_cli.core.journal import parse_journal, render_entry, replay
from patter_cli.errors import CallRejected, NotReachable
from patter_cli.simulate.caller import LineCaller
from patter_cli.simulate.dial import open_line
from tests.e2e.conftest import Earpiece, letters_in

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; sys.argv[0] = 'patter'; from patter_cli.__main__ import main; main()"
AGENT = '''"""Says what it was told, letter by letter."""

import time

from patter_cli import Agent
from tests.e2e.conftest import EARS, VOICE

agent = Agent("You repeat.", "Hello.", stt=EARS, tts=VOICE)


def on_message(event):
    return f"You pressed {event.text}."
'''
STUCK = """
def on_transcript(event):
    time.sleep(3600)
"""


class Serving:
    """A server process that has said where it answers."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, folder: Path) -> None:
        self.process = process
        self.url = url
        self.folder = folder
        self.lines: list[str] = []

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])

    @property
    def journals(self) -> list[Path]:
        return sorted(self.folder.rglob("journal.jsonl"))

    def caller(self, number: int = 0) -> tuple[LineCaller, Earpiece]:
        """A telephone that calls it."""
        ear = Earpiece()
        return LineCaller(self.url, TwilioLine(f"MZ{number}"), handset=ear), ear

    async def exits(self, within_s: float) -> int:
        """Its exit code. Fails the test if it does not come."""
        async with asyncio.timeout(within_s):
            return await self.process.wait()


def project(folder: Path, more: str = "") -> Path:
    """A folder with one quick agent."""
    (folder / "agents").mkdir(exist_ok=True)
    (folder / "agents" / "echo.py").write_text(AGENT + more)
    return folder


@asynccontextmanager
async def serving(folder: Path, *arguments: str, limit: Callable[[], None] | None = None) -> AsyncIterator[Serving]:
    """Serve the folder's agent until the block ends, by force if it is still there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "serve", "echo", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATTER_LOG_DIR": str(folder / "kept"), "PYTHONDEVMODE": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=limit,
    )
    drains: list[asyncio.Task[None]] = []
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        said = b""
        async with asyncio.timeout(40):
            while b"answers at " not in said:
                line = await process.stderr.readline()
                assert line, said.decode()
                said += line
        served = Serving(process, said.decode().partition("answers at ")[2].split()[0], folder / "kept")

        async def keep(stream: asyncio.StreamReader) -> None:
            while line := await stream.readline():
                served.lines.append(line.decode().rstrip())

        drains = [asyncio.create_task(keep(each)) for each in (process.stdout, process.stderr)]
        yield served
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await asyncio.gather(*drains)


def free_port() -> str:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


async def answer_of(port: int, *headers: str) -> str:
    """The status line for an upgrade with these headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = (
        "GET /ws/loopback/echo HTTP/1.1",
        *headers,
        *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    status = (await reader.readline()).decode().split(" ", 1)[1].strip()
    writer.close()
    return status


async def test_it_says_where_it_answers_and_serves_this_machine_only(tmp_path: Path) -> None:
    """The printed address takes a call; foreign hosts, pages and tunnels are refused; a busy port is said."""
    port = free_port()
    async with serving(project(tmp_path), "--port", port) as server:
        assert server.url == f"ws://127.0.0.1:{port}/ws/loopback/echo"
        caller, ear = server.caller()
        async with caller:
            assert await caller.wait_for(lambda: ear.text == "hello.", 10)
            caller.press("5")
            assert await caller.wait_for(lambda: "you pressed" in ear.text, 10)
        assert await answer_of(server.port, "Host: rebind.example") == "421"
        assert await answer_of(server.port, "Host: 127.0.0.1", "Origin: http://evil.example") == "403"
        assert await answer_of(server.port, "Host: 127.0.0.1", "X-Forwarded-For: 1.2.3.4") == "404"
        with pytest.raises(CallRejected, match="no agent 'nobody' here"):
            await open_line(server.url.replace("echo", "nobody"))

        second = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, "serve", "echo", "--port", port),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(40):
            _, errors = await second.communicate()
        assert second.returncode == 6
        assert f"port {port} is already in use by" in errors.decode()
        assert f"--port {int(port) + 1}" in errors.decode()
        assert b"Traceback" not in errors
    text = "\n".join(server.lines)
    assert "agent   Hello." in text
    assert "caller  [DTMF: 5]" in text


@pytest.mark.parametrize("more", ["", STUCK], ids=["", "with a callback that never returns"])
async def test_sigterm_lets_calls_go_on_says_goodbye_and_exits_in_time(tmp_path: Path, more: str) -> None:
    """Ten calls and idle sockets: nobody is cut before the drain time, everybody hears the goodbye, the code is 0."""
    drain_s = 1.5
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            serving(project(tmp_path, more), "--port", free_port(), "--drain-timeout", str(drain_s))
        )
        _, idle = await asyncio.open_connection("127.0.0.1", server.port)
        stack.callback(idle.close)
        _, half_open = await asyncio.open_connection("127.0.0.1", server.port)
        half_open.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        stack.callback(half_open.close)
        calls = [server.caller(number) for number in range(10)]
        for caller, _ in calls:
            await stack.enter_async_context(caller)
        for caller, ear in calls:
            assert await caller.wait_for(partial(ear.has_heard, "hello."), 10)

        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(drain_s - 0.3)
        assert [caller.ended for caller, _ in calls] == [None] * 10
        assert {ear.text for _, ear in calls} == {"hello."}
        with pytest.raises((CallRejected, NotReachable)):
            await server.caller(11)[0].dial()
        code = await server.exits(within_s=0.3 + 5.5)
        took = time.monotonic() - began
        for caller, _ in calls:
            await caller.wait_for(lambda: False, 1)
    print(f"exit {took:.2f} s after SIGTERM, drain time {drain_s} s")
    assert code == 0
    assert {ear.text for _, ear in calls} == {"hello.i'm sorry, i have to end this call now.goodbye."}
    assert "Traceback" not in "\n".join(server.lines)
    records = [json.loads(path.read_text()) for path in server.folder.rglob("record.json")]
    assert [(each["outcome"], each["reason"]) for each in records] == [("answered", "drain")] * 10


async def test_a_drain_is_over_when_the_calls_are(tmp_path: Path) -> None:
    """With a long drain time the server goes as soon as the last caller has hung up; a call can go on meanwhile."""
    async with serving(project(tmp_path), "--port", free_port(), "--drain-timeout", "60") as server:
        caller, ear = server.caller()
        async with caller:
            assert await caller.wait_for(lambda: ear.text == "hello.", 10)
            server.process.send_signal(signal.SIGINT)
            await asyncio.sleep(0.2)
            caller.press("7")
            assert await caller.wait_for(lambda: "you pressed" in ear.text, 10)
        assert await server.exits(within_s=5) == 0


async def test_with_json_each_thing_that_happens_is_a_line(tmp_path: Path) -> None:
    """On stdout and nothing else there, whatever the agent's code prints; the same facts as patter logs tail --json."""
    chatty = "\n\ndef on_transcript(event):\n    print('not data')\n"
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "serve", "echo", "--json", "--port", port, "--drain-timeout", "0"),
        cwd=project(tmp_path, chatty),
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATTER_LOG_DIR": str(tmp_path / "kept")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            assert process.stderr is not None
            while b"answers at " not in await process.stderr.readline():
                assert process.returncode is None
            caller = LineCaller(f"ws://127.0.0.1:{port}/ws/loopback/echo", TwilioLine("MZ1"))
            async with caller:
                caller.press("5")
                assert await caller.wait_for(lambda: caller.ear.voiced_ms > 500, 20)
            process.send_signal(signal.SIGTERM)
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert b"not data" in err
    told = [json.loads(line) for line in out.decode().splitlines()]
    assert [told[0]["what"], told[-1]["what"]] == ["started", "ended"]
    assert len({each["call_id"] for each in told}) == 1
    assert {"who": "caller", "text": "[DTMF: 5]"}.items() <= next(
        each for each in told if each["what"] == "said" and each["who"] == "caller"
    ).items()


async def test_a_second_signal_cuts(tmp_path: Path) -> None:
    """Whoever is talking: out within two seconds, the call's journal is whole, and its record says why it ended."""
    async with serving(project(tmp_path), "--port", free_port(), "--drain-timeout", "60") as server:
        caller, ear = server.caller()
        async with caller:
            assert await caller.wait_for(lambda: ear.text == "hello.", 10)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            await server.exits(within_s=2.5)
            assert await caller.wait_for(lambda: False, 2) is False
        assert caller.ended is not None
    (journal,) = server.journals
    assert journal.read_text().endswith("\n")
    record = json.loads(journal.with_name("record.json").read_text())
    assert (record["outcome"], record["reason"]) == ("answered", "server_stopped")


async def test_kill_9_loses_no_line(tmp_path: Path) -> None:
    """What was said before the power went is in the journal, up to the last line that was shown; it replays."""
    async with serving(project(tmp_path), "--port", free_port()) as server:
        caller, ear = server.caller()
        async with caller:
            assert await caller.wait_for(lambda: ear.text == "hello.", 10)
            for key in "12":
                caller.press(key)
                assert await caller.wait_for(partial(ear.has_heard, f"{key}#."), 10)
                assert await caller.wait_for(lambda: caller.quiet_ms > 200, 10)
            server.process.kill()
            await server.exits(within_s=5)
            await caller.wait_for(lambda: False, 2)
    (journal,) = server.journals
    text = journal.read_text()
    entries = list(parse_journal(text))
    said = [each.text for entry in entries for each in entry.commands if isinstance(each, ReportTranscript)]
    assert said == ["Hello.", "[DTMF: 1]", "You pressed [DTMF: 1].", "[DTMF: 2]", "You pressed [DTMF: 2]."]
    assert not list(server.folder.rglob("record.json"))
    again = [render_entry(each.at, each.event, each.commands) for each in replay(entries)]
    assert "".join(f"{line}\n" for line in again) == text


def small_files() -> None:
    """No file of this process may grow beyond 6 kB: a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))


async def test_a_full_disk_harms_no_call(tmp_path: Path) -> None:
    """The call goes on and ends as ever; the journal keeps what fitted; it is said once, what was lost at the end."""
    async with serving(project(tmp_path), "--port", free_port(), "--drain-timeout", "0", limit=small_files) as server:
        caller, ear = server.caller()
        async with caller:
            assert await caller.wait_for(lambda: ear.text == "hello.", 10)
            caller.press("1")
            assert await caller.wait_for(lambda: "you pressed" in ear.text and caller.quiet_ms > 300, 10)
        server.process.send_signal(signal.SIGTERM)
        assert await server.exits(within_s=8) == 1
    (journal,) = server.journals
    assert 3000 < journal.stat().st_size <= 6000
    assert journal.read_text().endswith("\n")
    assert sorted(each.name for each in journal.parent.iterdir()) == ["journal.jsonl", "record.json"]
    assert len([line for line in server.lines if "cannot be written" in line]) == 1
    (lost,) = [line for line in server.lines if "were lost" in line]
    assert re.search(r"1 calls were not kept whole: [1-9]\d* lines of journals and 0 records were lost", lost)


async def test_a_folder_that_goes_harms_no_call(tmp_path: Path) -> None:
    """The journal's folder is deleted in the middle of a call: nobody on the line notices."""
    async with serving(project(tmp_path), "--port", free_port(), "--drain-timeout", "0") as server:
        caller, ear = server.caller()
        async with caller:
            assert await caller.wait_for(lambda: ear.text == "hello.", 10)
            shutil.rmtree(server.folder)
            caller.press("1")
            assert await caller.wait_for(lambda: "you pressed" in ear.text and caller.quiet_ms > 300, 10)
        server.process.send_signal(signal.SIGTERM)
        assert await server.exits(within_s=8) == 1
    assert "Traceback" not in "\n".join(server.lines)


async def test_a_server_that_is_up_is_called_by_its_address(tmp_path: Path) -> None:
    """`simulate --url` holds a call with it, prints one JSON object and nothing else, and writes what was heard."""
    call = tmp_path / "call.wav"
    async with serving(project(tmp_path), "--port", free_port(), "--drain-timeout", "0") as server:
        simulate = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, "simulate", "--url", server.url, "--say", "Hello.", "--json"),
            *("--stereo", str(call)),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, errors = await simulate.communicate()
    assert simulate.returncode == 0, errors.decode()
    facts = json.loads(out)
    assert set(facts) == {"url", "agent", "caller_waited_ms", "notes", "expectations"}
    assert facts["url"] == server.url
    assert len(facts["agent"]) >= 1
    agent, rate_hz = read_channel(call, 1)
    assert rate_hz == 8000
    assert letters_in(agent[np.flatnonzero(agent)[0] // 160 * 160 :]).startswith("hello.")


DEAF = """
from patter_cli import Agent, DeepgramSTT

agent = Agent("You repeat.", stt=DeepgramSTT("k", base_url="http://127.0.0.1:9"))


def on_message(event):
    return "Yes."
"""


async def test_a_server_s_agent_that_gives_up_is_no_success(tmp_path: Path) -> None:
    """Its ears are down: it says so and hangs up before the caller has said a word. The exit code is that of the same
    call to an agent here, and what it said is in the object, though the line ended with it."""
    (project(tmp_path) / "agents" / "echo.py").write_text(DEAF)
    codes, objects = [], []
    async with serving(tmp_path, "--port", free_port(), "--drain-timeout", "0") as server:
        for whom in (("--url", server.url), ("echo",)):
            simulate = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", PROGRAM, "simulate", *whom, "--say", "Hello.", "--json"),
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(60):
                out, errors = await simulate.communicate()
            codes.append(simulate.returncode)
            objects.append(json.loads(out))
            assert b"error: " in errors
    assert codes == [5, 5]
    assert any("technical trouble" in each["text"] for each in objects[0]["agent"])
    assert objects[0]["notes"] == ["the agent had ended the call"]


START: dict[str, Any] = {
    "event": "start",
    "streamSid": "MZ1",
    "start": {
        "callSid": "CA1",
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    },
}


@pytest.mark.parametrize(
    ("field", "value"),
    [("mediaFormat", None), ("callSid", None), ("callSid", ""), ("mediaFormat", {"encoding": "audio/l16"})],
)
async def test_a_start_that_cannot_be_used_says_why(tmp_path: Path, field: str, value: object) -> None:
    """The socket is closed with a reason, and one line of our log names the field."""
    start = {**START, "start": {**START["start"], field: value}}
    async with serving(project(tmp_path), "--port", free_port()) as server:
        async with connect(server.url) as socket:
            await socket.send(json.dumps(start))
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        assert field in closed.value.rcvd.reason
        server.process.send_signal(signal.SIGTERM)
        await server.exits(within_s=8)
    (line,) = [each for each in server.lines if "a call was refused" in each]
    assert field in line


async def test_an_unknown_agent_is_refused_at_the_upgrade(tmp_path: Path) -> None:
    """404, and the caller is told which name there is none of."""
    async with serving(project(tmp_path), "--port", free_port()) as server:
        with pytest.raises(CallRejected, match=r"no agent 'nobody' here \(HTTP 404\)"):
            await open_line(server.url.replace("/echo", "/nobody"))
