"""What one inbound message costs: stock Hypercorn against our wire, and frame readers alone.

    python -m tests.bench.socket [--sockets 40] [--seconds 6]

Each server runs in a process of its own, on uvloop; its CPU time over the messages it received is the figure, so the
client's share and other people's work on the machine do not count. Messages come as a carrier sends them: one 20 ms
frame per socket and 20 ms, at different moments. Every fifth is answered, as a call does that sends 100 ms at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import psutil
import uvloop

from tests.e2e.stream_server import TEXT, Peer, frame

FRAME = frame(
    TEXT,
    b'{"event":"media","sequenceNumber":"4","media":{"track":"inbound","chunk":"2","timestamp":"40","payload":"'
    + b"/" * 216
    + b'"},"streamSid":"MZ00000000000000000000000000000001"}',
)
ANSWER = '{"event":"media","streamSid":"MZ00000000000000000000000000000001","media":{"payload":"' + "/" * 1068 + '"}}'


async def stock_starlette(port: int) -> None:
    """Hypercorn with wsproto and a Starlette endpoint, as one writes it by the manual."""
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocket

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        count = 0
        with suppress(Exception):
            while True:
                await websocket.receive_text()
                count += 1
                if count % 5 == 0:
                    await websocket.send_text(ANSWER)

    await _hypercorn(Starlette(routes=[WebSocketRoute("/line", endpoint)]), port)


async def stock_asgi(port: int) -> None:
    """Hypercorn with wsproto and nothing between it and the receiver."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        count = 0
        while (await receive())["type"] == "websocket.receive":
            count += 1
            if count % 5 == 0:
                await send({"type": "websocket.send", "text": ANSWER})

    await _hypercorn(app, port)


async def _hypercorn(app: Any, port: int) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.errorlog = None
    await serve(app, config)


async def ours(port: int) -> None:
    """Our wire, message by message to a sink."""
    from patter_cli.server.calls import CallRegistry
    from patter_cli.server.run import Server
    from patter_cli.server.wire import SOCKET, CloseCause, Wire

    class Counter:
        wire: Wire
        count = 0

        def on_text(self, text: str) -> None:
            self.count += 1
            if self.count % 5 == 0:
                self.wire.write(ANSWER)

        def on_binary(self, data: bytes) -> None: ...

        def on_blocked(self) -> None: ...

        def on_writable(self) -> None: ...

        def on_gone(self, how: CloseCause) -> None: ...

    async def app(scope: Any, receive: Any, send: Any) -> None:
        counter = Counter()
        counter.wire = await scope["state"][SOCKET].accept(counter)
        await counter.wire.wait_lost()

    await Server(app, live=CallRegistry(), port=port).start()
    await asyncio.Event().wait()


async def ours_call(port: int) -> None:
    """Our wire with all of media.py: rate, decoding as JSON and base64, hand-over to a call."""
    from patter_cli.contracts.carrier.stream import MediaIn
    from tests.e2e import stream_server

    class Codec(stream_server.JsonCodec):
        def receive(self, text: str) -> Any:
            import base64
            import json

            message = json.loads(text)
            return (
                MediaIn(base64.b64decode(message["media"]["payload"]), 0, 0)
                if "media" in message
                else super().receive(text)
            )

    class Call(stream_server.EchoCall):
        count = 0

        def on_stream(self, message: Any) -> None:
            self.count += 1
            if self.count % 5 == 0:
                self.sender.send(ANSWER)

    from patter_cli.server.app import StreamRoute, create_app
    from patter_cli.server.calls import CallRegistry
    from patter_cli.server.entrance import local_entrance
    from patter_cli.server.run import Server

    live = CallRegistry(max_calls=1000)
    entrance = local_entrance("loopback", lambda agent: True, time.time)
    app = create_app(
        open_call=lambda _ticket, started, sender: Call(started, sender),
        streams=[StreamRoute(path="/{agent}", codec=Codec, entrance=entrance, local_only=True)],
        live=live,
        version="0",
    )
    await Server(app, live=live, port=port).start()
    await asyncio.Event().wait()


