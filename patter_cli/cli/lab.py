"""`--carrier lab`: a telephone company on this machine, and a server of ours behind it, while a command needs them.

Nothing leaves the machine, so whom it rings is not asked of calling hours; everything else is as with a real carrier.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from patter_cli import registry, wiring
from patter_cli.cli.discovery import load_agent
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.destinations import Kind
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import ConfigError, InputError
from patter_cli.observe.bus import Observer
from patter_cli.server.registration import Registration, running
from patter_cli.server.service import ServiceSettings
from patter_cli.settings import Settings
from patter_cli.testing.lab.server import CarrierLab

LABS: Final = {"lab": "twilio", "lab:twilio": "twilio", "lab:telnyx": "telnyx"}
"""What people write -> whom the lab plays."""
HOST: Final = "lab.example"
"""Under which name the lab knows this machine; it leads nowhere else."""
NUMBER: Final = "+12025550100"
"""Whom the lab's calls are from, if nobody says."""


def is_lab(carrier: str) -> bool:
    """Whether a --carrier is one of the lab's. Raises InputError for one that is nobody's."""
    if carrier in LABS:
        return True
    known = [*LABS, *(each.name for each in registry.rows("carrier") if each.keys)]
    if carrier and carrier not in known:
        near = get_close_matches(carrier, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        raise InputError(f"there is no carrier {carrier!r}", hint=hint)
    return False


def lab_settings(settings: Settings) -> Settings:
    """At any hour, unless somebody said when; and numbers that nobody has been given may be the lab's."""
    hours = None if settings.origin("hours").source == "default" else settings.hours
    return replace(settings, hours=hours, allow=(*settings.allow, Kind.UNASSIGNED.value))


@asynccontextmanager
async def lab_server(
    carrier: str, agent: str, settings: Settings, *, number: str, observers: tuple[Observer, ...], max_calls: int
) -> AsyncIterator[Registration]:
    """A server with this agent, and the lab that it calls through. carrier: of LABS. number: ours. settings: as
    `lab_settings` has them. Raises PatterError."""
    if not hasattr(asyncio, "open_unix_connection"):
        raise ConfigError("the lab needs a system with Unix sockets", hint="patter simulate needs none")
    loaded = load_agent(agent)
    ready = wiring.ready_agent(loaded.name, loaded.agent, Hooks(**loaded.hooks), settings)
    async with AsyncExitStack() as stack:
        lab = await stack.enter_async_context(_lab(LABS[carrier], number))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        serving = ServiceSettings(
            port=0,
            max_calls=max_calls,
            drain_timeout_s=settings.drain_timeout_s,
            public_host=HOST,
            run_folder=folder,  # of its own: no other command shall ring through it
            rules=wiring.dial_rules(settings),
        )
        service = wiring.service(
            {loaded.name: ready},
            serving,
            store=wiring.kept_calls(settings),
            observers=observers,
            carried_by={LABS[carrier]: _carrier(lab, LABS[carrier])},
        )
        await service.warm()
        try:
            await service.start()
            lab.reach[HOST] = service.port
            (registration,) = running(folder)
            yield registration
        finally:
            await service.stop()


def _lab(plays: str, number: str) -> CarrierLab:
    from patter_cli.testing.lab.telnyx.lab import TelnyxLab
    from patter_cli.testing.lab.twilio.lab import TwilioLab

    return TelnyxLab(number=number) if plays == "telnyx" else TwilioLab(numbers=(number,))


def _carrier(lab: CarrierLab, plays: str) -> Carrier:
    """Our end of it, with the lab's account."""
    from patter_cli.testing.lab.telnyx.lab import TelnyxLab
    from patter_cli.testing.lab.twilio.lab import TwilioLab

    keys: tuple[str, ...]
    if isinstance(lab, TelnyxLab):
        keys = (lab.api_key, lab.connection_id, lab.public_key)
    else:
        assert isinstance(lab, TwilioLab)
        keys = (lab.account_sid, lab.auth_token)
    made: Carrier = registry.find("carrier", plays).load()(*keys, base_url=lab.base_url)
    return made
