"""What programs may have a server do: ring somebody, and step into a call that goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from patter_cli import wiring
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.engine.hooks import Hooks
from patter_cli.settings import Settings
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.web.access import Access
from patter_cli.web.site import Site
from tests.e2e.acme import NOBODY
from tests.e2e.conftest import Caller, Phone, agent, answering
from tests.e2e.site import BEARER, TOKEN, shown
from tests.e2e.test_carriers import HOST, Company, company
from tests.unit.stores.calls import begin, keep

TO, FROM = "+12025550142", "+12025550100"
CALL = {"to": TO, "from_number": FROM}

pytestmark = pytest.mark.usefixtures("quiet_log")


def site_over(folder: Path, **settings: object) -> tuple[SqliteStore, Site]:
    store = SqliteStore(folder)
    return store, wiring.site(Settings(dashboard_token=TOKEN, **settings), store)  # type: ignore[arg-type]


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Phone, httpx.AsyncClient]]:
    """An agent that answers, and a program with the token."""
    store, site = site_over(folder)
    hooks = Hooks(on_message=lambda event: "We open at nine.")
    async with answering({"shop": (agent("Hello."), hooks)}, store=store, site=site) as phone:
        url = f"http://127.0.0.1:{phone.server.port}"
        async with httpx.AsyncClient(base_url=url, headers=BEARER, trust_env=False) as http:
            yield phone, http
    site.close()


@asynccontextmanager
async def dialling(folder: Path, **settings: object) -> AsyncIterator[tuple[Company, httpx.AsyncClient]]:
    """The same, with a carrier that rings people."""
    store, site = site_over(folder, **settings)
    async with company(store=store, site=site) as here:
        url = f"http://127.0.0.1:{here.service.port}"
        async with httpx.AsyncClient(base_url=url, headers=BEARER, trust_env=False) as http:
            yield here, http
    site.close()


async def live_call(http: httpx.AsyncClient) -> dict[str, object]:
    """The one that goes on, as soon as there is one."""
    for _ in range(200):
        calls: list[dict[str, object]] = (await http.get("/api/v1/calls/active")).json()["calls"]
        if calls:
            return calls[0]
        await asyncio.sleep(0.02)
    raise AssertionError("no call came")


async def end_of(caller: Caller) -> order.FinishCall:
    """How it ended, as soon as that is known."""
    for _ in range(200):
        if (over := caller.over()) is not None:
            return over
        await asyncio.sleep(0.02)
    raise AssertionError("it never ended")


async def test_a_program_says_a_line_in_a_call(tmp_path: Path) -> None:
    """The caller hears it in the agent's voice, it is in the journal as the wish it was, and in what was said."""
    async with served(tmp_path) as (phone, http), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        call = await live_call(http)
        said = await http.post(f"/api/v1/calls/{call['call_id']}/say", json={"text": "a colleague joins"})
        assert (said.status_code, said.json()) == (202, {"call_id": call["call_id"]})
        await caller.until_heard("a colleague joins")
        await caller.until(lambda: ("assistant", "a colleague joins") in caller.transcript())
        assert any(isinstance(each.event, fact.SayRequested) for each in caller.entries)


async def test_a_program_ends_a_call(tmp_path: Path) -> None:
    """With a goodbye; a second wish finds no call that goes on."""
    async with served(tmp_path) as (phone, http), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        path = f"/api/v1/calls/{(await live_call(http))['call_id']}/hangup"
        assert (await http.post(path, json={})).status_code == 202
        await caller.until_over()
        over = await end_of(caller)
        assert (over.outcome, over.reason) == ("answered", "operator")
        late = await http.post(path, json={})
        assert (late.status_code, late.json()["code"]) == (404, "not_found")


async def test_a_program_puts_a_caller_through(tmp_path: Path) -> None:
    """To a number that the agent's own list does not have: the line is asked, and this one can reach nobody."""
    async with served(tmp_path) as (phone, http), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        path = f"/api/v1/calls/{(await live_call(http))['call_id']}/transfer"
        assert (await http.post(path, json={"to": "+15550100001"})).status_code == 202
        await caller.until_heard("i couldn't put you through")
        asked = [each for entry in caller.entries for each in entry.commands if isinstance(each, order.Transfer)]
        assert [each.number for each in asked] == ["+15550100001"]


