"""What strangers, broken carriers and a stopping server may not do to a call."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import psutil
import pytest

from patter_cli.errors import PortBusy
from patter_cli.server.limits import Limits
from patter_cli.server.run import Server
from tests.e2e.stream_server import (
    BINARY,
    CLOSE,
    STOP,
    TEXT,
    JsonCodec,
    Peer,
    frame,
    media_message,
    peer,
    serving,
    start_message,
)

QUICK = Limits(
    start_s=0.2,
    media_gap_s=0.3,
    body_s=0.3,
    end_s=0.2,
    send_stall_s=0.2,
    ping_s=0.1,
    close_s=0.1,
    send_buffer_bytes=4096,
)
ECHO = (TEXT, JsonCodec().media(b"\xff" * 160).encode())


async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    """Wait for something that another task brings about."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def open_call(client: Peer, call_id: str = "c1", agent: str = "echo") -> None:
    assert " 101 " in await client.upgrade(f"/ws/loopback/{agent}")
    client.send(start_message(call_id))


async def echoes(client: Peer) -> bool:
    """Is this call alive and well?"""
    client.send(media_message())
    while (received := await client.receive())[0] != TEXT:
        pass
    return received == ECHO


async def ask(port: int, request: str, body: bytes = b"") -> str:
    """One HTTP request; the status line of its answer."""
    async with peer(port) as client:
        client.send(request.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        return (await client.head()).split("\r\n")[0]


# The course of a call.


async def test_a_call_from_start_to_stop() -> None:
    """Media goes to the call and back; `stop` ends it, and the socket is closed normally."""
    async with serving() as (server, exchange, live), peer(server.port) as client:
        await open_call(client)
        assert await echoes(client)
        assert live.count == 1
        client.send(STOP)
        assert await client.until_close() == ([], 1000)
        client.send(frame(CLOSE, b"\x03\xe8"))
        await until(lambda: live.count == 0)
        (call,) = exchange.calls
        assert (call.cause, call.stopped, call.sender.closed) == ("carrier_stop", 1, True)


@pytest.mark.parametrize(
    ("last", "cause"),
    [(frame(CLOSE, b"\x03\xe8"), "carrier_close"), (frame(TEXT, rsv=4), "protocol")],
    ids=["closed", "reserved bits"],  # a frame's mask is random, and a test's name is not
)
async def test_close_without_stop(last: bytes, cause: str) -> None:
    """A socket that closes, or breaks the protocol, ends its call at once."""
    async with serving() as (server, exchange, live), peer(server.port) as client:
        await open_call(client)
        assert await echoes(client)
        client.send(last)
        await until(lambda: exchange.calls[0].cause == cause, 1.0)
        assert exchange.calls[0].sender.closed
        client.close()
        await until(lambda: live.count == 0)


async def test_no_media() -> None:
    """A line that brings nothing any more is dead, even if its socket still answers pings."""
    async with serving(QUICK) as (server, exchange, live), peer(server.port) as client:
        await open_call(client)
        assert (await client.until_close())[1] == 1000
        assert exchange.calls[0].cause == "media_timeout"
        await until(lambda: live.count == 0)


async def test_never_start() -> None:
    """Sockets that never start are closed, and never kept a caller out."""
    async with serving(QUICK, max_calls=1) as (server, exchange, live), AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(peer(server.port)) for _ in range(50)]
        for client in idle:
            await client.upgrade()
        caller = await stack.enter_async_context(peer(server.port))
        await open_call(caller)
        assert await echoes(caller)
        for client in idle:
            assert (await client.until_close())[1] in (1008, 1006)
        assert len(exchange.calls) == live.count == 1


async def test_second_start_and_garbage(caplog: pytest.LogCaptureFixture) -> None:
    """A second start, binary, rubbish and unknown events are counted, told in one line, and change nothing."""
    caplog.set_level(logging.INFO, "patter.server")
    async with serving() as (server, exchange, live), peer(server.port) as client:
        await open_call(client)
        client.send(start_message("another"))
        for rubbish in (b"", b"{", b"[" * 5000, b"null", b'{"event":1}', b'"\\u001b[31m"'):
            client.send(frame(TEXT, rubbish))
        client.send(frame(TEXT, b'{"event":"weather"}') + frame(BINARY, b"\0" * 100))
        assert await echoes(client)
        client.send(STOP)
        await client.until_close()
        client.close()
        await until(lambda: live.count == 0)
    assert [call.call_id for call in exchange.calls] == ["c1"]
    (line,) = [record.getMessage() for record in caplog.records]
    assert "cause=carrier_stop" in line
    assert "binary=1 ignored=1 refused=6 second_start=1" in line


