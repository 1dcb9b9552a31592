"""Webhook tools against a real back-end on a real socket: signed, bounded, tried again, and never led astray."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from patter_cli.engine.address_guard import AddressRefused
from patter_cli.engine.tools import ToolOutcome, ToolRunner, ready_tools
from patter_cli.engine.webhook import REPLY_BYTES, call_webhook, verify_webhook
from patter_cli.errors import NetworkError, PatterError
from patter_cli.tools import Tool, ToolContext

SECRET = "a shared secret"
CTX = ToolContext(call_id="CA1", caller="+12025550101", callee="+12025550102")
DAY = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the back-end got it."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class BackEnd:
    """Answers each request with the next of its replies, the last one for ever. None: hangs up instead."""

    replies: list[bytes | None]
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    names: list[str | None] = field(default_factory=list)
    port: int = 0
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Of a request that is not answered: it is there; whoever made it has gone."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers["content-length"]))
            self.asked.append(Asked(head[0], headers, body))
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            if reply == SILENCE:
                self.waiting.set()
                await reader.read()
                self.left.set()
            elif reply is not None:
                writer.write(reply)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


SILENCE = b"silence"


def answer(status: int = 200, body: bytes = b"{}", kind: str = "application/json", *more: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def back_end(*replies: bytes | None, tls: ssl.SSLContext | None = None) -> AsyncIterator[BackEnd]:
    peer = BackEnd(list(replies or [answer()]))
    if tls is not None:
        tls.sni_callback = lambda _, name, __: peer.names.append(name)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()


def hook(peer: BackEnd, **more: Any) -> Tool:
    keys = {"webhook_url": f"http://127.0.0.1:{peer.port}/book?x=1", "allow_private": True, "secret": SECRET}
    return Tool("book", "Book a day.", DAY, **{**keys, **more})


async def use(made: Tool) -> tuple[ToolOutcome, Any]:
    """Run a tool the way a call does. Returns its outcome, and what the model gets of it."""
    outcome = await ToolRunner(ready_tools([made]), lambda: CTX).run("call_1", "book", '{"day": "Monday"}')
    answered = json.loads(outcome.text)
    return outcome, answered.get("data", answered.get("error"))


async def test_a_back_end_is_asked_by_signed_post() -> None:
    """It gets the tool, its arguments and who is calling, and can check that it was us."""
    async with back_end(answer(body=b'{"booked": "Monday"}')) as peer:
        outcome, data = await use(hook(peer))
    assert (outcome.ok, data) == (True, {"booked": "Monday"})
    [asked] = peer.asked
    assert asked.line == "POST /book?x=1 HTTP/1.1"
    assert json.loads(asked.body) == {
        "tool": "book",
        "arguments": {"day": "Monday"},
        "call_id": "CA1",
        "caller": "+12025550101",
        "callee": "+12025550102",
        "attempt": 1,
    }
    assert asked.headers["host"] == f"127.0.0.1:{peer.port}"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["idempotency-key"] == "CA1:call_1"
    assert verify_webhook(SECRET, asked.headers, asked.body)
    assert not verify_webhook(SECRET, asked.headers, asked.body.replace(b"Monday", b"Sunday"))


async def test_arguments_are_checked_before_anybody_is_asked() -> None:
    """A model's mistake costs no request."""
    async with back_end() as peer:
        outcome = await ToolRunner(ready_tools([hook(peer)]), lambda: CTX).run("call_1", "book", '{"day": 5}')
    assert not outcome.ok
    assert peer.connections == 0


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_a_back_end_in_trouble_is_asked_again_under_the_same_key(status: int) -> None:
    """Up to three times; each request is signed anew and says which it is."""
    async with back_end(
        answer(status), answer(status, b"", "text/plain", "Retry-After: 0"), answer(body=b'"ok"')
    ) as peer:
        outcome, data = await use(hook(peer))
    assert (outcome.ok, data) == (True, "ok")
    assert [json.loads(asked.body)["attempt"] for asked in peer.asked] == [1, 2, 3]
    assert {asked.headers["idempotency-key"] for asked in peer.asked} == {"CA1:call_1"}
    assert all(verify_webhook(SECRET, asked.headers, asked.body) for asked in peer.asked)


async def test_after_three_tries_it_is_out_of_order() -> None:
    """And the model hears nothing of what the back-end said."""
    async with back_end(answer(500, b"Traceback: postgres://admin:hunter2@db", "text/plain")) as peer:
        outcome, error = await use(hook(peer))
    assert not outcome.ok
    assert error == "book is out of order right now"
    assert len(peer.asked) == 3


async def test_who_wants_us_later_than_we_can_wait_is_not_asked_again() -> None:
    """The model is told at once instead of at the deadline."""
    async with back_end(answer(429, b"", "text/plain", "Retry-After: 30")) as peer:
        outcome, error = await use(hook(peer))
    assert (outcome.ok, error) == (False, "book is out of order right now")
    assert len(peer.asked) == 1


@pytest.mark.parametrize(("idempotent", "times"), [(False, 1), (True, 3)])
async def test_a_lost_answer_is_asked_for_again_only_if_that_is_harmless(idempotent: bool, times: int) -> None:
    """When the connection breaks after the request nobody knows whether the day was booked."""
    async with back_end(None) as peer:
        outcome, _ = await use(hook(peer, idempotent=idempotent))
    assert not outcome.ok
    assert len(peer.asked) == times


