"""Telnyx's media socket: it connects to us, sends what the far end says, and plays what we send.

Theory of operation. A phone leg speaks G.711 and is converted to what the stream was asked for, each direction on its
own: `stream_codec` towards the server, `stream_bidirectional_codec` back. Every choice that was left out is Telnyx's
own, and two of those leave an agent mute without an error: what comes back is taken for MP3 files, and is played to the
opposite leg. Both are told where Telnyx's console would tell nothing.

    line --20 ms, the returning codec--> StreamPort.media --other codec?--> outbox --> socket
    socket --> read() --> take() --> line's playout --marks--> StreamPort.mark --> outbox

Source: Telnyx docs, media streaming over WebSockets, and its AsyncAPI document, 2026-11.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from patter_cli.audio.frame import FRAME_MS, AudioFormat, Encoding
from patter_cli.audio.resample import Resampler
from patter_cli.audio.wire import wire_codec
from patter_cli.contracts.carrier.stream import ClearOut, LineMessage, MarkOut, MediaOut
from patter_cli.testing.lab.line import Line, Source
from patter_cli.testing.lab.telnyx.leg import Leg, StreamWanted, moment

MAX_MESSAGE_MS: Final = 30_000
UNKNOWN, MALFORMED, INVALID_MEDIA = (100002, "unknown_error"), (100003, "malformed_frame"), (100004, "invalid_media")

USER_ID: Final = "3e6f995f-85f7-4705-9741-53b116d28237"


@dataclass(frozen=True, slots=True)
class Fault:
    """What Telnyx answers with an `error` message. The stream goes on."""

    code: int
    title: str
    detail: str

    def render(self, stream_id: str) -> dict[str, Any]:
        payload = {"code": self.code, "title": self.title, "detail": self.detail}
        return {"event": "error", "payload": payload, "stream_id": stream_id}


def format_of(codec: str, rate_hz: int, l16_order: str) -> AudioFormat | None:
    """What a codec's audio is; None for those that the lab does not speak. l16_order: "little" or "big"."""
    match codec:
        case "PCMU" | "default":
            return AudioFormat(encoding=Encoding.ULAW, rate_hz=8000)
        case "PCMA":
            return AudioFormat(encoding=Encoding.ALAW, rate_hz=8000)
        case "L16":
            return AudioFormat(encoding=Encoding.L16_LE if l16_order == "little" else Encoding.L16, rate_hz=rate_hz)
    return None


def read(text: str | bytes, format: AudioFormat) -> LineMessage | Fault:
    """What the server sent. format: of its media. Total."""
    if not isinstance(text, str):
        return Fault(*MALFORMED, "The frame must be a text frame")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return Fault(*MALFORMED, "The frame could not be parsed")
    match message:
        case {"event": "clear"}:
            return ClearOut()
        case {"event": "mark", "mark": {"name": str(name)}} if name:
            return MarkOut(name=name)
        case {"event": "media", "media": {"payload": str(payload)}}:
            return _read_media(payload, format)
    return Fault(*MALFORMED, "The frame could not be parsed")


def _read_media(payload: str, format: AudioFormat) -> LineMessage | Fault:
    try:
        audio = b64decode(payload, validate=True)
    except (NotBase64, ValueError):
        return Fault(*INVALID_MEDIA, "The payload is not valid Base64")
    if not FRAME_MS <= len(audio) / format.bytes_per_ms <= MAX_MESSAGE_MS:
        return Fault(*INVALID_MEDIA, "The payload must be between 20 ms and 30 seconds of audio")
    return MediaOut(audio)


@dataclass(slots=True, kw_only=True)
class Writer:
    """Makes the messages that Telnyx sends, in order."""

    leg: Leg
    wanted: StreamWanted
    format: AudioFormat
    stream_id: str
    _sequence: int = 0
    _chunk: int = 0

    def connected(self) -> str:
        return json.dumps({"event": "connected", "version": "1.0.0"})

    def start(self) -> str:
        leg = self.leg
        encoding = {Encoding.ULAW: "PCMU", Encoding.ALAW: "PCMA"}.get(self.format.encoding, "L16")
        body: dict[str, Any] = {
            "user_id": USER_ID,
            "call_control_id": leg.control_id,
            "call_session_id": leg.session_id,
            "from": leg.caller,
            "to": leg.callee,
            "tags": [],
            "client_state": leg.client_state,
            "media_format": {"encoding": encoding, "sample_rate": self.format.rate_hz, "channels": 1},
        }
        if self.wanted.parameters:
            body["custom_parameters"] = [{"name": name, "value": value} for name, value in self.wanted.parameters]
        return self._render("start", body)

    def media(self, payload: bytes) -> str:
        self._chunk += 1
        timestamp = str((self._chunk - 1) * FRAME_MS)
        content = b64encode(payload).decode()
        body = {"track": "inbound", "chunk": str(self._chunk), "timestamp": timestamp, "payload": content}
        return self._render("media", body)

    def dtmf(self, digit: str, now_s: float) -> str:
        return self._render("dtmf", {"digit": digit}, occurred_at=moment(now_s))

    def mark(self, name: str) -> str:
        return self._render("mark", {"name": name})

    def stop(self) -> str:
        return self._render("stop", {"user_id": USER_ID, "call_control_id": self.leg.control_id})

    def error(self, fault: Fault) -> str:
        return json.dumps(fault.render(self.stream_id))

    def _render(self, event: str, body: dict[str, Any], **more: str) -> str:
        self._sequence += 1
        message = {"event": event, "sequence_number": str(self._sequence), event: body, "stream_id": self.stream_id}
        return json.dumps({**message, **more})


