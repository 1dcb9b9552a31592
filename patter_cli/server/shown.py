"""What a dial would be, for somebody to look at: the carrier's own request where it can be shown, and no secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from patter_cli.contracts.carrier.carrier import Carrier, DialsByRequest, OutboundCall
from patter_cli.server.addresses import DIALLED

_TICKET = re.compile(rf"([?&]{DIALLED}=)[^&#]+")
"""Whoever has it could answer for the call."""


def shown_dial(carrier: Carrier, call: OutboundCall) -> dict[str, Any]:
    """The request as JSON: {carrier, method, url, headers, form | json}, or {carrier, call} for a carrier that is not
    asked over HTTP. A field that a form has several times is a list. Raises CallRejected, ConfigError."""
    if not isinstance(carrier, DialsByRequest):
        return {"carrier": carrier.name, "call": _struck_out(asdict(call))}
    request = carrier.dial_request(call)
    form = isinstance(request.body, tuple)
    body = _as_table(request.body) if isinstance(request.body, tuple) else dict(request.body)
    return {
        "carrier": carrier.name,
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "form" if form else "json": _struck_out(body),
    }


def _struck_out(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _TICKET.sub(r"\1****", each) if isinstance(each, str) else each for name, each in fields.items()}


def _as_table(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in pairs:
        known = table.get(name)
        table[name] = value if known is None else [*(known if isinstance(known, list) else [known]), value]
    return table
