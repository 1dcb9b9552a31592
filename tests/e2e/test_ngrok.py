"""ngrok as a program: its JSON lines, its account, its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from patter_cli.contracts.tunnel import Tunnel
from patter_cli.errors import ConfigError, TunnelDown
from patter_cli.registry import rows
from patter_cli.tunnels.ngrok import NgrokTunnel

PROGRAM = """#!{python} -IS
import json, os, pathlib, sys, time
pathlib.Path({told!r}).write_text(json.dumps([os.getpid(), sys.argv[1:]]))
for line in {lines!r}:
    print(line, flush=True)
if {stays}:
    time.sleep(600)
sys.exit(1)
"""
STARTED = {
    "lvl": "info",
    "msg": "started tunnel",
    "addr": "http://127.0.0.1:8123",
    "url": "https://ab12.ngrok-free.app",
}
NO_ACCOUNT = {"lvl": "eror", "msg": "failed to auth", "err": "Your authtoken: 2abcSECRET\nERR_NGROK_4018"}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put an ngrok on PATH that prints these lines, and stays or fails."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(*told: dict[str, Any], stays: bool = True) -> Path:
        program = tmp_path / "ngrok"
        lines = [json.dumps({"lvl": "info", "msg": "no configuration paths supplied"}), *map(json.dumps, told)]
        written = PROGRAM.format(python=sys.executable, told=str(tmp_path / "told"), lines=lines, stays=stays)
        program.write_text(written)
        program.chmod(0o700)
        return tmp_path / "told"

    return put


async def test_its_address_is_read_and_its_end_noticed(install: Any) -> None:
    """It is run for our port, and ended with us."""
    told = install(STARTED)
    there = await NgrokTunnel().open(8123)
    pid, arguments = json.loads(told.read_text())
    assert there.host == "ab12.ngrok-free.app"
    assert arguments[:2] == ["http", "127.0.0.1:8123"]
    os.kill(pid, signal.SIGKILL)
    assert "ended with code" in await asyncio.wait_for(there.lost(), 5)
    await there.aclose()
    await there.aclose()


async def test_without_an_account_it_says_how_to_get_one(install: Any) -> None:
    """Its own words, without the token in them."""
    install(NO_ACCOUNT, stays=False)
    with pytest.raises(TunnelDown, match="ERR_NGROK_4018") as failed:
        await NgrokTunnel().open(8123)
    assert "SECRET" not in str(failed.value)
    assert failed.value.hint == "ngrok config add-authtoken TOKEN"


async def test_one_that_says_nothing_is_given_up(install: Any) -> None:
    """After its time, and not left running."""
    told = install()
    with pytest.raises(TunnelDown, match="told no address within 2 s"):
        await NgrokTunnel(open_s=2.0).open(8123)
    pid, _ = json.loads(told.read_text())
    assert not Path(f"/proc/{pid}").exists()


async def test_a_machine_without_it(install: Any) -> None:
    """Says where to get it."""
    with pytest.raises(ConfigError, match="no ngrok") as failed:
        await NgrokTunnel().open(8123)
    assert "ngrok.com/download" in failed.value.hint


def test_every_tunnel_keeps_the_contract() -> None:
    """Those of the registry, by name."""
    for row in rows("tunnel"):
        made = row.load()("phone.example.com") if row.name == "fixed" else row.load()()
        assert isinstance(made, Tunnel)
        assert made.name == row.name
