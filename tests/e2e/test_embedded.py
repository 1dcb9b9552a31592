"""EmbeddedServer: an agent on a port of somebody's own program."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from patter_cli import EmbeddedServer, LocalConfig
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.errors import BadSetting, PortBusy
from patter_cli.providers.rules import RulesLLM
from patter_cli.simulate.caller import LineCaller
from tests.e2e.conftest import agent

HUM = RulesLLM(lambda turn: "Hum.")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(autouse=True)
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


async def test_it_serves_until_it_is_stopped(tmp_path: Path) -> None:
    """`start` blocks, a call is held and kept, `stop` lets `start` return; twice is fine, and nothing is left."""
    server = EmbeddedServer(LocalConfig(persist_root=tmp_path / "kept"), agent("Hello.", llm=HUM))
    await server.stop()
    port = free_port()
    starting = asyncio.create_task(server.start(port))
    line = LineCaller(f"ws://127.0.0.1:{port}/ws/loopback/agent", TwilioLine())
    for _ in range(200):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                break
        await asyncio.sleep(0.05)
    async with line:
        assert await line.wait_for(lambda: line.ear.voiced_ms > 60, 10)
        assert not starting.done()
        with pytest.raises(BadSetting, match="started already"):
            await server.start(port)
    await server.stop()
    await server.stop()
    await asyncio.wait_for(starting, 10)
    assert len(list((tmp_path / "kept").rglob("record.json"))) == 1
    assert list((tmp_path / "r" / "patter").glob("*.json")) == []
    record = json.loads(next((tmp_path / "kept").rglob("record.json")).read_text())
    assert record["carrier"] == "loopback"


async def test_a_port_that_is_none_or_busy() -> None:
    """Named before anything is loaded, or with who has it; then another port does."""
    server = EmbeddedServer(LocalConfig(), agent("Hello.", llm=HUM))
    for port in (0, -1, 65536):
        with pytest.raises(BadSetting, match=f"port {port}"):
            await server.start(port)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        with pytest.raises(PortBusy):
            await server.start(busy.getsockname()[1])
    starting = asyncio.create_task(server.start(free_port()))
    await asyncio.sleep(0.5)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
