"""A local port that a tunnel leads to, seen from another process: a server of ours is there, or comes later.

A server that runs is told the public host over its control socket, and makes the proofs. While there is none a stand-in
of this process listens for the moment of the first round trip, answers that and nothing else, and leaves the port free.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from patter_cli.errors import NotReachable, PatterError, PortBusy
from patter_cli.server.addresses import Addresses
from patter_cli.server.app import create_app
from patter_cli.server.calls import Call, CallRegistry
from patter_cli.server.control import ask
from patter_cli.server.control_messages import Admit, AskProof, Drop, Tell
from patter_cli.server.proofs import Proof, Proofs
from patter_cli.server.registration import Registration, running
from patter_cli.server.run import Server
from patter_cli.version import VERSION

log = logging.getLogger("patter.server")

LOOK_S: Final = 1.0
"""How often it is looked whether a server has come, or another one."""


class LedPort:
    """One port, as something that serves: see ReachableServer."""

    def __init__(self, port: int, run_folder: Path) -> None:
        """run_folder: where servers of this user are found."""
        self._port = port
        self._folder = run_folder
        self._address = ""
        """The one that carriers are told."""
        self._told: Registration | None = None
        self._stand_in: _StandIn | None = None
        self._follow: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        return self._port

    async def start(self) -> None:
        """Look out for servers that come."""
        self._follow = asyncio.create_task(self._tell_whoever_comes())

    async def shutdown(self) -> None:
        """Look out no more. Whoever serves goes on."""
        if self._follow is not None:
            self._follow.cancel()
        if self._stand_in is not None:
            await self._stand_in.close()

    async def cut(self) -> None:
        await self.shutdown()

    async def admit(self, address: str) -> None:
        """Raises PortBusy where somebody else listens, and what the server has against it."""
        server = await self._server()
        if server is not None:
            await ask(server, Admit(host=address))
        else:
            self._stand_in = _StandIn(self._port, address)
            try:
                await self._stand_in.start()
            except PortBusy as error:
                self._stand_in = None
                raise PortBusy(f"{error}, which is no server of ours", hint="patter tunnel --port PORT") from error

    async def tell(self, address: str) -> None:
        """Raises PatterError."""
        if self._stand_in is not None:
            await self._stand_in.close()
            self._stand_in = None
        self._address = address
        server = await self._server()
        if server is not None:
            await ask(server, Tell(host=address))
            self._told = server

    async def drop(self, host: str) -> None:
        """The server, if there is one, forgets the host."""
        if self._stand_in is not None:
            await self._stand_in.close()
            self._stand_in = None
        with suppress(PatterError):
            server = await self._server()
            if server is not None:
                await ask(server, Drop(host=host))

    async def new_proof(self) -> Proof | None:
        """The server's, or the stand-in's."""
        if self._stand_in is not None:
            return self._stand_in.proofs.new()
        with suppress(NotReachable):  # it has just stopped
            server = await self._server()
            if server is not None:
                reply = await ask(server, AskProof())
                return Proof(token=str(reply["token"]), answer=str(reply["answer"]))
        return None

    async def _server(self) -> Registration | None:
        servers = await asyncio.to_thread(running, self._folder)
        return next((each for each in reversed(servers) if each.port == self._port), None)

    async def _tell_whoever_comes(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._address or self._stand_in is not None:
                continue
            try:
                server = await self._server()
                if server is not None and server != self._told:
                    self._told = server
                    await ask(server, Tell(host=self._address))
                    host = self._address.partition("/")[0]
                    log.warning("server %d on port %d is reached at %s", server.pid, self._port, host)
            except PatterError as error:
                log.error("the server on port %d cannot be told its public host: %s", self._port, error)


class _StandIn:
    """Answers proofs, and nothing else."""

    def __init__(self, port: int, address: str) -> None:
        self.proofs = Proofs(time.monotonic)
        addresses = Addresses(host="127.0.0.1", port=lambda: port, secret=b"", public_host=address)
        live = CallRegistry()
        app = create_app(
            open_call=_nobody, streams=(), live=live, version=VERSION, hosts=addresses.hosts, proofs=self.proofs
        )
        self._server = Server(app, live=live, port=port, drain_timeout_s=0)

    async def start(self) -> None:
        await self._server.start()

    async def close(self) -> None:
        await self._server.cut()


def _nobody(*call: object) -> Call:
    raise AssertionError("it has no stream routes")