async def test_media_before_start() -> None:
    """The first 200 ms of audio that overtake `start` are kept in order, the rest is dropped."""
    async with serving() as (server, exchange, _live), peer(server.port) as client:
        await client.upgrade()
        for number in range(15):
            client.send(media_message(bytes([number])))
        client.send(start_message())
        assert await echoes(client) is False  # the first kept one comes back first
        await until(lambda: len(exchange.calls[0].heard) == 11)
        assert exchange.calls[0].heard[:10] == [bytes([number]) for number in range(10)]


async def test_flood_of_messages() -> None:
    """What a call sends above 200 messages a second is dropped, and its neighbour does not notice."""
    async with serving() as (server, exchange, _live), peer(server.port) as flooder, peer(server.port) as caller:
        await open_call(flooder, "flooder")
        flooder.send(media_message(b"") * 20000)
        await open_call(caller, "caller")
        for _ in range(20):
            began = time.monotonic()
            assert await echoes(caller)
            assert time.monotonic() - began < 1.0
        assert len(exchange.calls[0].heard) < 1000


async def test_flood_of_keys() -> None:
    """Twenty keys a second reach the call; what comes on top is dropped, and audio is not held up by it."""
    async with serving() as (server, exchange, _live), peer(server.port) as client:
        await open_call(client)
        client.send(frame(TEXT, json.dumps({"event": "key", "digit": "5"}).encode()) * 150)
        assert await echoes(client)
        assert 20 <= exchange.calls[0].keys < 30


async def test_rejected() -> None:
    """An agent that is not there: 1013 with the reason."""
    async with serving() as (server, _exchange, live), peer(server.port) as client:
        await open_call(client, agent="nobody")
        assert (await client.until_close())[1] == 1013
        client.close()
        await until(lambda: live.count == 0)


async def test_all_lines_busy() -> None:
    """A caller too many is refused before the socket is accepted; when one hangs up there is room again."""
    async with serving(max_calls=1) as (server, _exchange, live), peer(server.port) as first:
        await open_call(first)
        assert await echoes(first)
        async with peer(server.port) as second:
            assert " 503 " in await second.upgrade()
        first.close()
        await until(lambda: live.count == 0)
        async with peer(server.port) as third:
            await open_call(third)
            assert await echoes(third)


async def test_a_bug_in_a_call(caplog: pytest.LogCaptureFixture) -> None:
    """A call that raises is ended as our error; its neighbour goes on."""
    async with serving() as (server, exchange, _live), peer(server.port) as broken, peer(server.port) as caller:
        await open_call(caller)
        await open_call(broken, agent="broken")
        broken.send(media_message())
        assert (await broken.until_close())[1] == 1011
        assert await echoes(caller)
        assert exchange.calls[1].cause == "internal_error"
    assert "a bug in a call" in caplog.text


async def test_a_call_that_does_not_end() -> None:
    """A call that goes on after its stream is cancelled."""
    async with serving(QUICK) as (server, exchange, live), peer(server.port) as client:
        await open_call(client, agent="deaf")
        client.send(media_message() + STOP)
        await client.until_close()
        client.close()
        await until(lambda: live.count == 0, 2.0)
        assert exchange.calls[0].cause == "carrier_stop"


# Peers that go away or do not read.


async def test_reset_in_the_middle_of_playout() -> None:
    """After the peer is gone the gate closes at once: whoever sends in a loop stops, and the others are served."""
    async with serving() as (server, exchange, live), peer(server.port) as client, peer(server.port) as other:
        await open_call(client)
        assert await echoes(client)
        call = exchange.calls[0]
        sent = 0

        async def play() -> None:
            nonlocal sent
            while not call.sender.closed:
                call.sender.send("x" * 16384)
                sent += 1
                await asyncio.sleep(0.001)

        playing = asyncio.create_task(play())
        await asyncio.sleep(0.1)
        sent_before = sent
        client.reset()
        await playing
        assert sent_before > 0
        assert sent - sent_before <= 50  # at a ms or more each
        await open_call(other)
        assert await echoes(other)
        await until(lambda: live.count == 1, 2.0)
        assert call.cause == "carrier_close"


