"""on_message as the address of another process, against a real one on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from patter_cli import Agent, AnswerService, wiring
from patter_cli.cli.discovery import load_agent
from patter_cli.engine.answer_service import Orders, RemoteAnswers, ready_service
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.webhook import verify_webhook
from patter_cli.errors import BadReply, InputError, MissingCredential, ProviderError, TimedOut, Unavailable
from patter_cli.observe.bus import Bus
from patter_cli.observe.journal_writer import JournalWriter
from patter_cli.simulate.typed import TypedCall, TypedControl

SECRET = "a shared secret"
FACTS = {"call_id": "CA1", "text": "When do you open?", "caller": "+1", "callee": "+2", "history": []}

Write = Callable[[bytes], Awaitable[None]]


class Posted:
    """One request as the other process got it, and whether we are still there."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body
        self.left = asyncio.Event()


@asynccontextmanager
async def answering(
    reply: Callable[[Write], Awaitable[None]], kind: str = "text/plain", status: int = 200
) -> AsyncIterator[tuple[str, list[Posted]]]:
    """An HTTP server that writes its reply in its own time. Yields its address and what it was asked."""
    asked: list[Posted] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        request = Posted(headers, await reader.readexactly(int(headers["content-length"])))
        asked.append(request)
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())

        async def write(data: bytes) -> None:
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await writer.drain()

        try:
            answered = asyncio.create_task(reply(write))  # type: ignore[arg-type]
            gone = asyncio.create_task(reader.read())
            await asyncio.wait({answered, gone}, return_when=asyncio.FIRST_COMPLETED)
            if answered.done():
                writer.write(b"0\r\n\r\n")
                await gone
            answered.cancel()
        except OSError:
            pass
        request.left.set()
        writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/answer", asked
    finally:
        server.close()


def at(url: str, **more: Any) -> RemoteAnswers:
    """One call's line to a process on this machine."""
    return RemoteAnswers(AnswerService(url=url, secret=SECRET, allow_private=True, **more), "CA1")