@dataclass(slots=True, kw_only=True)
class MediaStream:
    """One stream that is open. It is the line's port."""

    socket: ClientConnection
    line: Line
    writer: Writer
    receives: AudioFormat
    """Of what the server sends."""
    now_s: Callable[[], float]
    warn: Callable[[str], None]
    on_key: Callable[[str], None]
    """Told of each key that the person presses."""
    swap_every: int = 0
    """So many messages apart, two are sent in the wrong order; 0: none are."""
    faults: list[Fault] = field(default_factory=list)
    """What the server was told that it has sent wrongly."""
    stopping: bool = False
    _source: Source | None = None
    _outbox: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    _resampler: Resampler | None = None
    _kept: str = ""
    _sent: int = 0
    _complaints: set[str] = field(default_factory=set)

    async def run(self) -> bool:
        """Until one of the two sides ends it. Returns whether it was lost: neither side said so."""
        self._outbox.put_nowait(self.writer.connected())
        self._outbox.put_nowait(self.writer.start())
        self.attach()
        sending = asyncio.create_task(self._send())
        try:
            async for text in self.socket:
                self._receive(text)
        except ConnectionClosed as closed:
            return closed.rcvd is None and not self.stopping
        finally:
            self.detach()
            self._outbox.put_nowait(None)
            await asyncio.wait({sending})
            await self.socket.close()
        return False

    def attach(self) -> None:
        """From now on, or again, the line is this stream's."""
        self._source = self.line.attach(self, self.receives)

    def detach(self) -> None:
        """The line hears no more of it, nor it of the line."""
        if self._source is not None:
            self.line.detach(self._source)
            self._source = None

    def stop(self) -> None:
        """Telnyx ends it: `stop`, and the socket closes."""
        if not self.stopping:
            self.stopping = True
            self._outbox.put_nowait(self.writer.stop())
            self._outbox.put_nowait(None)

    def drop(self) -> None:
        """The network ends it: no `stop`, no closing handshake."""
        self.socket.transport.abort()

    # --- what the line has for the socket ------------------------------------------------------------------------

    def media(self, payload: bytes, at_ms: int) -> None:
        text = self.writer.media(self._converted(payload))
        self._sent += 1
        if self.swap_every and self._sent % self.swap_every == 0 and not self._kept:
            self._kept = text
            return
        self._outbox.put_nowait(text)
        if self._kept:
            self._outbox.put_nowait(self._kept)
            self._kept = ""

    def mark(self, name: str) -> None:
        self._outbox.put_nowait(self.writer.mark(name))

    def key(self, digit: str) -> None:
        self._outbox.put_nowait(self.writer.dtmf(digit, self.now_s()))
        self.on_key(digit)

    # --- private -------------------------------------------------------------------------------------------------

    def _converted(self, payload: bytes) -> bytes:
        """What the line gave, in the codec towards the server."""
        sends = self.writer.format
        if sends == self.receives:
            return payload
        samples = wire_codec(self.receives).decode(payload)
        if sends.rate_hz != self.receives.rate_hz:
            self._resampler = self._resampler or Resampler(self.receives.rate_hz, sends.rate_hz)
            samples = self._resampler.process(samples)
        return wire_codec(sends).encode(samples)

    def _receive(self, text: str | bytes) -> None:
        message = read(text, self.receives)
        if isinstance(message, Fault):
            self.faults.append(message)
            self._outbox.put_nowait(self.writer.error(message))
            return
        wanted = self.writer.wanted
        if wanted.mode != "rtp":
            self._complain("media that is no MP3 is ignored: stream_bidirectional_mode is not rtp")
        elif wanted.target_legs == "opposite" and not self.writer.leg.bridged_with:
            self._complain("media is played to the opposite leg, and there is none: stream_bidirectional_target_legs")
        elif self._source is not None:
            self.line.take(self._source, message)

    def _complain(self, what: str) -> None:
        """Once, not fifty times a second."""
        if what not in self._complaints:
            self._complaints.add(what)
            self.warn(what)

    async def _send(self) -> None:
        try:
            while (text := await self._outbox.get()) is not None:
                await self.socket.send(text)
        except ConnectionClosed:
            return
        if self.stopping:
            await self.socket.close()
