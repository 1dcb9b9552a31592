"""TwiML as Twilio reads it: a document's verbs in order, or what is wrong with it.

Source: Twilio docs, TwiML for voice; errors 11750, 12100, 12200, 12300.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, ParseError, fromstring

MAX_BYTES: Final = 64 * 1024
_TYPES: Final = ("text/xml", "application/xml", "text/html")

_ATTRIBUTES: Final[Mapping[str, str]] = {
    "Connect": "action method",
    "Dial": "action method timeout hangupOnStar timeLimit callerId record trim recordingStatusCallback "
    "recordingStatusCallbackMethod recordingStatusCallbackEvent recordingTrack answerOnBridge ringTone sequential "
    "referUrl referMethod events",
    "Say": "voice language loop",
    "Play": "digits loop",
    "Record": "action method timeout finishOnKey maxLength playBeep trim recordingStatusCallback "
    "recordingStatusCallbackMethod recordingStatusCallbackEvent transcribe transcribeCallback",
    "Start": "action method",
    "Gather": "input action method timeout numDigits finishOnKey hints language speechTimeout actionOnEmptyResult",
    "Pause": "length",
    "Redirect": "method",
    "Hangup": "",
    "Reject": "reason",
    "Stream": "url name track statusCallback statusCallbackMethod",
    "Parameter": "name value",
    "Number": "sendDigits url method statusCallbackEvent statusCallback statusCallbackMethod byoc machineDetection "
    "machineDetectionTimeout machineDetectionSpeechThreshold machineDetectionSpeechEndThreshold "
    "machineDetectionSilenceTimeout amdStatusCallback amdStatusCallbackMethod",
    "Sip": "username password url method statusCallbackEvent statusCallback statusCallbackMethod",
    "Conference": "muted beep startConferenceOnEnter endConferenceOnExit waitUrl waitMethod maxParticipants record "
    "region coach trim statusCallback statusCallbackMethod statusCallbackEvent recordingStatusCallback "
    "recordingStatusCallbackMethod recordingStatusCallbackEvent recordingConfigurationId eventCallbackUrl "
    "jitterBufferSize participantLabel",
    "Recording": "recordingStatusCallback recordingStatusCallbackMethod recordingStatusCallbackEvent trim track "
    "channels",
}
_INSIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "Response": (
        "Connect",
        "Dial",
        "Say",
        "Play",
        "Record",
        "Start",
        "Gather",
        "Pause",
        "Redirect",
        "Hangup",
        "Reject",
    ),
    "Connect": ("Stream",),
    "Start": ("Stream", "Recording"),
    "Stream": ("Parameter",),
    "Dial": ("Number", "Sip", "Conference"),
    "Gather": ("Say", "Play", "Pause"),
}
WAITS_WITH: Final = ("Say", "Play", "Pause", "Redirect")
"""The verbs of a document that is there for who waits for a conference; error 13238."""
MAX_PARAMETER_CHARS: Final = 499
MAX_SAY_CHARS: Final = 4096


class DocumentError(Exception):
    """An application error: the caller hears of it, and the call ends. code: Twilio's number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Verb:
    """One element. text: what stands in it."""

    name: str
    attributes: Mapping[str, str]
    text: str
    inside: tuple[Verb, ...] = ()

    def get(self, name: str, otherwise: str = "") -> str:
        return self.attributes.get(name, otherwise)


def read_reply(body: bytes, content_type: str, warn: list[str]) -> tuple[Verb, ...]:
    """The verbs of a webhook's answer. warn: is told of what is passed over. Raises DocumentError."""
    if len(body) > MAX_BYTES:
        raise DocumentError(11750, "the answer is longer than 64 kB")
    if content_type.partition(";")[0].strip().lower() not in _TYPES:
        raise DocumentError(12300, f"the answer is {content_type or 'of no type'}, not text/xml")
    return read_document(body, warn)


def read_document(body: bytes | str, warn: list[str]) -> tuple[Verb, ...]:
    """The verbs of a document. Raises DocumentError for one that cannot be read or holds what there is not."""
    text = body.decode("utf-8", "strict") if isinstance(body, bytes) and _is_utf8(body) else body
    if isinstance(text, bytes) or not text.startswith("<") or "<!DOCTYPE" in text:
        raise DocumentError(12100, "the document cannot be parsed")
    try:
        root = fromstring(text)
    except (ParseError, ValueError) as error:
        raise DocumentError(12100, f"the document cannot be parsed: {error}") from error
    if root.tag != "Response":
        raise DocumentError(12200, f"<{root.tag}> is no <Response>")
    return tuple(_verb(each, "Response", warn) for each in root)


def _verb(element: Element, parent: str, warn: list[str]) -> Verb:
    name = element.tag
    if name not in _INSIDE.get(parent, ()):
        raise DocumentError(12200, f"<{name}> is not allowed in <{parent}>")
    known = _ATTRIBUTES[name].split()
    for attribute in element.attrib:
        if attribute not in known:
            warn.append(f"12200: <{name}> has no attribute {attribute}")
    attributes = {key: value for key, value in element.attrib.items() if key in known}
    inside = tuple(_verb(each, name, warn) for each in element)
    return Verb(name, attributes, (element.text or "").strip(), inside)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
