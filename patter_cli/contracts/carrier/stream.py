"""The carrier's media stream: what comes in and what goes out, whoever's wire it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from patter_cli.audio.frame import AudioFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConnected:
    """The other side speaks this wire; nothing is known of the call yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted:
    """The stream of one call begins. Ids are the carrier's; parameters are what the answer handed out."""

    stream_id: str
    call_id: str
    format: AudioFormat
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MediaIn:
    """Audio from the caller. timestamp_ms counts from the start of the stream, of this payload's first sample."""

    payload: bytes
    timestamp_ms: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkIn:
    """A mark came back: everything sent before it has been played, or was cleared."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfIn:
    """The caller pressed a key: one of 0-9, *, #, A-D."""

    digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStopped:
    """The call is over as far as the carrier is concerned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Not a message of this wire; why, for a counter. The stream goes on."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRefused(Refused):
    """The stream's start cannot be used: why names the field. The stream ends, since no call can come of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A message that is none of our business (an event we do not know yet); counted."""

    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierMessage:
    """What only this carrier's wire has, in either direction: its own codec makes it, its own control reads it.

    event: the wire's name for it. fields: checked by the codec.
    """

    event: str
    fields: Mapping[str, str] = field(default_factory=dict)


StreamMessage: TypeAlias = (
    StreamConnected | StreamStarted | MediaIn | MarkIn | DtmfIn | StreamStopped | CarrierMessage | Refused | Ignored
)


class AudioLine(Protocol):
    """The way to the caller's ear, whatever wire it is. Nothing here blocks or raises; what the line cannot take is
    dropped."""

    def media(self, payload: bytes) -> None:
        """Audio towards the caller, in the stream's format, any length."""

    def mark(self, name: str) -> None:
        """To come back as a MarkIn when everything before it has been played, or was cleared."""

    def clear(self) -> None:
        """Throw away everything that has not been played."""


class StreamCodec(Protocol):
    """One call's end of a media stream on a WebSocket: text frames to messages and back. Pure; `receive` never raises.

    The outgoing side may only be used after a StreamStarted has been received: it needs the stream's id.
    """

    def receive(self, text: str) -> StreamMessage:
        """Read one text frame of the carrier."""

    def media(self, payload: bytes) -> str:
        """Audio towards the caller, in the stream's format, any length."""

    def mark(self, name: str) -> str:
        """Ask to be told when everything before this has been played."""

    def clear(self) -> str:
        """Throw away everything that has not been played."""


class LineCodec(Protocol):
    """The carrier's end of the same wire, for a caller of our own. Pure."""

    def connected(self) -> str | None:
        """The greeting that precedes `start`, where the wire has one."""

    def start(self, *, call_id: str, parameters: dict[str, str]) -> str:
        """Open the stream of one call."""

    def media(self, payload: bytes, timestamp_ms: int) -> str:
        """The caller's audio."""

    def dtmf(self, digit: str) -> str:
        """The caller pressed a key."""

    def mark(self, name: str) -> str:
        """Return a mark."""

    def stop(self) -> str:
        """Hang up."""

    def receive(self, text: str) -> LineMessage:
        """Read one text frame that the server sent."""


@dataclass(frozen=True, slots=True)
class MediaOut:
    """Audio for the caller's ear."""

    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkOut:
    """To be returned when everything before it has been played."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearOut:
    """Forget everything that has not been played."""


LineMessage: TypeAlias = MediaOut | MarkOut | ClearOut | CarrierMessage | Refused
