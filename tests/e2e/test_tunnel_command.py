"""`patter tunnel` and `patter serve --tunnel` as processes: a number at the tunnel, and back."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from patter_cli.server.service import Service
from tests.contract.twilio_api import ACCOUNT, TOKEN
from tests.e2e.internet import FakeCloudflared, Internet
from tests.e2e.numbers_api import BEFORE, NUMBER, NumbersApi
from tests.e2e.test_serve import free_port, project
from tests.e2e.test_tunnels import shop, until

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys; sys.argv[0] = "patter"
from patter_cli import registry
from patter_cli.registry import Row
keys = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
registry.ROWS = (*(each for each in registry.ROWS if each.name not in ("twilio", "telnyx")),
                 Row(name="twilio", kind="carrier", target="tests.e2e.numbers_api:twilio", keys=keys))
from patter_cli.__main__ import main; main()
"""
"""The command, with its carrier at an API of this machine."""


@dataclass(slots=True)
class Run:
    """One process of the command. out, err: what it has printed so far."""

    process: asyncio.subprocess.Process
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    async def ended(self, with_signal: signal.Signals | None = None, within_s: float = 20.0) -> int:
        if with_signal is not None:
            self.process.send_signal(with_signal)
        async with asyncio.timeout(within_s):
            return await self.process.wait()


@dataclass(slots=True)
class Desk:
    """A user's machine."""

    folder: Path
    api: NumbersApi
    fake: FakeCloudflared
    environment: dict[str, str]

    @asynccontextmanager
    async def patter(self, *arguments: str, cwd: Path | None = None, **changed: str) -> AsyncIterator[Run]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAM,
            *arguments,
            cwd=cwd or self.folder,
            env=self.environment | changed,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        run = Run(process)

        async def keep(stream: asyncio.StreamReader | None, lines: list[str]) -> None:
            assert stream is not None
            while line := await stream.readline():
                lines.append(line.decode().rstrip())

        reading = asyncio.gather(keep(process.stdout, run.out), keep(process.stderr, run.err))
        try:
            yield run
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await reading

    async def said(self, run: Run, held: Callable[[], Any], within_s: float = 20.0) -> None:
        """Wait until it has done what is looked for."""
        assert await until(lambda: held() or run.process.returncode is not None, within_s), (run.out, run.err)
        assert held(), (run.out, run.err)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    fake = FakeCloudflared(tmp_path, "works")
    (tmp_path / "run").mkdir(mode=0o700)
    with NumbersApi() as api, Internet(tmp_path, fake) as internet:
        foreign = ("TWILIO_", "TELNYX_", "PHONE_", "WEBHOOK_", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(foreign)}
        ours = {
            "PYTHONPATH": str(ROOT),
            "XDG_DATA_HOME": str(tmp_path / "data"),
            "XDG_RUNTIME_DIR": str(tmp_path / "run"),
            "NUMBERS_API": api.url,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
        }
        yield Desk(tmp_path, api, fake, {**kept, **ours, **internet.environment()})


