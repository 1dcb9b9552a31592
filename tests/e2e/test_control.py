"""A running server is found by another process of its user, tells what it does, rings somebody, and can be stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from patter_cli import Patter
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.cli.followed_calls import ServerBoard
from patter_cli.errors import CallRejected, NotReachable, PatterError, UnknownAgent
from patter_cli.server.control import ask
from patter_cli.server.control_messages import Mute, Ping, PlaceCall, Status, Stop, Unmute
from patter_cli.server.registration import Registration, running
from patter_cli.simulate.caller import LineCaller
from tests.e2e.acme import NOBODY
from tests.e2e.conftest import agent
from tests.e2e.test_carriers import company, heard

ROOT = Path(__file__).parents[2]
TO, FROM = "+12025550142", "+12025550100"

AGENT = '''"""Hums."""
from patter_cli import Agent

agent = Agent("Hum.", "Hello.")
on_message = lambda event: "Hum."
'''

ELSEWHERE = """
import asyncio, json, sys
from pathlib import Path
from patter_cli.server.control import ask
from patter_cli.server.control_messages import Ping, Status, Stop
from patter_cli.server.registration import default_run_folder, running
(server,) = running(default_run_folder())
done = asyncio.run(ask(server, {"ping": Ping(), "status": Status(), "stop": Stop()}[sys.argv[1]]))
print(json.dumps(done))
"""


class Served:
    """`patter serve` in a process of its own, with a run folder of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "agents").mkdir(exist_ok=True)
        (folder / "agents" / "hum.py").write_text(AGENT)
        (folder / "r").mkdir(mode=0o700, exist_ok=True)
        self.folder = folder
        self.environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(folder / "r"),
            "PATTER_LOG_DIR": str(folder / "kept"),
            "PYTHONPATH": str(ROOT),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "patter_cli", "serve", "hum", "--port", "0", "--drain-timeout", "1"],
            cwd=folder,
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until_found(self) -> Registration:
        for _ in range(600):
            if found := [each for each in running(self.folder / "r" / "patter") if each.pid == self.process.pid]:
                return found[0]
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)
        raise AssertionError("never found")

    def from_elsewhere(self, what: str) -> dict[str, object]:
        """What another process is told."""
        done = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, what],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        assert done.returncode == 0, done.stderr
        told: dict[str, object] = json.loads(done.stdout)
        return told


async def test_a_second_process_finds_the_server_and_stops_it(tmp_path: Path) -> None:
    """Who it is, which calls are live, and a stop that ends as Ctrl-C does; then nothing is left to be found."""
    served = Served(tmp_path)
    try:
        found = await asyncio.to_thread(served.until_found)
        told = await asyncio.to_thread(served.from_elsewhere, "ping")
        assert (told["pid"], told["port"]) == (served.process.pid, found.port)
        assert (told["carriers"], told["agents"]) == (["loopback", "browser"], ["hum"])
        assert "token" not in told
        url = f"ws://127.0.0.1:{found.port}/ws/loopback/hum"
        async with LineCaller(url, TwilioLine(), parameters={"caller": "+12025550142"}) as caller:
            assert await caller.wait_for(lambda: caller.ear.voiced_ms > 100, 10)
            status = await asyncio.to_thread(served.from_elsewhere, "status")
            (call,) = status["calls"]  # type: ignore[misc]
            assert (call["agent"], call["caller"], call["direction"]) == ("hum", "+12025550142", "inbound")
            assert call["seconds"] > 0
            assert await asyncio.to_thread(served.from_elsewhere, "stop") == {"stopping": True}
            assert await caller.wait_for(lambda: caller.ended is not None, 10)
        assert await asyncio.to_thread(served.process.wait, 10) == 0
    finally:
        served.process.kill()
        served.process.communicate()
    assert running(tmp_path / "r" / "patter") == []
    assert list((tmp_path / "r" / "patter").glob("*.sock")) == []
    (record,) = (tmp_path / "kept").rglob("record.json")
    assert json.loads(record.read_text())["carrier_call_id"] == "CA00000000000000000000000000000001"


def test_a_killed_server_is_forgotten_and_two_are_found(tmp_path: Path) -> None:
    """Nothing of the killed one stays; the other answers, and says so itself when asked."""
    one, other = Served(tmp_path), Served(tmp_path)
    try:
        found = [one.until_found(), other.until_found()]
        assert {each.pid for each in running(tmp_path / "r" / "patter")} == {each.pid for each in found}
        one.process.send_signal(signal.SIGKILL)
        one.process.wait()
        assert [each.pid for each in running(tmp_path / "r" / "patter")] == [other.process.pid]
        assert other.from_elsewhere("status") == {
            "draining": False,
            "public_address": "",
            "numbers": [],
            "calls": [],
        }
        assert len(list((tmp_path / "r" / "patter").glob("*-*"))) == 2
        with pytest.raises(NotReachable):
            asyncio.run(ask(found[0], Ping()))
    finally:
        for each in (one, other):
            each.process.kill()
            each.process.communicate()