class Ordered:
    """What a reply asked for."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.orders = Orders(end_call=lambda: self.said.append("end"), transfer_call=self.said.append)


async def words(line: RemoteAnswers, ordered: Ordered | None = None) -> list[str]:
    return [piece async for piece in line.pieces(FACTS, (ordered or Ordered()).orders)]


async def nine(write: Write) -> None:
    await write(b"At ni")
    await write("ne ☕"[:-1].encode() + "☕".encode()[:1])
    await asyncio.sleep(0.05)
    await write("☕".encode()[1:] + b".")


async def test_a_turn_is_a_signed_post_and_its_reply_comes_in_pieces() -> None:
    """The event is its body; letters that were cut in two are whole again."""
    async with answering(nine) as (url, asked):
        pieces = await words(at(url))
    assert "".join(pieces) == "At nine ☕."
    assert len([each for each in pieces if each]) >= 2
    (request,) = asked
    assert json.loads(request.body) == {"type": "message", **FACTS}
    assert verify_webhook(SECRET, request.headers, request.body)
    assert not verify_webhook(SECRET, request.headers, request.body + b" ")


async def test_a_line_of_json_may_also_end_the_call_and_transfer_it() -> None:
    """{"text"}, {"end_call"}, {"transfer_call"}, in their order."""

    async def reply(write: Write) -> None:
        await write(b'{"text": "One moment."}\n{"transfer_call": "+1202')
        await write(b'5550142"}\n\n{"end_call": true}')

    ordered = Ordered()
    async with answering(reply, "application/x-ndjson; charset=utf-8") as (url, _):
        assert await words(at(url), ordered) == ["One moment."]
    assert ordered.said == ["+12025550142", "end"]


async def test_whoever_says_nothing_is_not_waited_for() -> None:
    """Neither at the beginning nor in the middle, and the connection is closed."""

    async def half(write: Write) -> None:
        await write(b"Half a ")
        await asyncio.sleep(30)

    async with answering(half) as (url, asked):
        pieces = at(url, timeout_s=0.3).pieces(FACTS, Ordered().orders)
        assert await anext(pieces) == "Half a "
        with pytest.raises(TimedOut, match="in time"):
            await anext(pieces)
        await asyncio.wait_for(asked[0].left.wait(), 5)


async def test_an_interrupted_reply_hangs_up() -> None:
    """Nobody pays for words that nobody hears."""

    async def endless(write: Write) -> None:
        while True:
            await write(b"and so on ")
            await asyncio.sleep(0.02)

    async with answering(endless) as (url, asked):
        pieces = at(url).pieces(FACTS, Ordered().orders)
        await anext(pieces)
        await pieces.aclose()
        await asyncio.wait_for(asked[0].left.wait(), 5)


@pytest.mark.parametrize(
    ("kind", "status", "body", "error"),
    [
        ("text/plain", 500, b"", Unavailable),
        ("text/plain", 302, b"", Unavailable),
        ("image/png", 200, b"x", BadReply),
        ("application/json", 200, b"{", BadReply),
        ("application/json", 200, b"[1]", BadReply),
        ("application/json", 200, b'{"text": 1}', BadReply),
        ("text/plain", 200, b"x" * (1 << 20) + b"x", BadReply),
    ],
)
async def test_a_reply_that_is_none(kind: str, status: int, body: bytes, error: type[ProviderError]) -> None:
    """A failure, a redirect, a picture, half a JSON, a novel: the caller gets an apology and not that."""

    async def reply(write: Write) -> None:
        if body:
            await write(body)

    async with answering(reply, kind, status) as (url, _):
        with pytest.raises(error):
            await words(at(url))


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_nobody_there(scheme: str) -> None:
    """And a name that leads into this network is refused unless that is allowed."""
    with pytest.raises(Unavailable):
        await words(at(f"{scheme}://127.0.0.1:9/"))

    async def inside(host: str, port: int) -> list[str]:
        return ["10.0.0.1"]

    service = AnswerService(url=f"{scheme}s://rebind.example.com/", secret=SECRET)
    with pytest.raises(Unavailable, match=r"10\.0\.0\.1"):
        await words(RemoteAnswers(service, "CA1", resolve=inside))


async def test_one_connection_a_call() -> None:
    """Signed over the call's id. Turns are numbered; an interrupted one is cancelled, its late words dropped."""
    got: list[dict[str, Any]] = []
    calls: list[bool] = []

    async def one(socket: ServerConnection) -> None:
        headers = {name.lower(): value for name, value in socket.request.headers.raw_items()}  # type: ignore[union-attr]
        calls.append(verify_webhook(SECRET, headers, headers["x-patter-call-id"].encode()))
        async for raw in socket:
            message = json.loads(raw)
            got.append(message)
            if message["type"] == "cancel":
                await socket.send(json.dumps({"id": message["id"], "text": "Too late."}))
                continue
            await socket.send(json.dumps({"id": message["id"], "text": "At nine."}))
            if message["id"] != 1:
                await socket.send(json.dumps({"id": message["id"], "end_call": True, "done": True}))

    async with serve(one, "127.0.0.1", 0) as server:
        line = at(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/")
        first = line.pieces(FACTS, Ordered().orders)
        assert await anext(first) == "At nine."
        await first.aclose()
        ordered = Ordered()
        assert await words(line, ordered) == ["At nine."]
        assert ordered.said == ["end"]
        await line.aclose()
        await line.aclose()
    assert calls == [True]
    assert [(each["type"], each["id"]) for each in got] == [("message", 1), ("cancel", 1), ("message", 2)]
    assert got[0] == {"type": "message", "id": 1, **FACTS}


async def test_a_connection_that_broke_is_made_again_for_the_next_turn() -> None:
    """The turn in which it broke has failed; a process that was restarted answers the next."""
    turns = 0

    async def one(socket: ServerConnection) -> None:
        nonlocal turns
        async for raw in socket:
            turns += 1
            if turns == 1:
                await socket.close()
                return
            await socket.send(json.dumps({"id": json.loads(raw)["id"], "text": "Here again.", "done": True}))

    async with serve(one, "127.0.0.1", 0) as server:
        line = at(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/")
        with pytest.raises(Unavailable):
            await words(line)
        assert await words(line) == ["Here again."]
        await line.aclose()


async def test_a_call_that_is_answered_elsewhere() -> None:
    """The whole way: what the other process says is heard, what it orders is done."""

    async def reply(write: Write) -> None:
        await write(b'{"text": "We open at nine. Goodbye!"}\n{"end_call": true}\n')

    ends: list[Any] = []
    async with answering(reply, "application/x-ndjson") as (url, asked):
        service = AnswerService(url=url, secret=SECRET, allow_private=True)
        hooks = Hooks(on_message=service, on_call_end=ends.append)
        call = TypedCall(
            wiring.ready_agent("shop", Agent("Be brief.", "Hello."), hooks),
            call_id="typed",
            control=TypedControl((), lambda human: None),
            journal=JournalWriter(Bus()).open("typed", None),
        )
        running = asyncio.create_task(call.run())
        await call.until_quiet()
        call.type("When do you open?")
        await asyncio.wait_for(running, 20)
    (end,) = ends
    assert end.reason == "agent"
    assert [each["text"] for each in end.transcript][-1] == "We open at nine. Goodbye!"
    assert json.loads(asked[0].body)["history"][0]["text"] == "Hello."


def test_an_address_that_cannot_be_used_is_refused_before_the_first_ring() -> None:
    """Plain http, this machine, no secret, no deadline at all."""
    for url in ("http://example.com/x", "ws://example.com/x", "https://127.0.0.1/", "ftp://example.com/", "a function"):
        with pytest.raises(InputError):
            wiring.ready_agent("shop", Agent("Be brief."), Hooks(on_message=url))
    with pytest.raises(MissingCredential) as raised:
        ready_service("wss://example.com/x", "")
    assert "PATTER_WEBHOOK_SECRET" in raised.value.hint
    assert ready_service("https://example.com/x", SECRET).secret == SECRET
    for wrong in (0, 61, "soon"):
        with pytest.raises(InputError, match="timeout_s"):
            AnswerService(url="https://example.com/x", timeout_s=wrong)  # type: ignore[arg-type]
    assert SECRET not in repr(AnswerService(url="https://example.com/x", secret=SECRET))


def test_an_agents_file_may_name_the_address(tmp_path: Any) -> None:
    """on_message = "https://…" beside its agent."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "shop.py").write_text(
        'from patter_cli import Agent\nagent = Agent("Be brief.")\non_message = "https://example.com/answer"\n'
    )
    assert load_agent("shop", tmp_path).hooks["on_message"] == "https://example.com/answer"
