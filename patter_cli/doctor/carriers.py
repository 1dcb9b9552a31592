"""The carriers: keys, account, clock, signatures, and our number."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from patter_cli.contracts.carrier.carrier import Carrier, CarrierRequest
from patter_cli.contracts.carrier.examined import Examined, NumberSeen, SignsAlike
from patter_cli.doctor.findings import Check, Finding, missing, off, ok
from patter_cli.errors import BadSignature, PatterError

MAX_SKEW_S: Final = 60.0
"""Signatures with a time in them are refused from 300 s on; a clock that is a minute wrong goes on walking away."""
FORM: Final = "application/x-www-form-urlencoded"


def unset_check(name: str, variables: Sequence[str]) -> Check:
    """A carrier that has no keys here."""

    async def look() -> list[Finding]:
        return [off(f"{name}.account", f"{' and '.join(variables)} are not set", f"export them to use {name}")]

    return Check(name=f"{name}.account", look=look)


def account_check(carrier: Carrier, missing_keys: Sequence[str], *, now_s: Callable[[], float] = time.time) -> Check:
    """missing_keys: of its variables, those that are not set."""
    name = f"{carrier.name}.account"

    async def look() -> list[Finding]:
        if missing_keys:
            return [missing(name, f"{' and '.join(missing_keys)} not set", f"export {missing_keys[0]}=…")]
        if not isinstance(carrier, Examined):
            return [ok(name, "keys are set; not tried")]
        seen = await carrier.see_account()
        found = [ok(name, seen.about)]
        if not seen.usable:
            found = [missing(name, seen.about, f"look at the account in {carrier.name}'s console")]
        if seen.carrier_time_s is not None:
            found.append(_clock(f"{carrier.name}.clock", now_s() - seen.carrier_time_s))
        return found

    return Check(name=name, look=look)


def signature_check(carrier: Carrier, *, now_s: Callable[[], float] = time.time) -> Check:
    """Whether what the carrier sends would be told from what others send."""
    name = f"{carrier.name}.signatures"

    async def look() -> list[Finding]:
        request = report(carrier.name, "https://phone.example")
        try:
            carrier.verify(request, now_s())
        except BadSignature:
            pass
        else:
            return [missing(name, "what nobody signed is taken", "report it: this is a bug")]
        if not isinstance(carrier, SignsAlike):
            return [ok(name, "the key can be read; only the carrier itself can sign with its other half")]
        signed = CarrierRequest(
            method=request.method,
            url=request.url,
            headers={**request.headers, **carrier.sign(request)},
            body=request.body,
        )
        try:
            carrier.verify(signed, now_s())
        except BadSignature as error:
            return [missing(name, f"what is signed is refused: {error}", "report it: this is a bug")]
        return [ok(name, "what the carrier signs is taken, what nobody signed is refused")]

    return Check(name=name, look=look)


def number_check(number: str, carriers: Mapping[str, Carrier], address: str) -> Check:
    """Whose our number is, and whether its calls come here. address: where carriers reach us, a host and the path under
    it; "": nowhere."""
    name = "number.webhook"

    async def look() -> list[Finding]:
        if not number:
            return [off(name, "no number of yours is set", "export PHONE_NUMBER=+1…")]
        asked = {key: each for key, each in carriers.items() if isinstance(each, Examined)}
        if not asked:
            return [off(name, f"{number}: no carrier's keys are set, so nobody can be asked", "export them first")]
        failures: list[PatterError] = []
        for key, each in asked.items():
            assert isinstance(each, Examined)
            try:
                seen = await each.see_number(number)
            except PatterError as error:
                failures.append(error)
                continue
            if seen is not None:
                return [_number(name, number, key, seen, address)]
        if failures:
            raise failures[0]
        return [
            missing(
                name,
                f"{number} is no number of {' or '.join(asked)}'s account",
                "buy it there, or set PHONE_NUMBER to one that is yours",
            )
        ]

    return Check(name=name, look=look)


def report(carrier: str, base: str) -> CarrierRequest:
    """A report about no call: what a server takes without doing anything, once it knows who has sent it. base: its
    address without a path."""
    body = b"CallSid=CA00000000000000000000000000000000&CallStatus=completed&CallbackSource=call-progress-events"
    return CarrierRequest(
        method="POST", url=f"{base}/webhooks/{carrier}/status", headers={"content-type": FORM}, body=body
    )


def _clock(name: str, skew_s: float) -> Finding:
    if abs(skew_s) <= MAX_SKEW_S:
        return ok(name, "right to the second" if abs(skew_s) < 2 else f"{skew_s:+.0f} s beside the carrier's")
    return missing(
        name,
        f"it is {abs(skew_s):.0f} s {'ahead' if skew_s > 0 else 'behind'}: signatures that hold a time will be refused",
        "set the clock: timedatectl set-ntp true",
    )


def _number(name: str, number: str, carrier: str, seen: NumberSeen, address: str) -> Finding:
    points = f"points at {seen.webhook_url}" if seen.webhook_url else "points nowhere"
    again = f"patter serve --tunnel --number {number}"
    if seen.instead:
        return missing(name, f"{number} of {carrier} is taken by {seen.instead}, not by a webhook", again)
    if not address:
        return off(name, f"{number} of {carrier} {points}; no public address of yours is set", again)
    where = urlsplit(seen.webhook_url)
    host, slash, path = address.lower().partition("/")
    if (where.hostname or "").lower() != host or not where.path.startswith(f"{slash}{path}/webhooks/{carrier}/"):
        again = again if slash else f"patter serve --webhook-url {host} --number {number}"
        return missing(name, f"{number} of {carrier} {points}, not at {address}", again)
    if where.scheme != "https":
        return missing(name, f"{number} of {carrier} {points}: its calls go over the network in the clear", again)
    return ok(name, f"{number} of {carrier} {points}")
