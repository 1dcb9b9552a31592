"""Twilio's webhooks: whether Twilio has sent one, and what it says.

What is signed (HMAC-SHA1 with the account's auth token, in base64):

    a form        the address, then every field's name and value, sorted by name, with nothing between them
    JSON          the address, whose query holds the SHA-256 of the body as bodySHA256
    GET, upgrade  the address

The address is the one that Twilio was given. Twilio adds fields without notice, so all that came are hashed, also the
empty ones; of a name that comes twice, its distinct values in their order. Source: Twilio docs, Webhooks security.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from patter_cli.carriers.twilio.answer import RETURNED
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
    TransferEnded,
)
from patter_cli.core.outcome import AnsweredBy, Direction, TransferOutcome
from patter_cli.errors import BadSignature, StreamProtocolError

SIGNATURE_HEADER: Final = "x-twilio-signature"
DECLINED: Final = "603"
"""SIP's word of somebody who is there and does not want to."""
MAX_FIELDS: Final = 100
"""Twilio's longest webhook has about fifty."""
MAX_VARIABLE_CHARS: Final = 1024
BODY_HASH: Final = "bodySHA256"

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")

FORM: Final = "application/x-www-form-urlencoded"
_ADDRESS: Final = re.compile(r"(?s)([A-Za-z]+)://([^/?#]*)([^#]*)")
_STANDARD_PORT: Final = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443"}
_SMALL_ESCAPE: Final = re.compile(r"%(?:[0-9A-F][a-f]|[a-f][0-9A-Fa-f])")
_SIP_USER: Final = re.compile(r"sips?:(\+[0-9]+)@")
_SIP_HEADER: Final = "SipHeader_X-"

_CALL_ID: Final = re.compile(r"CA[0-9a-fA-F]{32}")
_RECORDING_ID: Final = re.compile(r"RE[0-9a-fA-F]{32}")
_SECONDS: Final = re.compile(r"[0-9]{1,9}")

_WITHHELD: Final = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
"""ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE, spelled on a telephone's keys; so Twilio writes them."""

_ENDS: Final = {
    "completed": CallEnd.COMPLETED,
    "answered": CallEnd.COMPLETED,
    "busy": CallEnd.BUSY,
    "no-answer": CallEnd.NO_ANSWER,
    "canceled": CallEnd.CANCELED,
    "failed": CallEnd.FAILED,
}
_MISSED: Final = {"busy": TransferOutcome.BUSY, "no-answer": TransferOutcome.NO_ANSWER}
_WHO: Final = {
    "human": AnsweredBy.HUMAN,
    "fax": AnsweredBy.FAX,
    "unknown": AnsweredBy.UNKNOWN,
}
_NO_CALL_WAITS: Final = frozenset({"CallbackSource", "SequenceNumber", "StreamEvent", "RecordingStatus"})
"""What only reports have, and no request for instructions."""


def verify(request: CarrierRequest, auth_tokens: Sequence[str]) -> None:
    """Raises BadSignature unless the request is signed with one of the tokens, all of it and for this address."""
    given = request.headers.get(SIGNATURE_HEADER, "").encode("utf-8", "surrogatepass")
    if not given:
        raise BadSignature("it has no X-Twilio-Signature")
    signed = _signed_fields(request)
    for address in _spellings(request.url):
        for token in auth_tokens:
            if hmac.compare_digest(given, signature(address + signed, token).encode()):
                return
    raise BadSignature(
        "X-Twilio-Signature does not fit: another auth token, or another address than the one that Twilio was given"
    )


def signed(request: CarrierRequest, auth_token: str) -> str:
    """The signature with which Twilio would send this. Raises BadSignature for what it could not sign."""
    return signature(request.url + _signed_fields(request), auth_token)


def signature(message: str, auth_token: str) -> str:
    """What Twilio signs a message with."""
    return b64encode(hmac.digest(auth_token.encode(), message.encode("utf-8", "surrogatepass"), hashlib.sha1)).decode()


