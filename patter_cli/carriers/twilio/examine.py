"""Looking at a Twilio account and its numbers, without changing anything."""

from __future__ import annotations

from typing import Final

from patter_cli.carriers.twilio.rest import Account
from patter_cli.contracts.carrier.examined import AccountSeen, NumberSeen

_NAME_CHARS: Final = 40


async def see_account(account: Account) -> AccountSeen:
    """Raises CarrierError where it may not be seen."""
    reply = await account.about()
    if not reply.ok:
        raise account.refused(reply, "show the account")
    name, status, kind = (reply.text(each)[:_NAME_CHARS] for each in ("friendly_name", "status", "type"))
    words = [name, kind.lower() if kind == "Trial" else "", status]
    return AccountSeen(
        about=", ".join(each for each in words if each),
        usable=status in ("active", ""),
        carrier_time_s=reply.at_s,
    )


async def see_number(account: Account, number: str) -> NumberSeen | None:
    """None: the account has no such number. Raises CarrierError."""
    reply = await account.get("IncomingPhoneNumbers.json", query=[("PhoneNumber", number)])
    if not reply.ok:
        raise account.refused(reply, f"look up {number}")
    for each in reply.rows("incoming_phone_numbers"):
        if each.get("phone_number") == number:
            over = [name for name in ("trunk_sid", "voice_application_sid") if each.get(name)]
            return NumberSeen(
                webhook_url=str(each.get("voice_url") or ""),
                instead={"trunk_sid": "a trunk", "voice_application_sid": "a TwiML App"}[over[0]] if over else "",
            )
    return None
