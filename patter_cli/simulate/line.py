"""What lies between a caller's mouth and our server: a room with a loudspeaker, noise, and a network that loses frames.

Theory of operation. Times are samples or ms of call time; nothing here looks at a clock, and the same seed gives the
same line. `hear` says what the ear was given and when; `process` takes the caller's next 20 ms and gives the frame
that arrives, and when.

    caller --level--+--echo--+--noise--+--> frame --loss--> --jitter--> server
                    |
    ear --delay, room tail, attenuation

The echo is linear: a direct path and a decaying tail drawn from the seed, together `echo_db` below what was heard.
Frames are lost in runs of two on average, as by a radio. Of the delays most are short and few long, none over
`jitter_ms`; a frame that is delayed more than 20 ms longer than the next comes after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from patter_cli.audio.frame import FRAME_MS, FloatSamples, Samples
from patter_cli.errors import InputError
from patter_cli.simulate.noise import NoiseKind, noise_loop

MAX_JITTER_MS: Final = 60
"""What arrives later than this counts as lost for any receiver. Source: RELIABILITY 3.2."""

_RUN_FRAMES: Final = 2.0
"""Frames lost in a row, on average."""

_TAIL_MS: Final = 100
_TAIL_DB: Final = -9.0
"""The tail's energy below the direct path's: a telephone on a desk, its microphone near its loudspeaker."""

_REVERBERATION_S: Final = 0.15
"""Time in which the tail falls by 60 dB: a small furnished room."""

_FULL_SCALE: Final = 32768.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LineQuality:
    """What a line does to a caller. Levels in dB; None: there is none of it. Raises InputError out of range."""

    level_db: float = 0.0
    """The caller's own voice, raised or lowered."""
    echo_delay_ms: int = 0
    """From the ear back into the microphone, 0 to 500."""
    echo_db: float | None = None
    """The echo against what the ear heard, 0 or below."""
    noise_kind: NoiseKind = NoiseKind.ROOM
    noise_db: float | None = None
    """Rms of the noise, full scale 0; speech on a good line has about -25."""
    loss: float = 0.0
    """Frames lost, 0 to 1."""
    jitter_ms: int = 0
    """The longest delay of a frame beside the shortest, 0 to MAX_JITTER_MS."""

    def __post_init__(self) -> None:
        if not (0 <= self.echo_delay_ms <= 500 and 0.0 <= self.loss <= 1.0 and 0 <= self.jitter_ms <= MAX_JITTER_MS):
            raise InputError(
                f"there is no such line: {self}",
                hint=f"echo_delay_ms 0 to 500, loss 0 to 1, jitter_ms 0 to {MAX_JITTER_MS}",
            )


CLEAN: Final = LineQuality()
MOBILE: Final = LineQuality(
    level_db=-3.0, noise_kind=NoiseKind.ROAD, noise_db=-48.0, loss=0.01, jitter_ms=20, echo_delay_ms=180, echo_db=-40.0
)
"""A good mobile telephone beside a road; it cancels its own echo, nearly."""

SPEAKERPHONE: Final = LineQuality(
    level_db=-6.0, noise_kind=NoiseKind.ROOM, noise_db=-55.0, jitter_ms=10, echo_delay_ms=120, echo_db=-12.0
)
BAD: Final = LineQuality(
    level_db=-6.0,
    noise_kind=NoiseKind.BABBLE,
    noise_db=-42.0,
    loss=0.05,
    jitter_ms=60,
    echo_delay_ms=240,
    echo_db=-20.0,
)
"""An old mobile telephone in a full café."""

QUALITIES: Final[Mapping[str, LineQuality]] = MappingProxyType(
    {"clean": CLEAN, "mobile": MOBILE, "speakerphone": SPEAKERPHONE, "bad": BAD}
)
"""By the names of `--line`."""


@dataclass(frozen=True, slots=True, eq=False)
class LineFrame:
    """20 ms that reach the server. at: the first sample's place in the call; arrives_ms: call time."""

    at: int
    arrives_ms: float
    samples: Samples


