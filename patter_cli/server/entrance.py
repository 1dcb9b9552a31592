"""How a media socket comes to its call's ticket: it brings one, or it is on this machine and its route makes one.

Both say so in two steps. At the upgrade, before anything is accepted, it is settled whether there may be a call at all;
with the stream's `start`, which call it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from patter_cli.contracts.carrier.stream import StreamStarted
from patter_cli.core.outcome import Direction
from patter_cli.errors import BadSignature, CallRejected, UnknownAgent, reason
from patter_cli.server.tickets import CallTicket, UsedTickets, check, new_ticket

log = logging.getLogger("patter.server")

TicketOf: TypeAlias = Callable[[StreamStarted], CallTicket]
"""The ticket of a stream that has begun. Raises CallRejected or BadSignature."""

SignedBy: TypeAlias = Callable[[str, Mapping[str, str]], None]
"""Whether the carrier has signed the upgrade of the stream with this token, by its headers. Raises BadSignature."""

Entrance: TypeAlias = Callable[[Mapping[str, str], Mapping[str, str]], Awaitable[TicketOf]]
"""What a route's path parameters, and the upgrade's headers (names in lower case), lead to. Raises UnknownAgent,
BadSignature, CallRejected or ConfigError before the upgrade."""


def local_entrance(carrier: str, serves: Callable[[str], bool], now_s: Callable[[], float]) -> Entrance:
    """For a route with {agent}, which guards itself against strangers: the caller says who it is."""

    async def enter(parameters: Mapping[str, str], headers: Mapping[str, str]) -> TicketOf:
        agent = parameters["agent"]
        if not serves(agent):
            raise UnknownAgent(f"no agent {agent[:64]!a} here")

        def ticket_of(started: StreamStarted) -> CallTicket:
            variables = dict(started.parameters)
            caller = variables.pop("caller", carrier)
            return new_ticket(
                carrier=carrier,
                carrier_call_id=started.call_id,
                direction=Direction.INBOUND,
                caller=caller,
                callee=agent,
                agent=agent,
                variables=variables,
                now_s=now_s(),
            )

        return ticket_of

    return enter


def ticket_entrance(
    carrier: str,
    secret: bytes,
    used: UsedTickets,
    now_s: Callable[[], float],
    *,
    signed: SignedBy | None,
    recall: Callable[[CallTicket], Awaitable[None]],
) -> Entrance:
    """For a route with {token}: whoever the carrier was given the address for. signed: None for a carrier whose
    upgrades the ticket alone speaks for. recall: what has to be read before the ticket's call can be opened."""

    async def enter(parameters: Mapping[str, str], headers: Mapping[str, str]) -> TicketOf:
        ticket = check(parameters["token"], secret, now_s())
        if ticket.carrier != carrier or not ticket.carrier_call_id:
            raise BadSignature("the ticket is another carrier's, or for no stream")
        if signed is not None:
            signed(parameters["token"], headers)  # before the ticket is used up: a stranger may have seen it
        try:
            first = await asyncio.to_thread(used.use, ticket, now_s())
        except OSError as error:
            log.error("tickets cannot be marked as used, so no call is let in: %s", reason(error))
            raise CallRejected("calls cannot be taken now") from error
        if not first:
            raise BadSignature("the ticket is used already")
        await recall(ticket)

        def ticket_of(started: StreamStarted) -> CallTicket:
            if started.call_id != ticket.carrier_call_id:
                raise BadSignature("the stream is of another call than its ticket")
            return ticket

        return ticket_of

    return enter
