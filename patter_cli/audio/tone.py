"""Sounds of the telephone that nobody speaks: keys, ringback, busy, noise, and something to hold the line with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from patter_cli.audio.frame import Samples
from patter_cli.errors import InputError

_FULL_SCALE = 32767.0

_KEYS = ("123A", "456B", "789C", "*0#D")
_ROW_HZ = (697.0, 770.0, 852.0, 941.0)
_COLUMN_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
"""Source: ITU-T Q.23."""

_RINGBACK_HZ = (440.0, 480.0)
_BUSY_HZ = (480.0, 620.0)
"""North American call progress tones. Source: ITU-T E.180 supplement 2."""

_CHORDS_HZ = (
    (261.63, 329.63, 392.00, 523.25),
    (220.00, 261.63, 329.63, 440.00),
    (174.61, 261.63, 349.23, 440.00),
    (196.00, 246.94, 392.00, 493.88),
)
"""C, A minor, F, G in equal temperament."""

_CHORD_MS = 2000
_NOTE_MS = 250


def dtmf(digits: str, rate_hz: int, *, tone_ms: int = 100, gap_ms: int = 100, level_db: float = -12.0) -> Samples:
    """The sound of keys 0-9, *, #, A-D, each followed by a gap. level_db: of each of the two tones, full scale 0.

    Raises InputError for anything that is not a key.
    """
    gap = np.zeros(_count(gap_ms, rate_hz))
    parts: list[npt.NDArray[np.float64]] = []
    for digit in digits:
        row = next((i for i, keys in enumerate(_KEYS) if digit in keys), None)
        if row is None:
            raise InputError(f"{digit!r} is not a telephone key", hint="use 0-9, *, # or A-D")
        pair = (_ROW_HZ[row], _COLUMN_HZ[_KEYS[row].index(digit)])
        parts += [_tones(pair, tone_ms, rate_hz, level_db), gap]
    return _samples(np.concatenate(parts) if parts else np.zeros(0))


def beep(hz: float, duration_ms: int, rate_hz: int, *, level_db: float = -12.0) -> Samples:
    """One steady tone, as of an answering machine or a fax. level_db: its peak, full scale 0."""
    return _samples(_tones((hz,), duration_ms, rate_hz, level_db))


def ringback(duration_ms: int, rate_hz: int, *, level_db: float = -19.0) -> Samples:
    """What a caller hears while it rings: two seconds on, four off. level_db: of each tone, full scale 0."""
    return _samples(_cadence(_RINGBACK_HZ, duration_ms, rate_hz, level_db, on_ms=2000, off_ms=4000))


def busy(duration_ms: int, rate_hz: int, *, level_db: float = -24.0) -> Samples:
    """The busy tone: half a second on, half a second off. level_db: of each tone, full scale 0."""
    return _samples(_cadence(_BUSY_HZ, duration_ms, rate_hz, level_db, on_ms=500, off_ms=500))


def white_noise(duration_ms: int, rate_hz: int, *, seed: int, level_db: float = -30.0) -> Samples:
    """Gaussian noise, the same for the same seed. level_db: rms, full scale 0."""
    noise = np.random.default_rng(seed).standard_normal(_count(duration_ms, rate_hz))
    return _samples(_at_level(noise, level_db))


def pink_noise(duration_ms: int, rate_hz: int, *, seed: int, level_db: float = -30.0) -> Samples:
    """Noise that falls 3 dB an octave, like a room; the same for the same seed. level_db: rms, full scale 0."""
    count = _count(duration_ms, rate_hz)
    if count == 0:
        return np.zeros(0, np.int16)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0))
    spectrum[0] = 0.0
    return _samples(_at_level(np.fft.irfft(spectrum, count), level_db))


def hold_music(duration_ms: int, rate_hz: int, *, level_db: float = -24.0) -> Samples:
    """Four chords, plucked note by note, over and over. level_db: peak of one note, full scale 0."""
    out = np.zeros(_count(duration_ms, rate_hz))
    amplitude = 10.0 ** (level_db / 20.0)
    ring = np.arange(_count(1000, rate_hz)) / rate_hz
    decay = np.exp(-4.0 * ring) * np.minimum(1.0, ring / 0.005)
    for at_ms in range(0, duration_ms, _NOTE_MS):
        chord = _CHORDS_HZ[at_ms // _CHORD_MS % len(_CHORDS_HZ)]
        hz = chord[at_ms // _NOTE_MS % len(chord)]
        start = _count(at_ms, rate_hz)
        length = min(len(ring), len(out) - start)
        note = np.sin(2 * np.pi * hz * ring[:length]) + 0.3 * np.sin(4 * np.pi * hz * ring[:length])
        out[start : start + length] += amplitude / 1.3 * note * decay[:length]
    return _samples(out)


def _count(duration_ms: int, rate_hz: int) -> int:
    return duration_ms * rate_hz // 1000


def _tones(hz: tuple[float, ...], duration_ms: int, rate_hz: int, level_db: float) -> npt.NDArray[np.float64]:
    seconds = np.arange(_count(duration_ms, rate_hz)) / rate_hz
    mixed = sum((np.sin(2 * np.pi * f * seconds) for f in hz), np.zeros(len(seconds)))
    return np.asarray(10.0 ** (level_db / 20.0) * mixed)


def _cadence(
    hz: tuple[float, ...], duration_ms: int, rate_hz: int, level_db: float, *, on_ms: int, off_ms: int
) -> npt.NDArray[np.float64]:
    sound = _tones(hz, duration_ms, rate_hz, level_db)
    phase_ms = np.arange(len(sound)) * 1000 // rate_hz % (on_ms + off_ms)
    return sound * (phase_ms < on_ms)


def _at_level(noise: npt.NDArray[np.float64], level_db: float) -> npt.NDArray[np.float64]:
    rms = float(np.sqrt(np.mean(noise**2))) if len(noise) else 0.0
    return noise * (10.0 ** (level_db / 20.0) / rms) if rms else noise


def _samples(signal: npt.NDArray[np.float64]) -> Samples:
    """Full scale 1.0 to int16, clipped."""
    return np.rint(np.clip(signal, -1.0, 1.0) * _FULL_SCALE).astype(np.int16)