class LineFilter:
    """One call's line. Use: `hear` what is played as it is played, `process` each 20 ms of the caller in turn."""

    def __init__(self, quality: LineQuality, seed: int = 0, rate_hz: int = 8000) -> None:
        """rate_hz: of everything that goes in and comes out, a multiple of 50."""
        self._quality = quality
        self._frame = FRAME_MS * rate_hz // 1000
        self._at = 0
        self._chance = np.random.default_rng([seed, 1])
        self._losing = False
        self._gain = 10.0 ** (quality.level_db / 20.0)
        self._noise = _noise(quality, seed, rate_hz)
        self._echo = _echo_path(quality, seed, rate_hz)
        self._delay = quality.echo_delay_ms * rate_hz // 1000
        self._heard: deque[tuple[int, Samples]] = deque()

    def hear(self, at: int, samples: Samples) -> None:
        """The ear is given these samples. at: where the first lies in the call; in order, before the caller's frame
        of the same moment is processed, else what came late makes no echo."""
        if len(self._echo):
            self._heard.append((at, samples))

    def process(self, near: Samples | None) -> LineFrame | None:
        """The caller's next 20 ms, None for silence, to what arrives of it; None: it is lost. near is not changed."""
        at = self._at
        self._at += self._frame
        signal = np.zeros(self._frame, np.float32) if near is None else near.astype(np.float32) * self._gain
        if len(self._echo):
            signal += np.convolve(self._far(at), self._echo, mode="valid")
        if len(self._noise):
            signal += np.take(self._noise, np.arange(at, at + self._frame), mode="wrap")
        # The network draws the same for every frame, so that echo and noise do not depend on it, nor it on them.
        losing, delay = self._chance.random(2)
        self._losing = bool(losing < self._loss_now())
        if self._losing:
            return None
        # A quarter of the frames is delayed by more than a quarter of the jitter.
        arrives_ms = (at + self._frame) * FRAME_MS / self._frame + self._quality.jitter_ms * float(delay) ** 5
        return LineFrame(at, arrives_ms, np.rint(np.clip(signal, -32768.0, 32767.0)).astype(np.int16))

    def _loss_now(self) -> float:
        """The chance that the next frame is lost: a two-state chain, `loss` of its time in the losing state."""
        loss = self._quality.loss
        if loss >= 1.0:
            return 1.0
        run = max(_RUN_FRAMES, 1.0 / (1.0 - loss))
        return 1.0 - 1.0 / run if self._losing else min(1.0, loss / (1.0 - loss) / run)

    def _far(self, at: int) -> FloatSamples:
        """What of the far side reaches the microphone during the frame at `at`, with the echo path's memory before."""
        memory = len(self._echo) - 1
        start = at - self._delay - memory
        far = np.zeros(memory + self._frame, np.float32)
        while self._heard and self._heard[0][0] + len(self._heard[0][1]) <= start:
            self._heard.popleft()
        for began, samples in self._heard:
            place = began - start
            if place >= len(far):
                break
            piece = samples[max(0, -place) : len(far) - place]
            far[max(0, place) : max(0, place) + len(piece)] = piece
        return far


def _noise(quality: LineQuality, seed: int, rate_hz: int) -> FloatSamples:
    """The noise's loop at its level, in samples of int16; empty where there is none."""
    if quality.noise_db is None:
        return np.zeros(0, np.float32)
    rms = np.float32(_FULL_SCALE * 10.0 ** (quality.noise_db / 20.0))
    return noise_loop(quality.noise_kind, seed, rate_hz) * rms


def _echo_path(quality: LineQuality, seed: int, rate_hz: int) -> FloatSamples:
    """The room's impulse response after the bulk delay, energy `echo_db`; empty where there is no echo."""
    if quality.echo_db is None:
        return np.zeros(0, np.float32)
    count = _TAIL_MS * rate_hz // 1000
    seconds = np.arange(count) / rate_hz
    tail = np.random.default_rng([seed, 2]).standard_normal(count) * 10.0 ** (-3.0 * seconds / _REVERBERATION_S)
    tail[0] = 0.0
    path = tail * 10.0 ** (_TAIL_DB / 20.0) / np.sqrt(np.sum(tail**2))
    path[0] = 1.0
    return np.asarray(path * 10.0 ** (quality.echo_db / 20.0) / np.sqrt(np.sum(path**2)), np.float32)
