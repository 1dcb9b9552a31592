"""phone.serve: when it is ready, what it is asked for, and how it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from patter_cli import Patter
from patter_cli.carriers.loopback.stream import LoopbackLine
from patter_cli.errors import BadSetting, ConfigError, PatterError
from patter_cli.providers.rules import RulesLLM
from patter_cli.server.service import Service
from patter_cli.simulate.caller import LineCaller
from tests.e2e import acme
from tests.e2e.conftest import LetterVoice, Log, agent
from tests.e2e.test_carriers import CALL, Company, heard
from tests.e2e.test_outbound import FROM, TO, Callee, until

HUM = RulesLLM(lambda turn: "Hum.")
HOST = "phone.example"


class SlowVoice(LetterVoice):
    """One whose model takes a minute to load."""

    async def warm(self) -> None:
        await asyncio.sleep(60)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PATTER_CALLING_HOURS", "any")


@asynccontextmanager
async def serving(phone: Patter, **more: Any) -> AsyncIterator[Service]:
    async with phone:
        done = asyncio.create_task(phone.serve(agent("Hello.", llm=HUM), 0, **more))
        await phone.ready
        assert phone._service is not None
        yield phone._service
    await done


async def test_ready_is_the_public_host_or_this_machine() -> None:
    """Both futures may be awaited before serve is, and again the next time."""
    phone = Patter(acme.Carrier(), webhook_url=f"https://{HOST}", persist=False)
    for _ in range(2):
        early = asyncio.gather(phone.tunnel_ready, phone.ready)
        async with serving(phone):
            assert await early == [HOST, HOST]
            assert await phone.ready == HOST
    local = Patter(persist=False)
    async with serving(local) as service:
        assert await local.ready == f"127.0.0.1:{service.port}"


async def test_what_keeps_it_from_starting_is_raised_by_all_three() -> None:
    """An agent that nothing answers for: serve, ready and tunnel_ready say the same; nothing is served."""
    phone = Patter(persist=False)
    ready, tunnel_ready = phone.ready, phone.tunnel_ready
    with pytest.raises(PatterError, match="nothing fills"):
        await phone.serve(agent("{x}", llm=HUM), 0)
    for each in (ready, tunnel_ready):
        with pytest.raises(PatterError, match="nothing fills"):
            await each
    again = asyncio.create_task(phone.serve(agent("Hello.", llm=HUM), 0))
    await asyncio.sleep(0)
    assert (await phone.ready).startswith("127.0.0.1:")
    await phone.disconnect()
    await again


async def test_one_patter_serves_once() -> None:
    """A second serve says so, and the first goes on; so does one after calls without an agent to serve."""
    carrier = acme.Carrier()
    phone = Patter(carrier, phone_number=FROM, webhook_url=HOST, persist=False)
    async with serving(phone) as service:
        with pytest.raises(ConfigError, match="serves already"):
            await phone.serve(agent("Other.", llm=HUM), 0)
        here = Company(service, carrier, Log())
        async with here.line(await here.address()) as line:
            assert await heard(line, "hello.")


async def test_it_can_be_stopped_while_it_starts() -> None:
    """disconnect waits until nothing is left; ready says that it never was."""
    phone = Patter(persist=False)
    slow = agent("Hello.", llm=HUM, tts=SlowVoice())
    serving = asyncio.create_task(phone.serve(slow, 0))
    ready = phone.ready
    await asyncio.sleep(0.1)
    await asyncio.wait_for(phone.disconnect(), 5)
    with pytest.raises(ConfigError, match="stopped before it was up"):
        await serving
    with pytest.raises(ConfigError, match="stopped before it was up"):
        await ready
    await phone.disconnect()


def asking(service: Service) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", trust_env=False)


async def test_calls_are_seen_by_whoever_has_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """On the port of the calls, unless a program wants it otherwise; a token that can be guessed is refused."""
    token = "a-token-that-nobody-guesses"
    there = Patter(persist=False)
    async with serving(there, dashboard_token=token) as service, asking(service) as http:
        assert (await http.get("/api/v1/calls")).status_code == 401
        seen = await http.get("/api/v1/calls/active", headers={"authorization": f"Bearer {token}"})
        assert seen.json()["agents"] == ["agent"]
    async with serving(Patter(persist=False), dashboard=False) as service, asking(service) as http:
        assert (await http.get("/dashboard")).status_code == 404
    with pytest.raises(BadSetting, match="too short"):
        await Patter(persist=False).serve(agent("Hello.", llm=HUM), 0, dashboard_token="s3cret")
    assert token not in caplog.text


async def test_unsigned_webhooks_are_told_loudly(caplog: pytest.LogCaptureFixture) -> None:
    """Every time it serves so; and then whoever is on this machine brings a call."""
    carrier = acme.Carrier()
    async with serving(Patter(carrier, require_signature=False, persist=False)) as service:
        here = Company(service, carrier, Log())
        reply = await here._client.post("/webhooks/acme/voice", json=CALL, headers={"host": "127.0.0.1"})
        assert "connect" in reply.json()
    assert "WEBHOOKS ARE NOT VERIFIED" in caplog.text


async def test_calls_wait_for_a_server_that_starts() -> None:
    """phone.call right after serve rings once the carrier can reach us; several at once share one server."""
    carrier = acme.Carrier()
    async with Patter(carrier, phone_number=FROM, webhook_url=HOST, persist=False) as phone:
        done = asyncio.create_task(phone.serve(agent("Hello.", llm=HUM), 0))
        await asyncio.sleep(0)
        placed = await asyncio.gather(phone.call(TO), phone.call(TO))
        assert phone.ready.done()
        assert len(carrier.placed) == len({each.call_id for each in placed}) == 2  # type: ignore[union-attr]
    await done


async def test_own_prices_are_what_a_call_costs() -> None:
    """pricing= is in on_call_end's cost; what has no price is unknown, and not nothing."""
    ends: list[Any] = []
    for pricing in ({"acme": {"leg": "telephony", "started_minute": 0.25}}, None):
        carrier = acme.Carrier()
        async with serving(
            Patter(carrier, webhook_url=HOST, pricing=pricing, persist=False), on_call_end=ends.append
        ) as service:
            here = Company(service, carrier, Log())
            async with here.line(await here.address()) as line:
                assert await heard(line, "hello.")
            await until(lambda: ends)
        lines = {leg["leg"]: leg["usd"] for leg in ends.pop().cost["legs"]}
        assert lines["telephony"] == (0.25 if pricing else None)


