"""Twilio's end of a media stream: what it sends, and how strictly it reads. One per stream.

Written from its documentation (Media Streams, WebSocket messages), apart from the adapter that speaks to it.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final

from patter_cli.contracts.carrier.stream import ClearOut, LineMessage, MarkOut, MediaOut

MAX_WAITING: Final = 500
"""Messages that wait for a server that does not take them: ten seconds of audio; then they are thrown away."""


class StreamWire:
    """Renders and reads, and is the line's port: what it has to send waits until the socket takes it."""

    def __init__(
        self,
        *,
        account_sid: str,
        call_sid: str,
        stream_sid: str,
        send: Callable[[str], int],
        warn: Callable[[str], None],
    ) -> None:
        """send: queues a text, returns how many wait. warn: told of what Twilio's console would show."""
        self.stream_sid = stream_sid
        self._account_sid = account_sid
        self._call_sid = call_sid
        self._send = send
        self._warn = warn
        self._sequence = 0
        self._chunk = 0
        self._waiting = 0
        self._warned = False

    def begin(self, parameters: Mapping[str, str]) -> None:
        """What comes before any sound."""
        self._send(_text({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        self._tell(
            "start",
            {
                "accountSid": self._account_sid,
                "streamSid": self.stream_sid,
                "callSid": self._call_sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": dict(parameters),
            },
        )

    def media(self, payload: bytes, at_ms: int) -> None:
        if self._waiting > MAX_WAITING:
            self._warn_once("31930: the server does not take its audio")
            return
        self._chunk += 1
        self._tell(
            "media",
            {
                "track": "inbound",
                "chunk": str(self._chunk),
                "timestamp": str(at_ms),
                "payload": b64encode(payload).decode(),
            },
        )

    def mark(self, name: str) -> None:
        self._tell("mark", {"name": name})

    def key(self, digit: str) -> None:
        self._tell("dtmf", {"track": "inbound_track", "digit": digit})

    def stop(self) -> None:
        self._tell("stop", {"accountSid": self._account_sid, "callSid": self._call_sid})

    def read(self, message: str | bytes) -> LineMessage | None:
        """What the server sent; None for what is dropped with a warning, the first time."""
        if isinstance(message, bytes):
            self._warn_once("31950: a binary message")
            return None
        try:
            return self._read(json.loads(message))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            self._warn_once(f"31951: a message that there is not ({error}): {message[:80]}")
            return None

    def _read(self, message: Any) -> LineMessage:
        event = message["event"]
        expected = {"event", "streamSid"} if event == "clear" else {"event", "streamSid", event}
        if event not in ("media", "mark", "clear") or message.keys() != expected:
            raise ValueError("its fields are not those of a media, mark or clear")
        if message["streamSid"] != self.stream_sid:
            raise ValueError("its streamSid is another one's")
        if event == "clear":
            return ClearOut()
        body = message[event]
        if event == "mark":
            if body.keys() != {"name"} or not isinstance(body["name"], str) or not body["name"]:
                raise ValueError("its mark has no name")
            return MarkOut(name=body["name"])
        if body.keys() != {"payload"}:
            raise ValueError("its media has more than a payload")
        return MediaOut(b64decode(body["payload"], validate=True))

    def _tell(self, event: str, body: Mapping[str, Any]) -> None:
        self._sequence += 1
        message = {"event": event, "sequenceNumber": str(self._sequence), event: body, "streamSid": self.stream_sid}
        if event == "dtmf":
            message = {"event": event, "streamSid": self.stream_sid, "sequenceNumber": str(self._sequence), event: body}
        self._waiting = self._send(_text(message))

    def _warn_once(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(what)


def _text(message: Mapping[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)
