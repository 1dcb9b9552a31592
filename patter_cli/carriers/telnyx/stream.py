"""Telnyx media streaming: the JSON on the socket, from our end and from the carrier's.

Theory of operation. We ask for one codec in both directions when we answer, and the call is held in that. What arrives
is the telephone leg's own codec wherever Telnyx did not follow, and its `start` says so: the other G.711 law is then
turned into ours byte by byte, and anything else ends the stream, since it could only be noise. Messages may come out of
order; the numbers they carry go on to the jitter buffer, which puts them right.
Source of the format: Telnyx docs, media streaming over WebSockets, 2026-11.
"""

from __future__ import annotations

import json
import re
from binascii import b2a_base64
from typing import Final, Literal, TypeAlias, TypeGuard

from patter_cli.audio.frame import FRAME_MS, ULAW_8K, AudioFormat, Encoding
from patter_cli.audio.wire import wire_codec
from patter_cli.carriers.stream_json import (
    MAX_PARAMETERS,
    JsonObject,
    is_mark,
    is_text,
    parse_message,
    read_base64,
    shown,
)
from patter_cli.contracts.carrier.stream import (
    ClearOut,
    DtmfIn,
    Ignored,
    LineMessage,
    MarkIn,
    MarkOut,
    MediaIn,
    MediaOut,
    Refused,
    StartRefused,
    StreamConnected,
    StreamMessage,
    StreamStarted,
    StreamStopped,
)
from patter_cli.errors import BadSetting, InternalError

Codec: TypeAlias = Literal["PCMU", "PCMA", "L16"]
ByteOrder: TypeAlias = Literal["little", "big"]

MAX_TEXT_CHARS: Final = 64 * 1024
"""A longer message is not read at all: no payload is over 48 KiB. 20 ms of L16 at 16 kHz take 1 KiB."""
MAX_LINE_TEXT_CHARS: Final = 2 * 1024 * 1024
"""The same for what a server may send to the line: 30 s of L16 at 16 kHz, the most that Telnyx takes, are 1.3 MB."""
MAX_MESSAGE_MS: Final = 30_000
DTMF_DIGITS: Final = frozenset("0123456789*#ABCD")


CALL_ID: Final = re.compile(r"v[0-9]{1,2}:[A-Za-z0-9_-]{1,250}={0,2}")
"""A call_control_id: a version and base64url. Nothing in it could leave a path's segment once it is escaped."""

_STREAM_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_NUMBER: Final = re.compile(r"[0-9]{1,15}")

ALAW_8K: Final = AudioFormat(encoding=Encoding.ALAW, rate_hz=8000)
_NAMES: Final = {Encoding.ULAW: "PCMU", Encoding.ALAW: "PCMA", Encoding.L16: "L16", Encoding.L16_LE: "L16"}


def format_of(codec: Codec, byte_order: ByteOrder) -> AudioFormat:
    """What a codec's audio is. byte_order: of L16 alone. Raises BadSetting for a codec or an order that we have not."""
    if byte_order not in ("little", "big"):
        raise BadSetting(f"l16_byte_order cannot be {byte_order!r:.40}", hint='"little" or "big"')
    match codec:
        case "PCMU":
            return ULAW_8K
        case "PCMA":
            return ALAW_8K
        case "L16":
            encoding = Encoding.L16_LE if byte_order == "little" else Encoding.L16
            return AudioFormat(encoding=encoding, rate_hz=16_000)
    raise BadSetting(f"Telnyx's codec cannot be {codec!r:.40}", hint='"PCMU", "PCMA" or "L16"')


def codec_of(format: AudioFormat) -> str:
    """Telnyx's name for a format."""
    return _NAMES[format.encoding]


