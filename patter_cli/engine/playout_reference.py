"""What the caller's phone plays and when, by our clock: the reference of the echo canceller.

The pacer knows when each chunk will be played, for it is played in order and in real time. Here the chunks lie on a
line of samples by call time, of which a second of the past is kept, and as much of the future as was sent. A clear or a
pause cuts the line: from then on there is silence. A chunk is what the pacer sent, decoded when somebody asks for it,
which on most lines is hardly ever; and while we are silent this holds nothing.
"""

from __future__ import annotations

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.wire import ULAW_8K_WIRE, WireCodec

PAST_MS = 1000
"""How long what was played is kept: a line that freezes for longer has lost its echo."""
AHEAD_MS = 1000
"""How far ahead of playout audio may lie: the pacer's lead and a chunk."""


class PlayoutReference:
    """One call's reference, in samples of the line's rate since the call's start."""

    def __init__(self, wire: WireCodec = ULAW_8K_WIRE) -> None:
        """wire: what was sent is decoded by it, for what the phone plays has been through the wire's encoding."""
        self._rate = wire.rate_hz / 1000
        self._silence = wire.silence
        self._decode = wire.decode
        self._kept = (PAST_MS + AHEAD_MS) * wire.rate_hz // 1000
        self._past = PAST_MS * wire.rate_hz // 1000
        self._chunks: list[_Chunk] = []
        """In order, not overlapping; silence between."""
        self._latest: _Chunk | None = None
        """What the last frame fell into."""
        self._end = 0
        """All from here on is silence."""

    def sent(self, payload: bytes, start_ms: float) -> float:
        """Wire audio was sent that plays from start_ms of call time on, or behind what was sent before.

        Returns when it ends, which is where the next chunk of the same breath begins.
        """
        count = len(payload) // len(self._silence)
        start = max(round(start_ms * self._rate), self._end)
        self._end = start + count
        if payload.strip(self._silence):
            self._chunks.append(_Chunk(start, self._end, payload))
        while self._chunks and self._chunks[0].end <= self._end - self._kept:
            self._chunks.pop(0)
        return start_ms + count / self._rate

    def silence(self, from_ms: float) -> None:
        """The carrier was told to clear: nothing is played from here on."""
        cut = max(0, round(from_ms * self._rate))
        if cut >= self._end:
            return
        self._end, self._latest = cut, None
        while self._chunks and self._chunks[-1].start >= cut:
            self._chunks.pop()
        if self._chunks and self._chunks[-1].end > cut:
            last = self._chunks[-1]
            last.payload = last.payload[: (cut - last.start) * len(self._silence)]
            last.end = cut

    def sounds(self, start: int, count: int) -> bool:
        """Whether anything but silence is played in these samples of call time, as far as is remembered."""
        if start >= self._end:
            if self._chunks and start >= self._end + self._past:
                self._chunks.clear()
                self._latest = None
            return False
        while self._chunks and self._chunks[0].end <= start - self._past:
            self._chunks.pop(0)
        latest = self._latest
        if latest is not None and latest.start < start + count and latest.end > start:
            return True  # several frames make a chunk
        for chunk in reversed(self._chunks):
            if chunk.end <= start:
                return False
            if chunk.start < start + count:
                self._latest = chunk
                return True
        return False

    def read(self, start: int, count: int) -> Samples:
        """What is played in these samples of call time; zeros where nothing is or nobody remembers.

        start: any integer. Returns int16, shape (count,).
        """
        out: Samples = np.zeros(count, np.int16)
        width = len(self._silence)
        for chunk in reversed(self._chunks):
            if chunk.end <= start:
                break
            first, last = max(start, chunk.start), min(start + count, chunk.end)
            if first < last:
                payload = chunk.payload[(first - chunk.start) * width : (last - chunk.start) * width]
                out[first - start : last - start] = self._decode(payload)
        return out


class _Chunk:
    """One message's audio. start, end: samples of call time."""

    __slots__ = ("end", "payload", "start")

    def __init__(self, start: int, end: int, payload: bytes) -> None:
        self.start = start
        self.end = end
        self.payload = payload
