"""What sounds around a caller: a room, a road, other people's talk; synthesised, the same for the same seed.

Every noise is a loop without a seam. Room and road are shaped in the frequency domain. Babble is talkers without
words: syllables of a gliding voice under three formants each, with pauses, so that a voice detector has to work.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from patter_cli.audio.frame import FloatSamples

Signal = npt.NDArray[np.float64]

LOOP_S: Final = 8
"""A noise repeats after so long."""

_TALKERS: Final = 6
_FORMANTS_HZ: Final = ((300.0, 800.0), (900.0, 2300.0), (2300.0, 3000.0))
"""Ranges of a vowel's first three resonances. Source: Peterson and Barney, 1952."""


class NoiseKind(Enum):
    """Where the caller is."""

    ROOM = "room"
    ROAD = "road"
    BABBLE = "babble"


@lru_cache(maxsize=32)
def noise_loop(kind: NoiseKind, seed: int, rate_hz: int) -> FloatSamples:
    """LOOP_S of noise, float32, rms 1.0; its end joins its beginning. Shared: do not write to it."""
    rng = np.random.default_rng(seed)
    count = LOOP_S * rate_hz
    match kind:
        case NoiseKind.ROOM:
            noise = _shaped(rng, count, rate_hz, lambda hz: 1.0 / np.sqrt(np.maximum(hz, 60.0)))
        case NoiseKind.ROAD:
            swell = 1.0 + 0.4 * np.sin(2 * np.pi * (np.arange(count) / count * 2 + rng.random()))
            noise = swell * _shaped(rng, count, rate_hz, lambda hz: 1.0 / np.maximum(hz, 120.0))
        case NoiseKind.BABBLE:
            noise = sum((_talker(rng, count, rate_hz) for _ in range(_TALKERS)), np.zeros(count))
    loop: FloatSamples = (noise / np.sqrt(np.mean(noise**2))).astype(np.float32)
    loop.flags.writeable = False
    return loop


def _shaped(rng: np.random.Generator, count: int, rate_hz: int, gain: Callable[[Signal], Signal]) -> Signal:
    """White noise under a spectrum. gain: of each frequency in Hz. What a telephone does not carry is left out."""
    hz: Signal = np.fft.rfftfreq(count, 1.0 / rate_hz).astype(np.float64)
    spectrum = np.fft.rfft(rng.standard_normal(count)) * gain(hz)
    spectrum[hz < 50.0] = 0.0
    return np.asarray(np.fft.irfft(spectrum, count))


def _talker(rng: np.random.Generator, count: int, rate_hz: int) -> Signal:
    """Somebody who talks all the time and says nothing."""
    voice = np.zeros(count)
    pitch_hz = rng.uniform(90.0, 230.0)
    at = int(rng.integers(count))
    end = at + count
    while at < end:
        length = min(end - at, int(rng.uniform(0.12, 0.28) * rate_hz))
        syllable = _syllable(rng, length, rate_hz, pitch_hz * rng.uniform(0.9, 1.1))
        voice[np.arange(at, at + length) % count] += syllable
        pause_s = rng.uniform(0.3, 0.8) if rng.random() < 0.15 else rng.uniform(0.02, 0.1)
        at += length + int(pause_s * rate_hz)
    return voice


def _syllable(rng: np.random.Generator, length: int, rate_hz: int, pitch_hz: float) -> Signal:
    """A vowel that swells and fades, its pitch gliding by up to a tenth."""
    glide = np.linspace(1.0, rng.uniform(0.9, 1.1), length)
    phase = 2 * np.pi * np.cumsum(pitch_hz * glide) / rate_hz
    formants_hz = [rng.uniform(low, high) for low, high in _FORMANTS_HZ]
    sound = np.zeros(length)
    for harmonic in range(1, int(0.45 * rate_hz / pitch_hz)):
        distance = [(harmonic * pitch_hz - formant) / (80.0 + 0.06 * formant) for formant in formants_hz]
        strength = sum(1.0 / (1.0 + each * each) for each in distance) / harmonic**0.5
        sound += strength * np.sin(harmonic * phase)
    return np.asarray(sound * np.hanning(length))