async def test_voicemail_of_the_served_agent() -> None:
    """serve(voicemail_message=) is what a machine hears on calls of the served agent, variables filled in."""
    carrier = acme.Carrier()
    phone = Patter(carrier, phone_number=FROM, webhook_url=HOST, persist=False)
    async with serving(phone, voicemail_message="Please call back.") as service:
        here = Company(service, carrier, Log())
        placed = await phone.call(TO)
        callee = Callee(here)
        async with callee.picks_up() as line:
            await callee.reports(picked_up="machine")
            await callee.reports(beep=True)
            assert await heard(line, "please call back.")
        assert (await placed.result()).outcome == "voicemail"  # type: ignore[union-attr]


async def test_calls_are_recorded_for_a_program_too(tmp_path: Path) -> None:
    """record=True needs a place where calls are kept, and on_call_end says where the file is."""
    with pytest.raises(ConfigError, match="no place for recordings"):
        await Patter(persist=False).serve(agent("Hello.", llm=HUM), 0, record=True)
    told: list[Any] = []

    def ended(event: Any) -> None:
        told.append((event.recording_path, Path(event.recording_path).stat().st_size))

    phone = Patter(persist=tmp_path / "kept")
    async with serving(phone, record=True, on_call_end=ended) as service:
        line = LineCaller(service.media_url("agent"), LoopbackLine())
        async with line:
            await line.wait_for(lambda: bool(line.begun_ms) and line.quiet_ms > 300, 20)
        await until(lambda: bool(told))
    ((path, size),) = told
    assert Path(path).is_relative_to(tmp_path / "kept")
    assert size > 16_000