def canonical(pairs: Sequence[tuple[str, str]]) -> str:
    """A form's fields, as they are signed after the address."""
    return "".join(name + value for name, value in sorted(set(pairs)))


def waiting_call(request: CarrierRequest) -> AnswerPlan | None:
    """The call that asks for instructions; None: the request is a report. Raises StreamProtocolError."""
    fields = read_fields(request)
    call_id = _call_id(fields)
    if fields.get("CallStatus") not in ("ringing", "in-progress"):
        return None
    if not _NO_CALL_WAITS.isdisjoint(fields):
        return None
    outbound = fields.get("Direction", "").startswith("outbound")
    return AnswerPlan(
        carrier_call_id=call_id,
        caller=_caller(fields.get("From", "")),
        callee=_number_in(fields.get("To", "")) or fields.get("To", "")[:256],
        direction=Direction.OUTBOUND if outbound else Direction.INBOUND,
        answered=fields["CallStatus"] == "in-progress",
        variables=_variables(request, fields),
        returned=_returned(fields) or _returned_by_us(request.url),
    )


def read_report(request: CarrierRequest) -> tuple[CarrierFact, ...]:
    """What a request reports; () for reports that are not known yet. Raises StreamProtocolError for one of no call."""
    fields = read_fields(request)
    return tuple(_facts(_call_id(fields), fields))


def read_fields(request: CarrierRequest) -> dict[str, str]:
    """The fields of a request by name, those of its form or of a GET's query. What comes twice with two values is left
    out, since nobody could say which counts. Raises StreamProtocolError."""
    try:
        pairs = _pairs(_query(request.url) if request.method == "GET" else _form(request))
    except ValueError as error:
        raise StreamProtocolError("a webhook that Twilio never sends: its fields cannot be read") from error
    fields: dict[str, str] = {}
    twice = set()
    for name, value in pairs:
        if fields.setdefault(name, value) != value:
            twice.add(name)
    return {name: value for name, value in fields.items() if name not in twice}


def _facts(call_id: str, fields: Mapping[str, str]) -> Iterator[CarrierFact]:
    status = fields.get("CallStatus", "")
    if "RecordingStatus" in fields:
        recording_id = fields.get("RecordingSid", "")
        if fields["RecordingStatus"] == "completed" and _RECORDING_ID.fullmatch(recording_id):
            seconds = _seconds(fields.get("RecordingDuration", ""))
            yield RecordingReady(
                carrier_call_id=call_id,
                recording_id=recording_id,
                duration_ms=None if seconds is None else seconds * 1000,
            )
        return
    if "DialCallStatus" in fields:
        if end := _ENDS.get(fields["DialCallStatus"]):
            yield TransferEnded(carrier_call_id=call_id, how=end)
        return
    if status == "ringing":
        yield Ringing(carrier_call_id=call_id)
    elif status == "in-progress":
        yield Answered(carrier_call_id=call_id)
    yield from _verdict(call_id, fields.get("AnsweredBy", ""))
    if end := _ENDS.get(status):
        if end is CallEnd.BUSY and fields.get("SipResponseCode") == DECLINED:
            end = CallEnd.DECLINED
        yield Completed(carrier_call_id=call_id, how=end, duration_s=_seconds(fields.get("CallDuration", "")))


def _verdict(call_id: str, said: str) -> Iterator[CarrierFact]:
    """Who picked up, and what is known of a machine's greeting."""
    if said.startswith("machine_"):
        over = said.startswith("machine_end_")
        yield MachineDetected(
            carrier_call_id=call_id, who=AnsweredBy.MACHINE, greeting_over=over, raw=said[:MAX_VARIABLE_CHARS]
        )
        if said == "machine_end_beep":
            yield BeepHeard(carrier_call_id=call_id, raw=said)
    elif said in _WHO:
        yield MachineDetected(carrier_call_id=call_id, who=_WHO[said], raw=said)