async def test_a_program_mutes_a_caller(tmp_path: Path) -> None:
    """And lets them be heard again."""
    async with served(tmp_path) as (phone, http), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        path = f"/api/v1/calls/{(await live_call(http))['call_id']}/mute"
        for muted in (True, False):
            assert (await http.post(path, json={"muted": muted})).status_code == 202
            await caller.until(
                lambda muted=muted: fact.MuteRequested(muted=muted) in [each.event for each in caller.entries]
            )


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/calls", {"to": "12025550142"}, "to"),
        ("/calls", {"to": TO, "agnet": "shop"}, "agnet"),
        ("/calls", {**CALL, "ring_timeout_s": 0}, "ring_timeout_s"),
        ("/calls", {**CALL, "variables": {"a": 1}}, "variables.a"),
        ("/calls", [], "the body"),
        ("/calls/C1/say", {"text": ""}, "text"),
        ("/calls/C1/say", {"text": "x" * 2001}, "text"),
        ("/calls/C1/transfer", {"to": "sales"}, "to"),
        ("/calls/C1/hangup", {"now": True}, "now"),
        ("/calls/C1/mute", {}, "muted"),
    ],
)
async def test_a_body_that_does_not_fit(tmp_path: Path, path: str, body: object, named: str) -> None:
    """Is refused before anything is done, with the name of what is wrong."""
    async with shown(tmp_path) as there:
        reply = await there.http.post(f"/api/v1{path}", json=body, headers=BEARER)
        assert reply.status_code == 400
        assert reply.json()["code"] == "bad_input"
        assert reply.json()["message"].startswith(f"{named}: ")


async def test_a_body_that_is_no_json(tmp_path: Path) -> None:
    """Cut off, nested without end, or of another type."""
    async with shown(tmp_path) as there:
        headers = {**BEARER, "content-type": "application/json"}
        for body in (b'{"to":', b"[" * 60_000, b"\xff\xfe"):
            reply = await there.http.post("/api/v1/calls", content=body, headers=headers)
            assert (reply.status_code, reply.json()["message"]) == (400, "the body is not JSON")
        assert (await there.http.post("/api/v1/calls", content=b"to=1", headers=BEARER)).status_code == 415
        too_big = await there.http.post("/api/v1/calls", content=b" " * 70_000, headers=headers)
        assert too_big.status_code == 413


async def test_a_program_has_somebody_rung(tmp_path: Path) -> None:
    """The carrier is told whom; the call is in the list of live ones while it rings, and hanging up cancels it."""
    async with dialling(tmp_path) as (here, http):
        wanted = {**CALL, "agent": "shop", "variables": {"tier": "silver"}, "ring_timeout_s": 20}
        reply = await http.post("/api/v1/calls", json=wanted)
        assert reply.status_code == 202
        call_id = reply.json()["call_id"]
        (placed,) = here.carrier.placed
        assert (placed.to, placed.from_number, placed.ring_timeout_s) == (TO, FROM, 20)
        call = await live_call(http)
        assert (call["call_id"], call["direction"], call["callee"]) == (call_id, "outbound", TO)
        assert call["state"] in ("dialling", "ringing")
        assert (await http.post(f"/api/v1/calls/{call_id}/hangup", json={})).status_code == 202
        for _ in range(200):
            page = (await http.get(f"/api/v1/calls/{call_id}")).json()
            if page["call"]["outcome"]:
                break
            await asyncio.sleep(0.02)
        assert page["call"]["outcome"] == "canceled"


async def test_the_same_key_rings_once(tmp_path: Path) -> None:
    """Sent again, side by side or later, it gets the first answer; with another body it is refused."""
    async with dialling(tmp_path, phone_number=FROM) as (here, http):
        key = {"idempotency-key": "order-4711"}
        first, second = await asyncio.gather(
            *(http.post("/api/v1/calls", json={"to": TO}, headers=key) for _ in range(2))
        )
        third = await http.post("/api/v1/calls", json={"to": TO}, headers=key)
        assert first.json() == second.json() == third.json()
        assert len(here.carrier.placed) == 1
        other = await http.post("/api/v1/calls", json={"to": "+12025550199"}, headers=key)
        assert (other.status_code, other.json()["code"]) == (409, "conflict")
        assert len(here.carrier.placed) == 1


