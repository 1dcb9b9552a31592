"""The API in rough hands: whatever is asked gets an answer that says what is wrong, and calls go on."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from patter_cli.core import events as fact
from patter_cli.web.endpoint import Endpoint
from patter_cli.web.feed import READERS
from tests.e2e.conftest import Caller
from tests.e2e.site import BEARER, TOKEN, Shown, shown
from tests.e2e.test_site_orders import end_of, live_call, served
from tests.unit.stores.calls import STARTED, keep

CALL = "LB00001"
JSON = {**BEARER, "content-type": "application/json"}
TEXTS = (
    "", "\0", "%", "😀", "\u202e", '"x', "a* OR NEAR(", "a" * 3000, "-1", "1e400", "nan", "inf", "9" * 20, "[]",
    "0001-01-01", "9999-12-31T23:59:59-14:00", "-62135596800", "253402300800",
)  # fmt: skip
"""What no field wants, or few do."""
VALUES = (*TEXTS, None, 0, -1, 1e308, True, [], {}, [[[]]], {"": ""}, {"a": "\ud800"}, "\ud800", 10**400)
IDS = (
    "..", "%2e%2e", "%2e%2e%2fcalls.sqlite3", "..%2f..%2fetc%2fpasswd", "%00", "a%00b", "a" * 300, "%ff", "%c3%a9",
    "LB00001%0a", "LB00001/", "//", "LB0000*", "%5c..", "C:%5c", "~", "LB00001%20",
)  # fmt: skip
"""Of calls that there are not."""
PATHS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())["paths"]
TO_RING = {"to": "+12025550142", "from_number": "+12025550100"}

pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Shown]:
    """One call is kept."""
    async with shown(tmp_path) as each:
        keep(each.store, CALL, STARTED)
        yield each


def path_of(endpoint: Endpoint, call_id: str = CALL) -> str:
    return f"/api/v1{endpoint.path}".replace("{call_id}", call_id)


def answered(reply: httpx.Response, endpoint: Endpoint | None = None) -> None:
    """It is no failure of ours, and what is refused is told why; of an endpoint, by a status that is documented."""
    assert reply.status_code < 500, (reply.request.url, reply.request.content, reply.text)
    if endpoint is not None:
        documented = PATHS[f"/api/v1{endpoint.path}"][endpoint.method.lower()]["responses"]
        assert str(reply.status_code) in documented, (reply.request.url, reply.request.content, reply.text)
    if reply.status_code >= 400:
        assert set(reply.json()) == {"code", "message", "hint"}, (reply.request.url, reply.text)
        assert len(reply.content) < 2000


async def test_odd_values_in_every_field_of_every_question(there: Shown, caplog: pytest.LogCaptureFixture) -> None:
    """None of them makes the server fail; a field that there is not, and a token in the address, are refused."""
    caplog.set_level(logging.WARNING, "patter.web")
    for endpoint in there.site.endpoints:
        if endpoint.query is None or endpoint.name == "readEvents":
            continue
        for name in (*endpoint.query.model_fields, "what"):
            for odd in TEXTS:
                reply = await there.http.get(path_of(endpoint), params={name: odd}, headers=BEARER)
                answered(reply, endpoint)
                assert name != "what" or reply.status_code == 400
        assert (await there.http.get(path_of(endpoint), params={"token": TOKEN})).status_code == 401
    assert not [each for each in caplog.records if each.name == "patter.web"]


def bodies(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    """With something odd in each field, and in one that there is not."""
    assert endpoint.body is not None
    rest = TO_RING if endpoint.name == "placeCall" else {}
    for name in (*endpoint.body.model_fields, "what"):
        yield from ({**rest, name: odd} for odd in VALUES)


async def test_odd_values_in_every_field_of_every_order(there: Shown, caplog: pytest.LogCaptureFixture) -> None:
    """The same, with types that do not fit and half characters."""
    caplog.set_level(logging.WARNING, "patter.web")
    for endpoint in there.site.endpoints:
        for body in bodies(endpoint) if endpoint.body is not None else ():
            answered(await there.http.post(path_of(endpoint), content=json.dumps(body), headers=JSON), endpoint)
    assert not [each for each in caplog.records if each.name == "patter.web"]


async def test_ids_that_lead_elsewhere_lead_nowhere(there: Shown, tmp_path: Path) -> None:
    """No path of the disk, nothing of another call, and nothing is forgotten."""
    before = sorted((tmp_path / "calls").rglob("*"))
    for endpoint in there.site.endpoints:
        if "{call_id}" not in endpoint.path:
            continue
        for odd in IDS:
            content = None if endpoint.method == "GET" else b"{}"
            reply = await there.http.request(
                endpoint.method, path_of(endpoint, odd), headers=JSON, content=content, follow_redirects=False
            )
            answered(reply)
            assert reply.status_code in (400, 404, 405, 409), (endpoint.name, odd)
    assert sorted((tmp_path / "calls").rglob("*")) == before


async def test_methods_that_a_path_has_not(there: Shown) -> None:
    """Whoever has the token is told which it has; what there is not is not there by any method."""
    for method in ("PUT", "PATCH", "OPTIONS", "TRACE", "FOO"):
        for path, allowed in (
            ("/calls", "GET, HEAD, POST"),
            (f"/calls/{CALL}", "DELETE, GET, HEAD"),
            (f"/calls/{CALL}/hangup", "POST"),
        ):
            reply = await there.http.request(method, f"/api/v1{path}", headers=JSON)
            assert (reply.status_code, reply.headers["allow"]) == (405, allowed)
            answered(reply)
        missing = await there.http.request(method, "/api/v1/nothing", headers=JSON)
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (await there.http.post("/api/v1/nothing", headers=JSON)).status_code == 404


async def test_asking_for_the_head_of_the_events_holds_no_place(there: Shown) -> None:
    """It ends at once: more often than there are places, and a reader still has one."""
    for _ in range(READERS + 20):
        head = await asyncio.wait_for(there.http.head("/api/v1/events", headers=BEARER), 5)
        assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert there.site.feed.readers == 0
    async with there.http.stream("GET", "/api/v1/events", headers=BEARER) as reply:
        assert reply.status_code == 200


async def test_everybody_hangs_up_at_once(tmp_path: Path) -> None:
    """While all talk into the call: it says one goodbye and ends once, and afterwards nothing can be told to it."""
    async with served(tmp_path) as (phone, http), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        path = f"/api/v1/calls/{(await live_call(http))['call_id']}"
        said = [http.post(f"{path}/say", json={"text": f"line {number} 😀 <b>"}) for number in range(50)]
        over = [http.post(f"{path}/hangup", json={}) for _ in range(50)]
        muted = [http.post(f"{path}/mute", json={"muted": bool(number % 2)}) for number in range(50)]
        replies = await asyncio.gather(*said, *over, *muted)
        assert {each.status_code for each in replies} <= {202, 404}
        await caller.until_over()
        assert (await end_of(caller)).reason == "operator"
        assert sum(isinstance(each.event, fact.LineClosed) for each in caller.entries) == 1
        for order, body in (("say", {"text": "x"}), ("hangup", {}), ("mute", {"muted": True}), ("transfer", TO_RING)):
            late = await http.post(f"{path}/{order}", json={"to": body["to"]} if order == "transfer" else body)
            assert (late.status_code, late.json()["code"]) == (404, "not_found")
        assert (await http.get(path)).json()["call"]["outcome"] == "answered"


async def events_after(http: httpx.AsyncClient, last: bytes, at_least: int = 0) -> list[int]:
    """The numbers of the events that a reader gets who goes on from there: so many, and what comes right behind."""
    found: list[int] = []
    async with http.stream("GET", "/api/v1/events", headers={"last-event-id": last}) as reply:  # type: ignore[dict-item]
        assert reply.status_code == 200
        lines = reply.aiter_lines()
        try:
            while True:
                async with asyncio.timeout(10 if len(found) < at_least else 0.4):
                    line = await anext(lines)
                if line.startswith("id: "):
                    found.append(int(line.rpartition("-")[2]))
        except TimeoutError:
            return found


async def test_going_on_from_any_event(tmp_path: Path) -> None:
    """Everything after it, in order, once; from what is no event of this server, what comes from now on."""
    async with served(tmp_path) as (phone, http), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        await http.post(f"/api/v1/calls/{(await live_call(http))['call_id']}/hangup", json={})
        await caller.until_over()
        await end_of(caller)
        last, before = "", None
        while last != before:  # its end is told in a thread of its own
            await asyncio.sleep(0.4)
            before, last = last, (await http.get("/api/v1/calls/active")).json()["last_event"]
        epoch, _, end = last.partition("-")
        everything = await events_after(http, f"{epoch}-0".encode(), int(end))
        assert everything == list(range(1, int(end) + 1))
        assert await events_after(http, f"{epoch}-{int(end) - 3}".encode(), 3) == everything[-3:]
        odd = ("", "0", "0-0", f"{epoch}--1", f"{epoch}-{'9' * 50}", f"{epoch}-x", f"{epoch}-٣", "é", "x" * 5000)
        assert await asyncio.gather(*(events_after(http, each.encode()) for each in odd)) == [[]] * len(odd)
