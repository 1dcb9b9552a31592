"""Calls that we make, from the dial to the record: answered, refused, given up, by a machine; Acme carries them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import CallPlaced, DialRequested, Ringing
from patter_cli.destinations import DialRules, DoNotCall
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import CallRejected, DestinationRefused, InputError, NotReachable, StoreError
from patter_cli.server.control import ask
from patter_cli.server.control_messages import AskResult, Cancel, PlaceCall
from patter_cli.server.dialled import DialledCall
from patter_cli.server.registration import running
from patter_cli.simulate.caller import LineCaller
from patter_cli.stores.nothing import NoStore
from patter_cli.stores.sqlite import SqliteStore
from tests.e2e import acme
from tests.e2e.test_carriers import HOST, Company, company, heard

TO, FROM = "+12125550142", "+12025550100"

pytestmark = pytest.mark.usefixtures("quiet_log")


def wanted(to: str = TO, **more: Any) -> PlaceCall:
    return PlaceCall(**{"to": to, "from_number": FROM, "agent": "shop", **more})


class Callee:
    """Whoever Acme rings with one call."""

    def __init__(self, here: Company, number: int = 0) -> None:
        self._here = here
        self.placed = here.carrier.placed[number]
        self.call = f"A-{7 + number}"

    async def reports(self, **what: Any) -> None:
        """Acme tells what it learns, where it was told to."""
        path = self.placed.callback_url.removeprefix(f"https://{HOST}")
        assert (await self._here.post({"call": self.call, **what}, path=path)).status_code == 200

    async def address(self) -> str:
        """Somebody picks up: where the stream is to be opened, or "" where we do not want it any more."""
        body = {"call": self.call, "from": FROM, "to": self.placed.to, "vars": {}}
        reply = await self._here.post(body, path=self.placed.answer_url.removeprefix(f"https://{HOST}"))
        public: str = reply.json().get("connect", "")
        return public.replace(f"wss://{HOST}", f"ws://127.0.0.1:{self._here.service.port}")

    @asynccontextmanager
    async def picks_up(self) -> AsyncIterator[LineCaller]:
        async with self._here.line(await self.address(), call=self.call) as line:
            yield line


async def ring(here: Company, **more: Any) -> tuple[DialledCall, Callee]:
    """Begin a call that Acme has taken on."""
    number = len(here.carrier.placed)
    call = here.service.dial(wanted(**more))
    await call.named()
    return call, Callee(here, number)


async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    for _ in range(round(within_s / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came")


async def end(call: DialledCall, within_s: float = 8.0) -> tuple[str, str]:
    result = await asyncio.wait_for(call.result(), within_s)
    return result.outcome.value, result.reason


# --- somebody picks up ----------------------------------------------------------------------------


async def test_a_call_from_the_dial_to_its_record(tmp_path: Path) -> None:
    """It is one call with one journal: dialled, placed, ringing, answered, talked; the record counts the talk alone."""
    async with company(store=SqliteStore(tmp_path)) as here:
        call, callee = await ring(here, variables={"tier": "silver"})
        await callee.reports(rings=True)
        await asyncio.sleep(1.0)
        assert [each.ticket.call_id for each in here.service.live.calls] == [call.ticket.call_id]
        async with callee.picks_up() as line:
            assert await heard(line, "hello silver caller.")
            assert here.service.live.count == 1
            assert [each.ticket.carrier_call_id for each in here.service.live.calls] == ["A-7"]
        result = await call.result()
        assert (result.outcome, result.carrier_call_id, result.agent) == ("answered", "A-7", "shop")
        assert [each["text"] for each in result.history] == ["Hello silver caller."]
        assert 0 < result.duration < 3
    events = [entry.event for entry in here.log.calls[call.ticket.call_id]]
    kinds = [each for each in events if isinstance(each, DialRequested | CallPlaced | Ringing | fact.CallConnected)]
    assert [type(each).__name__ for each in kinds] == ["DialRequested", "CallPlaced", "Ringing", "CallConnected"]
    (record,) = tmp_path.rglob("record.json")
    kept = json.loads(record.read_text())
    assert (kept["direction"], kept["outcome"], kept["carrier_call_id"]) == ("outbound", "answered", "A-7")
    assert (kept["caller"], kept["callee"]) == (FROM, TO)
    assert kept["duration"] == pytest.approx(result.duration, abs=0.5)


async def test_the_stream_may_overtake_every_report() -> None:
    """Acme names the call on the stream's own webhook while its answer to the dial is lost: the call is held."""
    async with company() as here:
        call = here.service.dial(wanted(acme.LOST))
        await until(lambda: here.carrier.placed)
        async with Callee(here).picks_up() as line:
            assert await heard(line, "hello plain caller.")
            assert await call.named() == "A-7"
        assert (await end(call))[0] == "answered"


