"""phone.call: somebody is rung from Python, with the agent that is given, and the result always comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from patter_cli import CallResult, InputError, Patter, PlacedCall
from patter_cli.errors import BadSetting, CallRejected, ConfigError, DestinationRefused
from patter_cli.providers.rules import RulesLLM
from patter_cli.server.control import ask
from patter_cli.server.control_messages import Stop
from patter_cli.server.registration import running
from tests.e2e import acme
from tests.e2e.conftest import Log, agent
from tests.e2e.test_carriers import Company, heard
from tests.e2e.test_outbound import FROM, TO, Callee, until

HUM = RulesLLM(lambda turn: "Hum.")

pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PATTER_CALLING_HOURS", "any")


@asynccontextmanager
async def serving(**more: Any) -> AsyncIterator[tuple[Patter, Company]]:
    carrier = acme.Carrier()
    async with Patter(carrier, phone_number=FROM, webhook_url="https://phone.example", persist=False) as phone:
        done = asyncio.create_task(phone.serve(agent("Hello, shop.", llm=HUM), port=0, **more))
        await phone.ready
        assert phone._service is not None
        yield phone, Company(phone._service, carrier, Log())
    await done


async def test_the_agent_that_is_given_speaks() -> None:
    """Its greeting, filled in; the result says what was heard."""
    async with serving() as (phone, here):
        other = agent("I am {who}.", llm=HUM, variables={"who": "nobody"})
        placed = await phone.call(TO, other, variables={"who": "ada"})
        assert isinstance(placed, PlacedCall)
        async with Callee(here).picks_up() as line:
            assert await heard(line, "i am ada.")
        result = await placed.result()
        assert (result.outcome, result.caller, result.callee) == ("answered", FROM, TO)
        assert [each["text"] for each in result.history] == ["I am ada."]


async def test_without_an_agent_the_served_one_speaks() -> None:
    """With another first message, if there is one; wait=True waits for the end."""
    async with serving() as (phone, here):
        waiting = asyncio.create_task(phone.call(TO, first_message="It is about your table.", wait=True))
        await until(lambda: here.carrier.placed)
        async with Callee(here).picks_up() as line:
            assert await heard(line, "it is about your table.")
        result = await waiting
        assert isinstance(result, CallResult)
        assert result.outcome == "answered"


async def test_wait_resolves_whatever_happens() -> None:
    """Busy, refused by the carrier, called off, and the program that stops meanwhile."""
    async with serving() as (phone, here):
        waiting = asyncio.create_task(phone.call(TO, wait=True))
        await until(lambda: here.carrier.placed)
        await Callee(here).reports(over="busy")
        assert (await waiting).outcome == "busy"
        refused = await phone.call(acme.NOBODY, wait=True)
        assert (refused.outcome, refused.reason) == ("failed", "rejected")
        with pytest.raises(CallRejected, match="does not ring that"):
            await phone.call(acme.NOBODY)
        placed = await phone.call(TO)
        placed.cancel()
        assert (await placed.result()).outcome == "canceled"
        left = asyncio.create_task(phone.call(TO, wait=True))
        await until(lambda: len(here.carrier.placed) == 3)
    assert (await left).outcome == "canceled"


@pytest.mark.slow
async def test_wait_resolves_though_the_carrier_never_says_anything() -> None:
    """Neither whether it rings nor what became of it: it is failed, by our own deadline; and called off, it is
    waited for no longer than that, since it may ring all the same."""
    async with serving() as (phone, here):
        result = await asyncio.wait_for(phone.call(acme.LOST, wait=True), 30)
        assert isinstance(result, CallResult)
        assert result.outcome == "failed"
        left = asyncio.create_task(phone.call(acme.LOST, wait=True))
        await until(lambda: len(here.carrier.placed) == 2)
    assert isinstance(await asyncio.wait_for(left, 1), CallResult)


async def test_a_message_for_machines_and_who_is_told_of_one() -> None:
    """This call's callback and message, not those of the server."""
    served: list[Any] = []
    told: list[Any] = []
    async with serving(on_machine_detection=served.append, voicemail_message="The server's.") as (phone, here):
        placed = await phone.call(
            TO, machine_detection=False, voicemail_message="This is for you.", on_machine_detection=told.append
        )
        callee = Callee(here)
        assert callee.placed.detects_machines
        async with callee.picks_up() as line:
            await callee.reports(picked_up="machine")
            await callee.reports(beep=True)
            assert await heard(line, "this is for you.")
        assert (await placed.result()).outcome == "voicemail"
        await until(lambda: told)
    assert [each.classification for each in told] == ["machine"]
    assert served == []


