"""What the caller truly hears: the carrier's playing of the audio it was sent, as a pure model.

Theory of operation. The carrier keeps one queue of audio and marks. Every 20 ms, on a grid that begins with the
stream, it takes the next 20 ms of audio from the queue and plays them; what is not there is silence. A mark goes back
at the first tick at which everything before it has been played, at once when nothing is left to play, and at once
when a clear empties the queue. The frame that is on its way to the ear when a clear comes is heard to its end.
Source: Twilio docs, Media Streams WebSocket messages; observed by others, see the protocol notes on marks and clear.

    message, now -> receive()          tick(now) -> what was played since the last tick, which marks go back
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from patter_cli.audio.frame import FRAME_MS, Samples
from patter_cli.contracts.carrier.stream import ClearOut, LineMessage, MarkOut, MediaOut

MAX_QUEUED_MS = 600_000
"""More than this is thrown away as it comes. Source: Twilio error 31931."""

QUIET_MS = 300
"""Silence after which the agent counts as having stopped: longer than the pauses between its words."""

VOICED_PEAK = 256
"""A frame below this peak (-42 dB) is silence, whoever sends it: the idle noise of a voice stays under it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a tick brought: audio with the time of its first sample, on the 20 ms grid, and marks to return."""

    audio: tuple[tuple[int, bytes], ...]
    marks: tuple[str, ...]


class Playout:
    """The earpiece of one call. Times are milliseconds since the stream's start and must not go back."""

    def __init__(self, bytes_per_ms: int = 8) -> None:
        self._bytes_per_ms = bytes_per_ms
        self._queue: deque[bytes | MarkOut] = deque()
        self._offset = 0
        """How much of the queue's first piece of audio has been taken."""
        self._queued = 0
        self._tick = 0
        """The number of the next tick."""
        self._playing = False
        """Whether the last tick found audio, which is being played until the next."""
        self._audio: list[tuple[int, bytes]] = []
        self._inside: list[str] = []
        """Marks that lie inside the frame that is being played."""
        self._marks: list[str] = []
        self.discarded_ms = 0.0
        """Audio thrown away because too much was queued already."""

    @property
    def queued_ms(self) -> float:
        """Audio that waits to be played; what is being played is not in it."""
        return self._queued / self._bytes_per_ms

    @property
    def idle(self) -> bool:
        """Nothing is queued and nothing is being played."""
        return not (self._queued or self._playing)

    def receive(self, message: LineMessage, now_ms: float) -> None:
        """Take what the server sent at this moment. What a carrier refuses changes nothing."""
        self._advance(now_ms)
        match message:
            case MediaOut(payload) if payload:
                if self.queued_ms + len(payload) / self._bytes_per_ms > MAX_QUEUED_MS:
                    self.discarded_ms += len(payload) / self._bytes_per_ms
                else:
                    self._queue.append(payload)
                    self._queued += len(payload)
            case MarkOut():
                if self.idle and not self._queue:
                    self._marks.append(message.name)
                else:
                    self._queue.append(message)
            case ClearOut():
                self._marks += self._inside
                self._marks += [piece.name for piece in self._queue if isinstance(piece, MarkOut)]
                self._inside.clear()
                self._queue.clear()
                self._offset = self._queued = 0

    def tick(self, now_ms: float) -> Heard:
        """What began to play, and which marks fell due, up to this moment and since the last call."""
        self._advance(now_ms)
        if not self._audio and not self._marks:
            return _NOTHING
        heard = Heard(tuple(self._audio), tuple(self._marks))
        self._audio.clear()
        self._marks.clear()
        return heard

    def _advance(self, now_ms: float) -> None:
        while self._tick * FRAME_MS <= now_ms:
            if not self._playing and not self._queue:
                self._tick = int(now_ms // FRAME_MS) + 1
                return
            self._marks += self._inside
            self._inside.clear()
            frame = self._take(self._bytes_per_ms * FRAME_MS)
            if frame:
                self._audio.append((self._tick * FRAME_MS, frame))
            self._playing = bool(frame)
            self._tick += 1

    def _take(self, count: int) -> bytes:
        """The next `count` bytes of audio, or what there is. Marks on the way fall due now or inside the frame."""
        frame = b""
        while self._queue and len(frame) < count:
            piece = self._queue[0]
            if isinstance(piece, MarkOut):
                (self._inside if frame else self._marks).append(piece.name)
                self._queue.popleft()
                continue
            end = self._offset + count - len(frame)
            frame += piece[self._offset : end]
            if end < len(piece):
                self._offset = end
            else:
                self._queue.popleft()
                self._offset = 0
        self._queued -= len(frame)
        return frame


_NOTHING = Heard((), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStarted:
    """The agent is heard after silence. at_ms: since the stream's start, of its first frame that is not silence."""

    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStopped:
    """The agent was last heard at at_ms; noticed QUIET_MS later."""

    at_ms: int


Talk: TypeAlias = AgentStarted | AgentStopped


class Ear:
    """Tells speech from silence in what is played, for the facts and waits of a scripted caller."""

    def __init__(self) -> None:
        self.talking = False
        self.voiced_ms = 0
        """How much speech was heard in all."""
        self.last_voiced_ms: int | None = None
        """The end of the last frame that was not silence; None before the first."""

    def hear(self, at_ms: int, samples: Samples) -> tuple[Talk, ...]:
        """Listen to one frame. at_ms: of its first sample; frames come in order. samples: 20 ms or less."""
        if int(np.abs(samples.astype(np.int32)).max(initial=0)) < VOICED_PEAK:
            return ()
        facts = self.notice(at_ms)
        if not self.talking:
            self.talking = True
            facts += (AgentStarted(at_ms=at_ms),)
        self.voiced_ms += FRAME_MS
        self.last_voiced_ms = at_ms + FRAME_MS
        return facts

    def notice(self, now_ms: float) -> tuple[Talk, ...]:
        """Time has passed, and everything played before now_ms has been heard."""
        if self.talking and self.last_voiced_ms is not None and now_ms - self.last_voiced_ms >= QUIET_MS:
            self.talking = False
            return (AgentStopped(at_ms=self.last_voiced_ms),)
        return ()
