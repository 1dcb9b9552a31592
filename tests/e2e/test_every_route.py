"""Every route of a server, asked by whoever should not: the table is the test.

The routes are the application's own, found in it, so that one which nobody thought of fails until it has its line here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route, WebSocketRoute

from patter_cli import wiring
from patter_cli.engine.hooks import Hooks
from patter_cli.server.service import Service
from patter_cli.settings import Settings
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.web.site import Site
from tests.e2e.conftest import agent, answering
from tests.e2e.site import TOKEN
from tests.e2e.test_carriers import HOST, company
from tests.unit.stores.calls import STARTED, keep

pytestmark = pytest.mark.usefixtures("quiet_log")

CALL = "LB00001"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
WAYS: dict[str, dict[str, str]] = {
    "no token": {},
    "wrong token": {"Authorization": "Bearer wrong"},
    "wrong Host": {**RIGHT, "Host": "rebind.example"},
    "foreign Origin": {**RIGHT, "Origin": "https://evil.example"},
    "through a tunnel": {**RIGHT, "CF-Ray": "8a-FRA"},
    "under the public name": {**RIGHT, "Host": HOST},
    "right": RIGHT,
}
"""Of the token: whoever is refused for another reason has the right one."""

TABLE = """
    no token, wrong token, wrong Host, foreign Origin, through a tunnel, under the public name, right
GET    /health                                   200 200 421 200 404 404 200
POST   /webhooks/{carrier}/{kind}                403 403 421 403 403 403 403
GET    /tunnel-check/{token}                     404 404 421 404 404 404 404
WS     /tunnel-check/{token}                     404 404 421 403 404 404 404
WS     /ws/loopback/{agent}                      404 404 421 403 404 404 404
WS     /ws/browser/stream/{token}                403 403 421 403 403 403 403
WS     /ws/acme/stream/{token}                   403 403 421 403 403 403 403
GET    /dashboard/sign-in                        401 401 421 403 404 404 401
POST   /dashboard/sign-in                        401 401 421 403 404 404 401
POST   /dashboard/sign-out                       401 401 421 403 404 404 204
GET    /dashboard                                401 401 421 403 404 404 200
GET    /call                                     200 200 421 403 200 200 200
GET    /assets/{name:path}                       200 200 421 403 200 200 200
GET    /metrics                                  401 401 421 403 404 404 200
WS     /dashboard/listen/{call_id}               401 401 421 403 404 404 404
GET    /api/v1/calls/active                      401 401 421 403 404 404 200
GET    /api/v1/events                            401 401 421 403 404 404 200
GET    /api/v1/calls                             401 401 421 403 404 404 200
GET    /api/v1/calls/export                      401 401 421 403 404 404 200
GET    /api/v1/calls/{call_id}                   401 401 421 403 404 404 200
GET    /api/v1/calls/{call_id}/journal           401 401 421 403 404 404 200
GET    /api/v1/calls/{call_id}/recording         401 401 421 403 404 404 404
DELETE /api/v1/calls/{call_id}                   401 401 421 403 404 404 204
GET    /api/v1/analytics/overview                401 401 421 403 404 404 200
GET    /api/v1/analytics/costs                   401 401 421 403 404 404 200
POST   /api/v1/calls                             401 401 421 403 404 404 400
POST   /api/v1/calls/{call_id}/hangup            401 401 421 403 404 404 404
POST   /api/v1/calls/{call_id}/transfer          401 401 421 403 404 404 400
POST   /api/v1/calls/{call_id}/say               401 401 421 403 404 404 400
POST   /api/v1/calls/{call_id}/mute              401 401 421 403 404 404 400
GET    /api/v1/calls/{call_id}/peaks             401 401 421 403 404 404 404
POST   /api/v1/softphone/calls                   401 401 421 403 404 404 400
POST   /api/v1/softphone/invitations             401 401 421 403 404 404 400
GET    /{path:path}                              401 401 421 403 404 404 404
""".strip().splitlines()[1:]
"""Of a server that carriers reach: /health is for this machine, /call and /assets hold nothing of anybody's, webhooks
and media have signatures and tickets of their own, and the line that asks for no secret is closed."""


def routes_of(app: Any) -> Iterator[tuple[str, str]]:
    """(method or WS, path) of an application and of all that it wraps."""
    if not hasattr(app, "routes"):
        yield from routes_of(app._app)
        return
    for route in app.routes:
        if isinstance(route, WebSocketRoute):
            yield "WS", route.path
        elif isinstance(route, Route):
            yield from ((method, route.path) for method in sorted((route.methods or set()) - {"HEAD"}))
        else:
            yield from routes_of(route)


async def status(port: int, method: str, path: str, headers: dict[str, str]) -> int:
    """What a request is answered with."""
    body = b"{}" if method in ("POST", "DELETE") else b""
    given = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(body)), "Content-Type": "application/json"}
    if method == "WS":
        given = {"Host": f"127.0.0.1:{port}", "Upgrade": "websocket", "Connection": "Upgrade"}
        given |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    first = f"{'GET' if method == 'WS' else method} {path} HTTP/1.1"
    lines = [first, *(f"{name}: {value}" for name, value in {**given, **headers}.items())]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        async with asyncio.timeout(10):
            return int((await reader.readline()).split()[1])
    finally:
        writer.close()


async def found(service: Service, site: Site) -> list[str]:
    """The table of this server."""
    values = {"call_id": CALL, "name:path": "style.css", "path:path": "api/v1/nothing", "carrier": "acme"}
    values |= {"kind": "voice", "agent": "shop"}
    rows = []
    for method, path in routes_of(service._server._app.app):
        asked = re.sub(r"\{([\w:]+)\}", lambda found: values.get(found[1], "nothing"), path)
        statuses = []
        for headers in WAYS.values():
            site._access._wrong.clear()
            statuses.append(await status(service.port, method, asked, headers))
        rows.append(f"{method:6} {path:41} {' '.join(map(str, statuses))}")
    return rows


async def test_a_server_that_carriers_reach(tmp_path: Path) -> None:
    """Every route × every way to ask: only the right token on this machine's own name gets anything of a call."""
    store = SqliteStore(tmp_path)
    site = wiring.site(Settings(dashboard_token=TOKEN), store)
    async with company(store=store, site=site) as here:
        keep(store, CALL, STARTED)
        assert await found(here.service, site) == TABLE
    site.close()