class TelnyxStream:
    """Our end of one call's stream."""

    def __init__(self, format: AudioFormat = ULAW_8K) -> None:
        """format: what the call was answered with, and what we send."""
        self._format = format
        self._codec = wire_codec(format)
        self._shortest = FRAME_MS * format.bytes_per_ms
        self._stream_id = ""
        self._translate: bytes | None = None
        """256 bytes: the other G.711 law's codes in ours; None where what arrives is ours."""

    def receive(self, text: str) -> StreamMessage:
        """Read one text frame. Total: any text gives a message, Refused or Ignored, in time linear in its length.

        Once the stream has started, messages of another stream and a second start are Refused.
        """
        message = parse_message(text, MAX_TEXT_CHARS)
        return message if isinstance(message, Refused) else self._read(message)

    def media(self, payload: bytes) -> str:
        """Audio towards the caller. Less than 20 ms would be dropped at the other end, so silence fills it up."""
        missing = self._shortest - len(payload)
        if missing > 0:
            payload += self._codec.silence * (missing // len(self._codec.silence))
        return f'{{"event":"media","media":{{"payload":"{b2a_base64(payload, newline=False).decode("ascii")}"}}}}'

    def mark(self, name: str) -> str:
        return f'{{"event":"mark","mark":{{"name":{json.dumps(name)}}}}}'

    def clear(self) -> str:
        return '{"event":"clear"}'

    def _read(self, message: JsonObject) -> StreamMessage:
        event = message.get("event")
        if not isinstance(event, str):
            return Refused(why="no event")
        if event == "connected":
            return StreamConnected()
        if event == "error":
            return Refused(why=_error(message.get("payload")))
        if event not in ("start", "media", "mark", "dtmf", "stop"):
            return Ignored(event=event[:64])
        stream_id = message.get("stream_id")
        starts = event == "start" and not self._stream_id
        if not (isinstance(stream_id, str) and _STREAM_ID.fullmatch(stream_id)):
            return StartRefused(why="start has no stream_id") if starts else Refused(why="no stream_id")
        if self._stream_id and stream_id != self._stream_id:
            return Refused(why="wrong stream_id")
        if event == "stop":
            return StreamStopped()
        body = message.get(event)
        if not isinstance(body, dict):
            why = f"{event} without its object"
            return StartRefused(why=why) if starts else Refused(why=why)
        match event:
            case "media":
                return self._media(message, body)
            case "mark":
                name = body.get("name")
                return MarkIn(name=name) if is_mark(name) else Refused(why="mark without a name")
            case "dtmf":
                digit = body.get("digit")
                return DtmfIn(digit=digit) if _is_digit(digit) else Refused(why="dtmf without a digit")
            case _:
                return self._start(stream_id, body)

    def _start(self, stream_id: str, body: JsonObject) -> StreamMessage:
        if self._stream_id:
            return Refused(why="second start")
        call_id = body.get("call_control_id")
        if not (isinstance(call_id, str) and CALL_ID.fullmatch(call_id)):
            why = "start without call_control_id" if call_id is None else "start.call_control_id is no id"
            return StartRefused(why=why)
        if wrong := self._wrong_format(body.get("media_format")):
            return StartRefused(why=wrong)
        parameters = _read_parameters(body.get("custom_parameters"))
        if parameters is None:
            return StartRefused(why="start.custom_parameters is not a table of texts")
        self._stream_id = stream_id
        return StreamStarted(stream_id=stream_id, call_id=call_id, format=self._format, parameters=parameters)

    def _wrong_format(self, value: object) -> str:
        """Why a start's media_format is nothing that we can hear; "" if it is. Settles how media is to be read."""
        if not isinstance(value, dict):
            return "start without media_format" if value is None else "start.media_format is no object"
        encoding, wanted = value.get("encoding"), codec_of(self._format)
        if encoding != wanted and {encoding if isinstance(encoding, str) else "", wanted} != {"PCMU", "PCMA"}:
            return f"start.media_format.encoding is {shown(encoding)}, not {wanted}"
        if _read_number(value.get("sample_rate")) != self._format.rate_hz:
            return f"start.media_format.sample_rate is {shown(value.get('sample_rate'))}, not {self._format.rate_hz}"
        if _read_number(value.get("channels", 1)) != 1:
            return f"start.media_format.channels is {shown(value['channels'])}, not 1"
        if encoding != wanted:
            other = wire_codec(ULAW_8K if encoding == "PCMU" else ALAW_8K)
            self._translate = self._codec.encode(other.decode(bytes(range(256))))
        return ""

    def _media(self, message: JsonObject, body: JsonObject) -> StreamMessage:
        if body.get("track", "inbound") != "inbound":
            return Ignored(event="media of another track")
        sequence = _read_number(message.get("sequence_number"))
        timestamp_ms = _read_number(body.get("timestamp"))
        if sequence is None or timestamp_ms is None:
            return Refused(why="media without its numbers")
        payload = read_base64(body.get("payload"))
        if payload is None:
            return Refused(why="bad base64")
        payload = self._codec.whole(payload)
        if not payload:
            return Refused(why="empty payload")
        return MediaIn(payload.translate(self._translate) if self._translate else payload, timestamp_ms, sequence)


class TelnyxLine:
    """The carrier's end of one call's stream, as strict with the server as Telnyx is."""

    def __init__(self, format: AudioFormat = ULAW_8K, stream_id: str = "00000000-0000-4000-8000-000000000001") -> None:
        """Raises InternalError for an id that is not made of letters, digits and . _ : -"""
        if not _STREAM_ID.fullmatch(stream_id):
            raise InternalError(f"not an id: {stream_id!r}")
        self._format = format
        self._stream_id = stream_id
        self._call_id = ""
        self._sequence = 0
        self._chunk = 0

    def connected(self) -> str:
        return '{"event":"connected","version":"1.0.0"}'

    def start(self, *, call_id: str, parameters: dict[str, str]) -> str:
        self._call_id = call_id
        start: JsonObject = {
            "user_id": "00000000-0000-4000-8000-000000000002",
            "call_control_id": call_id,
            "media_format": {"encoding": codec_of(self._format), "sample_rate": self._format.rate_hz, "channels": 1},
        }
        if parameters:
            start["custom_parameters"] = [{"name": name, "value": value} for name, value in parameters.items()]
        return self._render("start", start)

    def media(self, payload: bytes, timestamp_ms: int) -> str:
        self._chunk += 1
        content = b2a_base64(payload, newline=False).decode("ascii")
        timed = {"track": "inbound", "chunk": str(self._chunk), "timestamp": str(timestamp_ms), "payload": content}
        return self._render("media", timed)

    def dtmf(self, digit: str) -> str:
        return self._render("dtmf", {"digit": digit})

    def mark(self, name: str) -> str:
        return self._render("mark", {"name": name})

    def stop(self) -> str:
        return self._render(
            "stop", {"user_id": "00000000-0000-4000-8000-000000000002", "call_control_id": self._call_id}
        )

    def receive(self, text: str) -> LineMessage:
        """Read what the server sent. Total. What Telnyx would answer with an error is Refused, with its code."""
        message = parse_message(text, MAX_LINE_TEXT_CHARS)
        if isinstance(message, Refused):
            return Refused(why=f"100003 malformed_frame: {message.why}")
        event = message.get("event")
        if event == "clear":
            return ClearOut()
        body = message.get("media" if event == "media" else "mark")
        if event not in ("media", "mark") or not isinstance(body, dict):
            return Refused(why="100003 malformed_frame: an event that Telnyx does not take")
        if event == "mark":
            name = body.get("name")
            return MarkOut(name=name) if is_mark(name) else Refused(why="100003 malformed_frame: mark without a name")
        payload = read_base64(body.get("payload"))
        if payload is None:
            return Refused(why="100004 invalid_media: bad base64")
        if not FRAME_MS <= len(payload) / self._format.bytes_per_ms <= MAX_MESSAGE_MS:
            return Refused(why="100004 invalid_media: not 20 ms to 30 s of audio")
        return MediaOut(payload)

    def _render(self, event: str, body: object) -> str:
        self._sequence += 1
        message = {"event": event, "sequence_number": str(self._sequence), event: body, "stream_id": self._stream_id}
        return json.dumps(message, separators=(",", ":"))


def _error(value: object) -> str:
    """What Telnyx did not like of what we sent, on one line."""
    if not isinstance(value, dict):
        return "Telnyx reports an error"
    code, title = (each if isinstance(each, str | int) else "" for each in (value.get("code"), value.get("title")))
    return f"Telnyx reports {ascii(str(code)[:16])[1:-1]} {ascii(str(title)[:64])[1:-1]}"


def _read_parameters(value: object) -> dict[str, str] | None:
    """Telnyx is given a list of names and values; how it hands them on is not documented, so a table is read too."""
    if value is None:
        return {}
    if isinstance(value, list):
        pairs = [(each.get("name"), each.get("value")) for each in value if isinstance(each, dict)]
        if len(pairs) != len(value):
            return None
    elif isinstance(value, dict):
        pairs = list(value.items())
    else:
        return None
    if len(pairs) > MAX_PARAMETERS:
        return None
    read = {name: content for name, content in pairs if is_text(name) and is_text(content)}
    return read if len(read) == len(pairs) else None


def _read_number(value: object) -> int | None:
    """Telnyx writes most of its numbers as strings, and some not."""
    text = str(value) if type(value) is int and abs(value) < 10**15 else value
    return int(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else None


def _is_digit(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value in DTMF_DIGITS
