"""Looking at a Telnyx account, our Call Control Application and its numbers, without changing anything."""

from __future__ import annotations

from typing import Final

from patter_cli.carriers.telnyx.rest import Account
from patter_cli.contracts.carrier.examined import AccountSeen, NumberSeen
from patter_cli.errors import BadSetting

_NAME_CHARS: Final = 40
_NOT_FOUND: Final = 404


async def see_account(account: Account, application_id: str) -> AccountSeen:
    """By way of the application, so that one request shows key and application. Raises BadSetting, CarrierError."""
    reply = await account.get("call_control_applications", application_id)
    if reply.status == _NOT_FOUND:
        raise BadSetting(
            "TELNYX_CONNECTION_ID is no Call Control Application of this account",
            hint="copy the application's ID from the portal: Voice, Programmable Voice",
        )
    if not reply.ok:
        raise account.refused(reply, "show the application")
    version = reply.text("webhook_api_version")
    active = reply.data.get("active") is not False
    words = [f"application {reply.text('application_name')[:_NAME_CHARS]}".strip(), "active" if active else "inactive"]
    if version == "1":
        words.append("webhooks of version 1, which nothing here reads")
    return AccountSeen(about=", ".join(words), usable=active and version != "1", carrier_time_s=reply.at_s)


async def see_number(account: Account, application_id: str, number: str) -> NumberSeen | None:
    """None: the account has no such number. Raises CarrierError."""
    reply = await account.get("phone_numbers", query={"filter[phone_number]": number})
    if not reply.ok:
        raise account.refused(reply, f"look {number} up")
    row = next((each for each in reply.rows if each.get("phone_number", number) == number), None)
    if row is None:
        return None
    if str(row.get("connection_id") or "") != application_id:
        other = str(row.get("connection_name") or row.get("connection_id") or "nothing")[:_NAME_CHARS]
        return NumberSeen(webhook_url="", instead=f"another connection ({other})")
    application = await account.get("call_control_applications", application_id)
    if not application.ok:
        raise account.refused(application, "show the application")
    return NumberSeen(webhook_url=application.text("webhook_event_url"))
