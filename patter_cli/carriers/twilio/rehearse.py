"""Twilio's webhooks, written by us. Source: Twilio docs, voice webhook, status callback, AMD, recording callback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from patter_cli.carriers.twilio.webhook import FORM
from patter_cli.contracts.carrier.rehearsed import Happening, Sketch, WrittenWebhook
from patter_cli.errors import InputError

_ENDS: Final[Mapping[Happening, Mapping[str, str]]] = {
    Happening.COMPLETED: {"CallStatus": "completed", "CallDuration": "12", "Duration": "1", "SipResponseCode": "200"},
    Happening.BUSY: {"CallStatus": "busy", "CallDuration": "0", "SipResponseCode": "486"},
    Happening.NO_ANSWER: {"CallStatus": "no-answer", "CallDuration": "0", "SipResponseCode": "487"},
    Happening.FAILED: {"CallStatus": "failed", "CallDuration": "0", "SipResponseCode": "404"},
    Happening.CANCELED: {"CallStatus": "canceled", "CallDuration": "0", "SipResponseCode": "487"},
}
_PROGRESS: Final[Mapping[Happening, Mapping[str, str]]] = {
    Happening.RINGING: {"CallStatus": "ringing"},
    Happening.ANSWERED: {"CallStatus": "in-progress"},
    **_ENDS,
}
_WHO: Final = {
    Happening.HUMAN: "human",
    Happening.MACHINE: "machine_start",
    Happening.FAX: "fax",
    Happening.BEEP: "machine_end_beep",
}


def write_webhook(sketch: Sketch, account_sid: str) -> WrittenWebhook:
    """Raises InputError for a key: Twilio tells of it on the call's media stream."""
    named = bool(sketch.carrier_call_id or sketch.values.get("CallSid"))
    return replace(_written(sketch, account_sid), real=named)


def rewrite_webhook(kept: object) -> WrittenWebhook | None:
    """A form's text, or its fields as a JSON object; None: nothing of Twilio's."""
    fields: Mapping[Any, Any]
    if isinstance(kept, str):
        fields = dict(parse_qsl(kept.strip(), keep_blank_values=True))
    else:
        fields = kept if isinstance(kept, dict) else {}
    if "CallSid" not in fields or not all(isinstance(each, str) for each in fields.values()):
        return None
    waits = fields.get("CallStatus") in ("ringing", "in-progress") and "CallbackSource" not in fields
    return _form("voice" if waits else "status", fields, {})


def _written(sketch: Sketch, account_sid: str) -> WrittenWebhook:
    call_id = sketch.carrier_call_id or f"CA{uuid4().hex}"
    happening = sketch.happening
    of_call = {"AccountSid": account_sid, "ApiVersion": "2010-04-01", "CallSid": call_id}
    sides = {"From": sketch.caller, "To": sketch.callee, "Caller": sketch.caller, "Called": sketch.callee}
    if happening is Happening.CALL:
        fields = {**of_call, **sides, "CallStatus": "ringing", "Direction": "inbound"}
        return _form("voice", fields, sketch.values)
    if happening in _PROGRESS:
        fields = {
            **of_call,
            **sides,
            **_PROGRESS[happening],
            "Direction": "outbound-api",
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str([*_PROGRESS].index(happening) if happening not in _ENDS else len(_PROGRESS)),
            "Timestamp": formatdate(sketch.now_s),
        }
        return _form("status", fields, sketch.values)
    if happening in _WHO:
        fields = {**of_call, "AnsweredBy": _WHO[happening], "MachineDetectionDuration": "2400"}
        return _form("status", fields, sketch.values)
    if happening is Happening.RECORDING:
        recording_id = f"RE{uuid4().hex}"
        fields = {
            **of_call,
            "RecordingSid": recording_id,
            "RecordingUrl": f"https://api.twilio.com/2010-04-01/Accounts/{account_sid}/Recordings/{recording_id}",
            "RecordingStatus": "completed",
            "RecordingDuration": "12",
            "RecordingChannels": "2",
            "RecordingSource": "StartCallRecordingAPI",
        }
        return _form("status", fields, sketch.values)
    raise InputError(
        f"Twilio sends no webhook for {happening.value}: it tells of that on the call's media stream",
        hint="--carrier telnyx, or press it on a call",
    )


def _form(kind: str, fields: Mapping[str, str], values: Mapping[str, str]) -> WrittenWebhook:
    return WrittenWebhook(kind=kind, content_type=FORM, body=urlencode({**fields, **values}))
