"""What Twilio's interface takes in a form, field by field, and what it refuses.

It is stricter than Twilio in one thing: a field that there is not, or that comes twice where one is wanted, is refused,
where Twilio would pass over it in silence; whoever wrote it meant something by it. Source of names, ranges and
numbers of errors: Twilio docs, Call, Recording, Conference and IncomingPhoneNumber resources, REST API errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from patter_cli.testing.lab.http import LabReply, LabRequest, json_reply

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
MAX_TWIML_CHARS: Final = 4000
_FORM: Final = "application/x-www-form-urlencoded"
_WRITTEN: Final = re.compile(r"(?:[A-Za-z0-9*._~+=&-]|%[0-9A-Fa-f]{2})*")
"""What a form may hold: the rest is escaped."""

INVALID_PARAMETER: Final = 20001


class Refused(Exception):
    """Twilio does not do it. code: its own number for why."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def reply(self) -> LabReply:
        """As its interface says it."""
        body = {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return json_reply(self.status, body)


def invalid(message: str, code: int = INVALID_PARAMETER) -> Refused:
    return Refused(400, code, message)


NOT_FOUND: Final = (404, 20404, "The requested resource was not found")

Check: TypeAlias = Callable[[str], bool]


def one_of(*values: str) -> Check:
    return lambda text: text in values


def whole(low: int, high: int) -> Check:
    return lambda text: bool(re.fullmatch("[0-9]{1,9}", text)) and low <= int(text) <= high


def url(text: str) -> bool:
    """An address that a webhook can go to."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in text
    except ValueError:
        return False


def any_text(text: str) -> bool:
    return True


BOOL: Final = one_of("true", "false")
METHOD: Final = one_of("GET", "POST")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form. code: of the error that a wrong value is."""

    check: Check
    code: int = INVALID_PARAMETER
    many: bool = False


BAD_URL: Final = 21205
URL: Final = Field(url, BAD_URL)
VERB: Final = Field(METHOD)
TEXT: Final = Field(any_text)

_RECORDING: Final[Mapping[str, Field]] = {
    "RecordingChannels": Field(one_of("mono", "dual")),
    "RecordingTrack": Field(one_of("inbound", "outbound", "both")),
    "RecordingStatusCallback": URL,
    "RecordingStatusCallbackMethod": VERB,
    "RecordingStatusCallbackEvent": Field(one_of("in-progress", "completed", "absent"), many=True),
    "RecordingConfigurationId": TEXT,
    "Trim": Field(one_of("trim-silence", "do-not-trim")),
}

CREATE_CALL: Final[Mapping[str, Field]] = {
    "To": Field(lambda text: bool(E164.fullmatch(text)), 21211),
    "From": Field(lambda text: bool(E164.fullmatch(text)), 21212),
    "Url": URL,
    "Method": VERB,
    "Twiml": TEXT,
    "ApplicationSid": TEXT,
    "FallbackUrl": URL,
    "FallbackMethod": VERB,
    "StatusCallback": URL,
    "StatusCallbackMethod": VERB,
    "StatusCallbackEvent": Field(any_text, many=True),
    "Timeout": Field(whole(1, 600)),
    "TimeLimit": Field(whole(1, 86_400)),
    "SendDigits": Field(lambda text: bool(re.fullmatch("[0-9A-D#*wW]{1,32}", text))),
    "Record": Field(BOOL),
    **_RECORDING,
    "MachineDetection": Field(one_of("Enable", "DetectMessageEnd")),
    "AsyncAmd": Field(BOOL),
    "AsyncAmdStatusCallback": URL,
    "AsyncAmdStatusCallbackMethod": VERB,
    "MachineDetectionTimeout": Field(whole(3, 59)),
    "MachineDetectionSpeechThreshold": Field(whole(1000, 6000)),
    "MachineDetectionSpeechEndThreshold": Field(whole(500, 5000)),
    "MachineDetectionSilenceTimeout": Field(whole(2000, 10_000)),
    **dict.fromkeys(("CallerId", "CallToken", "CallReason", "Byoc"), TEXT),
    **dict.fromkeys(("SipAuthUsername", "SipAuthPassword", "Passports"), TEXT),
    "ClientNotificationUrl": URL,
}

UPDATE_CALL: Final[Mapping[str, Field]] = {
    "Status": Field(one_of("completed", "canceled")),
    "Twiml": TEXT,
    **{name: CREATE_CALL[name] for name in ("Url", "Method", "FallbackUrl", "FallbackMethod", "TimeLimit")},
    "StatusCallback": URL,
    "StatusCallbackMethod": VERB,
}

START_RECORDING: Final = _RECORDING
UPDATE_RECORDING: Final[Mapping[str, Field]] = {
    "Status": Field(one_of("paused", "in-progress", "stopped")),
    "PauseBehavior": Field(one_of("skip", "silence")),
}

UPDATE_CONFERENCE: Final[Mapping[str, Field]] = {"Status": Field(one_of("completed"))}
UPDATE_PARTICIPANT: Final[Mapping[str, Field]] = {"Muted": Field(BOOL), "EndConferenceOnExit": Field(BOOL)}

_URL_OR_NONE: Final = Field(lambda text: not text or url(text), BAD_URL)
UPDATE_NUMBER: Final[Mapping[str, Field]] = {
    "VoiceUrl": _URL_OR_NONE,
    "VoiceMethod": VERB,
    "VoiceFallbackUrl": _URL_OR_NONE,
    "VoiceFallbackMethod": VERB,
    "StatusCallback": _URL_OR_NONE,
    "StatusCallbackMethod": VERB,
    "VoiceCallerIdLookup": Field(BOOL),
    "VoiceApplicationSid": Field(lambda text: not text or bool(re.fullmatch("AP[0-9a-f]{32}", text))),
    "TrunkSid": Field(lambda text: not text or bool(re.fullmatch("TK[0-9a-f]{32}", text))),
    "FriendlyName": TEXT,
}


class Form:
    """A form that was taken."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def __contains__(self, name: str) -> bool:
        return any(each == name for each, _ in self._pairs)

    def get(self, name: str, otherwise: str = "") -> str:
        return next((value for each, value in self._pairs if each == name), otherwise)

    def all(self, name: str) -> list[str]:
        return [value for each, value in self._pairs if each == name]

    def number(self, name: str, otherwise: int) -> int:
        return int(self.get(name) or otherwise)


def read_form(request: LabRequest, fields: Mapping[str, Field]) -> Form:
    """Raises Refused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.body and kind != _FORM:
        raise invalid(f"the body is {kind or 'of no type'}, not a form")
    try:
        text = request.body.decode("ascii")
        if not _WRITTEN.fullmatch(text):
            raise ValueError
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError as error:
        raise invalid("the form cannot be read") from error
    seen = set()
    for name, value in pairs:
        field = fields.get(name)
        if field is None:
            raise invalid(f"Unknown parameter '{name}'")
        if name in seen and not field.many:
            raise invalid(f"'{name}' is given twice")
        if not field.check(value):
            raise invalid(f"Invalid '{name}': {value[:64]}", field.code)
        seen.add(name)
    return Form(pairs)


def read_query(request: LabRequest, known: set[str]) -> dict[str, str]:
    """Raises Refused for what there is not."""
    wanted = dict(parse_qsl(request.query, keep_blank_values=True))
    for name in wanted:
        if name not in known and name != "PageSize":
            raise invalid(f"Unknown parameter '{name}'")
    return wanted


def check_call(form: Form) -> None:
    """What is wanted of a new call beyond its single fields. Raises Refused."""
    if "To" not in form:
        raise invalid("No 'To' number is specified", 21211)
    if "From" not in form:
        raise invalid("No 'From' number is specified", 21212)
    if sum(name in form for name in ("Url", "Twiml", "ApplicationSid")) != 1:
        raise invalid("Exactly one of Url, Twiml and ApplicationSid is required", BAD_URL)
    check_twiml_length(form)


def check_twiml_length(form: Form) -> None:
    if len(form.get("Twiml")) > MAX_TWIML_CHARS:
        raise invalid(f"Twiml is longer than {MAX_TWIML_CHARS} characters", 32018)
