"""What passes the guard, asked as Hypercorn would, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from patter_cli.server.guard import Guard, LocalOnly, Message
from patter_cli.server.limits import Limits


class Request:
    """One request, and what became of it."""

    def __init__(
        self,
        kind: str = "http",
        *,
        client: str = "127.0.0.1",
        body: tuple[bytes, ...] = (),
        path: str = "/webhooks/twilio/voice",
        headers: dict[str, str] | None = None,
    ) -> None:
        named = {"host": "localhost", **(headers or {})}
        self.scope = {
            "type": kind,
            "path": path,
            "client": (client, 1),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
        self.chunks = list(body)
        self.stays = True  # until it is answered, as Hypercorn has it
        self.answered = asyncio.Event()
        self.status = 200
        self.body: bytes | None = None

    async def receive(self) -> Message:
        if self.chunks:
            chunk = self.chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(self.chunks)}
        if self.stays:
            await self.answered.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        if message["type"].endswith("body"):
            self.answered.set()

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """The application behind the guard: takes the body, answers nothing."""
        self.body = (await receive())["body"] if scope["type"] == "http" else b""

    async def through(self, *, hosts: Iterable[str] | Mapping[str, str] = (), limits: Limits | None = None) -> int:
        names = dict(hosts) if isinstance(hosts, Mapping) else dict.fromkeys(hosts, "")
        guard = Guard(self.app, hosts=lambda: names, limits=limits or Limits())
        await guard(self.scope, self.receive, self.send)
        return self.status


async def test_a_body_arrives_whole() -> None:
    """The application gets the body in one piece, however it came."""
    request = Request(body=(b"ab", b"", b"cd"))
    assert await request.through() == 200
    assert request.body == b"abcd"


async def test_a_body_is_counted_as_it_comes() -> None:
    """A body that lies about its length is refused at the limit."""
    request = Request(body=(b"x" * 6, b"x" * 6), headers={"content-length": "3"})
    assert await request.through(limits=Limits(body_bytes=10)) == 413
    assert request.body is None


@pytest.mark.parametrize("length", ["11", "9" * 5000])
async def test_a_declared_body_is_not_waited_for(length: str) -> None:
    """A length beyond the limit is refused before the first byte."""
    request = Request(body=(b"x",), headers={"content-length": length})
    assert await request.through(limits=Limits(body_bytes=10)) == 413
    assert request.body is None


async def test_a_caller_that_hangs_up_in_its_body() -> None:
    """Nobody is there to be answered, and the application is not asked."""
    request = Request()
    request.stays = False
    await request.through()
    assert (request.body, request.status) == (None, 200)


@pytest.mark.parametrize(("client", "hosts", "status"), [("192.0.2.1", set(), 403), ("192.0.2.1", {"a.example"}, 200)])
async def test_who_is_served(client: str, hosts: set[str], status: int) -> None:
    """Without a public host, this machine only."""
    host = next(iter(hosts), "localhost")
    assert await Request(client=client, headers={"host": host}, body=(b"",)).through(hosts=hosts) == status


@pytest.mark.parametrize("origin", ["https://a.example", "http://A.example:8443"])
async def test_pages_of_the_public_host(origin: str) -> None:
    """They may open sockets."""
    assert (
        await Request("websocket", headers={"host": "a.example", "origin": origin}).through(hosts={"a.example"}) == 200
    )


@pytest.mark.parametrize("host", ["localhost:0", "localhost:99999", "localhost:x", "local host", "localhost/a", "[::1"])
async def test_hosts_that_make_no_sense(host: str) -> None:
    """They are nobody's."""
    assert await Request(headers={"host": host}).through(hosts={"a.example"}) == 421


@pytest.mark.parametrize(
    ("headers", "client", "status"),
    [
        ({}, "127.0.0.1", 200),
        ({}, "::1", 200),
        ({}, "192.0.2.1", 404),
        ({"host": "a.example"}, "127.0.0.1", 404),
        ({"x-forwarded-for": "127.0.0.1"}, "127.0.0.1", 404),
    ],
)
async def test_local_only(headers: dict[str, str], client: str, status: int) -> None:
    """A route without a secret is found from this machine, by a name of this machine, not carried by a tunnel."""
    request = Request("websocket", client=client, headers=headers)
    await LocalOnly(request.app)(request.scope, request.receive, request.send)
    assert request.status == status


async def test_a_route_for_this_machine_is_gone_while_strangers_can_reach_us() -> None:
    """A tunnel that opens while we run hides the routes without a secret; once it is gone they are back."""
    for name, status in (("", 200), ("phone.example", 404), ("", 200)):
        hosts = frozenset({name} if name else ())
        request = Request("websocket")
        await LocalOnly(request.app, lambda hosts=hosts: hosts)(request.scope, request.receive, request.send)
        assert request.status == status


@pytest.mark.parametrize(
    ("path", "host", "header", "status"),
    [
        ("/health", "localhost", "", 200),
        ("/health", "a.example", "", 404),
        ("/health", "A.example:443", "", 404),
        ("/health", "localhost", "x-forwarded-for", 404),
        ("/health", "localhost", "cf-ray", 404),
        ("/ws/loopback/shop", "a.example", "", 404),
        ("/api/calls", "a.example", "", 404),
        ("/webhooks/twilio/voice", "a.example", "cf-ray", 200),
        ("/ws/telnyx/stream/abc", "a.example", "", 200),
        ("/tunnel-check/abc", "a.example", "", 200),
    ],
)
async def test_what_is_there_for_strangers(path: str, host: str, header: str, status: int) -> None:
    """Under a public host, and for whoever was carried here, webhooks and media: the rest is for this machine."""
    headers = {"host": host, **({header: "192.0.2.1"} if header else {})}
    assert await Request(path=path, headers=headers, body=(b"",)).through(hosts={"a.example"}) == status


@pytest.mark.parametrize(
    ("path", "host", "header", "status", "seen"),
    [
        ("/0123456789abcdef/webhooks/twilio/voice", "a.example", "", 200, "/webhooks/twilio/voice"),
        ("/0123456789abcdef/ws/telnyx/stream/abc", "a.example", "", 200, "/ws/telnyx/stream/abc"),
        ("/0123456789abcdef/webhooks/twilio/voice", "localhost", "cf-ray", 200, "/webhooks/twilio/voice"),
        ("/0123456789abcdef/health", "a.example", "", 404, ""),
        ("/0123456789abcdee/webhooks/twilio/voice", "a.example", "", 404, ""),
        ("/webhooks/twilio/voice", "a.example", "", 404, ""),
        ("/ws/telnyx/stream/abc", "a.example", "", 404, ""),
        ("/webhooks/twilio/voice", "localhost", "cf-ray", 404, ""),
        ("/tunnel-check/abc", "a.example", "", 200, "/tunnel-check/abc"),
        ("/webhooks/twilio/voice", "localhost", "", 200, "/webhooks/twilio/voice"),
        ("/health", "localhost", "", 200, "/health"),
    ],
)
async def test_what_is_under_a_tunnels_path(path: str, host: str, header: str, status: int, seen: str) -> None:
    """Behind a tunnel carriers' routes are found by whoever knows the path; this machine needs none."""
    headers = {"host": host, **({header: "192.0.2.1"} if header else {})}
    request = Request(path=path, headers=headers, body=(b"",))
    assert await request.through(hosts={"a.example": "/0123456789abcdef"}) == status
    if status == 200:
        assert path.removeprefix(request.scope["root_path"]) == seen  # type: ignore[arg-type]