async def test_whom_and_how_nobody_is_rung() -> None:
    """Found before the carrier is asked: a number, a ring time, an agent or a caller that cannot be."""
    async with serving() as (phone, here):
        for wrong in (0, 601, "25", 2.5, True):
            with pytest.raises(InputError, match="ring_timeout"):
                await phone.call(TO, ring_timeout=wrong)  # type: ignore[arg-type]
        with pytest.raises(InputError):
            await phone.call("2125550142")
        with pytest.raises(DestinationRefused):
            await phone.call("+881612345678", wait=True)
        with pytest.raises(InputError, match="nothing fills"):
            await phone.call(TO, voicemail_message="{x}")
        await phone.call(TO, ring_timeout=None)
        assert [each.ring_timeout_s for each in here.carrier.placed] == [None]
    with pytest.raises(ConfigError, match="which agent"):
        await Patter(acme.Carrier(), phone_number=FROM, webhook_url="phone.example", persist=False).call(TO)
    with pytest.raises(BadSetting, match="which number"):
        await Patter(acme.Carrier(), persist=False).call(TO, agent("Hi.", llm=HUM))
    for number, url in (("12025550100", "phone.example"), (FROM, "phone.example/path"), (FROM, "user@host")):
        with pytest.raises((InputError, BadSetting)):
            Patter(acme.Carrier(), phone_number=number, webhook_url=url)


async def test_a_program_that_only_calls_can_be_stopped_from_outside(tmp_path: Path) -> None:
    """Over the control socket, as one that serves: its calls end, nothing is left to be found, and it may call anew."""
    for again in (False, True):
        async with Patter(
            acme.Carrier(), phone_number=FROM, webhook_url="https://phone.example", persist=False
        ) as phone:
            placed = await phone.call(TO, agent("Hello.", llm=HUM))
            assert isinstance(placed, PlacedCall)
            (found,) = running(tmp_path / "r" / "patter")
            assert await ask(found, Stop()) == {"stopping": True}
            result = await asyncio.wait_for(placed.result(), 10)
            assert result.outcome == "canceled"
            await until(lambda: running(tmp_path / "r" / "patter") == [])
            if again:
                placed = await phone.call("+12125550143", agent("Hello.", llm=HUM))
                assert len(running(tmp_path / "r" / "patter")) == 1
    assert running(tmp_path / "r" / "patter") == []


class SlowTunnel:
    """A tunnel that takes its time."""

    name = "slow"
    renewable = True

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def open(self, port: int) -> Any:
        self.asked.set()
        await asyncio.sleep(60)


async def test_a_program_that_is_about_to_call_can_disconnect() -> None:
    """Its tunnel is not up yet: the call is told so, and nothing goes on by itself."""
    way = SlowTunnel()
    phone = Patter(acme.Carrier(), phone_number=FROM, tunnel=way, persist=False)
    calling = asyncio.create_task(phone.call(TO, agent("Hello.", llm=HUM)))
    await asyncio.wait_for(way.asked.wait(), 10)
    await asyncio.wait_for(phone.disconnect(), 10)
    with pytest.raises(ConfigError, match="stopped before it was up"):
        await calling