async def test_a_peer_that_never_reads() -> None:
    """It gets what the buffers hold; then its call ends as stalled, the memory does not grow, the others go on."""
    async with serving(QUICK) as (server, exchange, live), peer(server.port) as other:
        await open_call(other)
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
        deaf = Peer(*await asyncio.open_connection(sock=sock, limit=1024))
        await open_call(deaf)
        assert await echoes(deaf)
        deaf.stop_reading()
        call = next(call for call in exchange.calls if call.heard)
        before = psutil.Process().memory_info().rss
        began = time.monotonic()
        while not call.cause:
            call.sender.send("x" * 1000)
            call.sender.send("x" * 100)
            deaf.send(media_message())
            assert await echoes(other)
            await asyncio.sleep(0.01)  # the other one keeps to its rate
            assert time.monotonic() - began < 10
        assert call.cause == "carrier_stalled"
        await until(lambda: live.count == 1, 2.0)
        assert psutil.Process().memory_info().rss - before < 20 << 20
        deaf.close()


async def test_a_dead_peer() -> None:
    """A socket that answers no ping is cut."""
    limits = Limits(ping_s=0.05, media_gap_s=60, start_s=60)
    async with serving(limits) as (server, exchange, live), peer(server.port) as client:
        await open_call(client)
        await until(lambda: exchange.calls and exchange.calls[0].cause == "carrier_close", 2.0)
        await until(lambda: live.count == 0)


async def test_a_flood_of_pings_that_nobody_reads() -> None:
    """Pongs for a peer that does not read are not kept."""
    async with serving(Limits(send_buffer_bytes=4096)) as (server, _exchange, _live), peer(server.port) as client:
        await client.upgrade()
        client.stop_reading()
        before = psutil.Process().memory_info().rss
        for _ in range(200):
            client.send(frame(9, b"p" * 125) * 100)
            await asyncio.sleep(0.001)
        assert psutil.Process().memory_info().rss - before < 20 << 20
        assert " 200 " in await ask(server.port, "GET /health HTTP/1.1\nHost: localhost")


# Size, speed, compression.