async def test_two_calls_never_mix() -> None:
    """Other words, variables and messages; one that ends changes nothing for the other."""
    async with company() as here:
        one, callee_one = await ring(here, first_message="This is {tier}.", variables={"tier": "one"})
        other, callee_other = await ring(here, to="+13125550142", variables={"tier": "other"})
        async with callee_one.picks_up() as line, callee_other.picks_up() as second:
            assert await heard(line, "this is one.")
            assert await heard(second, "hello other caller.")
            await callee_one.reports(over="completed")
            assert (await end(one))[0] == "answered"
            assert not other.over
        assert (await end(other))[0] == "answered"


# --- nobody does ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["busy", "no_answer", "canceled", "failed"])
async def test_nobody_picks_up(how: str, tmp_path: Path) -> None:
    """The carrier's word is the outcome, in the result and in the record of a call that never connected."""
    async with company(store=SqliteStore(tmp_path)) as here:
        call, callee = await ring(here)
        await callee.reports(rings=True)
        await callee.reports(over=how)
        assert await end(call) == (how, how)
        assert (await call.result()).duration == 0
        assert here.service.live.count == 0
        await callee.reports(over=how)  # twice is fine
        assert here.service.result(call.ticket.call_id)["outcome"] == how  # type: ignore[index]
    (record,) = tmp_path.rglob("record.json")
    kept = json.loads(record.read_text())
    assert (kept["outcome"], kept["duration"], kept["history"]) == (how, 0, [])


async def test_a_report_that_overtakes_the_carriers_answer() -> None:
    """Busy before Acme has said what it calls the call: the ticket in the address says which one it is."""
    async with company() as here:
        call = here.service.dial(wanted(acme.LOST))
        await until(lambda: here.carrier.placed)
        await Callee(here).reports(over="busy")
        assert await end(call) == ("busy", "busy")


async def test_a_ring_that_nobody_ends_is_ended() -> None:
    """The carrier forgets to say anything: the deadline hangs up, and who picks up just then is not left alone."""
    async with company() as here:
        call, callee = await ring(here, ring_timeout_s=1)
        await callee.reports(rings=True)
        assert await end(call) == ("no_answer", "ring_timeout")
        assert here.carrier.hung_up == ["A-7"]
        assert await callee.address() == ""


async def test_the_carrier_refuses() -> None:
    """Whoever asked is told why, and the call has ended."""
    async with company() as here:
        call = here.service.dial(wanted(acme.NOBODY))
        with pytest.raises(CallRejected, match="does not ring that"):
            await call.named()
        assert await end(call) == ("failed", "rejected")


@pytest.mark.slow
async def test_a_carrier_that_never_answers_is_asked_once() -> None:
    """Nobody knows whether it rings, so it is not tried again, and the call ends."""
    async with company() as here:
        call = here.service.dial(wanted(acme.LOST))
        with pytest.raises(NotReachable):
            await call.named()
        assert await end(call, 30.0) == ("failed", "not_placed")
        assert len(here.carrier.placed) == 1


async def test_a_call_is_called_off() -> None:
    """While it rings it is hung up; a drain does the same, and the server stops at once."""
    async with company() as here:
        call, _ = await ring(here)
        call.cancel()
        assert await end(call) == ("canceled", "canceled")
        assert here.carrier.hung_up == ["A-7"]
        ringing, _ = await ring(here)
        async with asyncio.timeout(4):
            await here.service.shutdown()
        assert await end(ringing) == ("canceled", "drain")


async def test_a_server_that_is_cut_resolves_its_calls() -> None:
    """Whoever waits for the result has it, whatever happens to the server."""
    async with company() as here:
        call, _ = await ring(here)
    assert (await end(call))[0] in ("canceled", "failed")


# --- a machine ------------------------------------------------------------------------------------


async def test_a_machine_is_told_the_message_after_its_tone() -> None:
    """In the agent's voice, from the cache; the author's code is told once, and the outcome says so."""
    told: list[Any] = []
    hooks = Hooks(on_message=lambda event: "Hm.", on_machine_detection=told.append)
    async with company(hooks=hooks) as here:
        call, callee = await ring(here, voicemail_message="Please call {who}.", variables={"who": "ada"})
        assert callee.placed.detects_machines
        async with callee.picks_up() as line:
            assert await heard(line, "hello")
            await callee.reports(picked_up="machine")
            await callee.reports(picked_up="machine")
            await asyncio.sleep(0.5)
            assert not line._handset.has_heard("please")  # type: ignore[union-attr]
            await callee.reports(beep=True)
            assert await heard(line, "please call ada.")
            assert await line.wait_for(lambda: line.ended is not None, 8.0)
        result = await call.result()
        assert (result.outcome, result.reason, result.answered_by) == ("voicemail", "message_left", "machine")
    assert [(each.classification, each.raw) for each in told] == [("machine", "machine")]


