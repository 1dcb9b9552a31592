"""What Telnyx's commands take: every field by its name, with the values that it may have.

Fields that are in no table are let through and named: Telnyx does not say what it does with them, and a test may want
none. Source: the typed schema of telnyx-python 4.189 and Telnyx's command references, 2026-11.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from patter_cli.testing.lab.telnyx.refusals import (
    Reason,
    Refusal,
    malformed,
    missing,
    not_base64,
    not_e164,
    not_one_of,
    out_of_range,
)

Check: TypeAlias = Callable[[str, object], Reason | None]
"""(a field's name, its value) to what is wrong with it."""

E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
_DIGITS: Final = re.compile(r"[0-9A-D*#wW]+")
MAX_DIGITS: Final = 64
MAX_SPOKEN_CHARS: Final = 3000


def text(longest: int = 4000) -> Check:
    def check(name: str, value: object) -> Reason | None:
        if not isinstance(value, str):
            return malformed(name, "a string")
        return out_of_range(name, 0, longest) if len(value) > longest else None

    return check


def whole(low: int, high: int) -> Check:
    def check(name: str, value: object) -> Reason | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return malformed(name, "an integer")
        return None if low <= value <= high else out_of_range(name, low, high)

    return check


def one_of(*values: str) -> Check:
    def check(name: str, value: object) -> Reason | None:
        if not isinstance(value, str):
            return malformed(name, "a string")
        return None if value in values else not_one_of(name, values)

    return check


def _flag(name: str, value: object) -> Reason | None:
    return None if isinstance(value, bool) else malformed(name, "a boolean")


def _object(name: str, value: object) -> Reason | None:
    return None if isinstance(value, dict) else malformed(name, "an object")


def _pairs(name: str, value: object) -> Reason | None:
    """[{"name": …, "value": …}, …]"""
    if isinstance(value, list) and all(isinstance(each, dict) and {"name", "value"} <= each.keys() for each in value):
        return None
    return malformed(name, "a list of objects with name and value")


def _party(name: str, value: object) -> Reason | None:
    """A number, or a SIP address."""
    if not isinstance(value, str):
        return malformed(name, "a string")
    return None if E164.fullmatch(value) or value.startswith("sip:") else not_e164(name)


def _parties(name: str, value: object) -> Reason | None:
    for each in value if isinstance(value, list) and value else [value]:
        if (wrong := _party(name, each)) is not None:
            return wrong
    return None


def _state(name: str, value: object) -> Reason | None:
    if not isinstance(value, str):
        return malformed(name, "a string")
    try:
        b64decode(value, validate=True)
    except (NotBase64, ValueError):
        return not_base64(name)
    return None


def _digits(name: str, value: object) -> Reason | None:
    fits = isinstance(value, str) and len(value) <= MAX_DIGITS and _DIGITS.fullmatch(value)
    return None if fits else malformed(name, f"up to {MAX_DIGITS} of 0-9 A-D * # w W")


def address(*schemes: str) -> Check:
    def check(name: str, value: object) -> Reason | None:
        parts = urlsplit(value) if isinstance(value, str) else None
        fits = parts is not None and parts.scheme in schemes and parts.hostname
        return None if fits else malformed(name, f"an address that begins with {schemes[0]}://")

    return check


def _loop(name: str, value: object) -> Reason | None:
    return None if value == "infinity" else whole(1, 100)(name, value)


_ID: Final = text(255)
_HTTP: Final = address("https", "http")

_EVERY_COMMAND: Final[dict[str, Check]] = {"client_state": _state, "command_id": _ID}

_WEBHOOK: Final[dict[str, Check]] = {
    "webhook_url": _HTTP,
    "webhook_url_method": one_of("POST", "GET"),
    "webhook_urls": _object,
    "webhook_urls_method": one_of("POST", "GET"),
    "webhook_retries_policies": _object,
}

_CODECS: Final = ("PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16")
RATES_HZ: Final = (8000, 16000, 22050, 24000, 48000)


def _rate(name: str, value: object) -> Reason | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return malformed(name, "an integer")
    return None if value in RATES_HZ else not_one_of(name, tuple(map(str, RATES_HZ)))


_ANSWER_STREAM: Final[dict[str, Check]] = {
    "stream_url": address("wss", "ws"),
    "stream_track": one_of("inbound_track", "outbound_track", "both_tracks"),
    "stream_codec": one_of("default", *_CODECS),
    "stream_bidirectional_mode": one_of("mp3", "rtp"),
    "stream_bidirectional_codec": one_of(*_CODECS),
    "stream_bidirectional_target_legs": one_of("opposite", "self", "both"),
}
"""What `answer` takes of a stream: no sampling rate and no token."""
_STREAM: Final[dict[str, Check]] = {
    **_ANSWER_STREAM,
    "stream_bidirectional_sampling_rate": _rate,
    "stream_auth_token": text(4000),
}

_RECORD: Final[dict[str, Check]] = {
    "record": one_of("record-from-answer"),
    "record_channels": one_of("single", "dual"),
    "record_format": one_of("wav", "mp3"),
    "record_max_length": whole(0, 43_200),
    "record_timeout_secs": whole(0, 14_400),
    "record_track": one_of("both", "inbound", "outbound"),
    "record_trim": one_of("trim-silence"),
    "record_custom_file_name": text(40),
}

DETECTION: Final = one_of(
    "disabled",
    "detect",
    "detect_words",
    "detect_beep",
    "greeting_end",
    "premium",
    "premium_ios_call_screening_detection",
)

_RING: Final[dict[str, Check]] = {
    "to": _parties,
    "from": _party,
    "from_display_name": text(128),
    "timeout_secs": whole(5, 600),
    "time_limit_secs": whole(1, 14_400),
    "answering_machine_detection": DETECTION,
    "answering_machine_detection_config": _object,
    "audio_url": _HTTP,
    "media_name": text(),
    "send_digits_on_answer": _digits,
    "park_after_unbridge": text(),
    "custom_headers": _pairs,
    "sip_headers": _pairs,
}

DIAL: Final[dict[str, Check]] = {
    **_EVERY_COMMAND,
    **_WEBHOOK,
    **_RING,
    **_STREAM,
    **_RECORD,
    "connection_id": _ID,
    "privacy": one_of("id", "none"),
    "send_silence_when_idle": _flag,
    "stream_establish_before_call_originate": _flag,
    "link_to": _ID,
    "bridge_intent": _flag,
    "bridge_on_answer": _flag,
    "prevent_double_bridge": _flag,
    "supervise_call_control_id": _ID,
}

COMMANDS: Final[Mapping[str, dict[str, Check]]] = {
    "answer": {
        **_EVERY_COMMAND,
        **_WEBHOOK,
        **_ANSWER_STREAM,
        **_RECORD,
        "send_silence_when_idle": _flag,
        "custom_headers": _pairs,
        "sip_headers": _pairs,
    },
    "hangup": {**_EVERY_COMMAND, "custom_headers": _pairs, "reason": text()},
    "reject": {
        **_EVERY_COMMAND,
        "cause": one_of("CALL_REJECTED", "USER_BUSY", "NOT_FOUND", "TEMPORARILY_UNAVAILABLE"),
    },
    "streaming_start": {**_EVERY_COMMAND, **_STREAM, "custom_parameters": _pairs},
    "streaming_stop": {**_EVERY_COMMAND, "stream_id": _ID},
    "transfer": {
        **_EVERY_COMMAND,
        **_WEBHOOK,
        **_RING,
        **_RECORD,
        "early_media": _flag,
        "mute_dtmf": one_of("none", "both", "self", "opposite"),
        "target_leg_client_state": _state,
    },
    "bridge": {
        **_EVERY_COMMAND,
        **_RECORD,
        "call_control_id": _ID,
        "call_control_id_to_bridge_with": _ID,
        "play_ringtone": _flag,
        "ringtone": text(),
        "park_after_unbridge": text(),
        "hold_after_unbridge": _flag,
    },
    "send_dtmf": {**_EVERY_COMMAND, "digits": _digits, "duration_millis": whole(100, 500)},
    "record_start": {
        **_EVERY_COMMAND,
        "format": one_of("wav", "mp3"),
        "channels": one_of("single", "dual"),
        "play_beep": _flag,
        "max_length": whole(0, 14_400),
        "timeout_secs": whole(0, 14_400),
        "recording_track": one_of("both", "inbound", "outbound"),
        "trim": one_of("trim-silence"),
        "custom_file_name": text(40),
    },
    "record_stop": {**_EVERY_COMMAND, "recording_id": _ID},
    "record_pause": {**_EVERY_COMMAND, "recording_id": _ID},
    "record_resume": {**_EVERY_COMMAND, "recording_id": _ID},
    "playback_start": {
        **_EVERY_COMMAND,
        "audio_url": _HTTP,
        "media_name": text(),
        "playback_content": _state,
        "audio_type": one_of("mp3", "wav"),
        "loop": _loop,
        "overlay": _flag,
        "stop": one_of("current", "all"),
        "target_legs": one_of("self", "opposite", "both"),
        "cache_audio": _flag,
    },
    "playback_stop": {**_EVERY_COMMAND, "stop": one_of("current", "all"), "overlay": _flag},
    "speak": {
        **_EVERY_COMMAND,
        "payload": text(MAX_SPOKEN_CHARS),
        "voice": text(),
        "language": text(),
        "payload_type": one_of("text", "ssml"),
        "service_level": one_of("premium", "basic"),
        "voice_settings": _object,
        "loop": _loop,
        "stop": one_of("current", "all"),
        "target_legs": one_of("self", "opposite", "both"),
    },
    "client_state_update": {**_EVERY_COMMAND},
}
"""By the verb at the end of /calls/{call_control_id}/actions/."""

_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "dial": ("connection_id", "to", "from"),
    "reject": ("cause",),
    "streaming_start": ("stream_url",),
    "transfer": ("to",),
    "send_dtmf": ("digits",),
    "record_start": ("format", "channels"),
    "speak": ("payload", "voice"),
    "client_state_update": ("client_state",),
}

