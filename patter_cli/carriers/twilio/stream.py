"""Twilio Media Streams: the JSON on the socket, from our end and from the carrier's.

Theory of operation. Nearly all traffic is one kind of message, the caller's 20 ms of audio, and Twilio always writes
its fields in the same order without blanks. So `receive` first asks whether the text is exactly such a message: a
fixed head with three numbers, base64, a fixed tail with this stream's id. Everything else, also the same message
written another way, goes through JSON and is checked field by field; both ways give equal results. Source of the
format: Twilio docs, Media Streams WebSocket messages.
"""

from __future__ import annotations

import json
import re
from binascii import a2b_base64, b2a_base64
from typing import Final, TypeGuard

from patter_cli.audio.frame import ULAW_8K
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
from patter_cli.errors import InternalError

MAX_TEXT_CHARS: Final = 64 * 1024
"""A longer message is not read at all: no payload is over 48 KiB. Twilio's longest are a tenth of this."""

MAX_LINE_TEXT_CHARS: Final = 1024 * 1024
"""The same for what a server may send to the line: 98 s of audio at once."""

DTMF_DIGITS: Final = frozenset("0123456789*#")
"""The keys of a telephone. A to D are tones too, but no caller has them."""

_MULAW: Final = frozenset({"audio/x-mulaw", "audio/mulaw", "audio/x-ulaw", "audio/ulaw", "audio/pcmu", "mulaw", "pcmu"})
"""What people call mu-law; Twilio says the first. Source of PCMU: RFC 3551, 4.5.14."""


_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
"""Twilio's are two letters and 32 hexadecimal digits; of other lines we ask that an id needs no escaping anywhere."""

_MEDIA_HEAD: Final = re.compile(
    r'\{"event":"media","sequenceNumber":"([0-9]{1,15})","media":\{"track":"inbound",'
    r'"chunk":"[0-9]{1,15}","timestamp":"([0-9]{1,15})","payload":"'
)
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
"""What a number on this wire looks like; it fits any clock, and is short enough to be read at once."""

_WRITTEN_WHOLE: Final = re.compile(r"\s*([0-9]{1,15})(?:\.0*)?\s*", re.ASCII)


class TwilioStream:
    """Our end of one call's stream."""

    def __init__(self) -> None:
        self._stream_id = ""
        self._media_in_tail = ""
        self._media_out_head = ""

    def receive(self, text: str) -> StreamMessage:
        """Read one text frame. Total: any text gives a message, Refused or Ignored, in time linear in its length.

        Once the stream has started, messages of another stream and a second start are Refused.
        """
        head = _MEDIA_HEAD.match(text)
        tail = self._media_in_tail
        if head is not None and tail and text.endswith(tail) and len(text) <= MAX_TEXT_CHARS:
            try:
                payload = a2b_base64(text[head.end() : -len(tail)], strict_mode=True)
            except ValueError:
                pass  # not what it looked like; the long way says what is wrong
            else:
                sequence, timestamp_ms = head.groups()
                return MediaIn(payload, int(timestamp_ms), int(sequence)) if payload else Refused(why="empty payload")
        message = parse_message(text, MAX_TEXT_CHARS)
        return message if isinstance(message, Refused) else self._read(message)

    def media(self, payload: bytes) -> str:
        """Audio towards the caller: mu-law, 8 kHz. Raises InternalError before the stream has started."""
        if not self._stream_id:
            raise InternalError("nothing can be sent before the stream has started")
        return f'{self._media_out_head}{b2a_base64(payload, newline=False).decode("ascii")}"}}}}'

    def mark(self, name: str) -> str:
        """Raises InternalError before the stream has started."""
        return self._control("mark", f',"mark":{{"name":{json.dumps(name)}}}')

    def clear(self) -> str:
        """Raises InternalError before the stream has started."""
        return self._control("clear", "")

    def _control(self, event: str, rest: str) -> str:
        if not self._stream_id:
            raise InternalError("nothing can be sent before the stream has started")
        return f'{{"event":"{event}","streamSid":"{self._stream_id}"{rest}}}'

    def _read(self, message: JsonObject) -> StreamMessage:
        event = message.get("event")
        if not isinstance(event, str):
            return Refused(why="no event")
        if event == "connected":
            return StreamConnected()
        if event not in ("start", "media", "mark", "dtmf", "stop"):
            return Ignored(event=event[:64])
        stream_id = message.get("streamSid")
        if stream_id is None and event == "start" and isinstance(inner := message.get("start"), dict):
            stream_id = inner.get("streamSid")  # Twilio writes it twice
        if not _is_id(stream_id):
            why = "no streamSid"
            return (
                StartRefused(why=f"start has {why}") if event == "start" and not self._stream_id else Refused(why=why)
            )
        if self._stream_id and stream_id != self._stream_id:
            return Refused(why="wrong streamSid")
        body = message.get(event)
        if event == "stop":
            return StreamStopped()
        if not isinstance(body, dict):
            why = f"{event} without its object"
            return StartRefused(why=why) if event == "start" and not self._stream_id else Refused(why=why)
        match event:
            case "media":
                return _read_media(message, body)
            case "mark":
                return _read_mark(body)
            case "dtmf":
                digit = body.get("digit")
                return DtmfIn(digit=digit) if _is_digit(digit) else Refused(why="dtmf without a digit")
            case _:
                return self._start(stream_id, body)

    def _start(self, stream_id: str, body: JsonObject) -> StreamMessage:
        if self._stream_id:
            return Refused(why="second start")
        call_id = body.get("callSid")
        if body.get("streamSid") not in (None, stream_id):
            return StartRefused(why="start with two stream ids: streamSid")
        if not _is_id(call_id):
            return StartRefused(why="start without callSid" if call_id is None else "start.callSid is no id")
        if wrong := _wrong_format(body.get("mediaFormat")):
            return StartRefused(why=wrong)
        given = body.get("customParameters")
        parameters = _read_parameters({} if given is None else given)
        if isinstance(parameters, str):
            return StartRefused(why=f"start.customParameters{parameters}")
        self._stream_id = stream_id
        self._media_in_tail = f'"}},"streamSid":"{stream_id}"}}'
        self._media_out_head = f'{{"event":"media","streamSid":"{stream_id}","media":{{"payload":"'
        return StreamStarted(stream_id=stream_id, call_id=call_id, format=ULAW_8K, parameters=parameters)