async def test_compression_bomb() -> None:
    """permessage-deflate is not taken up, and a compressed frame ends the socket before it is kept."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = squeeze.compress(b"a" * (40 << 20)) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    async with serving() as (server, _exchange, _live), peer(server.port) as client:
        head = await client.upgrade(headers="Sec-WebSocket-Extensions: permessage-deflate\r\n")
        assert " 101 " in head
        assert "extensions" not in head.lower()
        before = psutil.Process().memory_info().rss
        client.send(frame(TEXT, bomb[:60000], rsv=4))
        assert await client.until_close() == ([], 1002)
        assert psutil.Process().memory_info().rss - before < 2 << 20


async def test_oversize() -> None:
    """A message above 64 KiB is refused with 1009 when its header is seen."""
    async with serving() as (server, exchange, _live), peer(server.port) as client:
        await open_call(client)
        assert await echoes(client)
        client.send(frame(TEXT, size=65537))
        assert await client.until_close() == ([], 1009)
        assert exchange.calls[0].cause == "protocol"


async def test_slow_body() -> None:
    """A body that does not arrive is 408, and the connection ends."""
    async with serving(QUICK) as (server, _exchange, _live):
        head = "POST /health HTTP/1.1\nHost: localhost\nContent-Length: 100"
        assert " 408 " in await ask(server.port, head, b"ab")


async def test_slow_headers() -> None:
    """Headers that do not arrive end the connection."""
    async with serving(Limits(keep_alive_s=0.2)) as (server, _exchange, _live), peer(server.port) as client:
        client.send(b"GET /health HTTP/1.1\r\nHost:")
        assert await client.ended()


@pytest.mark.parametrize("declared", [True, False])
async def test_huge_body(declared: bool) -> None:
    """200 MB are refused with 413 once that is clear, memory stays flat, and the connection ends."""
    async with serving() as (server, _exchange, _live), peer(server.port) as client:
        length = "Content-Length: 209715200" if declared else "Transfer-Encoding: chunked"
        client.send(f"POST /health HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
        before = psutil.Process().memory_info().rss
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        with suppress(ConnectionError):
            for _ in range(3200):
                client.send(chunk)
                await client.writer.drain()
        with suppress(EOFError, ConnectionError):  # the answer may be lost when the connection is reset under it
            assert " 413 " in await client.head()
        assert psutil.Process().memory_info().rss - before < 5 << 20
        await until(lambda: not server._connections)
        assert " 200 " in await ask(server.port, "GET /health HTTP/1.1\nHost: localhost")


@pytest.mark.parametrize("size", [65536, 65537])
async def test_body_limit(size: int) -> None:
    """64 KiB pass the guard (and meet a route that takes no POST), one byte more does not."""
    async with serving() as (server, _exchange, _live):
        head = f"POST /health HTTP/1.1\nHost: localhost\nContent-Length: {size}"
        assert (" 405 " if size == 65536 else " 413 ") in await ask(server.port, head, b"x" * size)


@pytest.mark.parametrize("size", [17_000, 100_000])
async def test_huge_headers(size: int) -> None:
    """Headers beyond 16 KiB are refused, whether they come in one read or in several."""
    async with serving() as (server, _exchange, _live):
        head = "GET /health HTTP/1.1\nHost: localhost\nX-Long: " + "y" * size
        assert " 431 " in await ask(server.port, head)


# Who asks, and for what.


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1"])
async def test_loopback_hosts(host: str) -> None:
    """A request that names this machine is answered."""
    async with serving() as (server, _exchange, _live):
        assert " 200 " in await ask(server.port, f"GET /health HTTP/1.1\nHost: {host}")


@pytest.mark.parametrize(
    "host", ["rebind.example", "127.0.0.1.example", "localhost.example:80", "a@localhost", "", "["]
)
async def test_foreign_hosts(host: str) -> None:
    """DNS rebinding: a name that is not ours is 421, for pages and sockets."""
    async with serving() as (server, _exchange, _live), peer(server.port) as client:
        assert " 421 " in await ask(server.port, f"GET /health HTTP/1.1\nHost: {host}")
        assert " 421 " in await client.upgrade(host=host)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://localhost:1", "x"]
)
async def test_foreign_origins(origin: str) -> None:
    """A page of somebody else cannot open a media socket."""
    async with serving() as (server, exchange, _live), peer(server.port) as client:
        assert " 403 " in await client.upgrade(headers=f"Origin: {origin}\r\n")
        assert not exchange.calls


async def test_own_origin() -> None:
    """Our own page can."""
    async with serving() as (server, _exchange, _live), peer(server.port) as client:
        host = f"localhost:{server.port}"
        assert " 101 " in await client.upgrade(host=host, headers=f"Origin: http://{host}\r\n")


@pytest.mark.parametrize(
    "header", ["CF-Ray: 1", "CF-Connecting-IP: 8.8.8.8", "X-Forwarded-For: 8.8.8.8", "Forwarded: for=x"]
)
async def test_loopback_line_is_not_tunnelled(header: str) -> None:
    """The line that asks for no secret is not there for who comes through a tunnel."""
    async with serving() as (server, _exchange, _live), peer(server.port) as client:
        assert " 404 " in await client.upgrade(host="localhost", headers=header + "\r\n")


@pytest.mark.parametrize("host", ["localhost", "agent.example"])
async def test_loopback_line_is_closed_with_a_public_host(host: str) -> None:
    """As soon as a public host is set, the line that asks for no secret is there for nobody."""
    async with serving(hosts=frozenset({"agent.example"})) as (server, exchange, _live):
        async with peer(server.port) as client:
            assert " 101 " not in await client.upgrade(host=host)
        assert exchange.calls == []
        assert " 404 " in await ask(server.port, "GET /health HTTP/1.1\nHost: agent.example")
        assert " 200 " in await ask(server.port, "GET /health HTTP/1.1\nHost: localhost")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc", "/", "/ws/loopback/echo", "/%2e%2e", "/%ff"])
async def test_nothing_describes_itself(path: str) -> None:
    """There are no pages but the routes."""
    async with serving() as (server, _exchange, _live):
        assert " 404 " in await ask(server.port, f"GET {path} HTTP/1.1\nHost: localhost")


async def test_unknown_socket() -> None:
    """A socket to nowhere is refused."""
    async with serving() as (server, _exchange, _live), peer(server.port) as client:
        assert " 40" in await client.upgrade("/ws/nowhere")


@pytest.mark.parametrize(
    "bytes_",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100),
        b"\x16\x03\x01" + bytes(200),
        b"\0" * 5000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_garbage_instead_of_http(bytes_: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """What is not HTTP/1.1 gets an error or nothing, and leaves no trace in the log."""
    async with serving(QUICK) as (server, _exchange, _live), peer(server.port) as client:
        client.send(bytes_)
        assert await client.ended()
        assert " 200 " in await ask(server.port, "GET /health HTTP/1.1\nHost: localhost")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_no_upgrade_to_http2() -> None:
    """A request to go on in HTTP/2 is answered in HTTP/1.1."""
    async with serving() as (server, _exchange, _live):
        head = "GET /health HTTP/1.1\nHost: localhost\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c"
        assert await ask(server.port, head) == "HTTP/1.1 200 "


async def test_busy_port() -> None:
    """A port that is taken is named, with who has it."""
    async with serving() as (server, _exchange, live):
        with pytest.raises(PortBusy, match=rf"{server.port} is already in use by .+ \(pid {os.getpid()}\)"):
            await Server(lambda *_: asyncio.sleep(0), live=live, port=server.port).start()


# Stopping.


async def test_draining() -> None:
    """While the last calls end, health says so and new ones are refused; idle sockets go at once."""
    async with serving(drain_timeout_s=5) as (server, exchange, live), peer(server.port) as caller:
        await open_call(caller)
        assert await echoes(caller)
        async with peer(server.port) as idle, peer(server.port) as late:
            await idle.upgrade()
            await until(lambda: live._waiting)
            stopping = asyncio.create_task(server.shutdown())
            assert (await idle.until_close())[1] == 1001
            assert " 503 " in await late.upgrade()
            async with peer(server.port) as client:
                client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await client.head()
                health = json.loads(await client.reader.read(1000))
            assert (health["status"], health["live_calls"]) == ("draining", 1)
            assert await echoes(caller)
            caller.send(STOP)
            await caller.until_close()
            caller.close()
            await stopping
        assert exchange.calls[0].goodbyes == []


SERVE = """
import asyncio, sys
from tests.e2e.stream_server import *
from patter_cli.server.run import run, run_until_signal
async def main():
    live = CallRegistry()
    app = create_app(open_call=Exchange().open_call, streams=[ROUTE], live=live, version="0")
    server = Server(app, live=live, port=0, drain_timeout_s=float(sys.argv[1]))
    return await run_until_signal(server, on_ready=lambda: print(server.port, flush=True))
