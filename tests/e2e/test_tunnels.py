"""Tunnels of real processes: what counts as one, what is said when there is none, and what becomes of one that dies."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from patter_cli import wiring
from patter_cli.carriers.twilio.webhook import canonical, signature
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import BadSetting, CallRejected, ConfigError, TunnelDown
from patter_cli.server.kept_tunnel import Watching
from patter_cli.server.number_setup import NumberSetup
from patter_cli.server.reachable import ReachableServer
from patter_cli.server.round_trip import Way, round_trip
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.tunnels.binary import fetch, find_cloudflared
from patter_cli.tunnels.cloudflared import CloudflareTunnel
from tests.contract.twilio_api import ACCOUNT, TOKEN
from tests.e2e.conftest import LOUDNESS, agent
from tests.e2e.internet import FakeCloudflared, Internet, pump
from tests.e2e.numbers_api import BEFORE, NUMBER, NumbersApi

pytestmark = pytest.mark.usefixtures("quiet_log")

QUICK = Watching(prove_s=20.0, probe_every_s=0.2, probe_s=4.0, probe_again_s=0.1, pause_s=0.1)
IMPATIENT = replace(QUICK, prove_s=3.0)


@pytest.fixture
def fake(tmp_path: Path) -> FakeCloudflared:
    return FakeCloudflared(tmp_path, "works")


@pytest.fixture
def internet(tmp_path: Path, fake: FakeCloudflared) -> Iterator[Internet]:
    with Internet(tmp_path, fake) as there:
        yield there


def shop(**settings: Any) -> Service:
    """A server with one agent, and with Twilio as its carrier, who is never asked for anything."""
    from patter_cli import Twilio

    carrier = Twilio(ACCOUNT, TOKEN, base_url="http://127.0.0.1:9")
    ready = wiring.ready_agent("shop", agent("Hello."), Hooks(on_message=lambda event: "Yes."))
    line = wiring.built_in_line()
    return wiring.service(
        {"shop": ready},
        ServiceSettings(port=0, drain_timeout_s=0.0, **settings),
        voice=LOUDNESS,
        carried_by={"twilio": carrier, line.name: line},
    )


@asynccontextmanager
async def reached(
    fake: FakeCloudflared, internet: Internet, watching: Watching = QUICK, open_s: float = 20.0, **settings: Any
) -> AsyncIterator[tuple[Service, list[str]]]:
    """The server behind a tunnel, and the hosts that it has had."""
    hosts: list[str] = []
    service = shop(**settings)
    tunnel = CloudflareTunnel(program=fake.program, open_s=open_s)
    server = ReachableServer(service, tunnel, on_host=hosts.append, way=internet.way, watching=watching)
    try:
        await server.start()
        yield service, hosts
    finally:
        await server.cut()
        service.close()


def from_outside(internet: Internet) -> httpx.AsyncClient:
    return httpx.AsyncClient(proxy=internet.way.proxy, verify=internet.way.tls or True)


async def until(held: Any, within_s: float = 10.0) -> bool:
    ends_at_s = time.monotonic() + within_s
    while not held() and time.monotonic() < ends_at_s:  # noqa: ASYNC110 - it is another process that we wait for
        await asyncio.sleep(0.02)
    return bool(held())


async def test_carriers_are_told_an_address_once_a_round_trip_came_back(
    fake: FakeCloudflared, internet: Internet
) -> None:
    """Over HTTP and a WebSocket, to this very server; closing it ends every process that belongs to it."""
    async with reached(fake, internet) as (service, hosts):
        assert hosts == ["tunnel-0.trycloudflare.com"]
        assert service.addresses.base("ws") == "wss://tunnel-0.trycloudflare.com"
        assert len(fake.alive()) == 2
        (start,) = fake.starts
        assert f"http://127.0.0.1:{service.port}" in start["argv"]  # type: ignore[operator]
        assert "--no-autoupdate" in start["argv"]  # type: ignore[operator]
    assert await until(lambda: not fake.alive())


async def test_strangers_find_webhooks_and_media_and_nothing_else(fake: FakeCloudflared, internet: Internet) -> None:
    """Through the tunnel the rest of the server is not there, and neither is the line that asks for no secret."""
    async with reached(fake, internet) as (service, (host,)):
        async with from_outside(internet) as client:
            for path in ("/health", "/metrics", "/api/calls", "/", "/docs", "/tunnel-check", "/webhooks/twilio"):
                assert (await client.get(f"https://{host}{path}")).status_code == 404
            assert (await client.get(f"https://{host}/tunnel-check/guessed")).status_code == 404
            for base, status in ((hidden := service.addresses.public_address, 403), (host, 404)):
                posted = await client.post(f"https://{base}/webhooks/twilio/voice", data={"CallSid": "CA1"})
                assert posted.status_code == status, base
        way = internet.way
        under = hidden.removeprefix(host)
        assert re.fullmatch("/[0-9a-f]{16}", under)
        for path, status in (
            ("/ws/loopback/shop", 404),
            (f"{under}/ws/loopback/shop", 404),
            ("/ws/twilio/stream/guessed", 404),
            (f"{under}/ws/twilio/stream/guessed", 403),
            ("/tunnel-check/x", 404),
        ):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(f"wss://{host}{path}", ssl=way.tls, proxy=way.proxy):
                    pass
            assert refused.value.response.status_code == status, path
        async with httpx.AsyncClient() as here:
            assert (await here.get(f"http://127.0.0.1:{service.port}/health")).status_code == 200


@pytest.mark.parametrize(
    ("kind", "said", "hint"),
    [
        ("fails", "ended with code 1, and said: .*429", "wait some minutes"),
        ("no network", "ended with code 1, and said: .*no such host", "does not reach Cloudflare"),
        ("hangs", "told no address within 2 s", "--webhook-url"),
        ("garbage", "told no address within 2 s", "--webhook-url"),
        ("unreachable", "nothing came back within 3 s: tunnel-0.*502", ""),
        ("no websockets", "lets no WebSocket through: it answers 400", "WebSocket upgrades"),
        ("ends", "ended with code 3, and said: .*thrown us out", ""),
    ],
)
async def test_a_tunnel_that_fails_says_how(
    fake: FakeCloudflared, internet: Internet, kind: str, said: str, hint: str
) -> None:
    """What it said last, or what did not come back, and what to do; nothing of it is left, and nothing serves."""
    fake.plan(kind)
    with pytest.raises(TunnelDown, match=said) as failed:
        async with reached(fake, internet, IMPATIENT, open_s=2.0):
            pass
    assert failed.value.exit_code == 6
    assert failed.value.hint
    assert hint in failed.value.hint
    assert await until(lambda: not fake.alive())


async def test_a_cloudflared_that_cannot_run_is_named(
    tmp_path: Path, internet: Internet, fake: FakeCloudflared
) -> None:
    """Such as one for another machine."""
    fake.program.write_bytes(b"\x00\x01\x02")
    with pytest.raises(TunnelDown, match="cannot be started: Exec format error"):
        async with reached(fake, internet):
            pass


async def test_a_flood_is_read_to_its_end(fake: FakeCloudflared, internet: Internet) -> None:
    """100 MB of output block neither the tunnel nor the server, and are not kept."""
    fake.plan("floods")
    async with reached(fake, internet) as (_, hosts):
        late_ms = 0.0
        begun_s = time.monotonic()
        while not (fake.folder / "flooded").exists() and time.monotonic() < begun_s + 20:
            asleep_s = time.monotonic()
            await asyncio.sleep(0.005)
            late_ms = max(late_ms, (time.monotonic() - asleep_s - 0.005) * 1000)
        assert (fake.folder / "flooded").exists()
        assert late_ms < 1000
        async with from_outside(internet) as client:
            assert (await client.post(f"https://{hosts[0]}/webhooks/twilio/voice")).status_code == 404
        assert len(hosts) == 1


async def test_a_tunnel_that_dies_is_replaced(fake: FakeCloudflared, internet: Internet) -> None:
    """Within seconds, though the first that takes its place fails; what was told before stays ours."""
    fake.plan("works", "fails", "unreachable", "works")
    async with reached(fake, internet, IMPATIENT) as (service, hosts):
        os.kill(int(str(fake.starts[0]["pid"])), signal.SIGKILL)
        assert await until(lambda: len(hosts) == 2)
        assert hosts[1] == "tunnel-3.trycloudflare.com"
        assert service.addresses.public_host == hosts[1]
        assert set(hosts) <= set(service.addresses.hosts())
        assert "tunnel-2.trycloudflare.com" not in service.addresses.hosts()
        assert len(fake.alive()) == 2
        async with from_outside(internet) as client:
            address = service.addresses.public_address
            assert address.startswith(f"{hosts[1]}/")
            assert (await client.post(f"https://{address}/webhooks/twilio/voice")).status_code == 403


async def test_a_tunnel_that_only_looks_alive_is_replaced(fake: FakeCloudflared, internet: Internet) -> None:
    """Its program runs, and nothing comes through it."""
    async with reached(fake, internet) as (_, hosts):
        (fake.folder / "hosts" / hosts[0]).unlink()
        assert await until(lambda: len(hosts) == 2)
        assert await until(lambda: len(fake.alive()) == 2)


async def test_without_signatures_there_is_no_tunnel(fake: FakeCloudflared, internet: Internet) -> None:
    """Anybody could send calls."""
    with pytest.raises(BadSetting, match="without signatures"):
        async with reached(fake, internet, require_signature=False):
            pass
    assert await until(lambda: not fake.alive())


@pytest.fixture
def download() -> Iterator[tuple[str, dict[str, tuple[int, bytes]]]]:
    """A web server's address, and what it has by path."""
    files: dict[str, tuple[int, bytes]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = files.get(self.path, (404, b""))
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", files
    server.shutdown()


def test_a_fetched_cloudflared_is_known_again(
    tmp_path: Path, download: tuple[str, dict[str, tuple[int, bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version and checksum are told; once the file is another one it is not run."""
    address, files = download
    content = b"#!/bin/sh\necho cloudflared version 2026.2.0\n"
    files["/cloudflared"] = 200, content
    program = tmp_path / "bin" / "cloudflared"
    fetch(f"{address}/cloudflared", program)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    found = find_cloudflared(None, tmp_path / "bin")
    sha256 = hashlib.sha256(content).hexdigest()
    assert found.about == f"{program}, cloudflared version 2026.2.0, sha256 {sha256}"
    program.write_bytes(content + b"rm -rf /\n")
    with pytest.raises(ConfigError, match="not the file that was fetched"):
        find_cloudflared(None, tmp_path / "bin")


@pytest.mark.parametrize(("path", "said"), [("/missing", "answered 404"), ("/broken.tgz", "cannot be had")])
def test_a_cloudflared_that_cannot_be_fetched_leaves_nothing(
    tmp_path: Path, download: tuple[str, dict[str, tuple[int, bytes]]], path: str, said: str
) -> None:
    """It says from where, and what to do."""
    address, files = download
    files["/broken.tgz"] = 200, b"no archive"
    with pytest.raises(TunnelDown, match=said) as failed:
        fetch(address + path, tmp_path / "bin" / "cloudflared")
    assert "--webhook-url" in failed.value.hint
    assert list((tmp_path / "bin").iterdir()) == []


async def test_a_webhook_is_held_against_the_host_that_it_came_for(fake: FakeCloudflared, internet: Internet) -> None:
    """What the carrier was given under a name that has died since is still good; under a name of others nothing is."""
    async with reached(fake, internet) as (service, hosts):
        os.kill(int(str(fake.starts[0]["pid"])), signal.SIGKILL)
        assert await until(lambda: len(hosts) == 2)
        fields = {"CallSid": "CA00000000000000000000000000000001", "CallStatus": "completed"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}") as client:
            for asked, signed_for, status in (
                (hosts[0], hosts[0], 200),
                (hosts[1], hosts[1], 200),
                (hosts[1], hosts[0], 404),
                ("localhost", hosts[1], 200),  # behind a proxy that writes its own
                ("localhost", "localhost", 403),
                ("theirs.example", "theirs.example", 421),
            ):
                path = f"{service.addresses.hosts().get(signed_for, '')}/webhooks/twilio/status"
                url = f"https://{signed_for}{path}"
                signed = signature(url + canonical(list(fields.items())), TOKEN)
                headers = {"host": asked, "x-twilio-signature": signed}
                reply = await client.post(path, data=fields, headers=headers)
                assert reply.status_code == status, (asked, signed_for)


class Line:
    """A tunnel to this machine that never ends by itself; as somebody else's is, unless it is renewable."""

    name = "line"

    def __init__(self, host: str, *, renewable: bool) -> None:
        self.host = host
        self.about = "a line"
        self.renewable = renewable

    async def open(self, port: int) -> Line:
        return self

    async def lost(self) -> str:
        await asyncio.Event().wait()
        return ""

    async def aclose(self) -> None:
        return


async def test_an_address_of_somebody_else_is_told_of_and_not_replaced(
    fake: FakeCloudflared, internet: Internet, caplog: pytest.LogCaptureFixture
) -> None:
    """That nothing comes through it is said, and that it is back; the server goes on meanwhile."""
    async with reached(fake, internet) as (_, (host,)):
        port = (fake.folder / "hosts" / host).read_text()
    service = shop(public_host=host)
    server = ReachableServer(service, Line(host, renewable=False), way=internet.way, watching=QUICK, proven=False)
    caplog.set_level(logging.WARNING, "patter.server")
    try:
        await server.start()
        assert await until(lambda: f"nothing comes through {host} any more" in caplog.text)
        carrying = await asyncio.start_server(partial(_carry, service.port), "127.0.0.1", int(port))
        assert await until(lambda: f"{host} is back" in caplog.text)
        carrying.close()
        assert service.addresses.public_host == host
    finally:
        await server.cut()
        service.close()


async def _carry(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    far, near = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(pump(reader, near), pump(far, writer))


async def test_a_name_that_this_machine_does_not_know_yet(fake: FakeCloudflared, internet: Internet) -> None:
    """A round trip to its address, under its name: the certificate and the server's guard see the name."""
    async with reached(fake, internet) as (service, (host,)):
        way = Way(tls=internet.way.tls)
        at = f"{host}:{internet.tls_port}"
        await round_trip(at, await service.new_proof(), way=way, address="127.0.0.1")
        with pytest.raises(TunnelDown, match="certificate"):
            await round_trip(f"localhost:{internet.tls_port}", await service.new_proof(), way=way, address="127.0.0.1")


async def test_a_tunnel_whose_keeper_is_killed_is_not_left_behind(fake: FakeCloudflared, internet: Internet) -> None:
    """Whoever frees memory may have chosen that one: the tunnel goes with it, and is replaced."""
    async with reached(fake, internet) as (_, hosts):
        program = int(str(fake.starts[0]["pid"]))
        keeper = int(Path(f"/proc/{program}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(keeper, signal.SIGKILL)
        assert await until(lambda: len(hosts) == 2)
        assert program not in fake.alive()


class Slow:
    """A server that takes its time to let live calls end."""

    port = 1

    def __init__(self) -> None:
        self.told: list[str] = []
        self.may_end = asyncio.Event()

    async def start(self) -> None:
        self.told.append("start")

    async def shutdown(self) -> None:
        self.told.append("shutdown")
        await self.may_end.wait()

    async def cut(self) -> None:
        self.told.append("cut")

    async def admit(self, host: str) -> None:
        self.told.append(f"admit {host}")

    async def tell(self, host: str) -> None:
        self.told.append(f"tell {host}")

    async def drop(self, host: str) -> None:
        self.told.append(f"drop {host}")

    async def new_proof(self) -> None:
        return None


async def test_new_calls_go_elsewhere_while_live_ones_end(tmp_path: Path) -> None:
    """The number is given back first and the tunnel is closed last, since live calls come through it."""
    with NumbersApi() as api:
        slow = Slow()
        number = NumberSetup(api.carrier, NUMBER, tmp_path)
        server = ReachableServer(slow, Line("line.example", renewable=True), [number], proven=False, path="/way")
        await server.start()
        assert api.number["voice_url"] == "https://line.example/way/webhooks/twilio/voice"
        stopping = asyncio.create_task(server.shutdown())
        assert await until(lambda: "shutdown" in slow.told)
        assert api.number == BEFORE
        assert slow.told == ["start", "admit line.example/way", "tell line.example/way", "shutdown"]
        slow.may_end.set()
        await stopping
        assert slow.told[-1] == "drop line.example"


async def test_a_second_ctrl_c_gives_the_number_back_too(tmp_path: Path) -> None:
    """Whoever is talking is cut off; nobody's next call is."""
    with NumbersApi() as api:
        slow = Slow()
        number = NumberSetup(api.carrier, NUMBER, tmp_path)
        server = ReachableServer(slow, Line("line.example", renewable=True), [number], proven=False)
        await server.start()
        stopping = asyncio.create_task(server.shutdown())
        await asyncio.sleep(0)
        stopping.cancel()
        await server.cut()
        assert api.number == BEFORE


async def test_a_number_that_cannot_be_pointed_leaves_no_tunnel(tmp_path: Path) -> None:
    """What was begun is undone: the server stops, and the tunnel is closed."""
    with NumbersApi() as api:
        slow = Slow()
        wrong = NumberSetup(api.carrier, "+15550100009", tmp_path)
        right = NumberSetup(api.carrier, NUMBER, tmp_path)
        server = ReachableServer(slow, Line("line.example", renewable=True), [right, wrong], proven=False)
        with pytest.raises(CallRejected, match="not a number of this account"):
            await server.start()
        assert slow.told[-2:] == ["drop line.example", "cut"]
        assert api.number == BEFORE