async def test_a_server_of_this_machine_alone(tmp_path: Path) -> None:
    """The same; a public name is nobody's, no carrier is asked, and the built-in line is open to this machine."""
    store = SqliteStore(tmp_path)
    site = wiring.site(Settings(dashboard_token=TOKEN), store)
    hooks = Hooks(on_message=lambda event: "We open at nine.")
    async with answering({"shop": (agent("Hello."), hooks)}, store=store, site=site) as phone:
        keep(store, CALL, STARTED)
        rows = await found(phone.server, site)
    site.close()
    expected = []
    for row in TABLE:
        *route, _, right = row.rsplit(" ", 2)
        if "/webhooks/" in row or "/ws/acme/" in row:
            continue
        line = f"{' '.join(route)} 421 {right}"
        expected.append(f"{row[:48]} 101 101 421 403 404 421 101" if "/ws/loopback/" in row else line)
    assert rows == expected


async def test_where_a_tunnel_may_bring_people_it_brings_those_who_have_the_token(tmp_path: Path) -> None:
    """With --expose-dashboard the site is there under the public name: for the token, and for nobody else."""
    store = SqliteStore(tmp_path)
    site = wiring.site(Settings(dashboard_token=TOKEN, expose_dashboard=True), store)
    outside = {"Host": HOST, "CF-Ray": "8a-FRA"}
    async with company(store=store, site=site) as here:
        keep(store, CALL, STARTED)
        for path in ("/dashboard", "/metrics", "/api/v1/calls", "/api/v1/events", f"/api/v1/calls/{CALL}"):
            site._access._wrong.clear()
            asked = [
                await status(here.service.port, "GET", path, {**outside, **more})
                for more in ({}, {"Authorization": "Bearer wrong"}, RIGHT, {**RIGHT, "Origin": "https://evil.example"})
            ]
            assert asked == [401, 401, 200, 403], path
        assert await status(here.service.port, "GET", "/health", {**outside, **RIGHT}) == 404
    site.close()