async def test_the_next_server_knows_the_key(tmp_path: Path) -> None:
    """What was rung before a restart is not rung again; where nobody knows what came of it, that is said."""
    key = {"idempotency-key": "order-4711"}
    async with dialling(tmp_path) as (here, http):
        first = await http.post("/api/v1/calls", json=CALL, headers=key)
        assert (first.status_code, len(here.carrier.placed)) == (202, 1)
    claims = SqliteStore(tmp_path).claims(Access(TOKEN).scope)
    known = claims.claim("order-4711", "")
    assert known is not None
    assert claims.claim("order-4712", known.body) is None  # and the server was killed
    async with dialling(tmp_path) as (here, http):
        again = await http.post("/api/v1/calls", json=CALL, headers=key)
        assert (again.status_code, again.json()) == (202, first.json())
        other = await http.post("/api/v1/calls", json={**CALL, "to": "+12025550199"}, headers=key)
        assert (other.status_code, other.json()["code"]) == (409, "conflict")
        lost = await http.post("/api/v1/calls", json=CALL, headers={"idempotency-key": "order-4712"})
        assert (lost.status_code, lost.json()["code"]) == (502, "answer_lost")
        claims.settle("order-4712", known)  # it was another server's, which lives
        found = await http.post("/api/v1/calls", json=CALL, headers={"idempotency-key": "order-4712"})
        assert (found.status_code, found.json()) == (202, first.json())
        assert here.carrier.placed == []


async def test_a_refused_call_may_be_asked_for_again(tmp_path: Path) -> None:
    """Under the same key: it certainly rang nobody."""
    async with dialling(tmp_path) as (here, http):
        key = {"idempotency-key": "order-4712"}
        for _ in range(2):
            reply = await http.post("/api/v1/calls", json={**CALL, "to": NOBODY}, headers=key)
            assert (reply.status_code, reply.json()["code"]) == (409, "call_rejected")
        long = await http.post("/api/v1/calls", json=CALL, headers={"idempotency-key": "k" * 201})
        assert long.status_code == 400
        assert here.service.live.count == 0


async def test_whom_nobody_may_ring(tmp_path: Path) -> None:
    """The rules of the server hold for programs too: numbers that cost, agents that are not there, no number
    of ours."""
    async with dialling(tmp_path) as (here, http):
        for body, status in (
            ({**CALL, "to": "+19005550123"}, 403),
            ({**CALL, "to": "+4479123456789"}, 403),
            ({**CALL, "agent": "nobody"}, 404),
            ({"to": TO}, 400),
        ):
            reply = await http.post("/api/v1/calls", json=body)
            assert reply.status_code == status, reply.text
            assert reply.json()["hint"]
        assert here.carrier.placed == []


async def test_through_the_public_host_there_is_no_site(tmp_path: Path) -> None:
    """A server that carriers reach shows it to this machine alone: under its public name there is nothing, for the
    right token too, while webhooks are answered."""
    async with dialling(tmp_path) as (here, http):
        for path in ("/dashboard", "/dashboard/sign-in", "/metrics", "/api/v1/calls", "/api/v1/events"):
            assert (await http.get(path, headers={"host": HOST})).status_code == 404
        assert (await here.post({"call": "A-9", "from": TO, "to": FROM, "vars": {}})).status_code == 200
        assert (await http.get("/api/v1/calls")).status_code == 200


async def test_where_only_stored_calls_are_looked_at_nothing_is_done(tmp_path: Path) -> None:
    """Whoever asks is told what would."""
    async with shown(tmp_path) as there:
        for path, body in (("/calls", CALL), ("/calls/C1/hangup", {}), ("/calls/C1/say", {"text": "hi"})):
            reply = await there.http.post(f"/api/v1{path}", json=body, headers=BEARER)
            assert (reply.status_code, reply.json()["hint"]) == (409, "patter serve holds calls")


async def test_a_call_that_is_over_is_forgotten(tmp_path: Path) -> None:
    """Once; one that lasts is not."""
    async with shown(tmp_path) as there:
        keep(there.store, "LB1", 1_750_000_000.0)
        lasting = begin(there.store, "LB2", 1_750_000_000.0)
        headers = {**BEARER, "content-type": "application/json"}
        statuses = [
            (await there.http.delete(f"/api/v1/calls/{call_id}", headers=headers)).status_code
            for call_id in ("LB1", "LB1", "LB2", "..", "%2e%2e")
        ]
        assert statuses[:3] == [204, 404, 409]
        assert set(statuses[3:]) <= {404, 405}
        lasting.die()
