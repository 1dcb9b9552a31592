"""Our numbers at Twilio: which webhook one has, set to ours and given back."""

from __future__ import annotations

import json
import re
from typing import Final

from patter_cli.carriers.twilio.rest import Account, Reply
from patter_cli.carriers.twilio.webhook import E164
from patter_cli.contracts.carrier.carrier import KeepToken
from patter_cli.errors import CallRejected, CarrierError

_NUMBER_ID: Final = re.compile(r"PN[0-9a-fA-F]{32}")
_FIELDS: Final = {
    "voice_url": "VoiceUrl",
    "voice_method": "VoiceMethod",
    "voice_fallback_url": "VoiceFallbackUrl",
    "voice_fallback_method": "VoiceFallbackMethod",
    "status_callback": "StatusCallback",
    "status_callback_method": "StatusCallbackMethod",
    "voice_application_sid": "VoiceApplicationSid",
    "trunk_sid": "TrunkSid",
}
"""What says where a number's calls go, as it is read and as it is set."""


async def attach(account: Account, number: str, url: str, keep: KeepToken) -> str:
    """Send the calls of a number to a webhook, which is told of their end too; returns what `restore` takes, and gives
    it to `keep` first.

    Raises CallRejected for a number that is not the account's, CarrierError where it is not set afterwards.
    """
    if not E164.fullmatch(number):
        raise CallRejected(f"{number[:32]!a} is no number", hint="write it as +15550100001")
    found = await account.get("IncomingPhoneNumbers.json", query=[("PhoneNumber", number)])
    if not found.ok:
        raise account.refused(found, f"look up {number}")
    mine = [each for each in found.rows("incoming_phone_numbers") if each.get("phone_number") == number]
    if len(mine) != 1 or not _NUMBER_ID.fullmatch(str(mine[0].get("sid"))):
        raise CallRejected(
            f"{number} is not a number of this account",
            hint="look at its numbers at https://console.twilio.com, or check TWILIO_ACCOUNT_SID",
        )
    number_id = str(mine[0]["sid"])
    before = {name: value if isinstance(value := mine[0].get(name), str) else "" for name in _FIELDS}
    ours = {
        "voice_url": url,
        "voice_method": "POST",
        "voice_fallback_url": "",
        "status_callback": url,  # reports and calls that wait are told apart by what they say
        "status_callback_method": "POST",
        "voice_application_sid": "",  # either of the two would have the webhook ignored
        "trunk_sid": "",
    }
    token = json.dumps({"number_id": number_id, "url": url, "before": before}, separators=(",", ":"))
    keep(token)
    reply = await _set(account, number_id, ours)
    if not reply.ok:
        raise account.refused(reply, f"set the webhook of {number}")
    now = await account.get("IncomingPhoneNumbers", f"{number_id}.json")
    if now.text("voice_url") != url or now.text("voice_application_sid") or now.text("trunk_sid"):
        raise CarrierError(f"Twilio has taken the webhook of {number}, and does not use it", hint="try it again")
    return token


async def restore(account: Account, token: str) -> None:
    """Undo `attach`, unless somebody has set another webhook since. Raises CarrierError."""
    match _read(token):
        case {"number_id": str(number_id), "url": str(url), "before": dict(before)} if (
            _NUMBER_ID.fullmatch(number_id) and before.keys() == _FIELDS.keys()
        ):
            reply = await account.get("IncomingPhoneNumbers", f"{number_id}.json")
            if reply.ok and reply.text("voice_url") != url:
                return
            if reply.ok:
                reply = await _set(account, number_id, {name: str(value) for name, value in before.items()})
            if not reply.ok:
                raise account.refused(reply, "give the number its webhook back")
        case _:
            raise CarrierError("this is nothing that a number of Twilio's can be restored from")


async def _set(account: Account, number_id: str, values: dict[str, str]) -> Reply:
    # A method is one of two words, and cannot be set to nothing.
    form = [(_FIELDS[name], value) for name, value in values.items() if value or not name.endswith("_method")]
    return await account.post("IncomingPhoneNumbers", f"{number_id}.json", form=form, repeatable=True)


def _read(token: str) -> object:
    try:
        return json.loads(token)
    except (ValueError, RecursionError):
        return None