sys.exit(0 if run(main()) else 9)
"""


def pythons() -> list[str]:
    """This Python, and others that are told of in PATTER_TEST_PYTHONS (paths, with the dependencies installed)."""
    return [sys.executable, *filter(None, os.environ.get("PATTER_TEST_PYTHONS", "").split(os.pathsep))]


def spawn(python: str, drain_s: float) -> tuple[subprocess.Popen[str], int]:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [python, "-X", "dev", "-c", SERVE, str(drain_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.mark.parametrize("python", pythons())
async def test_sigterm_with_calls(python: str) -> None:
    """SIGTERM: ten calls are not cut before the grace, hear a goodbye, and the process is out by grace + 5 s."""
    assert shutil.which(python)
    process, port = spawn(python, 1.0)
    try:
        async with AsyncExitStack() as stack:
            calls = [await stack.enter_async_context(peer(port)) for _ in range(10)]
            for number, client in enumerate(calls):
                await open_call(client, f"c{number}", "deaf" if number == 9 else "echo")
                assert await echoes(client)
            idle, half_open, plain = [await stack.enter_async_context(peer(port)) for _ in range(3)]
            await idle.upgrade()
            half_open.send(b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert (await idle.until_close())[1] == 1001
            await asyncio.sleep(0.5)
            for client in calls:
                assert await echoes(client)
            for client in calls[:9]:
                frames, close = await client.until_close()
                assert b"goodbye" in frames[-1][1]
                assert (close, time.monotonic() - began > 1.0) == (1000, True)
            code = await asyncio.to_thread(process.wait, 15)
            assert code == 0
            assert time.monotonic() - began < 1.0 + 5.0
            assert await plain.ended()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("python", pythons())
async def test_second_signal(python: str) -> None:
    """A second signal ends it within 2 s, whoever is talking."""
    process, port = spawn(python, 30.0)
    try:
        async with peer(port) as client:
            await open_call(client)
            assert await echoes(client)
            process.send_signal(signal.SIGINT)
            await asyncio.sleep(0.3)
            assert await echoes(client)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 10) == 9
            assert time.monotonic() - began < 2.0
    finally:
        process.kill()
        process.communicate()