async def test_from_python_it_is_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Patter.serve` returns when somebody asks it to stop from outside."""
    (tmp_path / "r").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    phone = Patter()
    serving = asyncio.create_task(phone.serve(agent("Hello."), port=0, on_message=lambda event: "Hum."))
    await phone.ready
    (found,) = running(tmp_path / "r" / "patter")
    assert await ask(found, Stop()) == {"stopping": True}
    await asyncio.wait_for(serving, 10)
    assert running(tmp_path / "r" / "patter") == []


async def test_what_comes_over_the_socket_hurts_nobody(tmp_path: Path) -> None:
    """No token, rubbish, a line without end, silence, a hundred at once: answered or dropped, and it goes on."""
    async with company(run_folder=tmp_path / "run") as here:
        (found,) = running(tmp_path / "run")
        assert Path(found.socket).stat().st_mode & 0o777 == 0o600
        with pytest.raises(PatterError, match="token"):
            await ask(replace(found, token="x"), Stop())

        async def raw(data: bytes) -> bytes:
            reader, writer = await asyncio.open_unix_connection(found.socket)
            try:
                writer.write(data)
                return await asyncio.wait_for(reader.readline(), 10)
            except ConnectionError:
                return b""
            finally:
                writer.close()

        assert b"not a line of JSON" in await raw(b"GET / HTTP/1.1\r\n\r\n")
        assert b"one line" in await raw(b"x" * 100_000)
        assert b"unauthorized" in await raw(b'{"do": "stop"}\n')
        replies = await asyncio.gather(*(raw(b"\n") for _ in range(100)))
        assert len(replies) == 100
        silent = [await asyncio.open_unix_connection(found.socket) for _ in range(5)]
        assert (await ask(found, Ping()))["agents"] == ["shop"]
        for _, writer in silent:
            writer.close()
        assert not here.service.asked_to_stop.is_set()


async def test_a_folder_that_is_not_ours_alone_costs_no_call(tmp_path: Path) -> None:
    """The server says that it will not be found, and answers calls."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o777)
    async with company(run_folder=tmp_path / "run") as here:
        assert (await here._client.get("/health", headers={"host": "localhost"})).status_code == 200
        assert list((tmp_path / "run").iterdir()) == []


async def test_somebody_is_rung_over_the_socket(tmp_path: Path) -> None:
    """The carrier is told whom to ring; who answers talks to the agent that was named, whatever number it is."""
    async with company(run_folder=tmp_path / "run", two_agents=True) as here:
        (found,) = running(tmp_path / "run")
        wanted = PlaceCall(to=TO, from_number=FROM, agent="other", variables={"tier": "silver"}, ring_timeout_s=20)
        told = await ask(found, wanted)
        (placed,) = here.carrier.placed
        assert (placed.to, placed.from_number, placed.ring_timeout_s) == (TO, FROM, 20)
        answered = {"call": "A-7", "from": FROM, "to": TO, "vars": {"tier": "forged"}}
        reply = await here.post(answered, path=placed.answer_url.removeprefix("https://phone.example"))
        url = reply.json()["connect"].replace("wss://phone.example", f"ws://127.0.0.1:{here.service.port}")
        async with here.line(url, call="A-7") as line:
            assert await heard(line, "hello silver caller.")
            (call,) = (await ask(found, Status()))["calls"]
        assert (call["call_id"], call["direction"], call["agent"]) == (told["call_id"], "outbound", "other")
        assert (call["caller"], call["callee"], call["carrier_call_id"]) == (FROM, TO, "A-7")


async def test_keys_of_another_process_reach_its_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One is muted, heard again and hung up; what cannot be done is said, and breaks nothing."""
    served = Served(tmp_path)
    try:
        found = await asyncio.to_thread(served.until_found)
        async with LineCaller(f"ws://127.0.0.1:{found.port}/ws/loopback/hum", TwilioLine()) as caller:
            assert await caller.wait_for(lambda: caller.ear.voiced_ms > 100, 10)
            (call,) = (await ask(found, Status()))["calls"]
            call_id = str(call["call_id"])
            assert await ask(found, Mute(call_id=call_id)) == {"muted": True}
            assert await ask(found, Unmute(call_id=call_id)) == {"muted": False}
            board = ServerBoard(found)
            board.mute("C-nobody", True)
            board.hang_up(call_id)
            assert await caller.wait_for(lambda: caller.ended is not None, 10)
    finally:
        served.process.kill()
        served.process.communicate()
    assert "error: no call 'C-nobody' goes on here" in capsys.readouterr().err


async def test_what_was_dialled_with_is_no_ticket_for_a_stream(tmp_path: Path) -> None:
    """And an answered webhook whose ticket was altered is declined: nobody knows whom it is for."""
    async with company(run_folder=tmp_path / "run") as here:
        (found,) = running(tmp_path / "run")
        await ask(found, PlaceCall(to=TO, from_number=FROM, agent="shop"))
        (placed,) = here.carrier.placed
        dialled = placed.answer_url.partition("?call=")[2]
        url = f"ws://127.0.0.1:{here.service.port}/ws/acme/stream/{dialled}"
        with pytest.raises(CallRejected, match="403"):
            await here.line(url, call="").dial()
        altered = "/webhooks/acme/voice?call=" + dialled[:-1] + ("A" if dialled[-1] != "A" else "B")
        reply = await here.post({"call": "A-7", "from": FROM, "to": TO, "vars": {}}, path=altered)
        assert reply.json() == {"hang_up": ""}


async def test_whom_nobody_can_ring(tmp_path: Path) -> None:
    """An agent that is not served, a carrier that will not, a server without one: the reason comes back."""
    async with company(run_folder=tmp_path / "run") as here:
        (found,) = running(tmp_path / "run")
        with pytest.raises(UnknownAgent, match="nobody"):
            await ask(found, PlaceCall(to=TO, from_number=FROM, agent="nobody"))
        with pytest.raises(CallRejected, match="Acme does not ring that"):
            await ask(found, PlaceCall(to=NOBODY, from_number=FROM, agent="shop"))
        here.service._carriers.pop("acme")
        with pytest.raises(CallRejected, match="can ring nobody"):
            await ask(found, PlaceCall(to=TO, from_number=FROM, agent="shop"))
