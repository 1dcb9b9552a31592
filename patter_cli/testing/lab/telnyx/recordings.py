"""The recording of a leg, from when it was asked for to when it ends or the leg does."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass, field

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.testing.lab.line import RATE_HZ, Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One that runs. began_ms: on the line's clock; began_s: Unix time."""

    line: Line
    channels: str
    """"single" or "dual"."""
    began_ms: float
    began_s: float
    held: list[list[float]] = field(default_factory=list)
    """From, and to where it is known, on the line's clock: silence here."""

    def hold(self, held: bool) -> None:
        """From now on, or no longer."""
        holds = bool(self.held) and len(self.held[-1]) == 1
        if held and not holds:
            self.held.append([self.line.now_ms])
        elif holds and not held:
            self.held[-1].append(self.line.now_ms)

    def wav(self, ended_ms: float) -> bytes:
        """What there is by then: the far person in the first channel, whatever they were played in the second."""
        begin, end = (round(each * RATE_HZ / 1000) for each in (self.began_ms, ended_ms))
        person, agent = (_cut(each, begin, end) for each in (self.line.said_audio(), self.line.heard_audio()))
        for span in self.held:
            first, last = (round(each * RATE_HZ / 1000) - begin for each in (span[0], (*span, ended_ms)[1]))
            person[max(0, first) : max(0, last)] = agent[max(0, first) : max(0, last)] = 0
        if self.channels == "dual":
            content = np.stack([person, agent], axis=1)
        else:
            content = np.clip(person.astype(np.int32) + agent, -32768, 32767).astype(np.int16)[:, None]
        return _wav(content)


def _cut(samples: Samples, begin: int, end: int) -> Samples:
    piece = samples[begin:end]
    return np.concatenate([piece, np.zeros(max(0, end - begin) - len(piece), np.int16)])


def _wav(content: Samples) -> bytes:
    """content: int16, shape (n, channels)."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(content.shape[1])
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(content.astype("<i2").tobytes())
    return out.getvalue()