class TwilioLine:
    """The carrier's end of one call's stream, as strict with the server as Twilio is."""

    def __init__(
        self,
        stream_id: str = "MZ00000000000000000000000000000001",
        account_id: str = "AC00000000000000000000000000000001",
    ) -> None:
        """Raises InternalError for an id that is not made of letters, digits and . _ : -"""
        if not (_is_id(stream_id) and _is_id(account_id)):
            raise InternalError(f"not an id: {stream_id!r} or {account_id!r}")
        self._stream_id = stream_id
        self._account_id = account_id
        self._call_id = ""
        self._sequence = 0
        self._chunk = 0
        self._media_out_head = f'{{"event":"media","streamSid":"{stream_id}","media":{{"payload":"'

    def connected(self) -> str:
        return '{"event":"connected","protocol":"Call","version":"1.0.0"}'

    def start(self, *, call_id: str, parameters: dict[str, str]) -> str:
        self._call_id = call_id
        start = {
            "accountSid": self._account_id,
            "streamSid": self._stream_id,
            "callSid": call_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        }
        return self._render({"event": "start", "sequenceNumber": self._next(), "start": start})

    def media(self, payload: bytes, timestamp_ms: int) -> str:
        self._chunk += 1
        return (
            f'{{"event":"media","sequenceNumber":"{self._next()}","media":{{"track":"inbound","chunk":"{self._chunk}",'
            f'"timestamp":"{timestamp_ms}","payload":"{b2a_base64(payload, newline=False).decode("ascii")}"}},'
            f'"streamSid":"{self._stream_id}"}}'
        )

    def dtmf(self, digit: str) -> str:
        dtmf = {"track": "inbound_track", "digit": digit}
        return self._render({"event": "dtmf", "sequenceNumber": self._next(), "dtmf": dtmf})

    def mark(self, name: str) -> str:
        return self._render({"event": "mark", "sequenceNumber": self._next(), "mark": {"name": name}})

    def stop(self) -> str:
        stop = {"accountSid": self._account_id, "callSid": self._call_id}
        return self._render({"event": "stop", "sequenceNumber": self._next(), "stop": stop})

    def receive(self, text: str) -> LineMessage:
        """Read what the server sent. Total. What Twilio would drop with warning 31951 is Refused."""
        head = self._media_out_head
        if text.startswith(head) and text.endswith('"}}') and len(text) <= MAX_LINE_TEXT_CHARS:
            try:
                return MediaOut(a2b_base64(text[len(head) : -3], strict_mode=True))
            except ValueError:
                pass  # the long way says what is wrong
        message = parse_message(text, MAX_LINE_TEXT_CHARS)
        return message if isinstance(message, Refused) else self._read(message)

    def _read(self, message: JsonObject) -> LineMessage:
        event = message.get("event")
        if event != "media" and event != "mark" and event != "clear":
            return Refused(why="an event that Twilio does not take")
        if message.keys() != ({"event", "streamSid"} if event == "clear" else {"event", "streamSid", event}):
            return Refused(why=f"{event} with missing or unexpected fields")
        if message["streamSid"] != self._stream_id:
            return Refused(why="wrong streamSid")
        if event == "clear":
            return ClearOut()
        body = message[event]
        field = "payload" if event == "media" else "name"
        if not isinstance(body, dict) or body.keys() != {field}:
            return Refused(why=f"{event} with missing or unexpected fields")
        value = body[field]
        if event == "mark":
            return MarkOut(name=value) if is_mark(value) else Refused(why="mark without a name")
        payload = read_base64(value)
        return Refused(why="bad base64") if payload is None else MediaOut(payload)

    def _next(self) -> str:
        self._sequence += 1
        return str(self._sequence)

    def _render(self, message: JsonObject) -> str:
        return json.dumps({**message, "streamSid": self._stream_id}, separators=(",", ":"))


