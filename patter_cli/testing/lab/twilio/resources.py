"""What Twilio's interface shows: calls, numbers, and pages of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from patter_cli.testing.lab.http import LabReply, json_reply
from patter_cli.testing.lab.twilio.forms import E164, invalid

if TYPE_CHECKING:
    from patter_cli.testing.lab.twilio.session import TwilioCall

ROOT: Final = "/2010-04-01/Accounts"
_PAGE: Final = 50
_LONGEST_PAGE: Final = 1000


def render_call(session: TwilioCall) -> dict[str, Any]:
    """A call as it is now."""
    lab = session.lab
    path = f"{ROOT}/{lab.account_sid}/Calls/{session.sid}"
    over, answered = not session.call.live, session.call.line is not None
    return {
        "sid": session.sid,
        "account_sid": lab.account_sid,
        "parent_call_sid": session.parent or None,
        "to": session.to_number,
        "to_formatted": session.to_number,
        "from": session.from_number,
        "from_formatted": session.from_number,
        "phone_number_sid": lab.number_sid(session.call.ours),
        "status": session.status,
        "start_time": formatdate(session.created_s, usegmt=False) if answered else None,
        "end_time": formatdate(time.time()) if over else None,
        "duration": str(round(session.call.duration_s)) if over else None,
        "price": None,
        "price_unit": "USD",
        "direction": session.direction,
        "answered_by": session.answered_by or None,
        "annotation": None,
        "api_version": "2010-04-01",
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "queue_time": "0",
        "trunk_sid": None,
        "date_created": formatdate(session.created_s),
        "date_updated": formatdate(time.time()),
        "uri": f"{path}.json",
        "subresource_uris": {"recordings": f"{path}/Recordings.json"},
    }


def page_of(account_sid: str, path: str, name: str, found: list[dict[str, Any]], wanted: Mapping[str, str]) -> LabReply:
    """One page of a list."""
    try:
        size, page = int(wanted.get("PageSize", _PAGE)), int(wanted.get("Page", 0))
    except ValueError as error:
        raise invalid("Page and PageSize are numbers") from error
    if not 1 <= size <= _LONGEST_PAGE or page < 0:
        raise invalid(f"PageSize is from 1 to {_LONGEST_PAGE}")
    shown = found[page * size : (page + 1) * size]

    def uri(number: int) -> str:
        query = {**wanted, "PageSize": size, "Page": number, "PageToken": f"PA{number}"}
        return f"{ROOT}/{account_sid}/{path}?{urlencode(query)}"

    return json_reply(
        200,
        {
            name: shown,
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(0, len(shown) - 1),
            "uri": uri(page),
            "first_page_uri": uri(0),
            "next_page_uri": uri(page + 1) if (page + 1) * size < len(found) else None,
            "previous_page_uri": uri(page - 1) if page else None,
        },
    )


def new_number(sid: str, account_sid: str, number: str) -> dict[str, Any]:
    if not E164.fullmatch(number):
        raise ValueError(f"{number!r} is no number")
    date = formatdate(0)
    return {
        "sid": sid,
        "account_sid": account_sid,
        "phone_number": number,
        "friendly_name": number,
        "voice_url": "",
        "voice_method": "POST",
        "voice_fallback_url": "",
        "voice_fallback_method": "POST",
        "voice_caller_id_lookup": False,
        "voice_application_sid": None,
        "trunk_sid": None,
        "status_callback": "",
        "status_callback_method": "POST",
        "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
        "date_created": date,
        "date_updated": date,
        "status": "in-use",
        "uri": f"{ROOT}/{account_sid}/IncomingPhoneNumbers/{sid}.json",
        "subresource_uris": {},
    }
