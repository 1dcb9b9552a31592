"""What an MCP client may have done: somebody rung, a live call told something, by the server that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from patter_cli.cli.outgoing import RunningServer, running_server
from patter_cli.destinations import E164, find
from patter_cli.errors import InputError, NotReachable, PatterError
from patter_cli.server.control import ask
from patter_cli.server.control_messages import HangUp, PlaceCall, Say, Status
from patter_cli.server.registration import Registration, default_run_folder, running
from patter_cli.settings import Settings

Facts = dict[str, Any]

LOOK_S: Final = 3.0
"""For a server to say which calls it has; one that is stuck holds up no other."""


async def placed(
    settings: Settings,
    *,
    to: str,
    agent: str | None,
    variables: Mapping[str, str],
    first_message: str,
    from_number: str,
) -> Facts:
    """Ring somebody: {call_id, agent, to}. Raises PatterError."""
    find(to)
    found = running_server(agent)
    if found is None:
        named = agent or "AGENT"
        raise NotReachable("no server runs that could ring somebody with this agent", hint=f"patter serve {named}")
    server, name = found
    own = next((each.number for each in settings.numbers if each.agent == name), "")
    caller = from_number or settings.phone_number or own
    if not E164.fullmatch(caller):
        raise InputError("nobody said which number to call from", hint="from_number, or PHONE_NUMBER=+1…")
    wanted = PlaceCall(to=to, from_number=caller, agent=name, variables=dict(variables), first_message=first_message)
    return {"call_id": await RunningServer(server).dial(wanted), "agent": name, "to": to}


async def hung_up(call_id: str) -> Facts:
    """Have a live call say goodbye and end. Raises PatterError."""
    await ask(await _server_of(call_id), HangUp(call_id=call_id))
    return {"call_id": call_id, "hanging_up": True}


async def said(call_id: str, text: str) -> Facts:
    """Have a live call's agent say this next. Raises PatterError."""
    await ask(await _server_of(call_id), Say(call_id=call_id, text=text))
    return {"call_id": call_id, "saying": text}


async def _server_of(call_id: str) -> Registration:
    """Where a call goes on, of all servers of this user. Raises InputError."""
    servers = await asyncio.to_thread(running, default_run_folder())
    if not servers:
        raise InputError("no server runs here, so no call goes on", hint="patter serve AGENT")
    asking = [asyncio.create_task(_live_calls(each)) for each in servers]
    told: list[list[str] | None] = []
    try:
        for answer in asyncio.as_completed(asking):
            calls, server = await answer
            if calls is not None and call_id in calls:
                return server
            told.append(calls)
    finally:
        for task in asking:
            task.cancel()
    live = [each for calls in told for each in calls or ()]
    known = f"these do: {', '.join(live[:5])}" if live else "none does at the moment"
    if None in told:
        known += f"; {told.count(None)} of {len(servers)} servers did not answer"
    raise InputError(f"no call {call_id[:64]!r} goes on", hint=known)


async def _live_calls(server: Registration) -> tuple[list[str] | None, Registration]:
    """The ids; None of a server that stops, or is stuck: the call may be another's."""
    try:
        async with asyncio.timeout(LOOK_S):
            return [str(call["call_id"]) for call in (await ask(server, Status()))["calls"]], server
    except (PatterError, TimeoutError):
        return None, server
