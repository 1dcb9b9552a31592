"""Reached by carriers: a tunnel that is proven and kept, and the numbers that are pointed at it meanwhile.

begin   tunnel -> round trip -> number: read, kept on disk, set, read back
then    a tunnel that died is replaced, and the numbers pointed at the new host
end     the numbers get back what they had -> live calls end, through the tunnel -> the tunnel is closed
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from patter_cli.contracts.tunnel import Tunnel
from patter_cli.errors import PatterError
from patter_cli.server.addresses import number_url
from patter_cli.server.kept_tunnel import KeptTunnel, Led, Watching
from patter_cli.server.number_setup import NumberSetup
from patter_cli.server.round_trip import Way
from patter_cli.server.run import Serving

log = logging.getLogger("patter.server")

LONGEST_PAUSE_S: Final = 30.0
NO_MORE_CALLS_S: Final = 2.0
"""How long new calls are taken while numbers are being given back; after it they are declined."""
RESTORE_S: Final = 3.0
"""What numbers get once the server is down. What is not done by then the next server does."""


def _nothing(host: str) -> None:
    return None


class Reachability:
    """One server's way to the world."""

    def __init__(
        self, tunnel: KeptTunnel, numbers: Sequence[NumberSetup] = (), *, on_host: Callable[[str], None] = _nothing
    ) -> None:
        """numbers: pointed here while it lasts. on_host: told each public host, once it is proven and before numbers
        are pointed at it."""
        self._tunnel = tunnel
        self._numbers = tuple(numbers)
        self._on_host = on_host
        self._watch: asyncio.Task[None] | None = None
        self._giving_back: asyncio.Task[None] | None = None

    @property
    def host(self) -> str:
        """The public host; "" while there is none."""
        return self._tunnel.host

    @property
    def address(self) -> str:
        """The public host, and the path under it."""
        return self._tunnel.address

    @property
    def about(self) -> str:
        """What carries it, for people."""
        return self._tunnel.about

    async def begin(self) -> str:
        """Open the tunnel and point the numbers at it; returns the host. Raises PatterError, and nothing is left."""
        try:
            host = await self._tunnel.open()
            self._on_host(host)
            for each in self._numbers:
                await each.point(number_url(self.address, each.carrier))
        except BaseException:
            await asyncio.shield(self.end())
            raise
        self._watch = asyncio.create_task(self._tunnel.watch(self._moved))
        self._watch.add_done_callback(_tell_failure)
        return host

    async def give_back(self) -> None:
        """Give the numbers what they had before. Never raises. Twice is fine."""
        if self._giving_back is None:
            if self._watch is not None:
                self._watch.cancel()
            self._giving_back = asyncio.create_task(self._restore())
        await asyncio.shield(self._giving_back)

    async def end(self) -> None:
        """`give_back`, and close the tunnel. Twice is fine."""
        try:
            async with asyncio.timeout(RESTORE_S):
                await self.give_back()
        except TimeoutError:
            log.error("the carrier does not answer: the next patter serve gives the numbers back what they had")
        finally:
            await self._tunnel.aclose()

    async def _restore(self) -> None:
        if self._watch is not None:
            await asyncio.wait({self._watch})
        for each in reversed(self._numbers):  # two may share one setting, and the first knows what it was
            await each.restore()

    async def _moved(self, host: str) -> None:
        self._on_host(host)
        for each in self._numbers:
            await self._point(each, number_url(self.address, each.carrier))

    async def _point(self, number: NumberSetup, url: str) -> None:
        """Until it is done: calls go nowhere before."""
        pause_s = 0.5
        while True:
            try:
                await number.point(url)
                return
            except (PatterError, OSError) as error:
                log.error("%s cannot be pointed at %s: %s", number.number, url, error)
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)


class LedServer(Serving, Led, Protocol):
    """What a tunnel can be led to: a Service, or whoever is on a port of this machine."""

    @property
    def port(self) -> int:
        """Known once it has started."""


class ReachableServer:
    """A server, and its way to the world for as long as it serves."""

    def __init__(
        self,
        server: LedServer,
        tunnel: Tunnel,
        numbers: Sequence[NumberSetup] = (),
        *,
        on_host: Callable[[str], None] = _nothing,
        way: Way | None = None,
        watching: Watching | None = None,
        proven: bool = True,
        path: str | None = None,
    ) -> None:
        """numbers, on_host: see Reachability. way, watching, proven, path: see KeptTunnel."""
        self._server = server
        self._tunnel = tunnel
        self._numbers = numbers
        self._on_host = on_host
        self._way = way
        self._watching = watching
        self._proven = proven
        self._path = path
        self._reachability: Reachability | None = None

    @property
    def host(self) -> str:
        """The public host; "" while there is none."""
        return self._reachability.host if self._reachability is not None else ""

    @property
    def address(self) -> str:
        """The public host, and the path under it; "" while there is none."""
        return self._reachability.address if self._reachability is not None else ""

    @property
    def about(self) -> str:
        """What carries it, for people."""
        return self._reachability.about if self._reachability is not None else ""

    async def start(self) -> None:
        """Serve, and be reached. Raises PatterError; nothing serves then."""
        await self._server.start()
        try:
            kept = KeptTunnel(
                self._tunnel,
                self._server.port,
                self._server,
                way=self._way,
                watching=self._watching,
                proven=self._proven,
                path=self._path,
            )
            self._reachability = Reachability(kept, self._numbers, on_host=self._on_host)
            await self._reachability.begin()
        except BaseException:
            await asyncio.shield(self._server.cut())
            raise

    async def shutdown(self) -> None:
        """No new calls from the numbers, live ones end by themselves or by the deadline, the tunnel goes last."""
        if self._reachability is None:
            await self._server.shutdown()
            return
        giving_back = asyncio.create_task(self._reachability.give_back())
        await asyncio.wait({giving_back}, timeout=NO_MORE_CALLS_S)
        await self._server.shutdown()
        await self._reachability.end()

    async def cut(self) -> None:
        """Stop now; numbers get RESTORE_S to be given back."""
        await self._server.cut()
        if self._reachability is not None:
            await self._reachability.end()


def _tell_failure(watch: asyncio.Task[None]) -> None:
    """Somebody's own tunnel may raise anything, and then nobody looks after it any more."""
    if not watch.cancelled() and (error := watch.exception()) is not None:
        log.error("the tunnel is not watched any more", exc_info=error)
