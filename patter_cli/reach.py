"""How a program's server is reached by carriers: a tunnel, or an address of one's own; and the number that leads there.

The number's webhook is ours from the moment that the address is known until the server stops, and then what it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from patter_cli import wiring
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.contracts.store import CallStore
from patter_cli.contracts.tunnel import Tunnel
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import BadSetting, ConfigError, InputError
from patter_cli.observe.cost import LIST_PRICES
from patter_cli.observe.prices import PriceTable
from patter_cli.server.reachable import ReachableServer
from patter_cli.server.registration import default_run_folder
from patter_cli.server.run import Serving
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.settings import Settings

if TYPE_CHECKING:
    from patter_cli.web.site import Site

CLOUDFLARE = "cloudflared"


def tunnel_of(given: Any, webhook_url: str) -> Tunnel | None:
    """The tunnel that was asked for: itself, its name, or True for Cloudflare's; None for none.

    Raises InputError for what is none, UnknownProvider, and ConfigError beside an address of one's own.
    """
    if given is None or given is False:
        return None
    if webhook_url:
        raise ConfigError(
            "there are a webhook_url and a tunnel, which has an address of its own", hint="leave one of them out"
        )
    named = CLOUDFLARE if given is True else given
    found = wiring.tunnel(named) if isinstance(named, str) else given
    if isinstance(found, type) or not isinstance(found, Tunnel):
        raise InputError(f"{given!r} is no tunnel", hint="tunnel=CloudflareTunnel()")
    return found


def check_recording(recording: bool, carriers: Mapping[str, Carrier]) -> None:
    """Raises BadSetting where there is nobody who could record."""
    if recording and all(each.local for each in carriers.values()):
        raise BadSetting("no carrier here can record calls", hint="patter simulate --stereo call.wav can")


def new_server(
    agents: Mapping[str, ReadyAgent],
    carriers: Mapping[str, Carrier],
    store: CallStore,
    settings: Settings,
    *,
    port: int,
    require_signature: bool,
    tunnel: Tunnel | None = None,
    public_host: str = "",
    number: str = "",
    recording: bool = False,
    record: bool = False,
    prices: PriceTable = LIST_PRICES,
    on_host: Callable[[str], None] = lambda host: None,
    site: Site | None = None,
) -> tuple[Service, Serving]:
    """Agents on the phone, and what starts and stops them: reached through the tunnel, under the public host, or by
    this machine alone.

    number: E.164, pointed at us meanwhile; "": none. recording: carriers record every call; record: so do we. on_host:
    told each public host once it is proven. site: what is to be seen of it; None: nothing. Raises PatterError.
    """
    check_recording(recording, carriers)
    serving = ServiceSettings(
        port=port,
        public_host=public_host,
        require_signature=require_signature,
        secret=wiring.signing_secret(settings, carriers),
        run_folder=default_run_folder(),
        recording=recording,
        record=record,
        redaction=settings.redact,
        rules=wiring.dial_rules(settings),
        callers=wiring.caller_rules(settings),
        max_spend_per_day=settings.max_spend_per_day,
        spent_folder=wiring.default_folder() / "spent",
        prices=prices,
    )
    service = wiring.service(
        agents,
        serving,
        store=store,
        carried_by=carriers,
        site=site,
        notifier=wiring.notifier(settings, prices, store=store),
        telemetry=wiring.telemetry(settings, prices),
    )
    if tunnel is None and not public_host:
        return service, service
    ours = [each.name for each in carriers.values() if not each.local]
    if number and len(ours) > 1:
        raise ConfigError(
            f"the keys of {' and '.join(ours)} are set: whose is {number}?", hint="Patter(carrier=Twilio(), …)"
        )
    way = tunnel or wiring.fixed_address(public_host)
    numbers = (wiring.number_setup(carriers, number),) if number else ()
    # Not every network lets one reach one's own public address: what somebody says of theirs is believed.
    return service, ReachableServer(service, way, numbers, on_host=on_host, proven=way.renewable)


async def started(server: Serving, service: Service) -> bool:
    """Start it; False where the service was asked to stop meanwhile. Raises PatterError."""
    starting = asyncio.ensure_future(server.start())
    stopping = asyncio.ensure_future(service.asked_to_stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        return starting.done()
    finally:
        for task in (starting, stopping):
            task.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)


async def stopped(server: Serving, service: Service) -> None:
    """Stop it: live calls end by themselves within the drain time, and then what carried them. Twice is fine."""
    try:
        await server.shutdown()
    finally:
        await service.stop()
