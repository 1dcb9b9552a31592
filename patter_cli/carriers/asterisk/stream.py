"""AudioSocket, the wire: Asterisk connects over TCP, says which call it is, and both sides send audio until one closes.

    kind, 1 byte | length, 2 bytes, the high one first | payload

    0x00 hang up             to Asterisk only; it answers by closing
    0x01 UUID                from Asterisk, 16 bytes, the first message and once
    0x03 DTMF                from Asterisk, one ASCII character
    0x10 audio at 8 kHz      both ways, signed 16 bit, the low byte first; 0x11-0x18 the same at 12, 16, 24, 32, 44.1,
                             48, 96 and 192 kHz, which only Asterisk's channel driver sends
    0xff error               from Asterisk

Verified in Asterisk's source (res/res_audiosocket.c, apps/app_audiosocket.c, channels/chan_audiosocket.c and
include/asterisk/res_audiosocket.h, master of August 2026):

- Asterisk never sends a hang-up: when the caller is gone it closes the connection, and a killed Asterisk looks alike.
- To a hang-up, or to our closing, the application AudioSocket() returns 0 and the dialplan goes on with its next line.
  Any other kind than hang-up and audio, or a payload of no bytes, is an error to it, and it drops the call.
- It writes what it gets to the channel at once and keeps nothing. There are no marks, and nothing can be taken back.
- It gives up when neither side has sent anything for 2 s, as with a telephone that suppresses silence.
- It drops the call when a write does not go through at once: whoever does not read loses calls.
- The channel driver labels what is neither of its linear formats as 0x10 as well: Dial(AudioSocket/…) without c(slin)
  sends mu-law that way. The application always converts to 8 kHz linear.
- The error kind is defined and never sent.
"""

from __future__ import annotations

import uuid
from typing import Final

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.contracts.carrier.stream import (
    DtmfIn,
    Ignored,
    MediaIn,
    Refused,
    StartRefused,
    StreamMessage,
    StreamStarted,
    StreamStopped,
)

HANG_UP: Final = 0x00
UUID: Final = 0x01
DTMF: Final = 0x03
ERROR: Final = 0xFF

AUDIO_KINDS: Final = {
    8_000: 0x10,
    12_000: 0x11,
    16_000: 0x12,
    24_000: 0x13,
    32_000: 0x14,
    44_100: 0x15,
    48_000: 0x16,
    96_000: 0x17,
    192_000: 0x18,
}
"""Hz to kind."""

KEEP_ALIVE_MS: Final = 1000
"""Half of what Asterisk waits for."""

GAP_MS: Final = 500
"""Audio that comes so much later than the audio before it ended was left out while nobody spoke, not held up: less is
the network's stumbling, which is caught up with."""

_HEADER: Final = 3
_UUID_BYTES: Final = 16
_DIGITS: Final = frozenset(b"0123456789*#ABCD")
_RATES: Final = {kind: rate_hz for rate_hz, kind in AUDIO_KINDS.items()}


class AudioSocketStream:
    """Our end of one call's stream."""

    def __init__(self, rate_hz: int = 8000) -> None:
        """rate_hz: of both sides' audio, one of AUDIO_KINDS; what comes at another is refused."""
        self._format = AudioFormat(encoding=Encoding.L16_LE, rate_hz=rate_hz)
        self._audio_kind = AUDIO_KINDS[rate_hz]
        self._buffer = bytearray()
        self._at = 0
        """Where the next message begins in the buffer."""
        self._began_ms: float | None = None
        self._pushed_ms = 0.0
        self._media_bytes = 0
        """On the stream's timeline: what came, and what was left out."""
        self._sequence = 0
        self._refused = False

    @property
    def keep_alive_ms(self) -> int:
        return KEEP_ALIVE_MS

    def push(self, data: bytes, now_ms: float) -> None:
        if not self._refused:
            del self._buffer[: self._at]
            self._at = 0
            self._buffer += data
            self._pushed_ms = now_ms

    def pop(self) -> StreamMessage | None:
        if self._refused or len(self._buffer) - self._at < _HEADER:
            return None
        kind = self._buffer[self._at]
        size = int.from_bytes(self._buffer[self._at + 1 : self._at + _HEADER], "big")
        if self._began_ms is None and (kind != UUID or size != _UUID_BYTES):
            self._refused = True
            self._buffer.clear()
            return StartRefused(why=f"first message is no UUID but kind 0x{kind:02x} of {size} bytes")
        start = self._at + _HEADER
        if len(self._buffer) < start + size:
            return None
        self._at = start + size
        return self._read(kind, bytes(self._buffer[start : self._at]))

    def media(self, payload: bytes) -> bytes:
        return bytes((self._audio_kind, *len(payload).to_bytes(2, "big"))) + payload

    def hang_up(self) -> bytes:
        return bytes((HANG_UP, 0, 0))

    def _read(self, kind: int, payload: bytes) -> StreamMessage:
        if kind == self._audio_kind:
            return self._audio(payload)
        if kind == UUID:
            return self._start(payload)
        if kind == DTMF:
            known = len(payload) == 1 and payload[0] in _DIGITS
            return DtmfIn(digit=payload.decode("ascii")) if known else Refused(why="DTMF that is no key")
        if kind == HANG_UP:
            return StreamStopped()
        if kind in _RATES:
            return Refused(why=f"audio at {_RATES[kind]} Hz, not {self._format.rate_hz}")
        if kind == ERROR:
            return Refused(why=f"Asterisk reports an error: {payload[:8].hex() or 'no code'}")
        return Ignored(event=f"kind 0x{kind:02x}")

    def _start(self, payload: bytes) -> StreamMessage:
        if self._began_ms is not None:
            return Refused(why="second UUID")
        self._began_ms = self._pushed_ms
        call_id = str(uuid.UUID(bytes=payload))
        return StreamStarted(stream_id=call_id, call_id=call_id, format=self._format)

    def _audio(self, payload: bytes) -> StreamMessage:
        payload = payload[: len(payload) & ~1]
        if not payload:
            return Refused(why="audio without a sample")
        rate = self._format.bytes_per_ms
        arrived_ms = int(self._pushed_ms - (self._began_ms or 0.0))
        if arrived_ms - (self._media_bytes + len(payload)) // rate > GAP_MS:
            self._media_bytes = arrived_ms * rate - len(payload)
        media = MediaIn(payload, self._media_bytes // rate, self._sequence)
        self._media_bytes += len(payload)
        self._sequence += 1
        return media