def _signed_fields(request: CarrierRequest) -> str:
    """What is signed after the address. Raises BadSignature for a body that no signature can cover."""
    if request.method == "GET":
        return ""  # the body of a GET is not signed, and nobody reads it
    try:
        if _is_form(request):
            return canonical(_pairs(_form(request)))
        digest = dict(_pairs(_query(request.url))).get(BODY_HASH, "")
    except ValueError as error:
        raise BadSignature("its fields cannot be read") from error
    if digest:
        if not hmac.compare_digest(
            digest.encode("utf-8", "surrogatepass"), hashlib.sha256(request.body).hexdigest().encode()
        ):
            raise BadSignature(f"its body is not the one that {BODY_HASH} is of")
    elif request.body:
        raise BadSignature(f"its body is no form, and no {BODY_HASH} signs it")
    return ""


def _spellings(url: str) -> Iterator[str]:
    """The address in the ways Twilio may have signed it. It is not consistent about the usual port, and some have seen
    it sign a stream's address with a slash at the end; what follows # tells it how to connect, and is not sent."""
    parts = _ADDRESS.match(url)
    if parts is None:
        return
    scheme, host, rest = parts.groups()
    port = _STANDARD_PORT.get(scheme, "")
    other = host[: -len(port)] if port and host.endswith(port) else host + port if ":" not in host else host
    for each in (host, other):
        yield f"{scheme}://{each}{rest}"
        if scheme in ("ws", "wss"):
            yield f"{scheme}://{each}{rest}/"


def _is_form(request: CarrierRequest) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


def _form(request: CarrierRequest) -> str:
    """The body's text; a body that is no form has no fields. Raises ValueError."""
    return request.body.decode("ascii") if _is_form(request) else ""


def _query(url: str) -> str:
    return url.partition("#")[0].partition("?")[2]


def _pairs(text: str) -> list[tuple[str, str]]:
    """Raises ValueError for what is not UTF-8, has too many fields, or was not written by Twilio: its escapes are in
    capitals, and %2b would be a second way to write what was signed."""
    if _SMALL_ESCAPE.search(text):
        raise ValueError("an escape in small letters")
    return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)


def _call_id(fields: Mapping[str, str]) -> str:
    call_id = fields.get("CallSid", "")
    if not _CALL_ID.fullmatch(call_id):
        raise StreamProtocolError("a webhook that Twilio never sends: it has no CallSid")
    return call_id


def _returned(fields: Mapping[str, str]) -> TransferOutcome | None:
    """What a transfer has come to, after which the caller is on the line still; None: there was none."""
    status = fields.get("DialCallStatus")
    if status in ("completed", "answered"):
        return TransferOutcome.DROPPED if fields.get("DialBridged") == "false" else TransferOutcome.CONNECTED
    return None if status is None else _MISSED.get(status, TransferOutcome.FAILED)


def _returned_by_us(url: str) -> TransferOutcome | None:
    """The same, where we have sent the caller back ourselves."""
    said = dict(_pairs(_query(url))).get(RETURNED, "")
    return next((each for each in TransferOutcome if each == said), None)


def _caller(text: str) -> str:
    number = _number_in(text)
    return "" if number in _WITHHELD else number


def _number_in(text: str) -> str:
    """The E.164 number that a call is from or to; "" if it has none, such as client:alice."""
    sip = _SIP_USER.match(text)
    number = sip[1] if sip else text
    return number if E164.fullmatch(number) else ""


def _variables(request: CarrierRequest, fields: Mapping[str, str]) -> dict[str, str]:
    """What comes along: the query of the address that the number was given, and a SIP call's X- headers. Both are
    signed."""
    given = {} if request.method == "GET" else dict(_pairs(_query(request.url)))
    given |= {name[len(_SIP_HEADER) :]: value for name, value in fields.items() if name.startswith(_SIP_HEADER)}
    return {name: value for name, value in given.items() if name and len(name) + len(value) <= MAX_VARIABLE_CHARS}


def _seconds(text: str) -> int | None:
    return int(text) if _SECONDS.fullmatch(text) else None
