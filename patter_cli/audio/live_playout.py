"""A playout buffer for a line that has none: audio leaves in real time, and a mark is reached when all before it has.

Theory of operation. Some lines play what they get when they get it: no buffer, no marks, nothing to take back. So we
are the buffer. Audio is cut into frames; each is released when it is due, with no more than LEAD_MS sent and unplayed:

    pushed:   [ played ][ sent ][ kept: can still be cleared ]
                        ^ now   ^ until, at most LEAD_MS ahead

What was sent is as good as played; the lead only covers our own lateness. A piece shorter than a frame is filled up
with silence when its end is marked, or when the line would run dry.

Time is an argument, in ms of any clock that does not go back.
"""

from __future__ import annotations

from collections import deque
from typing import Final

LEAD_MS: Final = 40
"""Two telephone frames: an event loop is late by less than one of them 99 times in 100 (tests/bench/load.py), and after
a barge-in as much is still heard."""


class LivePlayout:
    """One call's. Call `release` after every push, and whenever `next_release_ms` says."""

    def __init__(self, *, bytes_per_ms: int, silence: bytes, frame_ms: int = 20) -> None:
        """silence: the code of one silent sample."""
        self._rate = bytes_per_ms
        self._frame_ms = frame_ms
        self._frame = frame_ms * bytes_per_ms
        self._silence = silence
        self._kept = bytearray()
        self._pushed = self._sent = 0
        """Bytes since the beginning."""
        self._marks: deque[tuple[int, str]] = deque()
        """(position in bytes, name) of those whose audio has not all been sent."""
        self._reached: deque[tuple[float, str]] = deque()
        """(when, name) of the others."""
        self._until = 0.0

    @property
    def kept_ms(self) -> int:
        """Audio that can still be cleared."""
        return len(self._kept) // self._rate

    def push(self, payload: bytes) -> None:
        """Audio, any length."""
        self._kept += payload
        self._pushed += len(payload)

    def push_mark(self, name: str) -> None:
        """A mark behind the audio pushed so far."""
        self._marks.append((self._pushed, name))

    def clear(self) -> list[str]:
        """Throw away what was not sent. Returns the marks that waited, which are reached by that."""
        names = [name for _, name in (*self._reached, *self._marks)]
        self._kept.clear()
        self._marks.clear()
        self._reached.clear()
        self._sent = self._pushed
        return names

    def release(self, now_ms: float) -> list[bytes | str]:
        """What is due, in order: bytes are a frame to send, a str is a mark that was reached."""
        out: list[bytes | str] = []
        self._mark_sent(now_ms)
        while self._kept and now_ms >= self._due_ms():
            frame = bytes(self._kept[: self._frame])
            del self._kept[: self._frame]
            self._sent += len(frame)
            self._until = max(self._until, now_ms) + self._frame_ms
            out.append(frame + self._silence * ((self._frame - len(frame)) // len(self._silence)))
            self._mark_sent(now_ms)
        while self._reached and self._reached[0][0] <= now_ms:
            out.append(self._reached.popleft()[1])
        return out

    def next_release_ms(self) -> float | None:
        """When `release` has something again if nothing is pushed before; None: never."""
        due = [self._due_ms()] if self._kept else []
        return min((*due, *(at for at, _ in self._reached)), default=None)

    def _due_ms(self) -> float:
        """When the next frame is to be sent."""
        if len(self._kept) < self._frame and not (self._marks and self._marks[-1][0] == self._pushed):
            return self._until
        return self._until + self._frame_ms - LEAD_MS

    def _mark_sent(self, now_ms: float) -> None:
        while self._marks and self._marks[0][0] <= self._sent:
            self._reached.append((max(self._until, now_ms), self._marks.popleft()[1]))
