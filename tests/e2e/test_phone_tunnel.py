"""A program behind a tunnel: its address is told when it is there, the number leads to it and gets back what it had."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from patter_cli import EmbeddedServer, LocalConfig, Patter
from patter_cli.errors import CallRejected, ConfigError, TunnelDown
from patter_cli.providers.rules import RulesLLM
from tests.e2e import acme
from tests.e2e.conftest import Log, agent
from tests.e2e.test_carriers import Company, heard
from tests.e2e.test_embedded import free_port
from tests.e2e.test_outbound import FROM, TO, Callee, until

HUM = RulesLLM(lambda turn: "Hum.")
HOST = "phone.example"

pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PATTER_CALLING_HOURS", "any")
    monkeypatch.setenv("PATTER_PORT", "0")


@dataclass(frozen=True, slots=True)
class Rope:
    """A tunnel that is somebody else's to keep, so nobody looks whether anything comes through. dead: it is none."""

    dead: bool = False
    did: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return "rope"

    @property
    def renewable(self) -> bool:
        return False

    async def open(self, port: int) -> OpenRope:
        if self.dead:
            raise TunnelDown("the rope is cut", hint="buy another")
        self.did.append("opened")
        return OpenRope(self.did)


@dataclass(frozen=True, slots=True)
class OpenRope:
    did: list[str]
    host: str = HOST
    about: str = "a rope"

    async def lost(self) -> str:
        await asyncio.Event().wait()
        return ""

    async def aclose(self) -> None:
        self.did.append("closed")


async def test_the_number_leads_to_the_tunnel_while_it_serves() -> None:
    """Tunnel, number, calls; at the end the number has what it had before the tunnel is closed."""
    carrier, rope = acme.Carrier(), Rope()
    async with Patter(carrier, FROM, tunnel=rope, persist=False) as phone:
        done = asyncio.create_task(phone.serve(agent("Hello.", llm=HUM), 0))
        assert await phone.tunnel_ready == HOST
        assert await phone.ready == HOST
        assert carrier.attached == [f"https://{HOST}/webhooks/acme/voice"]
        assert phone._service is not None
        here = Company(phone._service, carrier, Log())
        async with here.line(await here.address()) as line:
            assert await heard(line, "hello.")
    await done
    assert carrier.attached[1:] == [f"{FROM} as before"]
    assert rope.did[0] == "opened"
    assert rope.did[-1] == "closed"


async def test_an_address_of_ones_own_gets_the_number_too() -> None:
    """The number that the program names; one from the environment is only called from."""
    for number, pointed in ((FROM, True), ("", False)):
        carrier = acme.Carrier()
        async with Patter(carrier, number, HOST, persist=False) as phone:
            done = asyncio.create_task(phone.serve(agent("Hello.", llm=HUM), 0))
            assert await phone.ready == HOST
        await done
        wanted = [f"https://{HOST}/webhooks/acme/voice", f"{FROM} as before"]
        assert carrier.attached == (wanted if pointed else [])


async def test_a_tunnel_that_fails_is_the_cause() -> None:
    """serve, ready and tunnel_ready raise it, and the number is left alone."""
    carrier = acme.Carrier()
    phone = Patter(carrier, FROM, tunnel=Rope(dead=True), persist=False)
    ready, tunnel_ready = phone.ready, phone.tunnel_ready
    for waits in (phone.serve(agent("Hello.", llm=HUM), 0), ready, tunnel_ready):
        with pytest.raises(TunnelDown, match="the rope is cut"):
            await waits
    assert carrier.attached == []
    await phone.disconnect()


async def test_a_number_that_cannot_be_pointed_is_the_cause() -> None:
    """By then the tunnel was there, which was told; it is closed again."""
    rope = Rope()
    phone = Patter(acme.Carrier(), acme.NOBODY, tunnel=rope, persist=False)
    ready, tunnel_ready = phone.ready, phone.tunnel_ready
    with pytest.raises(CallRejected, match="no such number"):
        await phone.serve(agent("Hello.", llm=HUM), 0)
    assert await tunnel_ready == HOST
    with pytest.raises(CallRejected, match="no such number"):
        await ready
    assert rope.did[-1] == "closed"


async def test_calls_alone_open_the_tunnel() -> None:
    """Without serve: a call needs an address for its carrier, and no number has to lead here."""
    carrier, rope = acme.Carrier(), Rope()
    async with Patter(carrier, FROM, tunnel=rope, persist=False) as phone:
        placed = await phone.call(TO, agent("Hello you.", llm=HUM))
        assert phone._service is not None
        here = Company(phone._service, carrier, Log())
        async with Callee(here).picks_up() as line:
            assert await heard(line, "hello you.")
        assert (await placed.result()).outcome == "answered"  # type: ignore[union-attr]
        assert carrier.attached == []
    assert rope.did[-1] == "closed"


async def test_serve_takes_a_tunnel_of_its_own() -> None:
    """serve(tunnel=…) is for this time; beside a webhook_url it is one address too many."""
    rope = Rope()
    async with Patter(acme.Carrier(), persist=False) as phone:
        done = asyncio.create_task(phone.serve(agent("Hello.", llm=HUM), 0, tunnel=rope))
        assert await phone.ready == HOST
        await phone.disconnect()
        await done
    assert rope.did[-1] == "closed"
    with pytest.raises(ConfigError, match="a webhook_url and a tunnel"):
        await Patter(acme.Carrier(), webhook_url=HOST).serve(agent("Hello.", llm=HUM), 0, tunnel=True)


async def test_a_tunnel_is_for_carriers() -> None:
    """Without a carrier's keys, and without pages from which guests call, nobody could call through it."""
    with pytest.raises(ConfigError, match="no carrier"):
        async with asyncio.timeout(20.0):
            await Patter(tunnel=Rope(), persist=False).serve(agent("Hello.", llm=HUM), 0, dashboard=False)


async def test_an_embedded_server_is_reached_under_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number is pointed at it too, and given back when it stops."""
    carrier = acme.Carrier()
    monkeypatch.setattr("patter_cli.embedded.carriers_of", lambda config: {"acme": carrier})
    server = EmbeddedServer(LocalConfig(phone_number=FROM, webhook_url=HOST), agent("Hello.", llm=HUM))
    starting = asyncio.create_task(server.start(free_port()))
    await until(lambda: carrier.attached)
    await server.stop()
    await starting
    assert carrier.attached == [f"https://{HOST}/webhooks/acme/voice", f"{FROM} as before"]
