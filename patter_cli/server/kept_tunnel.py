"""A tunnel that is proven before it counts, watched while it is there, and replaced once nothing comes through.

    open    run it -> admit its host -> round trip through it -> carriers are told it
    watch   its program ended, or round trips failed -> closed -> another one, with pauses that grow -> on_moved(host)

An address of somebody else's cannot be replaced: that it is gone, and that it is back, is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from patter_cli.contracts.tunnel import OpenTunnel, Tunnel
from patter_cli.errors import PatterError, TunnelDown
from patter_cli.server.addresses import new_path
from patter_cli.server.proofs import Proof
from patter_cli.server.round_trip import PROVE_S, Way, prove, round_trip

log = logging.getLogger("patter.server")

LONGEST_PAUSE_S: Final = 30.0


class Led(Protocol):
    """The server that a tunnel leads to."""

    async def admit(self, address: str) -> None:
        """Requests may name this host from now on, under the path that follows it. Raises PatterError."""

    async def tell(self, address: str) -> None:
        """Carriers are told this one from now on: it is proven. Raises PatterError."""

    async def drop(self, host: str) -> None:
        """Nothing comes through this host, and nothing will. Never raises."""

    async def new_proof(self) -> Proof | None:
        """Something that only this server can answer; None while nobody is there to be asked. Raises PatterError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """How a tunnel is watched. A program that ends is seen at once; one that only looks alive within
    probe_every_s + misses * (probe_s + probe_again_s)."""

    prove_s: float = PROVE_S
    """What a new address gets for its first round trip."""
    probe_every_s: float = 6.0
    probe_s: float = 3.0
    """What one later round trip may take."""
    probe_again_s: float = 0.5
    misses: int = 3
    """As many in a row, and it is dead: to replace one that is not costs the calls on it."""
    pause_s: float = 0.5
    """Before the second try to open another; it doubles from there."""


class KeptTunnel:
    """One public address for one port, whatever becomes of the program that carries it."""

    def __init__(
        self,
        tunnel: Tunnel,
        port: int,
        led: Led,
        *,
        way: Way | None = None,
        watching: Watching | None = None,
        proven: bool = True,
        path: str | None = None,
    ) -> None:
        """way: how round trips are made. proven: False takes the tunnel's word at first; that nothing comes through it
        is told a little later. path: under which carriers find us, "" or as new_path makes them; None: another one each
        time, or none at an address of somebody else's."""
        self._tunnel = tunnel
        self._port = port
        self._led = led
        self._way = way or Way()
        self._watching = watching or Watching()
        self._proven = proven
        self._path = path
        self._open: OpenTunnel | None = None
        self._address = ""
        """Where the host is, as long as this machine cannot say."""
        self.address = ""
        """The host that carriers are told, and the path under it."""

    @property
    def host(self) -> str:
        """The public host; "" while there is none."""
        return self._open.host if self._open is not None else ""

    @property
    def about(self) -> str:
        """What carries it, for people."""
        return self._open.about if self._open is not None else self._tunnel.name

    async def open(self) -> str:
        """Open it and prove it; returns the host. Raises TunnelDown, ConfigError."""
        found = await self._tunnel.open(self._port)
        path = self._path if self._path is not None else new_path() if self._tunnel.renewable else ""
        address = f"{found.host}{path}"
        try:
            await self._led.admit(address)
            if self._proven:
                await self._prove(found)
            await self._led.tell(address)
        except BaseException:
            await asyncio.shield(self._abandon(found))
            raise
        self._open, self.address = found, address
        return found.host

    async def watch(self, on_moved: Callable[[str], Awaitable[None]]) -> None:
        """Keep it there until this is cancelled. on_moved: told the new host once it is proven."""
        while True:
            assert self._open is not None
            log.error("nothing comes through %s any more: %s", self._open.host, await self._until_dead(self._open))
            if not self._tunnel.renewable:
                await self._until_back(self._open.host)
                log.warning("%s is back", self._open.host)
                continue
            await self._open.aclose()
            await on_moved(await self._another())

    async def aclose(self) -> None:
        """Close it. Twice is fine."""
        if self._open is not None:
            await self._abandon(self._open)

    async def _abandon(self, found: OpenTunnel) -> None:
        await self._led.drop(found.host)
        await found.aclose()

    async def _prove(self, found: OpenTunnel) -> None:
        """Raises TunnelDown, with the program's own word if it has ended meanwhile."""
        proof = asyncio.ensure_future(
            prove(found.host, self._led.new_proof, way=self._way, within_s=self._watching.prove_s)
        )
        lost = asyncio.ensure_future(found.lost())
        try:
            await asyncio.wait({proof, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not proof.done():
                raise TunnelDown(lost.result(), hint="run it by hand to see more")
            self._address = proof.result()
        finally:
            for task in (proof, lost):
                task.cancel()
            await asyncio.gather(proof, lost, return_exceptions=True)

    async def _until_dead(self, found: OpenTunnel) -> str:
        """Returns why."""
        silent = asyncio.ensure_future(self._until_silent(found.host))
        lost = asyncio.ensure_future(found.lost())
        try:
            done, _ = await asyncio.wait({silent, lost}, return_when=asyncio.FIRST_COMPLETED)
            return lost.result() if lost in done else silent.result()
        finally:
            for task in (silent, lost):
                task.cancel()
            await asyncio.gather(silent, lost, return_exceptions=True)

    async def _until_silent(self, host: str) -> str:
        """Returns how the last of the round trips failed."""
        missed = 0
        while True:
            await asyncio.sleep(self._watching.probe_again_s if missed else self._watching.probe_every_s)
            try:
                await self._probe(host)
            except PatterError as error:
                missed += 1
                if missed >= self._watching.misses:
                    return str(error)
            else:
                missed = 0

    async def _until_back(self, host: str) -> None:
        while True:
            await asyncio.sleep(self._watching.probe_every_s)
            with suppress(PatterError):
                await self._probe(host)
                return

    async def _probe(self, host: str) -> None:
        proof = await self._led.new_proof()
        if proof is not None:
            within_s = self._watching.probe_s
            await round_trip(host, proof, way=self._way, within_s=within_s, address=self._address)

    async def _another(self) -> str:
        """Open until one is proven."""
        pause_s = self._watching.pause_s
        while True:
            try:
                return await self.open()
            except PatterError as error:
                log.error("no tunnel in its place yet: %s", error)
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