def _wrong_format(value: object) -> str:
    """What of a start's mediaFormat is not mu-law at 8 kHz; "" if nothing is. Numbers may be text."""
    if not isinstance(value, dict):
        return "start without mediaFormat" if value is None else "start.mediaFormat is no object"
    encoding = value.get("encoding")
    if not isinstance(encoding, str) or encoding.strip().lower() not in _MULAW:
        return f"start.mediaFormat.encoding is {shown(encoding)}, not audio/x-mulaw"
    if _read_whole(value.get("sampleRate")) != 8000:
        return f"start.mediaFormat.sampleRate is {shown(value.get('sampleRate'))}, not 8000"
    if value.get("channels") is not None and _read_whole(value["channels"]) != 1:
        return f"start.mediaFormat.channels is {shown(value['channels'])}, not 1"
    return ""


def _read_media(message: JsonObject, body: JsonObject) -> StreamMessage:
    if body.get("track", "inbound") != "inbound":
        return Ignored(event="media of another track")
    sequence = _read_number(message.get("sequenceNumber"))
    timestamp_ms = _read_number(body.get("timestamp"))
    if sequence is None or timestamp_ms is None:
        return Refused(why="media without its numbers")
    payload = read_base64(body.get("payload"))
    if payload is None:
        return Refused(why="bad base64")
    if not payload:
        return Refused(why="empty payload")
    return MediaIn(payload, timestamp_ms, sequence)


def _read_mark(body: JsonObject) -> StreamMessage:
    name = body.get("name")
    return MarkIn(name=name) if is_mark(name) else Refused(why="mark without a name")


def _read_parameters(value: object) -> dict[str, str] | str:
    """A start's texts by name, or what is wrong with them."""
    if not isinstance(value, dict):
        return " is not a table of texts"
    if len(value) > MAX_PARAMETERS:
        return f" has more than {MAX_PARAMETERS} names"
    for name, content in value.items():
        if not is_text(name):
            return " has a name that is too long, or no text"
        if not isinstance(content, str):
            return f".{name[:40]} is {shown(content)}, not a text"
        if not is_text(content):
            return f".{name[:40]} is too long, or no text"
    return value


def _read_number(value: object) -> int | None:
    """Twilio writes its numbers as strings; plain ones are taken too."""
    text = str(value) if type(value) is int else value
    return int(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else None


def _read_whole(value: object) -> int | None:
    """A number of a start, which other clients than Twilio write as they like: 8000, 8000.0, "8000", "8000.0"."""
    text = str(value) if type(value) in (int, float) else value
    match = _WRITTEN_WHOLE.fullmatch(text) if isinstance(text, str) else None
    return int(match[1]) if match else None


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _is_digit(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value in DTMF_DIGITS
