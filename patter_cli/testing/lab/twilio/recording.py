"""A recording of a lab call, as Twilio keeps one: what was said and played between two moments, as a WAV."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.testing.lab.line import RATE_HZ, Line


@dataclass(slots=True, kw_only=True)
class Recording:
    """One of them. Times are ms since the call's answer."""

    sid: str
    call_sid: str
    channels: int
    source: str
    track: str = "both"
    callback: str = ""
    callback_method: str = "POST"
    callback_events: tuple[str, ...] = ("completed",)
    start_ms: float = 0.0
    end_ms: float | None = None
    status: str = "in-progress"
    created_s: float = 0.0
    """Unix time."""
    pauses: list[list[float]] = field(default_factory=list)
    """From, and to where it is known: what was said meanwhile is silence here."""

    @property
    def duration_s(self) -> int:
        return 0 if self.end_ms is None else round((self.end_ms - self.start_ms) / 1000)

    def pause(self, now_ms: float) -> None:
        self.status = "paused"
        self.pauses.append([now_ms])

    def resume(self, now_ms: float) -> None:
        self.status = "in-progress"
        if self.pauses and len(self.pauses[-1]) == 1:
            self.pauses[-1].append(now_ms)

    def finish(self, now_ms: float) -> None:
        """It is there to be fetched."""
        if self.end_ms is None:
            self.resume(now_ms)
            self.end_ms = now_ms
            self.status = "completed"

    def wav(self, line: Line, channels: int) -> bytes:
        """16-bit PCM at 8 kHz: the person in the first channel and what they were played in the second; or both in
        one."""
        sides = [self._cut(line.said_audio()), self._cut(line.heard_audio())]
        frames = np.stack(sides, axis=1)
        if channels == 1:
            frames = frames.mean(axis=1, keepdims=True)
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(frames.astype("<i2").tobytes())
        return out.getvalue()

    def render(self, account: str, date: str) -> dict[str, Any]:
        """The object of the interface."""
        path = f"/2010-04-01/Accounts/{account}/Recordings/{self.sid}"
        over = self.end_ms is not None
        return {
            "sid": self.sid,
            "account_sid": account,
            "call_sid": self.call_sid,
            "conference_sid": None,
            "status": self.status,
            "duration": str(self.duration_s) if over else None,
            "channels": self.channels,
            "source": self.source,
            "start_time": date,
            "price": None,
            "price_unit": "USD",
            "error_code": None,
            "encryption_details": None,
            "media_url": f"https://api.twilio.com{path}",
            "uri": f"{path}.json",
            "date_created": date,
            "date_updated": date,
            "api_version": "2010-04-01",
            "subresource_uris": {},
        }

    def _cut(self, samples: Samples) -> Samples:
        start, end = (round(each * RATE_HZ / 1000) for each in (self.start_ms, self.end_ms or self.start_ms))
        out = np.zeros(max(0, end - start), np.int16)
        piece = samples[start:end]
        out[: len(piece)] = piece
        for span in self.pauses:
            first, last = (round((each - self.start_ms) * RATE_HZ / 1000) for each in (span[0], span[-1]))
            out[max(0, first) : max(0, last)] = 0
        return out
