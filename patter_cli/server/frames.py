"""WebSocket frames of a client: bytes in, whole messages out, or the one reason to hang up. Pure, never raises.

We read frames ourselves because this is the most frequent thing the server does: fifty a second and call. Nearly every
read brings exactly one unfragmented text frame, which costs one pass over a few header bytes, one unmasking in C and
one decode. Extensions are never negotiated, so a reserved bit is always an error. Source: RFC 6455, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled part
    from websockets.utils import apply_mask

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005
ABNORMAL: Final = 1006
INVALID_DATA: Final = 1007
POLICY: Final = 1008
TOO_BIG: Final = 1009
INTERNAL: Final = 1011
TRY_LATER: Final = 1013

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_FIN, _MASKED = 0x80, 0x80
_FINAL_TEXT = _FIN | _TEXT
_REASON_BYTES = 123
"""What is left of a control frame's 125 bytes beside the code."""


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered with a pong of the same payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to one of our pings."""


@dataclass(frozen=True, slots=True)
class PeerClose:
    """The other side says goodbye; nothing follows. 1005: it gave no code."""

    code: int


@dataclass(frozen=True, slots=True)
class Violation:
    """The other side broke the protocol; nothing it sends is read any more. code: what to close with."""

    code: int
    why: str


Received: TypeAlias = str | bytes | Ping | Pong | PeerClose | Violation
"""A text message, a binary message, or one of the above."""


class FrameReader:
    """Reads what one client sends, however the network cut it.

    max_bytes: of one message, all its fragments; refused when the frame's header is seen, before its payload is kept.
    frames_per_turn: what one `feed` handles at most.
    """

    __slots__ = ("_dead", "_fragments", "_is_text", "_max", "_needed", "_per_turn", "_rest", "backlog")

    def __init__(self, *, max_bytes: int, frames_per_turn: int) -> None:
        self._max = max_bytes
        self._per_turn = frames_per_turn
        self._rest = bytearray()
        self._needed = 2
        self._fragments: bytearray | None = None
        self._is_text = False
        self._dead = False
        self.backlog = False
        """There may be whole frames left: feed again, with b"" if need be, when the others had their turn."""

    def feed(self, data: bytes) -> list[Received]:
        """Take bytes as they came; return what they complete, in order. Nothing after a close or a violation."""
        self.backlog = False
        if self._dead:
            return []
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        received: list[Received] = []
        at, end, left = 0, len(data), self._per_turn
        self._needed = 2
        while left and end - at >= 2:
            left -= 1
            head, second = data[at], data[at + 1]
            if (head != _FINAL_TEXT or self._fragments is not None or second < _MASKED) and (
                why := self._refuse_head(head, second)
            ):
                received.append(self._fail(PROTOCOL_ERROR, why))
                return received
            size, start = second & 0x7F, at + 6
            if size >= 126:
                start += 2 if size == 126 else 8
                if end < start - 4:
                    self._needed = start - 4 - at
                    break
                minimum = 126 if size == 126 else 1 << 16
                size = int.from_bytes(data[at + 2 : start - 4], "big")
                if size < minimum or size >> 63:
                    received.append(self._fail(PROTOCOL_ERROR, "length not in its shortest form"))
                    return received
                if size > self._max:
                    received.append(self._fail(TOO_BIG, "message too big"))
                    return received
            if self._fragments is not None and head & 0x0F < _CLOSE and size + len(self._fragments) > self._max:
                received.append(self._fail(TOO_BIG, "message too big"))
                return received
            after = start + size
            if end < after:
                self._needed = after - at
                break
            payload = apply_mask(data[start:after], data[start - 4 : start])
            at = after
            if head == _FINAL_TEXT:
                try:
                    received.append(payload.decode())
                except UnicodeDecodeError:
                    received.append(self._fail(INVALID_DATA, "invalid UTF-8"))
                    return received
                continue
            item = self._take(head, payload)
            if item is not None:
                received.append(item)
            if self._dead:
                return received
        if at < end:
            self._rest += data[at:] if at else data
        self.backlog = not left and at < end
        return received

    def _refuse_head(self, head: int, second: int) -> str:
        """Why a frame that begins with these two bytes may not come now; "" if it may."""
        opcode = head & 0x0F
        if head & 0x70:
            return "reserved bit set"
        if not second & _MASKED:
            return "frame not masked"
        if opcode >= _CLOSE:
            if opcode > _PONG:
                return "unknown opcode"
            if not head & _FIN:
                return "control frame in fragments"
            return "control frame too long" if second & 0x7F > 125 else ""
        if opcode > _BINARY:
            return "unknown opcode"
        if (opcode == _CONTINUATION) is (self._fragments is None):
            return "continuation of nothing" if opcode == _CONTINUATION else "new message inside a message"
        return ""

    def _take(self, head: int, payload: bytes) -> Received | None:
        """Handle any frame but the whole text message."""
        match head & 0x0F:
            case 8:
                return self._close(payload)
            case 9:
                return Ping(payload)
            case 10:
                return Pong()
            case 0:
                assert self._fragments is not None  # _refuse_head saw to it
                self._fragments += payload
            case opcode:
                if head & _FIN:
                    return payload
                self._is_text = opcode == _TEXT
                self._fragments = bytearray(payload)
        if not head & _FIN:
            return None
        whole, self._fragments = bytes(self._fragments), None
        if not self._is_text:
            return whole
        try:
            return whole.decode()
        except UnicodeDecodeError:
            return self._fail(INVALID_DATA, "invalid UTF-8")

    def _close(self, payload: bytes) -> PeerClose | Violation:
        if not payload:
            self._dead = True
            return PeerClose(NO_STATUS)
        code = int.from_bytes(payload[:2], "big")
        if len(payload) == 1 or not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
            return self._fail(PROTOCOL_ERROR, "bad close code")
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            return self._fail(INVALID_DATA, "invalid UTF-8")
        self._dead = True
        return PeerClose(code)

    def _fail(self, code: int, why: str) -> Violation:
        self._dead = True
        self._rest.clear()
        self._fragments = None
        return Violation(code, why)


def text_frame(text: str) -> bytes:
    """One whole text message, unmasked as a server's frames are."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((_FINAL_TEXT, size)) + payload
    if size < 1 << 16:
        return bytes((_FINAL_TEXT, 126, size >> 8, size & 0xFF)) + payload
    return bytes((_FINAL_TEXT, 127)) + size.to_bytes(8, "big") + payload


def ping_frame() -> bytes:
    """Are you there?"""
    return bytes((_FIN | _PING, 0))


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping. payload: the ping's, at most 125 bytes."""
    return bytes((_FIN | _PONG, len(payload))) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """The last frame we send. reason: cut to what fits. 1005 (they gave no code) becomes a close without one."""
    if code == NO_STATUS:
        return bytes((_FIN | _CLOSE, 0))
    text = reason.encode()[:_REASON_BYTES].decode(errors="ignore").encode()
    return bytes((_FIN | _CLOSE, 2 + len(text))) + code.to_bytes(2, "big") + text
