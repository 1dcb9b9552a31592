"""Telnyx's webhooks: whether Telnyx has sent one, whether a call waits for an answer, what it reports.

All kinds come to one address, repeat, and come in any order. What an event is about is therefore never taken from
where it came, only from itself: its kind, and the `client_state` that we gave to a leg of ours and that Telnyx returns
with all that it tells of it.

    client_state    base64 of "patter:dialled:KEY"      a call that we made; KEY is the dial's alone
                              "patter:transfer:CALL"    the leg on which CALL's caller is put through
                              "patter:recorded:CALL"    CALL, since we have had it recorded

Source: Telnyx docs, receiving webhooks and the Voice API's webhooks, 2026-11.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from patter_cli.carriers.telnyx.stream import CALL_ID
from patter_cli.contracts.carrier.carrier import (
    Answered,
    AnswerPlan,
    BeepHeard,
    CallEnd,
    CarrierFact,
    CarrierRequest,
    Completed,
    MachineDetected,
    RecordingReady,
    Ringing,
    TransferConnected,
    TransferEnded,
)
from patter_cli.core.outcome import AnsweredBy, Direction
from patter_cli.errors import BadSetting, BadSignature, StreamProtocolError

SIGNATURE: Final = "telnyx-signature-ed25519"
TIMESTAMP: Final = "telnyx-timestamp"
WINDOW_S: Final = 300
"""How far a webhook's time may be from ours, either way. Source: telnyx-python, webhook_verification."""
MAX_SIGNATURES: Final = 4
"""Several stand beside each other, by commas, while one key takes another's place."""
_DER_HEAD: Final = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in DER. Source: RFC 8410, 4."""

DIALLED: Final = "dialled"
TRANSFER: Final = "transfer"
RECORDED: Final = "recorded"

E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
_TIME: Final = re.compile(r"[0-9]{1,12}")
_ENDS: Final = {
    "normal_clearing": CallEnd.COMPLETED,
    "time_limit": CallEnd.COMPLETED,
    "user_busy": CallEnd.BUSY,
    "timeout": CallEnd.NO_ANSWER,
    "no_answer": CallEnd.NO_ANSWER,
    "originator_cancel": CallEnd.CANCELED,
}
_REJECTED: Final = {"486": CallEnd.BUSY, "600": CallEnd.BUSY, "603": CallEnd.DECLINED}
"""SIP's words of whoever was rung; call_rejected is also said of a carrier's refusal."""
_WHO: Final = {
    "human": AnsweredBy.HUMAN,
    "human_residence": AnsweredBy.HUMAN,
    "human_business": AnsweredBy.HUMAN,
    "machine": AnsweredBy.MACHINE,
    "fax_detected": AnsweredBy.FAX,
}
_VERDICTS: Final = frozenset({"call.machine.detection.ended", "call.machine.premium.detection.ended"})
_GREETINGS: Final = frozenset({"call.machine.greeting.ended", "call.machine.premium.greeting.ended"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TelnyxEvent:
    """One webhook, read as far as all of them are alike."""

    kind: str
    call_id: str
    """The leg's call_control_id; "" where the event has none."""
    purpose: str
    """What our client_state says of the leg: DIALLED, TRANSFER, RECORDED; "" if it is not ours."""
    about: str
    """What stands behind the purpose."""
    payload: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A field of the payload; "" if it is missing, null or of another type."""
        value = self.payload.get(name)
        return value if isinstance(value, str) else ""


def public_key(text: str) -> bytes:
    """The 32 bytes of a key in base64, bare or in DER. Raises BadSetting."""
    try:
        key = b64decode(text.strip(), validate=True)
    except (NotBase64, ValueError):
        key = b""
    key = key.removeprefix(_DER_HEAD) if len(key) == 32 + len(_DER_HEAD) else key
    if len(key) != 32:
        raise BadSetting("TELNYX_PUBLIC_KEY is no Ed25519 key", hint="copy it from the portal: Keys, Public Key")
    return key


def verify(request: CarrierRequest, key: bytes, now_s: float) -> None:
    """Whether the holder of the key has sent this, now. Raises BadSignature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signed, stamp = request.headers.get(SIGNATURE, ""), request.headers.get(TIMESTAMP, "")
    if not signed or not stamp:
        raise BadSignature(f"it has no {TIMESTAMP if signed else SIGNATURE}")
    if not _TIME.fullmatch(stamp):
        raise BadSignature("its time is no number of seconds")
    if abs(now_s - int(stamp)) > WINDOW_S:
        raise BadSignature(f"it is {now_s - int(stamp):+.0f} s old; {WINDOW_S} s are allowed, so look at the clock")
    signatures = [_signature(each) for each in signed.split(",", MAX_SIGNATURES)[:MAX_SIGNATURES]]
    if None in signatures:
        raise BadSignature("its signature is not 64 bytes in base64")
    message = stamp.encode() + b"|" + request.body
    for each in signatures:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(each or b"", message)
        except InvalidSignature:
            continue
        return
    raise BadSignature("it is not signed with the key in TELNYX_PUBLIC_KEY")


def client_state(purpose: str, about: str) -> str:
    """What Telnyx is to return with all it tells of a leg."""
    return b64encode(f"patter:{purpose}:{about}".encode()).decode()


