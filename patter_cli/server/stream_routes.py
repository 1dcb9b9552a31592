"""Where the media sockets of a server's carriers come in, and what lets them in."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping

from patter_cli.contracts.carrier.carrier import (
    BringsTickets,
    Carrier,
    CarrierRequest,
    SignsStreams,
    WebSocketCarrier,
)
from patter_cli.server.addresses import Addresses
from patter_cli.server.app import StreamRoute
from patter_cli.server.entrance import SignedBy, local_entrance, ticket_entrance
from patter_cli.server.tickets import CallTicket, UsedTickets


def stream_routes(
    carriers: Mapping[str, Carrier],
    agents: Mapping[str, object],
    *,
    addresses: Addresses,
    secret: bytes,
    used: UsedTickets,
    recall: Callable[[CallTicket], Awaitable[None]],
    require_signature: bool,
) -> list[StreamRoute]:
    """One for each carrier that opens WebSockets. secret: signs tickets. recall: see ticket_entrance."""
    routes = []
    for name, carrier in carriers.items():
        if not isinstance(carrier, WebSocketCarrier):
            continue
        strangers = carrier.local and not isinstance(carrier, BringsTickets)
        if strangers:
            path, entrance = "{agent}", local_entrance(name, agents.__contains__, time.time)
        else:
            path = "stream/{token}"
            signed = _signed_by(carrier, addresses) if require_signature else None
            entrance = ticket_entrance(name, secret, used, time.time, signed=signed, recall=recall)
        routes.append(
            StreamRoute(path=f"/ws/{name}/{path}", codec=carrier.codec, entrance=entrance, local_only=strangers)
        )
    return routes


def _signed_by(carrier: Carrier, addresses: Addresses) -> SignedBy | None:
    """What checks a stream's upgrade, for a carrier that signs it."""
    if not isinstance(carrier, SignsStreams):
        return None

    def check_upgrade(token: str, headers: Mapping[str, str]) -> None:
        url = addresses.stream_url(carrier.name, token, headers.get("host", ""))
        request = CarrierRequest(method="GET", url=url, headers=headers, body=b"")
        carrier.verify_stream(request, time.time())

    return check_upgrade