async def test_nobody_there_is_tried_again_and_told() -> None:
    """A back-end that is not up ends in an outcome like any other."""
    async with back_end() as peer:
        pass
    outcome, error = await use(hook(peer))
    assert (outcome.ok, error) == (False, "book is out of order right now")


async def test_a_silent_back_end_holds_nobody_up() -> None:
    """The deadline is the tool's, and what it may have done is said."""
    async with back_end(SILENCE) as peer:
        outcome, error = await use(hook(peer, timeout_s=0.3))
    assert not outcome.ok
    assert error == "book took too long; it may or may not have done what it was asked"
    assert len(peer.asked) == 1


async def test_a_cancelled_run_leaves_at_once() -> None:
    """Its connection is closed."""
    async with back_end(SILENCE) as peer:
        task = asyncio.create_task(use(hook(peer)))
        await peer.waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await peer.left.wait()


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        answer(302, b"", "text/plain", "Location: http://127.0.0.1:1/"),
        answer(307, b"", "text/plain", "Location: http://169.254.169.254/"),
        answer(404, b"no such thing as hunter2"),
        answer(422, b'{"error": "hunter2"}'),
        answer(200, b"{"),
        answer(200, b"[" * 100_000),
        answer(200, b"\x89PNG", "image/png"),
        answer(200, b"\x1f\x8b", "application/json", "Content-Encoding: gzip"),
        answer(200, b'"' + b"x" * REPLY_BYTES + b'"'),
        CHUNKED + b"10000\r\n" + b" " * 0x10000 + b"\r\n" + (b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 40,
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhunter2",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
    ids=lambda reply: reply[9:60].decode("ascii", "replace").replace("\r\n", " ")[:40],
)
async def test_an_answer_that_is_none_is_a_failure(reply: bytes) -> None:
    """Redirects are not followed, nothing is read without end, and the model gets none of it."""
    async with back_end(reply) as peer:
        outcome, error = await use(hook(peer))
    assert (outcome.ok, error) == (False, "book is out of order right now")
    assert len(peer.asked) == 1


@pytest.mark.parametrize(
    ("reply", "data"),
    [
        (answer(200, b"", "application/json"), None),
        (b"HTTP/1.1 204 No Content\r\n\r\n", None),
        (answer(201, b"Booked.", "text/plain; charset=utf-8"), "Booked."),
        (answer(200, "käse".encode(), "text/html"), "käse"),
        (answer(200, b'{"a": NaN}', "application/problem+json"), {"a": None}),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue", "true"),
    ],
)
async def test_json_and_text_are_answers(reply: bytes, data: Any) -> None:
    """And nothing at all."""
    async with back_end(reply) as peer:
        outcome, got = await use(hook(peer))
    assert (outcome.ok, got) == (True, data)


async def test_a_long_answer_is_cut_for_the_model() -> None:
    """A megabyte is read, 16 KB of it are passed on."""
    async with back_end(answer(body=json.dumps(["word"] * 100_000).encode())) as peer:
        outcome, data = await use(hook(peer))
    assert outcome.ok
    assert len(outcome.text) <= 16 << 10
    assert data[0] == "word"


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::ffff:127.0.0.1"], ["::1"]])
async def test_a_name_that_leads_here_is_not_connected_to(addresses: list[str]) -> None:
    """A name on the internet that resolves to this machine, in part or by turns, gets no connection."""
    looked_up: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return addresses

    async with back_end() as peer:
        made = hook(peer, webhook_url="https://rebind.example.com/", allow_private=False)
        with pytest.raises(AddressRefused):
            await call_webhook(made, {}, CTX, "call_1", resolve=rebinding)
    assert looked_up == ["rebind.example.com"]
    assert peer.connections == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of back-end.example, with its key, made for this run."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=back-end.example"]
    names = ["-addext", "subjectAltName=DNS:back-end.example", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run([*made, *names], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


async def here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


async def test_the_address_was_checked_but_the_name_is_what_tls_sees(certificate: Path) -> None:
    """We connect to the address that was looked up; SNI, certificate and Host header have the name."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    async with back_end(answer(body=b'"secure"'), tls=server_side) as peer:
        made = hook(peer, webhook_url=f"https://back-end.example:{peer.port}/")
        trusting = ssl.create_default_context(cafile=f"{certificate}.crt")
        assert await call_webhook(made, {}, CTX, "call_1", resolve=here, tls=lambda: trusting) == "secure"
        assert peer.names == ["back-end.example"]
        assert peer.asked[0].headers["host"] == f"back-end.example:{peer.port}"

        other = replace(made, webhook_url=f"https://other.example:{peer.port}/")
        with pytest.raises(NetworkError, match="we do not trust its certificate"):
            await call_webhook(other, {}, CTX, "call_1", resolve=here, tls=lambda: trusting)
        with pytest.raises(NetworkError, match="we do not trust its certificate"):
            await call_webhook(made, {}, CTX, "call_1", resolve=here)
    assert len(peer.asked) == 1


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would connect where we cannot see."""
    async with back_end() as proxy, back_end(answer(body=b'"direct"')) as peer:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await use(hook(peer)))[1] == "direct"
    assert proxy.connections == 0


async def test_what_went_wrong_is_an_error_with_a_name() -> None:
    """Whoever calls it gets one of ours, never httpcore's."""
    async with back_end(b"garbage\r\n\r\n") as peer:
        with pytest.raises(PatterError):
            await call_webhook(hook(peer), {}, CTX, "call_1")
