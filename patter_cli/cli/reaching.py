"""How carriers reach a server that a command starts: a tunnel, or an address of one's own; and a number for it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from patter_cli import wiring
from patter_cli.contracts.carrier.carrier import BringsTickets, Carrier
from patter_cli.contracts.tunnel import Tunnel
from patter_cli.errors import ConfigError, InputError
from patter_cli.server.addresses import number_url
from patter_cli.server.number_setup import NumberSetup
from patter_cli.server.reachable import LedServer, ReachableServer
from patter_cli.server.run import Serving
from patter_cli.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """One server's. tunnel None: only this machine reaches it."""

    tunnel: Tunnel | None
    numbers: tuple[NumberSetup, ...] = ()
    carriers: tuple[str, ...] = ()

    def lead_to(self, server: LedServer) -> Serving:
        """The server, reached while it serves."""
        if self.tunnel is None:
            return server
        # Not every network lets one reach one's own public address: without a number that is no reason to stop.
        proven = self.tunnel.renewable or bool(self.numbers)
        reached = ReachableServer(
            server, self.tunnel, self.numbers, on_host=lambda host: self._tell(host, reached), proven=proven
        )
        if self.tunnel.renewable:  # which may take a minute
            print(f"{self.tunnel.name} is asked for an address …", file=sys.stderr, flush=True)
        return reached

    def _tell(self, host: str, reached: ReachableServer) -> None:
        print(f"carriers are told https://{host}: {reached.about}", file=sys.stderr)
        for each in self.numbers:
            print(f"  pointing {each.number} at it; it gets back on exit what it had", file=sys.stderr)
        if not self.carriers:
            print("  no carrier's keys are set: only who was invited on the dashboard can call", file=sys.stderr)
        if not self.numbers:
            for name in self.carriers:
                print(f"  the webhook of a {name} number: {number_url(reached.address, name)}", file=sys.stderr)


def way_in(
    settings: Settings, carriers: Mapping[str, Carrier], *, tunnel: bool, number: str = "", routed: tuple[str, ...] = ()
) -> WayIn:
    """What the flags ask for, looked at before anything is loaded. number: "" is, with a tunnel, all that lead
    to an agent, routed, or else the one of the settings. Raises InputError, ConfigError."""
    names = tuple(each.name for each in carriers.values() if not each.local)
    if tunnel and settings.origin("public_host").source == "flag":
        raise InputError("a tunnel has an address of its own", hint="leave --webhook-url out, or the tunnel")
    invites = settings.dashboard and any(isinstance(each, BringsTickets) for each in carriers.values())
    if tunnel and not names and not invites:
        raise ConfigError(
            "no carrier's keys are set, so nobody could call through a tunnel",
            hint=wiring.carrier_keys_hint(),
        )
    if number and routed and number not in routed:
        raise InputError(f"no agent answers {number}", hint=f'[numbers] in patter.toml: "{number}" = "AGENT"')
    if number and not tunnel and not settings.public_host:
        raise InputError(f"{number} cannot be pointed at this machine", hint="--tunnel, or --webhook-url HOST")
    pointed = (number,) if number else (routed or (settings.phone_number,)) if tunnel else ()
    numbers = tuple(wiring.number_setup(carriers, each) for each in pointed if each)
    if tunnel:
        return WayIn(tunnel=wiring.tunnel("cloudflared"), numbers=numbers, carriers=names)
    fixed = wiring.fixed_address(settings.public_host) if settings.public_host and names else None
    return WayIn(tunnel=fixed, numbers=numbers, carriers=names)