async def test_a_machine_without_a_message_is_hung_up_on() -> None:
    """Nothing is left on it."""
    async with company() as here:
        call, callee = await ring(here)
        async with callee.picks_up() as line:
            await callee.reports(picked_up="machine")
            assert await line.wait_for(lambda: line.ended is not None, 5.0)
        assert await end(call) == ("voicemail", "no_message")


async def test_without_detection_nobody_is_screened() -> None:
    """Neither the carrier nor we look; a message for machines asks for it all the same."""
    async with company() as here:
        call, callee = await ring(here, detects_machines=False)
        assert not callee.placed.detects_machines
        async with callee.picks_up() as line:
            await callee.reports(picked_up="machine")
            assert await heard(line, "hello plain caller.")
        assert (await end(call))[0] == "answered"
        _, other = await ring(here, to="+13125550142", detects_machines=False, voicemail_message="Call back.")
        assert other.placed.detects_machines
        assert not any(
            isinstance(command, order.TakeFor)
            for entry in here.log.calls[call.ticket.call_id]
            for command in entry.commands
        )


# --- who may be rung ------------------------------------------------------------------------------


async def test_the_server_rings_nobody_against_its_rules(tmp_path: Path) -> None:
    """Whoever asks: the carrier hears nothing of it. What is allowed for one call is allowed for no other."""
    unwanted = DoNotCall(tmp_path / "list")
    unwanted.add("+13125550142", "asked", 0)
    async with company(run_folder=tmp_path / "run", rules=DialRules(hours=None, do_not_call=unwanted)) as here:
        (found,) = running(tmp_path / "run")
        for to, why in (("+19005550123", "premium"), ("+442079460018", "is in GB"), ("+13125550142", "no calls")):
            with pytest.raises(DestinationRefused, match=why):
                await ask(found, wanted(to))
        with pytest.raises(InputError, match="rules"):
            await ask(found, wanted(allow=("everything",)))
        with pytest.raises(InputError, match="nothing fills"):
            await ask(found, wanted(voicemail_message="Hello {nobody}."))
        assert here.carrier.placed == []
        await ask(found, wanted("+442079460018", allow=("GB",)))
        with pytest.raises(DestinationRefused):
            await ask(found, wanted("+442079460019"))
        assert [each.to for each in here.carrier.placed] == ["+442079460018"]


async def test_another_process_follows_its_call(tmp_path: Path) -> None:
    """It asks for the result until there is one, and may call it off."""
    async with company(run_folder=tmp_path / "run") as here:
        (found,) = running(tmp_path / "run")
        call_id = (await ask(found, wanted()))["call_id"]
        assert await ask(found, AskResult(call_id=call_id)) == {"result": None}
        assert await ask(found, Cancel(call_id=call_id)) == {"canceling": True}
        await until(lambda: here.service.result(call_id))
        told = (await ask(found, AskResult(call_id=call_id)))["result"]
        assert (told["outcome"], told["callee"]) == ("canceled", TO)
        assert await ask(found, Cancel(call_id=call_id)) == {"canceling": True}
        for nothing in (AskResult(call_id="C0"), Cancel(call_id="../x")):
            with pytest.raises(InputError, match="no call"):
                await ask(found, nothing)
        assert here.carrier.hung_up == ["A-7"]


async def test_ringing_calls_take_a_place() -> None:
    """Two places, two calls ring: a third is refused, and the two that are answered are not."""
    async with company(max_calls=2) as here:
        (one, callee), (other, second) = await ring(here), await ring(here, to="+13125550142")
        with pytest.raises(CallRejected, match="busy"):
            here.service.dial(wanted("+14155550142"))
        async with callee.picks_up() as line, second.picks_up() as another:
            assert await heard(line, "hello plain caller.")
            assert await heard(another, "hello plain caller.")
        assert {(await end(one))[0], (await end(other))[0]} == {"answered"}
        assert here.service.live.count == 0


class FullStore(NoStore):
    """A store that can begin nothing."""

    def begin(self, call_id: str, started_at: float) -> None:
        raise StoreError("no room", hint="make some")


async def test_a_call_that_cannot_be_kept_is_not_made() -> None:
    """The reason comes back, nobody is rung, and nothing of it stays: neither its lines nor its place."""
    async with company(store=FullStore()) as here:
        for _ in range(3):
            with pytest.raises(StoreError, match="no room"):
                here.service.dial(PlaceCall(to=TO, from_number=FROM, agent="shop"))
        assert here.service._calls._own_lines == {}
        assert here.service.live.count == 0
        assert here.carrier.placed == []
