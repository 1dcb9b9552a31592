"""Webhooks as Twilio sends them."""

from __future__ import annotations

from urllib.parse import quote_plus, urlencode

from patter_cli.carriers.twilio.webhook import canonical, signature
from patter_cli.contracts.carrier.carrier import CarrierRequest

TOKEN = "patter-test-auth-token-0001"
ACCOUNT = "AC00000000000000000000000000000001"
CALL = "CA00000000000000000000000000000001"
URL = "https://voice.example.com/webhooks/twilio/voice?agent=demo"
INCOMING = {
    "AccountSid": ACCOUNT,
    "ApiVersion": "2010-04-01",
    "CallSid": CALL,
    "CallStatus": "ringing",
    "Direction": "inbound",
    "From": "+15550100001",
    "To": "+15550100002",
}


def form(
    fields: dict[str, str] | list[tuple[str, str]], *, url: str = URL, signed: str | None = None
) -> CarrierRequest:
    """A form post. signed: its signature; None: the right one."""
    pairs = list(fields.items()) if isinstance(fields, dict) else fields
    given = signature(url + canonical(pairs), TOKEN) if signed is None else signed
    return CarrierRequest(
        method="POST",
        url=url,
        headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8", "x-twilio-signature": given},
        body=urlencode(pairs, quote_via=quote_plus).encode(),
    )


def get(url: str, signed: str) -> CarrierRequest:
    """A request without a body, or a stream's upgrade."""
    return CarrierRequest(method="GET", url=url, headers={"x-twilio-signature": signed}, body=b"")