APPLICATION: Final[dict[str, Check]] = {
    "application_name": text(255),
    "webhook_event_url": _HTTP,
    "webhook_event_failover_url": _HTTP,
    "webhook_api_version": one_of("1", "2"),
    "webhook_timeout_secs": whole(0, 30),
    "first_command_timeout": _flag,
    "first_command_timeout_secs": whole(0, 600),
    "redact_dtmf_debug_logging": _flag,
    "dtmf_type": one_of("RFC 2833", "Inband", "SIP INFO"),
    "call_cost_in_webhooks": _flag,
    "anchorsite_override": text(),
    "active": _flag,
    "inbound": _object,
    "outbound": _object,
}
NUMBER: Final[dict[str, Check]] = {"connection_id": _ID, "billing_group_id": _ID, "customer_reference": _ID}

_TABLES: Final[Mapping[str, dict[str, Check]]] = {
    "dial": DIAL,
    "application": APPLICATION,
    "number": NUMBER,
    **COMMANDS,
}


def check(what: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    """Hold a body against its table. what: a command's verb, "dial", "application" or "number".

    Returns the names that are in no table. Raises Refusal (422) with every reason there is. A null counts as left out.
    """
    table = _TABLES[what]
    given = {name: value for name, value in body.items() if value is not None}
    reasons = [missing(name) for name in _REQUIRED.get(what, ()) if given.get(name, "") == ""]
    found = (table[name](name, value) for name, value in given.items() if name in table and value != "")
    reasons += [each for each in found if each is not None]
    if reasons:
        raise Refusal(422, *reasons)
    return tuple(sorted(given.keys() - table.keys()))
