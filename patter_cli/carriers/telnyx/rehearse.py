"""Telnyx's webhooks, written by us. Source: Telnyx docs, the Voice API's webhooks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from patter_cli.contracts.carrier.rehearsed import Happening, Sketch, WrittenWebhook

_EVENTS: Final[Mapping[Happening, tuple[str, Mapping[str, Any]]]] = {
    Happening.CALL: ("call.initiated", {"direction": "incoming", "state": "parked"}),
    Happening.RINGING: ("call.initiated", {"direction": "outgoing", "state": "bridging"}),
    Happening.ANSWERED: ("call.answered", {"state": "answered"}),
    Happening.COMPLETED: ("call.hangup", {"hangup_cause": "normal_clearing", "sip_hangup_cause": "200"}),
    Happening.BUSY: ("call.hangup", {"hangup_cause": "user_busy", "sip_hangup_cause": "486"}),
    Happening.NO_ANSWER: ("call.hangup", {"hangup_cause": "timeout", "sip_hangup_cause": "487"}),
    Happening.FAILED: ("call.hangup", {"hangup_cause": "not_found", "sip_hangup_cause": "404"}),
    Happening.CANCELED: ("call.hangup", {"hangup_cause": "originator_cancel", "sip_hangup_cause": "487"}),
    Happening.HUMAN: ("call.machine.premium.detection.ended", {"result": "human_residence"}),
    Happening.MACHINE: ("call.machine.premium.detection.ended", {"result": "machine"}),
    Happening.FAX: ("call.machine.premium.detection.ended", {"result": "fax_detected"}),
    Happening.BEEP: ("call.machine.premium.greeting.ended", {"result": "beep_detected"}),
    Happening.RECORDING: ("call.recording.saved", {"channels": "dual"}),
    Happening.KEY: ("call.dtmf.received", {"digit": "5"}),
}
_RECORDED_S: Final = 12.0


def write_webhook(sketch: Sketch, connection_id: str) -> WrittenWebhook:
    """An event of API version 2."""
    kind, payload = _EVENTS[sketch.happening]
    about: dict[str, Any] = {
        "call_control_id": sketch.carrier_call_id or f"v3:{uuid4().hex}",
        "call_leg_id": str(uuid4()),
        "call_session_id": str(uuid4()),
        "connection_id": connection_id,
        "client_state": None,
        "from": sketch.caller,
        "to": sketch.callee,
        **payload,
    }
    if kind == "call.hangup":
        about |= {"state": "hangup", "hangup_source": "callee"}
    if sketch.happening is Happening.RECORDING:
        about |= {
            "recording_id": str(uuid4()),
            "recording_started_at": _date(sketch.now_s - _RECORDED_S),
            "recording_ended_at": _date(sketch.now_s),
            "recording_urls": {"wav": "https://recordings.example/call.wav"},
        }
    event = {
        "record_type": "event",
        "event_type": kind,
        "id": str(uuid4()),
        "occurred_at": _date(sketch.now_s),
        "payload": {**about, **sketch.values},
    }
    named = bool(sketch.carrier_call_id or sketch.values.get("call_control_id"))
    return replace(_json({"data": event, "meta": {"attempt": 1}}), real=named)


def rewrite_webhook(kept: object) -> WrittenWebhook | None:
    """An event, or its `data`, as JSON; None: nothing of Telnyx's."""
    if isinstance(kept, str):
        try:
            kept = json.loads(kept)
        except (ValueError, RecursionError):
            return None
    match kept:
        case {"data": {"event_type": str()}}:
            return _json(kept)
        case {"event_type": str(), "payload": dict()}:
            return _json({"data": kept})
    return None


def _json(event: object) -> WrittenWebhook:
    return WrittenWebhook(kind="voice", content_type="application/json", body=json.dumps(event))


def _date(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
