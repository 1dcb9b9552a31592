"""Sounds of a caller's room that are no words, synthesised: float32, shape (n,), 8 kHz, full scale 1.

Each takes a generator of random numbers and is a little different every time. Levels are those beside a telephone:
a cough as loud as speech, a keyboard well below it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from patter_cli.audio.frame import FloatSamples, Samples

RATE_HZ = 8000


def cough(rng: np.random.Generator) -> FloatSamples:
    """One to three bursts: an explosive beginning, a throat's resonances, a short voiced end."""
    bursts = []
    for _ in range(int(rng.integers(1, 4))):
        count = int(rng.uniform(0.18, 0.35) * RATE_HZ)
        time = np.arange(count) / RATE_HZ
        blast = _coloured(rng, count, (300, 700), (900, 1500), (2200, 3200))
        voice = _buzz(count, rng.uniform(90, 160)) * np.clip((time - 0.08) / 0.05, 0, 1) * np.exp(-time / 0.09)
        shape = np.clip(time / 0.006, 0, 1) * np.exp(-time / rng.uniform(0.05, 0.09))
        bursts += [blast * shape + 0.4 * voice, np.zeros(int(rng.uniform(0.12, 0.3) * RATE_HZ))]
    return _at_level(np.concatenate(bursts[:-1]), rng.uniform(-20, -14))


def throat(rng: np.random.Generator) -> FloatSamples:
    """Somebody clears their throat: a rough, low, voiceless rumble of a second's half."""
    count = int(rng.uniform(0.35, 0.7) * RATE_HZ)
    time = np.arange(count) / RATE_HZ
    rough = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(22, 40) * time)
    return _at_level(
        _coloured(rng, count, (200, 500), (700, 1100)) * rough * _slopes(count, 0.04), rng.uniform(-26, -20)
    )


def breath(rng: np.random.Generator) -> FloatSamples:
    """A breath into the microphone."""
    count = int(rng.uniform(0.4, 1.0) * RATE_HZ)
    return _at_level(_coloured(rng, count, (150, 3400)) * _slopes(count, 0.15), rng.uniform(-34, -26))


def keyboard(rng: np.random.Generator) -> FloatSamples:
    """Two seconds of typing beside the telephone."""
    out = np.zeros(2 * RATE_HZ)
    at = 0.0
    while at < 1.9:
        click = rng.normal(0, 1, 80) * np.exp(-np.arange(80) / rng.uniform(8, 25))
        start = int(at * RATE_HZ)
        out[start : start + 80] += click * rng.uniform(0.4, 1.0)
        at += rng.uniform(0.07, 0.3)
    return np.asarray(out / np.abs(out).max() * 10 ** (rng.uniform(-20, -10) / 20), np.float32)


def slam(rng: np.random.Generator) -> FloatSamples:
    """A door: a thump, its room, the lock."""
    count = int(0.7 * RATE_HZ)
    time = np.arange(count) / RATE_HZ
    thump = np.sin(2 * np.pi * rng.uniform(60, 110) * time) * np.exp(-time / 0.09)
    crack = _coloured(rng, count, (300, 2500)) * np.exp(-time / rng.uniform(0.03, 0.08))
    lock = np.roll(_coloured(rng, count, (1200, 3000)) * np.exp(-time / 0.01), int(rng.uniform(0.15, 0.3) * RATE_HZ))
    out = thump + 0.8 * crack + 0.4 * lock
    return np.asarray(out / np.abs(out).max() * 10 ** (rng.uniform(-10, -3) / 20), np.float32)


def ring(rng: np.random.Generator) -> FloatSamples:
    """Another telephone rings in the room, once."""
    count = int(rng.uniform(0.8, 1.4) * RATE_HZ)
    time = np.arange(count) / RATE_HZ
    warble = np.where(np.sin(2 * np.pi * 20 * time) > 0, rng.uniform(800, 1000), rng.uniform(1100, 1400))
    return _at_level(np.sin(2 * np.pi * np.cumsum(warble) / RATE_HZ) * _slopes(count, 0.02), rng.uniform(-36, -28))


def babble(rng: np.random.Generator, talkers: Sequence[Samples]) -> FloatSamples:
    """Three seconds of a room full of people, twelve of them, none understood. talkers: int16, 8 kHz."""
    out = np.zeros(3 * RATE_HZ)
    for talker in talkers:
        start = int(rng.integers(0, max(1, len(talker) - 1)))
        endless = np.resize(np.roll(talker, -start), len(out))
        out += endless / 32768 * rng.uniform(0.5, 1.0)
    return _at_level(out * _slopes(len(out), 0.3), rng.uniform(-44, -36))


def hum(rng: np.random.Generator) -> FloatSamples:
    """A hummed "mm-hm": closed lips, two syllables, the second higher, a puff of air between them."""
    base = float(rng.uniform(95, 210))
    first, gap, second = (int(rng.uniform(*span) * RATE_HZ) for span in ((0.1, 0.2), (0.03, 0.08), (0.14, 0.28)))
    low = _closed_lips(_buzz(first, base)) * _slopes(first, 0.03)
    high = _closed_lips(_buzz(second, base * rng.uniform(1.1, 1.4))) * _slopes(second, 0.04)
    puff = _coloured(rng, gap, (200, 1500)) * 0.05
    return _at_level(np.concatenate([low, puff, high]), rng.uniform(-28, -20))


def _buzz(count: int, pitch_hz: float) -> np.ndarray:
    """Vocal cords: every harmonic below 3400 Hz, falling by 12 dB an octave."""
    time = np.arange(count) / RATE_HZ
    bend = pitch_hz * (1 + 0.03 * np.sin(2 * np.pi * 4.5 * time))
    phase = 2 * np.pi * np.cumsum(bend) / RATE_HZ
    return np.asarray(np.sum([np.sin(n * phase) / n**2 for n in range(1, int(3400 / pitch_hz))], axis=0))


def _closed_lips(voice: np.ndarray) -> np.ndarray:
    """What is left of a voice through the nose: a murmur at 250 Hz, weak resonances at 1000 and 2200 Hz."""
    spectrum = np.fft.rfft(voice)
    hz = np.fft.rfftfreq(len(voice), 1 / RATE_HZ)
    gain = 0.03 + sum(level / (1 + ((hz - at) / width) ** 2) for level, at, width in _NASAL)
    return np.asarray(np.fft.irfft(spectrum * gain, len(voice)))


_NASAL = ((1.0, 250, 120), (0.35, 1000, 150), (0.2, 2200, 200))
"""(level, Hz, half width in Hz). The source falls by 12 dB an octave on top of that."""


def _coloured(rng: np.random.Generator, count: int, *bands_hz: tuple[float, float]) -> np.ndarray:
    """Noise in these bands, with an rms of 1."""
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    inside = np.zeros(len(hz))
    for low, high in bands_hz:
        inside = np.maximum(inside, ((hz >= low) & (hz <= high)).astype(float))
    out = np.fft.irfft(spectrum * inside, count)
    level = max(1e-9, float(np.sqrt(np.mean(out**2))))
    return np.asarray(out / level)


def _slopes(count: int, seconds: float) -> np.ndarray:
    """A rise and a fall of this length."""
    slope = np.clip(np.arange(count) / (seconds * RATE_HZ), 0, 1)
    return slope * slope[::-1]


def _at_level(sound: np.ndarray, rms_db: float) -> FloatSamples:
    """At this level where it sounds: the mean over its loudest half."""
    power = np.sort(sound**2)[len(sound) // 2 :].mean()
    return np.asarray(sound * 10 ** (rms_db / 20) / np.sqrt(power + 1e-12), np.float32)
