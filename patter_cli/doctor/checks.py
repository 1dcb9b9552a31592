"""All checks of `patter doctor`, from what is set."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from patter_cli import keys, registry, wiring
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.doctor.carriers import account_check, number_check, signature_check, unset_check
from patter_cli.doctor.findings import Check, broken_check, in_thread, masked
from patter_cli.doctor.machine import machine_checks
from patter_cli.doctor.public_address import public_address_check
from patter_cli.doctor.vendors import vendor_check
from patter_cli.errors import PatterError
from patter_cli.registry import Row
from patter_cli.server.control import ask
from patter_cli.server.control_messages import Status as AskStatus
from patter_cli.server.registration import Registration, default_run_folder, running
from patter_cli.settings import Settings

STATUS_S: Final = 2.0
"""What a server that runs here gets to say where it is reached."""


async def public_address(settings: Settings) -> str:
    """Where carriers reach this machine, a host and the path under it: as it is set, or as a server that runs here
    knows, as with a tunnel. "": nowhere."""
    if settings.public_host:
        return settings.public_host
    for each in reversed(await in_thread(_servers)):
        with suppress(PatterError, TimeoutError):
            async with asyncio.timeout(STATUS_S):
                if found := (await ask(each, AskStatus())).get("public_address"):
                    return str(found)
    return ""


def all_checks(settings: Settings, address: str) -> list[Check]:
    """In the order in which they are shown. address: where carriers reach this machine; "": nowhere."""
    carriers: dict[str, Carrier] = {}
    checks: list[Check] = []
    for row in registry.rows("carrier"):
        if not row.keys:
            continue
        if not row.key_set():
            checks.append(unset_check(row.name, row.keys))
            continue
        try:
            carrier = carriers[row.name] = row.load()()
        except PatterError as error:
            checks.append(broken_check(f"{row.name}.account", error))
            continue
        unset = [each for each in row.keys if not keys.look_up(each)]
        checks.append(account_check(carrier, unset))
        if not unset:
            checks.append(signature_check(carrier))
    checks += [
        number_check(settings.phone_number, carriers, address),
        public_address_check(address, carriers, _servers),
    ]
    checks += machine_checks(
        host=settings.host,
        port=settings.port,
        servers=_servers,
        folder=settings.log_dir or wiring.default_folder(),
        tunnel_program=wiring.tunnel_program,
        keep=wiring.check_folder,
        models=wiring.local_models(),
        needed_models=_needed_models(),
    )
    return checks + _vendor_checks(settings)


def secrets_of(settings: Settings) -> list[str]:
    """What must not be shown, wherever it turns up."""
    rows = [each for kind in ("engine", "stt", "llm", "tts", "carrier") for each in registry.rows(kind)]
    found = [keys.look_up(each) for row in rows for each in row.keys if each.endswith(("_KEY", "_TOKEN"))]
    return [each for each in (*found, settings.secret_key, settings.webhook_secret) if each]


def _vendor_checks(settings: Settings) -> list[Check]:
    found: dict[str, Row] = {}
    tried: set[str] = set()
    for kind in ("stt", "llm", "tts", "engine"):
        for row in registry.rows(kind):
            if row.keys and (kind != "engine" or row.needs or not tried & set(row.keys)):
                found.setdefault(row.name, row)
                tried |= set(row.keys)
    return [_vendor_check(row, settings.variables) for row in found.values()]


def _vendor_check(row: Row, variables: Mapping[str, str]) -> Check:
    variables_of = (row.needs,) if row.needs else row.keys
    variable = row.key_set() if not row.needs else row.needs if keys.look_up(row.needs) else ""

    def shown() -> str:
        value = keys.look_up(variable)
        told = value if row.needs else masked(value)
        return f"{variable} {told}, from {variables.get(variable, 'the environment')}"

    return vendor_check(row.name, variables_of, variable, shown, lambda: row.load()())


def _needed_models() -> frozenset[str]:
    """The voice detector hears every call; ears and voice are needed where no vendor's key is set."""
    by_kind = {"stt": "moonshine", "tts": "joe"}
    return frozenset({"silero", *(name for kind, name in by_kind.items() if registry.with_key(kind) is None)})  # type: ignore[arg-type]


def _servers() -> list[Registration]:
    return running(default_run_folder()) if sys.platform != "win32" else []