def pointed(desk: Desk, number: int) -> bool:
    host, _, path = desk.api.number["voice_url"].removeprefix("https://").partition("/")
    return host == f"tunnel-{number}.trycloudflare.com" and bool(
        re.fullmatch("[0-9a-f]{16}/webhooks/twilio/voice", path)
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_the_number_is_at_the_tunnel_until_the_end(desk: Desk, how: signal.Signals) -> None:
    """The address is printed, the number pointed at it; afterwards it has what it had, and no process is left."""
    async with desk.patter("tunnel", "--port", free_port(), "--attach", NUMBER) as run:
        await desk.said(run, lambda: "Ctrl-C closes it." in run.err)
        assert pointed(desk, 0)
        assert [f"{each}/webhooks/twilio/voice" for each in run.out] == [desk.api.number["voice_url"]]
        assert any("sha256" in each and "2026.1.0" in each for each in run.err)
        assert await run.ended(how) == 0
    assert desk.api.number == BEFORE
    assert await until(lambda: not desk.fake.alive())


async def test_a_tunnel_that_was_killed_is_replaced_and_the_number_follows(desk: Desk) -> None:
    """Within 20 s; what comes back at the end is what was there at first."""
    async with desk.patter("tunnel", "--port", free_port(), "--attach", NUMBER) as run:
        await desk.said(run, lambda: "Ctrl-C closes it." in run.err)
        os.kill(int(str(desk.fake.starts[0]["pid"])), signal.SIGKILL)
        begun_s = time.monotonic()
        await desk.said(run, lambda: pointed(desk, 1))
        assert time.monotonic() - begun_s < 20
        hosts, paths = zip(*(each.removeprefix("https://").split("/") for each in run.out), strict=True)
        assert hosts == ("tunnel-0.trycloudflare.com", "tunnel-1.trycloudflare.com")
        assert len(set(paths)) == 1  # this machine's, the same each time
        assert await run.ended(signal.SIGINT) == 0
    assert desk.api.number == BEFORE


async def test_after_kill_9_nothing_runs_on_and_the_next_start_gives_the_number_back(desk: Desk) -> None:
    """The tunnel's processes end with us, and what the number had is on disk."""
    async with desk.patter("tunnel", "--port", free_port(), "--attach", NUMBER) as run:
        await desk.said(run, lambda: "Ctrl-C closes it." in run.err)
        await run.ended(signal.SIGKILL)
    assert pointed(desk, 0)
    assert await until(lambda: not desk.fake.alive())
    async with desk.patter("tunnel", "--port", free_port(), "--attach", NUMBER) as run:
        await desk.said(run, lambda: "Ctrl-C closes it." in run.err)
        assert pointed(desk, 1)
        assert await run.ended(signal.SIGINT) == 0
    assert desk.api.number == BEFORE


async def test_ctrl_c_does_not_wait_for_a_tunnel_that_hangs(desk: Desk) -> None:
    """It is interrupted, and the program that hangs is ended."""
    desk.fake.plan("hangs")
    async with desk.patter("tunnel", "--port", free_port(), "--attach", NUMBER) as run:
        await desk.said(run, lambda: desk.fake.starts)
        assert await run.ended(signal.SIGINT, within_s=8) == 130
    assert await until(lambda: not desk.fake.alive())
    assert desk.api.number == BEFORE


@pytest.mark.parametrize(
    ("plan", "arguments", "changed", "code", "said", "hint"),
    [
        ("fails", (), {}, 6, "429 Too Many Requests", "wait some minutes"),
        ("works", ("--attach", "+15550100009"), {}, 4, "not a number of this account", "TWILIO_ACCOUNT_SID"),
        ("works", ("--attach", NUMBER), {"TWILIO_AUTH_TOKEN": "wrong"}, 4, "credentials", ""),
        ("works", ("--attach", NUMBER), {"TWILIO_AUTH_TOKEN": "", "TWILIO_ACCOUNT_SID": ""}, 3, "no carrier", "doctor"),
        ("works", ("--attach", NUMBER, "--carrier", "pigeon"), {}, 3, "pigeon", "known"),
        ("works", ("--attach", "555"), {}, 2, "no phone number", "+14155550123"),
        ("works", ("--provider", "cloudflare"), {}, 3, "cloudflare", "did you mean 'cloudflared'"),
        ("works", ("--provider", "fixed"), {}, 3, "which address", "--webhook-url"),
        ("works", ("--provider", "ngrok"), {}, 3, "no ngrok", "ngrok.com"),
    ],
)
async def test_what_cannot_be_is_said(
    desk: Desk, plan: str, arguments: tuple[str, ...], changed: dict[str, str], code: int, said: str, hint: str
) -> None:
    """With a code that tells whose fault it is, and what to do; the number stays as it is and nothing runs on."""
    desk.fake.plan(plan)
    async with desk.patter("tunnel", "--port", free_port(), *arguments, **changed) as run:
        assert await run.ended() == code, run.err
    (error,) = (each for each in run.err if each.startswith("error: "))
    assert said in error
    assert hint in "\n".join(each for each in run.err if each.startswith("hint: "))
    assert desk.api.number == BEFORE
    assert await until(lambda: not desk.fake.alive())


async def test_a_port_of_somebody_else_is_not_shown_to_the_world(desk: Desk) -> None:
    """Only a server of ours keeps strangers from what is none of their business."""
    other = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    async with desk.patter("tunnel", "--port", str(port)) as run:
        assert await run.ended() == 6
    other.close()
    assert "no server of ours" in run.err[-2]
    assert await until(lambda: not desk.fake.alive())


async def test_a_server_that_runs_or_comes_is_told_its_address(desk: Desk) -> None:
    """And forgets it once the tunnel is closed."""
    port = free_port()

    async def served() -> Service:
        service = shop(run_folder=desk.folder / "run" / "patter")
        service._server._port = int(port)
        await service.start()
        return service

    first = await served()
    async with desk.patter("tunnel", "--port", port) as run:
        await desk.said(run, lambda: "Ctrl-C closes it." in run.err)
        assert first.addresses.public_host == "tunnel-0.trycloudflare.com"
        await first.cut()
        first.close()
        second = await served()
        assert await until(lambda: second.addresses.public_host == "tunnel-0.trycloudflare.com")
        assert await run.ended(signal.SIGINT) == 0
        assert second.addresses.public_host == ""
        async with httpx.AsyncClient() as here:
            assert (await here.get(f"http://127.0.0.1:{port}/health")).status_code == 200
        await second.cut()
        second.close()


async def test_a_server_with_its_own_tunnel(desk: Desk) -> None:
    """patter serve --tunnel: the number of PHONE_NUMBER is pointed at it, and given back on Ctrl-C."""
    async with desk.patter(
        "serve", "echo", "--tunnel", "--port", free_port(), cwd=project(desk.folder), PHONE_NUMBER=NUMBER
    ) as run:
        await desk.said(run, lambda: any("Ctrl-C lets" in each for each in run.err), 60)
        assert pointed(desk, 0)
        assert any(NUMBER in each for each in run.err)
        assert await run.ended(signal.SIGINT) == 0
    assert desk.api.number == BEFORE
    assert await until(lambda: not desk.fake.alive())
