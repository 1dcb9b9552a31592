"""A carrier is one file and one row: a company that nobody knows brings a call, and whoever is not it brings none."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from patter_cli import wiring
from patter_cli.callers import CallerRules
from patter_cli.contracts.store import CallStore
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import MachineDetected
from patter_cli.destinations import DialRules
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import BadSetting, CallRejected, MissingCredential
from patter_cli.server.reception import NOBODY
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.simulate.caller import LineCaller
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.web.site import Site
from tests.e2e import acme
from tests.e2e.conftest import LOUDNESS, Earpiece, Log, agent

HOST = "phone.example"
AT_ANY_TIME = DialRules(hours=None)
CALL = {"call": "A-1", "from": "+12025550142", "to": "+12025550100", "vars": {"tier": "gold"}}

pytestmark = pytest.mark.usefixtures("quiet_log")


class Company:
    """Acme and the server it sends its calls to."""

    def __init__(self, service: Service, carrier: acme.Carrier, log: Log) -> None:
        self.service = service
        self.carrier = carrier
        self.log = log
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", headers={"host": HOST})

    async def post(self, body: object, *, signature: str | None = None, path: str = "/webhooks/acme/voice") -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = self.carrier.sign(f"https://{HOST}{path}", data) if signature is None else signature
        return await self._client.post(path, content=data, headers={acme.SIGNATURE: signed})

    async def address(self, **changed: Any) -> str:
        """Where the stream of a call is to be opened, as this machine reaches it."""
        reply = await self.post({**CALL, **changed})
        public = reply.json()["connect"]
        assert public.startswith(f"wss://{HOST}/ws/acme/stream/")
        return public.replace(f"wss://{HOST}", f"ws://127.0.0.1:{self.service.port}")

    def line(self, url: str, call: str = "A-1", **parameters: str) -> LineCaller:
        return LineCaller(url, self.carrier.line(), call_id=call, parameters=parameters, handset=Earpiece())


@asynccontextmanager
async def company(
    *,
    key: str = "acme's key",
    store: CallStore | None = None,
    two_agents: bool = False,
    hooks: Hooks | None = None,
    rules: DialRules = AT_ANY_TIME,
    public_host: str = HOST,
    site: Site | None = None,
    **settings: Any,
) -> AsyncIterator[Company]:
    carrier, log = acme.Carrier(key=key), Log()
    hooks = hooks or Hooks(on_message=lambda event: "You said something.")
    shop = wiring.ready_agent("shop", agent("Hello {tier} caller.", variables={"tier": "plain"}), hooks)
    service = wiring.service(
        {"shop": shop, "other": shop} if two_agents else {"shop": shop},
        ServiceSettings(port=0, public_host=public_host, drain_timeout_s=0.0, rules=rules, **settings),
        store=store,
        observers=(log,),
        voice=LOUDNESS,
        carried_by={**wiring.carriers(), "acme": carrier},  # the row
        site=site,
    )
    await service.start()
    try:
        yield Company(service, carrier, log)
    finally:
        await service.cut()
        service.close()


async def heard(line: LineCaller, words: str) -> bool:
    earpiece = line._handset
    assert isinstance(earpiece, Earpiece)
    return await line.wait_for(lambda: earpiece.has_heard(words), 5.0)


async def test_a_third_carrier_holds_a_call(tmp_path: Path) -> None:
    """From its webhook to the record: who called is what the webhook said, and the carrier's own id is kept."""
    async with company(store=SqliteStore(tmp_path)) as here:
        async with here.line(await here.address(), caller="+19995550000", tier="forged") as line:
            assert await heard(line, "hello gold caller.")
            (live,) = here.service.live.calls
            assert (live.ticket.carrier, live.ticket.agent) == ("acme", "shop")
        assert [each.stream_url != "" for each in here.carrier.carried_out] == [True]
        await here.service.shutdown()
    (record,) = tmp_path.rglob("record.json")
    kept = json.loads(record.read_text())
    names = ("call_id", "carrier", "carrier_call_id", "caller", "callee", "direction")
    assert {name: kept[name] for name in names} == {
        "call_id": record.parent.name,
        "carrier": "acme",
        "carrier_call_id": "A-1",
        "caller": "+12025550142",
        "callee": "+12025550100",
        "direction": "inbound",
    }
    (entries,) = here.log.calls.values()
    connected = entries[0].event
    assert isinstance(connected, fact.CallConnected)
    assert (connected.carrier_call_id, connected.parameters) == ("A-1", {"tier": "gold"})


