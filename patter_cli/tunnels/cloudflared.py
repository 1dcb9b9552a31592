"""Cloudflare's quick tunnels: an address of an hour, with no account. `cloudflared` carries them.

    cloudflared on PATH, else the one in our data folder, else the one that pycloudflared names is fetched into it

Source: cloudflared, cmd/cloudflared/tunnel/quick_tunnel.go and connection/observer.go, 2026: the address stands alone
in a frame, "Registered tunnel connection" follows once the edge knows us. Names resolve some seconds later.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from patter_cli.errors import TunnelDown
from patter_cli.tunnels.binary import found_cloudflared
from patter_cli.tunnels.child import CarriedTunnel, Child

OPEN_S: Final = 30.0
"""For the address: cloudflared itself waits 15 s for Cloudflare's answer."""
CONNECT_S: Final = 10.0
"""From the address to the first connection; what comes through is found out in any case."""

_ADDRESS: Final = re.compile(
    r"(?:^|[\s|])https://((?!api\.)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.trycloudflare\.com)(?=[\s|/]|$)"
)
"""On a line of its own or in the frame. The service's own address, api., is named in errors."""
_REGISTERED: Final = "Registered tunnel connection"
_CONNECTED: Final = "connected"


def read_line(line: str) -> str:
    """The host name that a line tells, "connected" for a connection, or "". Total."""
    found = _ADDRESS.search(line)
    if found is not None:
        return found[1]
    return _CONNECTED if _REGISTERED in line else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudflareTunnel:
    """A quick tunnel. program: cloudflared's path; None: it is looked for, and fetched if there is none.

    folder: where a fetched one is kept; None: the user's data folder. open_s: what it gets to tell its address.
    """

    program: Path | None = None
    folder: Path | None = None
    open_s: float = OPEN_S

    @property
    def name(self) -> str:
        return "cloudflared"

    @property
    def renewable(self) -> bool:
        return True

    async def open(self, port: int) -> CarriedTunnel:
        """Run it. Raises TunnelDown, ConfigError."""
        binary = await found_cloudflared(self.program, self.folder)
        child = Child(
            # A config file of the user's, for a tunnel of another kind, would have its rules in place of our address.
            [
                str(binary.path),
                "tunnel",
                "--config",
                os.devnull,
                "--no-autoupdate",
                "--url",
                f"http://127.0.0.1:{port}",
            ],
            read=read_line,
        )
        try:
            host = await self._address(child)
        except BaseException:
            await child.aclose()
            raise
        child.hush()
        return CarriedTunnel("cloudflared", host, binary.about, child)

    async def _address(self, child: Child) -> str:
        try:
            async with asyncio.timeout(self.open_s):
                host = _CONNECTED
                while host == _CONNECTED:
                    host = await child.fact(self.open_s)
        except TimeoutError as error:
            raise TunnelDown(
                f"cloudflared told no address within {self.open_s:g} s: it {child.last_words()}",
                hint="is trycloudflare.com reachable from here? --webhook-url HOST takes an address of your own",
            ) from error
        except TunnelDown as error:
            raise TunnelDown(str(error), hint=_hint(str(error))) from error
        try:
            await child.fact(CONNECT_S)
        except TimeoutError:
            pass  # an older one tells it in other words
        return host


def _hint(said: str) -> str:
    """What to do about what cloudflared said before it ended."""
    if "429" in said or "1015" in said:
        return "Cloudflare gives one address only so many tunnels: wait some minutes, or --webhook-url HOST"
    if "no such host" in said or "dial tcp" in said or "i/o timeout" in said:
        return "this machine does not reach Cloudflare: look at its network, or --webhook-url HOST"
    return "run cloudflared by hand to see more, or take an address of your own: --webhook-url HOST"