SERVERS: dict[str, Callable[[int], Coroutine[Any, Any, None]]] = {
    "stock": stock_starlette,
    "stock-asgi": stock_asgi,
    "ours": ours,
    "ours-call": ours_call,
}


async def measure(kind: str, sockets: int, seconds: float) -> float:
    """CPU microseconds of the server's process per inbound message."""
    port = 18200 + list(SERVERS).index(kind)
    command = [sys.executable, "-m", "tests.bench.socket", "--serve", kind, "--port", str(port)]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        peers = [await _open(port) for _ in range(sockets)]
        server = psutil.Process(process.pid)
        sent = 0

        async def talk(index: int, client: Peer) -> None:
            nonlocal sent
            begin = time.monotonic() + index * 0.02 / sockets
            while (now := time.monotonic()) < stop:
                begin = max(begin + 0.02, now - 0.1)
                await asyncio.sleep(max(0.0, begin - now))
                client.writer.write(FRAME)
                sent += 1

        async def drain(client: Peer) -> None:
            while await client.reader.read(65536):
                pass

        readers = [asyncio.create_task(drain(client)) for client in peers]
        stop = time.monotonic() + 1.0
        await asyncio.gather(*(talk(index, client) for index, client in enumerate(peers)))
        sent, before = 0, sum(server.cpu_times()[:2])
        stop = time.monotonic() + seconds
        await asyncio.gather(*(talk(index, client) for index, client in enumerate(peers)))
        await asyncio.sleep(0.2)
        spent = sum(server.cpu_times()[:2]) - before
        for reader, client in zip(readers, peers, strict=True):
            reader.cancel()
            client.close()
        return float(spent) / sent * 1e6
    finally:
        process.kill()
        await process.wait()


async def _open(port: int) -> Peer:
    for _ in range(200):
        with suppress(OSError):
            client = await Peer.connect(port)
            assert " 101 " in await client.upgrade("/line")
            client.send(frame(TEXT, b'{"event":"start","call_id":"c"}'))
            return client
        await asyncio.sleep(0.05)
    raise SystemExit("the server did not come up")


def readers() -> dict[str, float]:
    """Microseconds to read one such frame, alone in its read."""
    from websockets.frames import Frame
    from websockets.protocol import State
    from websockets.server import ServerProtocol
    from wsproto.connection import Connection, ConnectionType
    from wsproto.events import TextMessage

    from patter_cli.server.frames import FrameReader

    own = FrameReader(max_bytes=65536, frames_per_turn=64)
    library = ServerProtocol(state=State.OPEN, max_size=65536)
    stock = Connection(ConnectionType.SERVER)

    def read_library() -> str:
        library.receive_data(FRAME)
        event = library.events_received()[0]
        assert isinstance(event, Frame)
        return bytes(event.data).decode()

    def read_stock() -> str:
        stock.receive_data(FRAME)
        event = next(iter(stock.events()))
        assert isinstance(event, TextMessage)
        return event.data

    found = {}
    readings = {"wsproto": read_stock, "websockets": read_library, "ours": lambda: str(own.feed(FRAME)[0])}
    for name, read in readings.items():
        best = float("inf")
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(4000):
                read()
            best = min(best, (time.perf_counter() - began) / 4000 * 1e6)
        found[name] = best
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--serve", choices=SERVERS)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(SERVERS[options.serve](options.port))
        return
    for name, each in readers().items():
        print(f"read a frame, {name:11} {each:7.2f} us")
    costs = {kind: asyncio.run(measure(kind, options.sockets, options.seconds)) for kind in SERVERS}
    for kind, cost in costs.items():
        print(f"a message, {kind:14} {cost:7.1f} us  {cost / costs['stock']:5.2f} of stock")


if __name__ == "__main__":
    main()