async def test_a_webhook_that_is_not_the_carriers_makes_no_call() -> None:
    """Another signature, none, another path or a changed body: 403, and nobody is told why."""
    async with company() as here:
        good = here.carrier.sign(f"https://{HOST}/webhooks/acme/voice", json.dumps(CALL).encode())
        for body, signature, path in (
            (CALL, "", "/webhooks/acme/voice"),
            (CALL, good[:-1] + ("0" if good[-1] != "0" else "1"), "/webhooks/acme/voice"),
            (CALL, good, "/webhooks/acme/status"),
            ({**CALL, "from": "+12025550143"}, good, "/webhooks/acme/voice"),
        ):
            reply = await here.post(body, signature=signature, path=path)
            assert (reply.status_code, reply.text) == (403, "forbidden")
        assert here.carrier.carried_out == []


async def test_webhooks_that_cannot_be_answered() -> None:
    """Garbage is 400; a carrier we have not, or that sends none, 404; a key that is gone 503; GET is not taken."""
    async with company() as here:
        assert (await here.post(b"not json")).status_code == 400
        assert (await here.post([1, 2])).status_code == 400
        assert (await here.post(CALL, path="/webhooks/nobody/voice")).status_code == 404
        assert (await here.post(CALL, path="/webhooks/loopback/voice")).status_code == 404
        assert (await here._client.get("/webhooks/acme/voice")).status_code == 405
        object.__setattr__(here.carrier, "key", "")
        assert (await here.post(CALL)).status_code == 503


async def test_a_server_that_could_believe_nobody_does_not_start() -> None:
    """The key by which it would know its carrier is missing: said at once, with its name."""
    with pytest.raises(MissingCredential, match="Acme's key"):
        async with company(key=""):
            pass


async def test_a_repeated_webhook_gets_the_same_bytes() -> None:
    """A hundred at once: one answer, and one call that can come of it."""
    async with company() as here:
        replies = await asyncio.gather(*(here.post(CALL) for _ in range(100)))
        assert len({reply.content for reply in replies}) == 1
        assert len(here.carrier.carried_out) == 1
        assert await here.address() != await here.address(call="A-2")


async def test_a_ticket_opens_one_stream() -> None:
    """The second socket is refused before it is one, and the first hears nothing of it."""
    async with company() as here:
        url = await here.address()
        async with here.line(url) as line:
            with pytest.raises(CallRejected, match="403"):
                await here.line(url).dial()
            assert await heard(line, "hello gold caller.")
        with pytest.raises(CallRejected, match="403"):
            await here.line(url).dial()


async def test_without_a_ticket_of_ours_there_is_no_stream() -> None:
    """None, one with a changed letter, one of another carrier's or another server's, and the built-in line: refused."""
    async with company() as here, company() as elsewhere:
        url = await here.address()
        foreign = (await elsewhere.address()).replace(str(elsewhere.service.port), str(here.service.port))
        for wrong in (url[:-1] + ("A" if url[-1] != "A" else "B"), url.rpartition("/")[0] + "/x", foreign):
            with pytest.raises(CallRejected, match="403"):
                await here.line(wrong).dial()
        with pytest.raises(CallRejected):
            await here.line(here.service.media_url("shop")).dial()
        assert here.log.calls == {}
        async with here.line(url) as line:  # what was tried has not used it up
            assert await heard(line, "hello gold caller.")


async def test_a_stream_of_another_call_is_closed() -> None:
    """The ticket is for A-1; a start that names another call reaches no agent."""
    async with company() as here, here.line(await here.address(), call="A-2") as line:
        assert await line.wait_for(lambda: line.ended is not None, 5.0)
        assert line.ended is not None
        assert "not your call" in line.ended.words
        assert here.log.calls == {}


async def test_the_carrier_reports_the_end() -> None:
    """The call ends although its stream stays open; a report about a call that is not here is fine."""
    async with company() as here, here.line(await here.address()) as line:
        assert await heard(line, "hello gold caller.")
        assert (await here.post({"call": "A-9", "over": True})).status_code == 200
        assert here.service.live.count == 1
        assert (await here.post({"call": "A-1", "over": True})).status_code == 200
        assert await line.wait_for(lambda: line.ended is not None, 5.0)