def read_event(request: CarrierRequest) -> TelnyxEvent:
    """Raises StreamProtocolError for what is no event of Telnyx's API v2."""
    try:
        envelope = json.loads(request.body)
        data = envelope["data"]
        kind, payload = data["event_type"], data.get("payload", {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StreamProtocolError(
            "a body that is no event", hint="the application needs webhook_api_version 2"
        ) from error
    if not isinstance(kind, str) or not isinstance(payload, dict):
        raise StreamProtocolError("an event without its kind or its payload")
    call_id = payload.get("call_control_id") or ""
    if call_id and not (isinstance(call_id, str) and CALL_ID.fullmatch(call_id)):
        raise StreamProtocolError("an event whose call_control_id is no id")
    purpose, about = _read_state(payload.get("client_state"))
    return TelnyxEvent(kind=kind, call_id=call_id, purpose=purpose, about=about, payload=payload)


def waiting_call(event: TelnyxEvent) -> AnswerPlan | None:
    """The call that wants to be answered, or to have its stream now that somebody picked up, or to have it again; None
    for a report."""
    inbound = event.kind == "call.initiated" and event.text("direction") == "incoming"
    outbound = event.kind == "call.answered" and event.purpose == DIALLED
    broken = event.kind == "streaming.failed"
    if not (inbound or outbound or broken):
        return None
    if not event.call_id:
        raise StreamProtocolError("a call without its call_control_id")
    return AnswerPlan(
        carrier_call_id=event.call_id,
        caller=_number(event.text("from")),
        callee=_number(event.text("to")),
        direction=Direction.INBOUND if inbound else Direction.OUTBOUND,
        answered=broken,
        broken=(event.text("stream_id")[:128] or "its stream") if broken else "",
        variables=_headers(event.payload.get("custom_headers")) if inbound else {},
    )


def read_report(event: TelnyxEvent) -> tuple[CarrierFact, ...]:
    """What an event reports of a call of ours; nothing for the kinds that tell us nothing, or that we do not know."""
    if event.purpose == TRANSFER:
        return _read_transfer(event)
    if event.kind == "call.recording.saved":
        return _read_recording(event)
    call, raw = event.call_id, event.text("result")
    if not call:
        return ()
    match event.kind:
        case "call.initiated" if event.text("direction") == "outgoing":
            return (Ringing(carrier_call_id=call),)  # Telnyx tells nothing between this and the answer
        case "call.answered":
            return (Answered(carrier_call_id=call),)
        case "call.hangup":
            return (Completed(carrier_call_id=call, how=_end(event)),)
        case kind if kind in _VERDICTS:
            return (MachineDetected(carrier_call_id=call, who=_WHO.get(raw, AnsweredBy.UNKNOWN), raw=raw),)
        case kind if kind in _GREETINGS:
            # With a beep before the verdict this is all that comes: only machines have a greeting that ends.
            verdict = MachineDetected(carrier_call_id=call, who=AnsweredBy.MACHINE, greeting_over=True, raw=raw)
            return (verdict, BeepHeard(carrier_call_id=call, raw=raw)) if raw == "beep_detected" else (verdict,)
    return ()


def _read_transfer(event: TelnyxEvent) -> tuple[CarrierFact, ...]:
    """Of the leg towards whoever the caller is put through to; the call is the caller's."""
    if not CALL_ID.fullmatch(event.about):
        return ()
    match event.kind:
        case "call.answered" | "call.bridged":
            return (TransferConnected(carrier_call_id=event.about),)
        case "call.hangup":
            return (TransferEnded(carrier_call_id=event.about, how=_end(event)),)
    return ()


def _read_recording(event: TelnyxEvent) -> tuple[CarrierFact, ...]:
    """Telnyx need not say in it which call it was: then our client_state does."""
    call = event.call_id or (event.about if event.purpose == RECORDED else "")
    if not CALL_ID.fullmatch(call):
        return ()
    urls = event.payload.get("recording_urls")
    listed = [urls.get(each) for each in ("wav", "mp3")] if isinstance(urls, dict) else []
    url = next((each for each in listed if isinstance(each, str) and each.startswith("https://")), "")
    began, ended = (_moment(event.text(f"recording_{each}_at")) for each in ("started", "ended"))
    lasted = None if began is None or ended is None else round((ended - began) * 1000)
    recording_id = event.text("recording_id")
    return (
        RecordingReady(
            carrier_call_id=call,
            recording_id=recording_id if len(recording_id) <= 128 else "",
            url=url[:4096],
            duration_ms=lasted if lasted is not None and lasted >= 0 else None,
        ),
    )


def _end(event: TelnyxEvent) -> CallEnd:
    cause, sip = event.text("hangup_cause"), event.text("sip_hangup_cause")
    if cause == "call_rejected" and sip in _REJECTED:
        return _REJECTED[sip]
    return _ENDS.get(cause, CallEnd.COMPLETED if sip == "200" else CallEnd.FAILED)


def _signature(text: str) -> bytes | None:
    """64 bytes, or None. The same bytes written another way are refused: a signature has one text."""
    text = text.strip(" ")
    try:
        value = b64decode(text, validate=True)
    except (NotBase64, ValueError):
        return None
    return value if len(value) == 64 and b64encode(value).decode() == text else None


def _read_state(value: object) -> tuple[str, str]:
    if not isinstance(value, str):
        return "", ""
    try:
        ours, _, rest = b64decode(value, validate=True).decode().partition(":")
    except (NotBase64, ValueError):
        return "", ""
    purpose, _, about = rest.partition(":")
    return (purpose, about) if ours == "patter" else ("", "")


def _number(value: str) -> str:
    """E.164, or a SIP address as it is; "" for a number that is withheld."""
    return value if E164.fullmatch(value) or (value.startswith("sip:") and value.isprintable()) else ""


def _headers(value: object) -> dict[str, str]:
    """A SIP call's own X- headers, by their names without that."""
    read: dict[str, str] = {}
    for each in value[:64] if isinstance(value, list) else []:
        match each:
            case {"name": str(name), "value": str(content)} if name[:2] in ("X-", "x-"):
                read[name[2:66]] = content[:1024]
    return read


def _moment(text: str) -> float | None:
    """Unix time of an ISO 8601 date."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
