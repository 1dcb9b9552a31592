"""The gate alone, asked as a server would: guesses by the thousand, and what an answer tells a browser."""

from __future__ import annotations

import tracemalloc
from typing import Any

from patter_cli.web.access import WRONG_TRIES, Access
from patter_cli.web.gate import HEADERS, Gate

TOKEN = "a-token-that-nobody-guesses"
NOW_S = 1_790_000_000.0


class Asked:
    """What came of one request."""

    def __init__(self, path: str = "/api/v1/calls", method: str = "GET", client: str = "127.0.0.1", **headers: str):
        named = {"host": "127.0.0.1:8000", **{name.replace("_", "-"): value for name, value in headers.items()}}
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "client": (client, 1),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
        self.status = 0
        self.headers: dict[str, str] = {}
        self.passed = False

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.passed = True
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"max-age=60")]})

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}

    async def through(self, access: Access, now_s: float = NOW_S) -> Asked:
        gate = Gate(
            self._app, access, cookie=lambda: "patter_8000", now_s=lambda: now_s,
            is_open=lambda path: path == "/open", welcome=lambda refusal: refusal.message.encode(),
        )  # fmt: skip

        async def receive() -> Any:
            raise AssertionError("nothing of a body is looked at")

        await gate(self.scope, receive, self._send)
        return self


async def test_guesses_by_the_thousand_find_nothing() -> None:
    """3,000 from one side and from as many sides, in an hour: none passes, no memory is kept of them, and whoever has
    signed in goes on meanwhile."""
    access = Access(TOKEN)
    session = access.new_session(NOW_S)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    looked_at = 0
    for number in range(3000):
        for client in ("127.0.0.1", f"10.0.{number // 250}.{number % 250}"):
            asked = await Asked(client=client, authorization=f"Bearer guess{number}").through(access, NOW_S + number)
            assert not asked.passed
            looked_at += asked.status == 401 and client == "127.0.0.1"
        assert (await Asked(cookie=f"patter_8000={session}").through(access, NOW_S + number)).passed
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert looked_at <= WRONG_TRIES * (3000 / 60 + 1)
    assert after - before < 1_000_000


async def test_an_answer_keeps_its_own_headers() -> None:
    """What a page says of itself stays; all the others are added."""
    asked = await Asked("/open").through(Access(TOKEN))
    assert asked.headers == {**HEADERS, "cache-control": "max-age=60"}


async def test_odd_headers_pass_nobody() -> None:
    """A cookie that is none, an authorization without a token, an origin that is no address."""
    access = Access(TOKEN)
    for headers, status in (
        ({"cookie": "patter_8000"}, 401),
        ({"cookie": 'patter_8000="\\'}, 401),
        ({"cookie": "a" * 5000}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": "bearer  "}, 401),
        ({"authorization": TOKEN}, 401),
        ({"authorization": f"Bearer {TOKEN}", "origin": "http://[::1"}, 403),
        ({"authorization": f"Bearer {TOKEN}", "origin": "http://127.0.0.1:8001"}, 403),
        ({"authorization": f"Bearer {TOKEN}", "origin": "file://127.0.0.1:8000"}, 403),
        ({"authorization": f"Bearer {TOKEN}", "origin": "http://127.0.0.1:8000"}, 200),
        ({"authorization": f"bEARER {TOKEN} "}, 200),
    ):
        assert (await Asked(**headers).through(access)).status == status, headers


async def test_a_page_is_refused_as_a_page() -> None:
    """A browser gets one to sign in on, a program an object."""
    page = await Asked("/dashboard").through(Access(TOKEN))
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    program = await Asked("/api/v1/calls").through(Access(TOKEN))
    assert (program.headers["content-type"], program.headers["www-authenticate"]) == (
        "application/json",
        'Bearer realm="patter"',
    )


async def test_an_order_without_a_body_needs_no_type() -> None:
    """From whoever has the token, as curl sends it; a body of another type, and a browser's, are refused."""
    right = {"authorization": f"Bearer {TOKEN}"}
    session = {"cookie": f"patter_8000={Access(TOKEN).new_session(NOW_S)}", "x-patter": "1"}
    for headers, status in (
        (right, 200),
        ({**right, "content-length": "0"}, 200),
        ({**right, "content-length": "2"}, 415),
        ({**right, "transfer-encoding": "chunked"}, 415),
        ({**right, "content-length": "0", "content-type": "text/plain"}, 415),
        ({**right, "content-length": "2", "content-type": "application/json; charset=utf-8"}, 200),
        (session, 415),
        ({**session, "content-type": "application/json"}, 200),
    ):
        for method in ("POST", "DELETE"):
            assert (await Asked(method=method, **headers).through(Access(TOKEN))).status == status, headers