async def test_the_carrier_reports_who_picked_up() -> None:
    """It reaches that call's machine, and what Acme reports otherwise is passed over."""
    async with company() as here, here.line(await here.address()) as line:
        assert await heard(line, "hello gold caller.")
        for body in ({"picked_up": "human"}, {"weather": "fine"}):
            assert (await here.post({"call": "A-1", **body})).status_code == 200
        (entries,) = here.log.calls.values()
        assert await line.wait_for(lambda: any(isinstance(e.event, MachineDetected) for e in entries), 5.0)
    (found,) = [each.event for each in entries if isinstance(each.event, MachineDetected)]
    assert (found.answered_by, found.source, found.raw) == ("human", "carrier", "human")


async def test_a_call_that_cannot_be_taken_is_declined() -> None:
    """No line is free, or nobody answers that number: the webhook says so, and there is no ticket."""
    async with company(max_calls=1) as here, here.line(await here.address()) as line:
        assert await heard(line, "hello gold caller.")
        assert (await here.post({**CALL, "call": "A-2"})).json() == {"hang_up": CallerRules().busy_message}
    async with company(two_agents=True, numbers={"+12025550100": "other"}) as here:
        elsewhere = {**CALL, "call": "A-2", "to": "+12025550101"}
        assert (await here.post(elsewhere)).json() == {"hang_up": NOBODY}
        async with here.line(await here.address()) as line:
            assert await heard(line, "hello gold caller.")
            assert [each.ticket.agent for each in here.service.live.calls] == ["other"]


@pytest.mark.parametrize("settings", [{"two_agents": True}, {"numbers": {"+12025550101": "shop"}}])
async def test_a_number_that_leads_to_nobody(settings: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """The caller is told so, and our log which number and what to write; also where one agent has other numbers."""
    logging.disable(logging.NOTSET)
    async with company(**settings) as here:
        assert (await here.post(CALL)).json() == {"hang_up": NOBODY}
    assert "no agent answers '+12025550100'; name one for it under [numbers]" in caplog.text


async def test_any_worker_takes_a_ticket_and_only_one_does(tmp_path: Path) -> None:
    """Two servers with one secret and one run folder are workers: what one hands out the other takes, once."""
    shared = {"secret": b"s" * 32, "run_folder": tmp_path / "run"}
    async with company(**shared) as one, company(**shared) as other:
        url = await one.address()
        elsewhere = url.replace(str(one.service.port), str(other.service.port))
        async with other.line(elsewhere) as line:
            assert await heard(line, "hello gold caller.")
            assert (one.service.live.count, other.service.live.count) == (0, 1)
            for again in (url, elsewhere):
                with pytest.raises(CallRejected, match="403"):
                    await one.line(again).dial()


async def test_where_a_ticket_cannot_be_marked_as_used_it_is_not_taken(tmp_path: Path) -> None:
    """A full or broken disk: the caller is turned away, for nobody could say whether the ticket was used before."""
    async with company(run_folder=tmp_path / "run") as here:
        url = await here.address()
        (tmp_path / "run" / "tickets").write_text("in the way")
        with pytest.raises(CallRejected, match="503"):
            await here.line(url).dial()


async def test_without_signatures_only_on_this_machine() -> None:
    """Switched off, webhooks of this machine are believed; with a public address it is refused."""
    with pytest.raises(BadSetting, match="anybody"):
        async with company(require_signature=False):
            pass
    async with company(require_signature=False, public_host="") as here:
        here._client.headers["host"] = "localhost"
        reply = await here.post(CALL, signature="")
        url = reply.json()["connect"]
        assert url.startswith(f"ws://127.0.0.1:{here.service.port}/ws/acme/stream/")
        async with here.line(url) as line:
            assert await heard(line, "hello gold caller.")


async def test_a_crowd_without_tickets_costs_nothing() -> None:
    """Three hundred sockets at once with no, old, altered and used tickets: each is refused, no agent hears of them,
    and the caller who has one is served meanwhile."""
    async with company() as here:
        used = await here.address(call="A-0")
        async with here.line(used, call="A-0"), here.line(await here.address()) as line:
            wrong = [used, used[:-2], used.rpartition("/")[0] + "/" + "A" * 500]

            async def refused(number: int) -> bool:
                try:
                    await here.line(wrong[number % 3]).dial()
                except CallRejected as error:
                    return "403" in str(error)
                return False

            crowd = asyncio.gather(*(refused(number) for number in range(300)))
            assert await heard(line, "hello gold caller.")
            assert all(await crowd)
            assert here.service.live.count == len(here.log.calls) == 2
