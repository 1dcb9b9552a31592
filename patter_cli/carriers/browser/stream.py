"""The softphone's wire, from our end and from the page's: JSON texts with 16 kHz sound, low byte first, in base64.

    page -> server   {"event":"start","call":"…"}
                     {"event":"media","seq":1,"at":0,"payload":"…"}      at: ms of its first sample since the start
                     {"event":"mark","name":"…"}      {"event":"key","digit":"5"}      {"event":"stop"}
    server -> page   {"event":"media","payload":"…"}  {"event":"mark","name":"…"}      {"event":"clear"}
                     {"event":"told",…}               what is said, for the eye

It has the messages of a telephone's media stream, and none that only a browser would need: what is tried here is what
callers get.
"""

from __future__ import annotations

import json
import re
from binascii import a2b_base64, b2a_base64
from typing import Final

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.carriers.stream_json import JsonObject, is_mark, parse_message, read_base64
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
    StreamMessage,
    StreamStarted,
    StreamStopped,
)
from patter_cli.errors import InternalError

FORMAT: Final = AudioFormat(encoding=Encoding.L16_LE, rate_hz=16_000)
"""What the recognisers hear anyway; a telephone's 8 kHz would only lose what a browser has."""

TOLD: Final = "told"

MAX_TEXT_CHARS: Final = 64 * 1024
MAX_LINE_TEXT_CHARS: Final = 1024 * 1024
"""For what the server sends: a sentence may come at once."""

_CALL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DIGITS: Final = frozenset("0123456789*#")
_MEDIA: Final = re.compile(r'\{"event":"media","seq":([0-9]{1,15}),"at":([0-9]{1,15}),"payload":"([A-Za-z0-9+/=]+)"\}')
_MAX_NUMBER: Final = 10**15


class BrowserStream:
    """Our end of one call's stream."""

    def __init__(self) -> None:
        self._started = False

    def receive(self, text: str) -> StreamMessage:
        """Read one text frame. Total: any text gives a message."""
        media = _MEDIA.fullmatch(text) if len(text) <= MAX_TEXT_CHARS else None
        if media is not None:
            try:
                return MediaIn(a2b_base64(media[3], strict_mode=True), int(media[2]), int(media[1]))
            except ValueError:
                return Refused(why="media without its payload")
        message = parse_message(text, MAX_TEXT_CHARS)
        return message if isinstance(message, Refused) else self._read(message)

    def media(self, payload: bytes) -> str:
        """Audio towards the page's loudspeaker. Raises InternalError before the stream has started."""
        self._check_started()
        return f'{{"event":"media","payload":"{b2a_base64(payload, newline=False).decode("ascii")}"}}'

    def mark(self, name: str) -> str:
        """Raises InternalError before the stream has started."""
        self._check_started()
        return json.dumps({"event": "mark", "name": name}, separators=(",", ":"))

    def clear(self) -> str:
        """Raises InternalError before the stream has started."""
        self._check_started()
        return '{"event":"clear"}'

    def _check_started(self) -> None:
        if not self._started:
            raise InternalError("nothing can be sent before the stream has started")

    def _read(self, message: JsonObject) -> StreamMessage:
        match message.get("event"):
            case "start":
                return self._start(message)
            case "media":
                return _read_media(message)
            case "mark":
                name = message.get("name")
                return MarkIn(name=name) if is_mark(name) else Refused(why="mark without a name")
            case "key":
                digit = message.get("digit")
                good = isinstance(digit, str) and digit in _DIGITS
                return DtmfIn(digit=str(digit)) if good else Refused(why="key without a digit")
            case "stop":
                return StreamStopped()
            case str(event):
                return Ignored(event=event[:64])
            case _:
                return Refused(why="no event")

    def _start(self, message: JsonObject) -> StreamMessage:
        if self._started:
            return Refused(why="second start")
        call_id = message.get("call")
        if not isinstance(call_id, str) or not _CALL.fullmatch(call_id):
            return StartRefused(why="start without its call")
        self._started = True
        return StreamStarted(stream_id=call_id, call_id=call_id, format=FORMAT)


class BrowserLine:
    """The page's end of one call's stream, for a caller of our own."""

    def __init__(self) -> None:
        self._sequence = 0

    def connected(self) -> str | None:
        """This wire has no greeting."""
        return None

    def start(self, *, call_id: str, parameters: dict[str, str]) -> str:
        """parameters: there is no place for them; the ticket says what there is to say."""
        return _render({"event": "start", "call": call_id})

    def media(self, payload: bytes, timestamp_ms: int) -> str:
        self._sequence += 1
        sound = b2a_base64(payload, newline=False).decode("ascii")
        return _render({"event": "media", "seq": self._sequence, "at": timestamp_ms, "payload": sound})

    def dtmf(self, digit: str) -> str:
        return _render({"event": "key", "digit": digit})

    def mark(self, name: str) -> str:
        return _render({"event": "mark", "name": name})

    def stop(self) -> str:
        return _render({"event": "stop"})

    def receive(self, text: str) -> LineMessage:
        """Read what the server sent. Total."""
        message = parse_message(text, MAX_LINE_TEXT_CHARS)
        if isinstance(message, Refused):
            return message
        payload, name = read_base64(message.get("payload")), message.get("name")
        match message.get("event"):
            case "media" if payload:
                return MediaOut(payload)
            case "mark" if is_mark(name):
                return MarkOut(name=name)
            case "clear":
                return ClearOut()
            case _:
                return Refused(why="not a message of this wire")


def _read_media(message: JsonObject) -> StreamMessage:
    sequence, at = message.get("seq"), message.get("at")
    payload = read_base64(message.get("payload"))
    if type(sequence) is not int or type(at) is not int or not payload:
        return Refused(why="media with missing or unexpected fields")
    if not (0 <= sequence < _MAX_NUMBER and 0 <= at < _MAX_NUMBER):
        return Refused(why="media with a number out of range")
    return MediaIn(payload, at, sequence)


def _render(message: dict[str, object]) -> str:
    return json.dumps(message, separators=(",", ":"))
