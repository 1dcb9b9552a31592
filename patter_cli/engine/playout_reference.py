"""What the caller's phone plays and when, by our clock: the reference of the echo canceller.

The pacer knows when each chunk will be played, for it is played in order and in real time. Here the chunks lie on a
line of samples by call time, of which a second is kept of the past and a second may be in the future (sent, not played
yet). A clear or a pause cuts the line: from then on there is silence.
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
    """One call's reference, in samples of the line's rate since the call's start. 32 kB at 8 kHz."""

    def __init__(self, wire: WireCodec = ULAW_8K_WIRE) -> None:
        """wire: what was sent is decoded by it, for what the phone plays has been through the wire's encoding."""
        self._rate = wire.rate_hz / 1000
        self._decode = wire.decode
        self._ring: Samples = np.zeros((PAST_MS + AHEAD_MS) * wire.rate_hz // 1000, np.int16)
        self._nothing: Samples = np.zeros(0, np.int16)
        self._end = 0
        """All from here on is silence; the ring holds what came before."""

    def sent(self, payload: bytes, start_ms: float) -> float:
        """Wire audio was sent that plays from start_ms of call time on, or behind what was sent before.

        Returns when it ends, which is where the next chunk of the same breath begins.
        """
        samples = self._decode(payload)
        start = max(round(start_ms * self._rate), self._end)
        self._extend(start)
        self._write(start, samples[-len(self._ring) :])
        return start_ms + len(samples) / self._rate

    def silence(self, from_ms: float) -> None:
        """The carrier was told to clear: nothing is played from here on."""
        cut = max(0, round(from_ms * self._rate))
        if cut < self._end:
            self._write(max(cut, self._end - len(self._ring)), None)
            self._end = cut

    def read(self, start: int, count: int) -> Samples:
        """What is played in these samples of call time; zeros where nothing is or nobody remembers.

        start: any integer. Returns int16, shape (count,), to be read only.
        """
        begin, end = max(start, 0, self._end - len(self._ring)), min(start + count, self._end)
        if begin >= end:  # most of a call: the same silence for all of it
            if len(self._nothing) != count:
                self._nothing = np.zeros(count, np.int16)
                self._nothing.setflags(write=False)
            return self._nothing
        out = np.zeros(count, np.int16)
        for at, piece in self._pieces(begin, end):
            out[at - start : at - start + len(piece)] = piece
        return out

    def _extend(self, to: int) -> None:
        """Make the line silent up to here."""
        for _, piece in self._pieces(max(self._end, to - len(self._ring)), to):
            piece[:] = 0
        self._end = max(self._end, to)

    def _write(self, start: int, samples: Samples | None) -> None:
        """Put samples at a place and end the line behind them; None: blank what is there up to the end."""
        end = self._end if samples is None else start + len(samples)
        for at, piece in self._pieces(start, end):
            piece[:] = 0 if samples is None else samples[at - start : at - start + len(piece)]
        self._end = end

    def _pieces(self, begin: int, end: int) -> list[tuple[int, Samples]]:
        """The ring's own memory for a stretch no longer than the ring: one piece, or two where it wraps."""
        out: list[tuple[int, Samples]] = []
        size = len(self._ring)
        while begin < end:
            at = begin % size
            count = min(end - begin, size - at)
            out.append((begin, self._ring[at : at + count]))
            begin += count
        return out
