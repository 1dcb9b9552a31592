"""A number of ours and its webhook, which on Telnyx is not the number's: it is its Call Control Application's.

attach     the number is assigned to our application, and the application's webhook set to us; both read back
restore    what was changed is given back, as long as it still is what we made it
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from patter_cli.carriers.telnyx.rest import Account, Reply
from patter_cli.contracts.carrier.carrier import KeepToken
from patter_cli.errors import CallRejected, CarrierError

_NUMBER: Final = "phone_numbers"
_APPLICATION: Final = "call_control_applications"


async def attach(account: Account, application_id: str, number: str, url: str, keep: KeepToken) -> str:
    """Returns a restore token, which `keep` gets first. Raises CarrierError; what was changed is changed back."""
    ours = await account.get(_NUMBER, query={"filter[phone_number]": number})
    row = next((each for each in ours.rows if each.get("phone_number", number) == number), None)
    if not ours.ok or row is None or not isinstance(row.get("id"), str):
        if ours.ok:
            raise CallRejected(f"{number} is no number of this Telnyx account", hint="look under Numbers in its portal")
        raise account.refused(ours, f"look {number} up")
    application = await account.get(_APPLICATION, application_id)
    if not application.ok:
        raise account.refused(application, f"show the Call Control Application {application_id}")
    was = {
        "number_id": row["id"],
        "connection_id": str(row.get("connection_id") or ""),
        "application_id": application_id,
        "settings": _settings(application),
        "url": url,
    }
    token = json.dumps(was, separators=(",", ":"))
    keep(token)
    try:
        await _set(account, application_id, {**_settings(application), **_ours(url)})
        if was["connection_id"] != application_id:
            reply = await account.patch(_NUMBER, row["id"], body={"connection_id": application_id})
            if not reply.ok:
                raise account.refused(reply, f"assign {number} to the application {application_id}")
        await _read_back(account, application_id, row["id"], url)
    except CarrierError:
        await restore(account, token)
        raise
    return token


async def restore(account: Account, token: str) -> None:
    """What somebody else has changed meanwhile is left to them. Raises CarrierError."""
    try:
        was = json.loads(token)
        number_id, application_id = was["number_id"], was["application_id"]
        connection_id, settings, url = was["connection_id"], was["settings"], was["url"]
        texts = (number_id, application_id, connection_id, url)
        if not all(isinstance(each, str) for each in texts) or not isinstance(settings, dict):
            raise TypeError("a field of another type")
    except (ValueError, KeyError, TypeError) as error:
        raise CarrierError("that is no token of a number that was attached") from error
    application = await account.get(_APPLICATION, application_id)
    if not application.ok:
        raise account.refused(application, f"show the Call Control Application {application_id}")
    if application.text("webhook_event_url") == url:
        await _set(account, application_id, settings)
    if connection_id and connection_id != application_id:
        number = await account.get(_NUMBER, number_id)
        if number.ok and str(number.data.get("connection_id")) == application_id:
            reply = await account.patch(_NUMBER, number_id, body={"connection_id": connection_id})
            if not reply.ok:
                raise account.refused(reply, "give the number its old connection back")


async def _set(account: Account, application_id: str, settings: Mapping[str, Any]) -> None:
    reply = await account.patch(_APPLICATION, application_id, body=settings)
    if not reply.ok:
        raise account.refused(reply, f"set the webhook of the application {application_id}")


async def _read_back(account: Account, application_id: str, number_id: str, url: str) -> None:
    application = await account.get(_APPLICATION, application_id)
    number = await account.get(_NUMBER, number_id)
    if application.text("webhook_event_url") != url or str(number.data.get("connection_id")) != application_id:
        raise CarrierError("Telnyx took the number's new webhook, and does not show it")


def _ours(url: str) -> dict[str, str]:
    """Version 1 has another envelope, which nothing here reads."""
    return {"webhook_event_url": url, "webhook_api_version": "2"}


def _settings(application: Reply) -> dict[str, Any]:
    """Of an application: what Telnyx wants to have whenever one of them is set, and what we set."""
    names = ("application_name", "webhook_event_url", "webhook_api_version")
    return {name: application.text(name) for name in names if application.text(name)}
