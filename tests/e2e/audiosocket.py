"""A peer that speaks AudioSocket, or anything else, to a server of ours over TCP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import numpy as np

from patter_cli import Asterisk, wiring
from patter_cli.agent import Agent
from patter_cli.audio.frame import Samples
from patter_cli.callers import CallerRules
from patter_cli.contracts.store import CallStore
from patter_cli.contracts.vad import VoiceModel
from patter_cli.core import commands as order
from patter_cli.engine.hooks import Hooks
from patter_cli.server.service import Service, ServiceSettings
from tests.e2e.conftest import LOUDNESS, Log, agent

FROM, TO = "+15550100001", "+15550100002"
NUMBERS = bytes.fromhex("0000015550100001" + "0000015550100002")
"""A UUID that says who calls whom."""
START = b"\x01\x00\x10" + NUMBERS
SILENCE = b"\x10\x01\x40" + bytes(320)


class Shop:
    """A server with agents that Asterisk brings calls to."""

    def __init__(self, service: Service, log: Log) -> None:
        self.service = service
        self.log = log

    @property
    def port(self) -> int:
        return int(self.service.direct_addresses["asterisk"].rpartition(":")[2])

    def ends(self) -> list[tuple[str, str]]:
        """(outcome, reason) of each call that is over."""
        return [
            (each.outcome, each.reason)
            for entries in self.log.calls.values()
            for entry in entries
            for each in entry.commands
            if isinstance(each, order.FinishCall)
        ]

    def lines(self) -> list[tuple[str, str]]:
        """(role, text) of every call's transcript."""
        return [
            (each.role, each.text)
            for entries in self.log.calls.values()
            for entry in entries
            for each in entry.commands
            if isinstance(each, order.ReportTranscript)
        ]

    async def until(self, true: Callable[[], object], within_s: float = 8.0) -> None:
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def shop(
    *,
    carrier: Asterisk | None = None,
    greeting: str = "Hello there.",
    hooks: Hooks | None = None,
    agents: tuple[str, ...] = ("shop",),
    store: CallStore | None = None,
    max_calls: int | None = None,
    numbers: dict[str, str] | None = None,
    given: Agent | None = None,
    voice: VoiceModel | None = LOUDNESS,
    callers: CallerRules | None = None,
) -> AsyncIterator[Shop]:
    log = Log()
    hooks = hooks or Hooks(on_message=lambda event: "From nine until six.")
    service = wiring.service(
        {name: wiring.ready_agent(name, given or agent(greeting), hooks) for name in agents},
        ServiceSettings(
            port=0,
            drain_timeout_s=0.0,
            max_calls=max_calls,
            numbers=numbers or {},
            callers=callers or CallerRules(),
        ),
        store=store,
        observers=(log,),
        voice=voice,
        carried_by={**wiring.carriers(), "asterisk": carrier or Asterisk(port=0)},
    )
    await service.start()
    try:
        yield Shop(service, log)
    finally:
        await service.cut()
        service.close()


class Peer:
    """One connection. What comes is read all the time unless `deaf`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.messages: list[tuple[float, int, bytes]] = []
        """(seconds on the loop's clock, kind, payload)."""
        self.closed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def samples(self) -> Samples:
        return np.frombuffer(b"".join(each for _, kind, each in self.messages if kind == 0x10), "<i2").astype(np.int16)

    @property
    def kinds(self) -> set[int]:
        return {kind for _, kind, _ in self.messages}

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def finish(self) -> None:
        """Say that nothing more comes, as a caller's hanging up does."""
        self._writer.write_eof()

    def abort(self) -> None:
        """Reset the connection."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._writer.transport.abort()

    def talk(self) -> None:
        """Send silence from now on, as a telephone does."""
        self._tasks.append(asyncio.create_task(self._talk()))

    def listen(self) -> None:
        self._tasks.append(asyncio.create_task(self._listen()))

    async def until_closed(self, within_s: float = 3.0) -> None:
        await asyncio.wait_for(self.closed.wait(), within_s)

    async def until(self, true: Callable[[], object], within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def _talk(self) -> None:
        while not self.closed.is_set():
            self.send(SILENCE)
            await asyncio.sleep(0.02)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                head = await self._reader.readexactly(3)
                payload = await self._reader.readexactly(int.from_bytes(head[1:], "big"))
                self.messages.append((loop.time(), head[0], payload))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def connected(port: int, *, deaf: bool = False) -> AsyncIterator[Peer]:
    """A connection to a port of this machine."""
    sock = socket.socket()
    sock.setblocking(False)
    if deaf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # what it does not read fills up soon
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    peer = Peer(*await asyncio.open_connection(sock=sock, limit=4096))
    if deaf:
        peer._writer.transport.pause_reading()  # type: ignore[attr-defined]
    else:
        peer.listen()
    try:
        yield peer
    finally:
        await peer.close()
