"""Who sees calls: every path of the site, asked by whoever should not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from patter_cli import wiring
from patter_cli.errors import BadSetting
from patter_cli.settings import Settings
from patter_cli.web.gate import HEADERS
from tests.e2e.site import BEARER, TOKEN, Shown, shown
from tests.unit.stores.calls import STARTED, keep

CALL = "LB00001"
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Shown]:
    """One call is kept."""
    async with shown(tmp_path) as each:
        keep(each.store, CALL, STARTED)
        yield each


def paths(there: Shown) -> list[tuple[str, str]]:
    """(method, path) of everything that there is, and of something that is not."""
    of_api = [(each.method, f"/api/v1{each.path}".replace("{call_id}", CALL)) for each in there.site.endpoints]
    pages = [("GET", "/dashboard"), ("POST", "/dashboard/sign-out"), ("GET", "/metrics"), ("GET", "/api/v1/nothing")]
    return of_api + pages


async def ask(there: Shown, method: str, path: str, **headers: str) -> httpx.Response:
    """Of what does not end, the beginning."""
    content = b"{}" if method == "POST" else None
    async with there.http.stream(method, path, headers=headers, content=content) as reply:
        if reply.headers.get("content-type", "").startswith("text/event-stream"):
            return reply
        await reply.aread()
        return reply


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="no token"),
        pytest.param({"authorization": "Bearer wrong"}, 401, id="wrong token"),
        pytest.param({"authorization": f"Basic {TOKEN}"}, 401, id="another scheme"),
        pytest.param({"cookie": "patter_1=9999999999.aa.bb"}, 401, id="made-up cookie"),
        pytest.param({**BEARER, "host": "rebind.example"}, 421, id="wrong Host"),
        pytest.param({**BEARER, "host": "127.0.0.1@rebind.example"}, 421, id="odd Host"),
        pytest.param({**BEARER, "origin": "https://evil.example"}, 403, id="foreign Origin"),
        pytest.param({**BEARER, "origin": "null"}, 403, id="Origin of nobody"),
        pytest.param({**BEARER, "x-forwarded-for": "203.0.113.9"}, 404, id="through ngrok"),
        pytest.param({**BEARER, "cf-ray": "8a-FRA"}, 404, id="through Cloudflare"),
        pytest.param({**BEARER, "forwarded": "for=203.0.113.9"}, 404, id="through a proxy"),
    ],
)
async def test_nobody_gets_anything(there: Shown, headers: dict[str, str], status: int) -> None:
    """Every path refuses whoever has no token, a wrong one, another Host, a foreign page or came through a tunnel, and
    tells them nothing of calls."""
    for method, path in paths(there):
        if headers.get("authorization") == "Bearer wrong":
            there.site._access._wrong.clear()
        reply = await ask(there, method, path, **{"content-type": "application/json", **headers})
        assert reply.status_code == status, (method, path)
        assert "shop" not in reply.text
        if status in (401, 403):
            assert {name: reply.headers[name] for name in HEADERS if name != "referrer-policy"} == {
                name: value for name, value in HEADERS.items() if name != "referrer-policy"
            }


async def test_the_token_opens_every_path(there: Shown) -> None:
    """As Bearer it is taken everywhere, and every answer has the headers."""
    for method, path in paths(there):
        reply = await ask(there, method, path, **BEARER, **{"content-type": "application/json"})
        assert reply.status_code not in (401, 403, 415, 421, 429), (method, path)
        assert {name: reply.headers[name] for name in HEADERS} == dict(HEADERS), path


async def test_a_link_signs_one_browser_in(there: Shown) -> None:
    """It leaves a cookie that scripts cannot read and other sites do not send, redirects to a clean address, and is
    worth nothing afterwards."""
    link = there.site.link("127.0.0.1")
    assert TOKEN not in link
    first = await there.http.get(link)
    assert (first.status_code, first.headers["location"]) == (303, "/dashboard")
    cookie = first.headers["set-cookie"]
    assert all(each in cookie for each in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert (await there.http.get("/api/v1/calls")).json()["calls"][0]["call_id"] == CALL  # httpx kept the cookie
    there.http.cookies.clear()
    again = await there.http.get(link)
    assert (again.status_code, "set-cookie" in again.headers) == (401, False)
    assert "has been used" in again.text


async def test_the_token_signs_in_by_a_form(there: Shown) -> None:
    """On the page that a stranger gets, from that page alone."""
    assert 'action="/dashboard/sign-in"' in (await there.http.get("/dashboard")).text
    body = f"token={TOKEN}"
    foreign = await there.http.post(
        "/dashboard/sign-in", content=body, headers={**FORM, "origin": "https://evil.example"}
    )
    assert foreign.status_code == 403
    assert (await there.http.post("/dashboard/sign-in", content="token=x", headers=FORM)).status_code == 401
    assert (await there.http.post("/dashboard/sign-in", content=body, headers=FORM)).status_code == 303
    assert (await there.http.get("/dashboard")).status_code == 200


async def test_a_browser_changes_nothing_by_accident(there: Shown) -> None:
    """A form of another page cannot sign somebody out: its body is no JSON, and it sends no header of ours."""
    await there.http.get(there.site.link("127.0.0.1"))
    for headers, status in (
        ({"content-type": "text/plain"}, 415),
        (FORM, 415),
        ({"content-type": "application/json"}, 403),
        ({"content-type": "application/json", "x-patter": "1"}, 204),
    ):
        reply = await there.http.post("/dashboard/sign-out", content=b"{}", headers=headers)
        assert reply.status_code == status
    there.http.cookies.clear()
    assert (await there.http.get("/api/v1/calls")).status_code == 401


async def test_a_signed_out_cookie_is_worth_nothing(there: Shown) -> None:
    """Even if somebody kept a copy of it."""
    await there.http.get(there.site.link("127.0.0.1"))
    kept = "; ".join(f"{name}={value}" for name, value in there.http.cookies.items())
    await there.http.post("/dashboard/sign-out", headers={"content-type": "application/json", "x-patter": "1"})
    there.http.cookies.clear()
    assert (await there.http.get("/api/v1/calls", headers={"cookie": kept})).status_code == 401


async def test_who_guesses_waits(there: Shown) -> None:
    """After five wrong tokens not even the right one is looked at, and whoever has signed in goes on."""
    await there.http.get(there.site.link("127.0.0.1"))
    cookies = dict(there.http.cookies)
    there.http.cookies.clear()
    for number in range(5):
        wrong = await there.http.get("/api/v1/calls", headers={"authorization": f"Bearer guess{number}"})
        assert wrong.status_code == 401
    refused = await there.http.get("/api/v1/calls", headers=BEARER)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 0 < int(refused.headers["retry-after"]) <= 61
    assert (await there.http.get(there.site.link("127.0.0.1"))).status_code == 429
    kept = "; ".join(f"{name}={value}" for name, value in cookies.items())
    assert (await there.http.get("/api/v1/calls", headers={"cookie": kept})).status_code == 200


async def test_guesses_from_outside_do_not_shut_out_who_sits_here(tmp_path: Path) -> None:
    """Where a tunnel may bring people, all that it brings is one side, and this machine another."""
    async with shown(tmp_path, expose_dashboard=True) as there:
        outside = {"x-forwarded-for": "203.0.113.9"}
        for _ in range(5):
            wrong = await there.http.get("/api/v1/calls", headers={**outside, "authorization": "Bearer guess"})
            assert wrong.status_code == 401
        assert (await there.http.get("/api/v1/calls", headers={**outside, **BEARER})).status_code == 429
        assert (await there.http.get("/api/v1/calls", headers=BEARER)).status_code == 200


async def test_through_a_tunnel_the_cookie_stays_in_https(tmp_path: Path) -> None:
    """A browser sends it nowhere else; on this machine there is no https, and it works without."""
    async with shown(tmp_path, expose_dashboard=True) as there:
        outside = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
        far = await there.http.get(there.site.link("127.0.0.1"), headers=outside)
        near = await there.http.get(there.site.link("127.0.0.1"))
        assert [("Secure" in each.headers["set-cookie"]) for each in (far, near)] == [True, False]


async def test_nothing_describes_the_api_to_strangers(there: Shown) -> None:
    """There are no pages about it, and methods that it has not are not told."""
    for path in ("/docs", "/redoc", "/openapi.json", "/api/v1/openapi.json", "/api"):
        reply = await there.http.get(path, headers=BEARER)
        assert reply.status_code == 404
    assert (await there.http.options("/api/v1/calls")).status_code in (401, 415)


async def test_the_token_is_in_no_log(there: Shown, caplog: pytest.LogCaptureFixture) -> None:
    """Neither are codes and cookies, whatever is asked."""
    caplog.set_level(logging.DEBUG)
    link = there.site.link("127.0.0.1")
    await there.http.get(link)
    for headers in ({}, BEARER, {"authorization": "Bearer wrong"}):
        await there.http.get("/api/v1/calls?limit=x", headers=headers)
    secrets = (TOKEN, link.partition("code=")[2], *there.http.cookies.values())
    said = "\n".join(each.getMessage() for each in caplog.records if each.name.startswith(("patter", "hypercorn")))
    assert not [each for each in secrets if each in said]
    assert TOKEN not in repr(Settings(dashboard_token=TOKEN))


def test_a_token_that_can_be_guessed_is_refused() -> None:
    """With what to do instead."""
    with pytest.raises(BadSetting, match="too short") as refused:
        wiring.site(Settings(dashboard_token="secret"), wiring.call_store(None))
    assert "openssl" in refused.value.hint
    assert "secret" not in str(refused.value)


async def test_ten_at_once_guess_no_better(there: Shown) -> None:
    """Wrong tokens side by side count as well as one after the other."""
    asked = (
        there.http.get("/api/v1/calls", headers={"authorization": f"Bearer guess{number}"}) for number in range(10)
    )
    statuses = [each.status_code for each in await asyncio.gather(*asked)]
    assert sorted(statuses) == [401] * 5 + [429] * 5
