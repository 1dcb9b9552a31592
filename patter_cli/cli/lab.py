"""The lab behind a command: a telephone company on this machine, and a server of ours that it calls, while needed.

Nothing leaves the machine, so whom it rings has no calling hours and no call counts for the day; everything else is as
with a real carrier.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from patter_cli import registry, wiring
from patter_cli.callers import CallerRules
from patter_cli.cli.discovery import load_agent
from patter_cli.cli.lab_telephone import LabTelephone
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.contracts.store import CallStore
from patter_cli.destinations import DialRules, Kind
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import BadSetting, ConfigError, InputError, reason
from patter_cli.observe.bus import Observer
from patter_cli.server.registration import Registration, running
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.settings import Settings
from patter_cli.simulate.scenario import WrittenHuman
from patter_cli.testing.lab.people import BUSY, NOBODY, UNREACHABLE, Listen, Pause, Person, Say
from patter_cli.testing.lab.server import CarrierLab
from patter_cli.testing.lab.telnyx.lab import TelnyxLab
from patter_cli.testing.lab.twilio.lab import TwilioLab

LABS: Final = {"lab": "twilio", "lab:twilio": "twilio", "lab:telnyx": "telnyx"}
"""What people write -> whom the lab plays."""
WIRES: Final = tuple(dict.fromkeys(LABS.values()))
HOST: Final = "lab.example"
"""Under which name the lab knows this machine; it leads nowhere else."""
NUMBER: Final = "+12025550100"
"""Ours in the lab, if nobody says."""


def is_lab(carrier: str) -> bool:
    """Whether a --carrier is one of the lab's. Raises InputError for one that is nobody's."""
    if carrier in LABS:
        return True
    if carrier:
        check_name(carrier, [*LABS, *(each.name for each in registry.rows("carrier") if each.keys)])
    return False


def check_name(carrier: str, known: Sequence[str]) -> None:
    """Raises InputError for a carrier that is none of these."""
    if carrier not in known:
        near = get_close_matches(carrier, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        raise InputError(f"there is no carrier {carrier!r}", hint=hint)


def lab_settings(settings: Settings) -> Settings:
    """At any hour, unless somebody said when; and numbers that nobody has been given may be the lab's."""
    hours = None if settings.origin("hours").source == "default" else settings.hours
    return replace(settings, hours=hours, allow=(*settings.allow, Kind.UNASSIGNED.value))


def _own_folder() -> tempfile.TemporaryDirectory[str]:
    """Raises BadSetting where nothing can be written."""
    try:
        return tempfile.TemporaryDirectory()
    except OSError as error:
        raise BadSetting(
            f"the lab has no folder to work in: {reason(error)}", hint="make room in /tmp, or export TMPDIR=…"
        ) from error


@asynccontextmanager
async def lab_server(
    carrier: str,
    agent: str,
    settings: Settings,
    *,
    number: str,
    observers: tuple[Observer, ...],
    max_calls: int,
    watch: Callable[[Service], None] | None = None,
) -> AsyncIterator[Registration]:
    """A server with this agent that rings whom the lab has. carrier: of LABS. number: ours. settings: as
    `lab_settings` has them. watch: is given the server. Raises PatterError."""
    if not hasattr(asyncio, "open_unix_connection"):
        raise ConfigError("the lab needs a system with Unix sockets", hint="patter simulate needs none")
    loaded = load_agent(agent)
    ready = wiring.ready_agent(loaded.name, loaded.agent, Hooks(**loaded.hooks), settings)
    with _own_folder() as folder:
        serving = ServiceSettings(
            port=0,
            max_calls=max_calls,
            drain_timeout_s=settings.drain_timeout_s,
            public_host=HOST,
            run_folder=Path(folder),  # of its own: no other command shall ring through it
            rules=replace(wiring.dial_rules(settings), quota=None),
            record=settings.record,
            redaction=settings.redact,
        )
        lab = _lab(LABS[carrier], number, {})
        async with _behind(lab, LABS[carrier], ready, serving, wiring.kept_calls(settings), observers) as (_, service):
            if watch is not None:
                watch(service)
            (registration,) = running(Path(folder))
            yield registration


@dataclass(frozen=True, slots=True, kw_only=True)
class LabLine:
    """Where a caller of ours calls an agent through the lab. url: on the built-in line's wire."""

    url: str
    service: Service


@asynccontextmanager
async def lab_line(
    plays: str,
    ready: ReadyAgent,
    *,
    humans: Sequence[WrittenHuman],
    store: CallStore | None,
    observers: tuple[Observer, ...],
) -> AsyncIterator[LabLine]:
    """An agent on a number of the lab's, and a telephone that rings it. plays: of WIRES. humans: who can be reached by
    a transfer. Raises PatterError."""
    often = CallerRules(an_hour=1_000_000)  # its one telephone is this command's
    anybody = DialRules(allow=frozenset({Kind.UNASSIGNED.value}), hours=None)
    serving = ServiceSettings(port=0, max_calls=1, drain_timeout_s=2.0, public_host=HOST, callers=often, rules=anybody)
    lab = _lab(plays, NUMBER, {each.number: _person(each) for each in humans})
    async with AsyncExitStack() as stack:
        carrier, service = await stack.enter_async_context(_behind(lab, plays, ready, serving, store, observers))
        await carrier.attach(NUMBER, f"https://{HOST}/webhooks/{plays}/voice")
        telephone = await stack.enter_async_context(LabTelephone(lab, NUMBER))
        yield LabLine(url=telephone.url, service=service)


@asynccontextmanager
async def _behind(
    lab: CarrierLab,
    plays: str,
    ready: ReadyAgent,
    serving: ServiceSettings,
    store: CallStore | None,
    observers: tuple[Observer, ...],
) -> AsyncIterator[tuple[Carrier, Service]]:
    """The lab runs, and a server that it reaches."""
    async with lab:
        carrier = _carrier(lab, plays)
        service = wiring.service(
            {ready.name: ready}, serving, store=store, observers=observers, carried_by={plays: carrier}
        )
        await service.warm()
        try:
            await service.start()
            lab.reach[HOST] = service.port
            yield carrier, service
        finally:
            await service.stop()


def _lab(plays: str, number: str, people: Mapping[str, Person]) -> CarrierLab:
    return TelnyxLab(number=number, people=people) if plays == "telnyx" else TwilioLab(numbers=(number,), people=people)


def _carrier(lab: CarrierLab, plays: str) -> Carrier:
    """Our end of it, with the lab's account."""
    keys: tuple[str, ...]
    if isinstance(lab, TelnyxLab):
        keys = (lab.api_key, lab.connection_id, lab.public_key)
    else:
        assert isinstance(lab, TwilioLab)
        keys = (lab.account_sid, lab.auth_token)
    made: Carrier = registry.find("carrier", plays).load()(*keys, base_url=lab.base_url)
    return made


def _person(human: WrittenHuman) -> Person:
    """Somebody of a scenario, at the lab."""
    if human.refuses:
        return {"busy": BUSY, "no answer": NOBODY}.get(human.refuses, UNREACHABLE)
    turns = (step for text in human.says for step in (Say(text), Listen(within_ms=60_000)))
    return Person(name="human", steps=(Pause(300), *turns))
