"""What the caller says: utterances laid out in call time, cut into the line's frames, and when they were answered."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from patter_cli.audio.frame import FRAME_MS, Samples

SAMPLES_PER_MS: Final = 8
FRAME_SAMPLES: Final = FRAME_MS * SAMPLES_PER_MS

_VOICED_DB: Final = -30.0
"""Speech is what is at most this far below the loudest 20 ms of an utterance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidAudio:
    """Where an utterance lies in call time, ms: all of it, and from its first to its last voiced sample."""

    start_ms: float
    first_voiced_ms: float
    last_voiced_ms: float
    end_ms: float


class Mouth:
    """One call's speech, 8 kHz. Times are ms of call time."""

    def __init__(self) -> None:
        self._frame = 0
        """The number of the next frame."""
        self._speech: deque[tuple[int, Samples]] = deque()
        self._end = 0
        """Where the last utterance ends, in samples."""
        self.said: list[SaidAudio] = []
        self.answered_ms: list[float | None] = []
        """For each utterance, when its answer began; None: not (yet) answered."""

    @property
    def next_frame_ms(self) -> int:
        """The end of the next frame: before this moment it has not been spoken and cannot be sent."""
        return (self._frame + 1) * FRAME_MS

    def say(self, samples: Samples, now_ms: float) -> SaidAudio:
        """Speak from the first frame that begins now or later, or after what is being said already.

        samples: int16, shape (n,).
        """
        next_frame = max(self._frame, -int(-now_ms // FRAME_MS))
        start = max(self._end, next_frame * FRAME_SAMPLES)
        self._end = start + len(samples)
        self._speech.append((start, samples))
        first, last = voiced_span(samples)
        said = SaidAudio(
            start_ms=start / SAMPLES_PER_MS,
            first_voiced_ms=(start + first) / SAMPLES_PER_MS,
            last_voiced_ms=(start + last) / SAMPLES_PER_MS,
            end_ms=self._end / SAMPLES_PER_MS,
        )
        self.said.append(said)
        self.answered_ms.append(None)
        return said

    def next_frame(self, around: Samples | None = None) -> tuple[int, Samples | None]:
        """The next frame's first sample, counted from the start of the call, and its 20 ms; None for silence.

        around: what is heard where nothing is said; it is written over.
        """
        at = self._frame * FRAME_SAMPLES
        end = at + FRAME_SAMPLES
        self._frame += 1
        frame = around
        while self._speech and self._speech[0][0] < end:
            start, samples = self._speech[0]
            if frame is None:
                frame = np.zeros(FRAME_SAMPLES, np.int16)
            piece = samples[max(0, at - start) : end - start]
            place = max(0, start - at)
            frame[place : place + len(piece)] = piece
            if start + len(samples) > end:
                break
            self._speech.popleft()
        return at, frame

    def answered(self, now_ms: float) -> None:
        """The other side begins to speak: it answers the last utterance that was over by now."""
        for index in range(len(self.said) - 1, -1, -1):
            if self.said[index].last_voiced_ms <= now_ms:
                if self.answered_ms[index] is None:
                    self.answered_ms[index] = now_ms
                return


def voiced_span(samples: Samples) -> tuple[int, int]:
    """The first voiced sample of a clip and the one after the last, to 20 ms; all of it if nothing stands out.

    samples: int16, shape (n,), 8 kHz.
    """
    count = len(samples) // FRAME_SAMPLES
    frames = samples[: count * FRAME_SAMPLES].astype(np.float64).reshape(count, FRAME_SAMPLES)
    power = np.mean(frames**2, axis=1)
    voiced = np.flatnonzero(power > power.max(initial=0.0) * 10.0 ** (_VOICED_DB / 10.0))
    if not len(voiced):
        return 0, len(samples)
    return int(voiced[0]) * FRAME_SAMPLES, int(voiced[-1] + 1) * FRAME_SAMPLES
