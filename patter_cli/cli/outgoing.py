"""Whoever makes the calls of `patter call`: a server that runs already, or one of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from patter_cli import wiring
from patter_cli.call_result import CallResult, read_result
from patter_cli.cli.choosing import choose, somebody_here
from patter_cli.cli.discovery import find_agents, load_agent
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import ConfigError, InputError, PatterError
from patter_cli.observe.bus import Observer
from patter_cli.server.control import ask
from patter_cli.server.control_messages import AskResult, Cancel, PlaceCall, Request
from patter_cli.server.reachable import ReachableServer
from patter_cli.server.registration import Registration, default_run_folder, running
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.settings import Settings

POLL_S = 0.3
MOST_ASKED = 24
"""Questions to a running server at the same time; it takes a few more, and there may be others who ask."""


class Outgoing(Protocol):
    """Makes calls."""

    async def dial(self, wanted: PlaceCall) -> str:
        """Ring somebody; returns our call id once the carrier has the call. Raises PatterError."""

    async def result(self, call_id: str) -> CallResult:
        """Wait for the end. Raises NotReachable where the server is gone."""

    async def cancel(self, call_id: str) -> None:
        """It is no longer wanted. Raises PatterError."""


class RunningServer:
    """One that runs already."""

    def __init__(self, server: Registration, *, dialled: Callable[[str], None] = lambda call_id: None) -> None:
        """dialled: is told the id of each call that it makes."""
        self._server = server
        self._dialled = dialled
        self._room = asyncio.Semaphore(MOST_ASKED)

    async def _ask(self, request: Request) -> dict[str, Any]:
        async with self._room:
            return await ask(self._server, request)

    async def dial(self, wanted: PlaceCall) -> str:
        call_id = str((await self._ask(wanted))["call_id"])
        self._dialled(call_id)
        return call_id

    async def result(self, call_id: str) -> CallResult:
        while True:
            told = (await self._ask(AskResult(call_id=call_id)))["result"]
            if told is not None:
                return read_result(told)
            await asyncio.sleep(POLL_S)

    async def cancel(self, call_id: str) -> None:
        await self._ask(Cancel(call_id=call_id))


class OwnServer:
    """One of this command's."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def dial(self, wanted: PlaceCall) -> str:
        return await self._service.place(wanted)

    async def result(self, call_id: str) -> CallResult:
        while True:
            told = self._service.result(call_id)
            if told is not None:
                return read_result(told)
            await asyncio.sleep(POLL_S)

    async def cancel(self, call_id: str) -> None:
        self._service.cancel(call_id)


def running_server(agent: str | None, carrier: str = "") -> tuple[Registration, str] | None:
    """The newest server that can ring somebody with this agent, and the agent's name; None if there is none.

    carrier: it must be this one's; "": anybody's."""
    if not hasattr(asyncio, "open_unix_connection"):
        return None
    for each in reversed(running(default_run_folder())):
        name = Path(agent).stem if agent is not None else each.agents[0] if len(each.agents) == 1 else None
        real = set(each.carriers) - {wiring.built_in_line().name}
        if name in each.agents and real and (not carrier or real == {carrier}):
            return each, str(name)
    return None


def chosen_agent(agent: str | None) -> str:
    """Which agent to load. Raises InputError where nobody said and there is not exactly one."""
    if agent is not None:
        return agent
    found = {each.name: each.summary for each in find_agents(Path.cwd()) if each.error is None}
    if len(found) == 1:
        return next(iter(found))
    otherwise = f"patter call NUMBER {next(iter(found), 'AGENT')}"
    if not found or not somebody_here():
        raise InputError("which agent shall talk?", hint=otherwise)
    return choose(found, otherwise=otherwise)


def new_service(
    agent: str,
    settings: Settings,
    *,
    observers: tuple[Observer, ...],
    max_calls: int,
    carrier: str = "",
    tunnel: bool = False,
) -> Service:
    """A server that could ring somebody with this agent. carrier: through this one alone. tunnel: it gets its
    public host later. Raises PatterError."""
    carriers = {name: each for name, each in wiring.carriers().items() if each.local or carrier in ("", name)}
    if all(each.local for each in carriers.values()):
        hint = f"{wiring.carrier_keys_hint()}; on this machine, without any: --carrier lab"
        raise ConfigError(f"no {carrier or 'carrier'} keys are set", hint=hint)
    if not settings.public_host and not tunnel:
        raise ConfigError("the carrier cannot reach this machine", hint="--tunnel, or --webhook-url HOST (WEBHOOK_URL)")
    loaded = load_agent(agent)
    ready = wiring.ready_agent(loaded.name, loaded.agent, Hooks(**loaded.hooks), settings)
    serving = ServiceSettings(
        host=settings.host,
        port=settings.port,
        max_calls=None if settings.max_calls is None else max(settings.max_calls, max_calls),
        drain_timeout_s=settings.drain_timeout_s,
        public_host="" if tunnel else settings.public_host,
        secret=wiring.signing_secret(settings, carriers),
        run_folder=default_run_folder(),
        rules=wiring.dial_rules(settings),
        callers=wiring.caller_rules(settings),
        record=settings.record,
        redaction=settings.redact,
        max_spend_per_day=settings.max_spend_per_day,
        spent_folder=wiring.default_folder() / "spent",
    )
    return wiring.service(
        {loaded.name: ready}, serving, store=wiring.kept_calls(settings), observers=observers, carried_by=carriers
    )


@asynccontextmanager
async def started(service: Service, *, tunnel: bool = False) -> AsyncIterator[OwnServer]:
    """A server while it is needed, reached through a tunnel if that is wanted."""
    await service.warm()
    server = ReachableServer(service, wiring.tunnel("cloudflared")) if tunnel else service
    try:
        await server.start()
        yield OwnServer(service)
    finally:
        await server.shutdown()
        await service.stop()


async def see_through(outgoing: Outgoing, call_id: str) -> CallResult:
    """Stay until a call is over; interrupted, call it off, and do not leave before that has been asked for."""
    try:
        return await outgoing.result(call_id)
    except asyncio.CancelledError:
        with suppress(PatterError):
            await outgoing.cancel(call_id)
        raise
