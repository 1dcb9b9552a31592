"""Calls with an echo, made of real speech: what the agent plays, what comes back of it, and who speaks besides.

The agent's voice goes through the line's mu-law, the room and the phone's band; the caller and the line's noise are
added; the sum goes through mu-law again. At 16 kHz the line is linear. All of it is repeatable by seed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.resample import resample_all
from patter_cli.audio.signal import Signal, to_samples
from patter_cli.audio.wav import read_wav
from patter_cli.audio.wire import LineAudio
from patter_cli.contracts.tts import whole_clause

SPEECH_DB = -20.0
"""The level of a voice, where it sounds, in dB of full scale: both sides at 0 dB of each other."""
AUDIBLE_DB = -50.0
"""An echo below it is not counted."""
NOISE_DB = -65.0
BAND_HZ = (250.0, 3400.0)
REPLY = (
    "Good morning, you have reached the dental practice on Mill Lane.",
    "We are open Monday to Friday from nine until half past five.",
    "A check up costs sixty dollars and takes about twenty minutes.",
    "Would you like me to book an appointment for you?",
    "I can offer you Tuesday at ten, or Thursday afternoon at a quarter past three.",
)


class Canceller(Protocol):
    """What is measured."""

    def passes(self, near: LineAudio, sounds: bool, played: Callable[[int], Samples]) -> bool: ...

    def process(self, near: Samples, far: Samples) -> Samples: ...


class Fed:
    """Gives a canceller the frames of a call as a call does."""

    def __init__(self, canceller: Canceller) -> None:
        self._canceller = canceller
        self._played: Samples = np.zeros(16_000, np.int16)

    def process(self, near: Samples, far: Samples) -> Samples:
        """What is heard of a frame of the line, far being played meanwhile."""
        self._played = np.concatenate((self._played[len(far) :], far))
        if self._canceller.passes(LineAudio(near), bool(far.any()), lambda count: self._played[-count:]):
            return near
        return self._canceller.process(near, far)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A call. delay_ms: the strongest reflection; tail_ms: when the room has fallen by 30 dB."""

    rate_hz: int = 8000
    seconds: float = 8.0
    agent: str = "joe"
    delay_ms: float = 120.0
    level_db: float = -10.0
    tail_ms: float = 30.0
    seed: int = 1
    caller: str = ""
    caller_db: float = 0.0
    caller_at_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Call:
    """A scene's samples; all of one length. echo, caller, noise: what near is made of, before mu-law."""

    scene: Scene
    far: Samples
    echo: Signal
    caller: Signal
    noise: Signal
    near: Samples = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "near", _line(self.echo + self.caller + self.noise, self.scene.rate_hz))


def speech(name: str, rate_hz: int) -> Signal:
    """A voice: "joe", the built-in one, or a recording inside the moonshine-voice package."""
    return _speech(name, rate_hz).copy()


def make(scene: Scene) -> Call:
    """A call as described."""
    count = int(scene.seconds * scene.rate_hz)
    rng = np.random.default_rng(scene.seed)
    far = _line(np.resize(speech(scene.agent, scene.rate_hz), count), scene.rate_hz)
    room, early = _room(scene, rng)
    echo = np.convolve(far.astype(np.float64), room)
    shift = round(scene.delay_ms * scene.rate_hz / 1000) - early
    echo = np.concatenate((np.zeros(max(0, shift)), echo[max(0, -shift) :]))[:count] * 10 ** (scene.level_db / 20)
    caller = np.zeros(count)
    if scene.caller:
        at = int(scene.caller_at_s * scene.rate_hz)
        said = speech(scene.caller, scene.rate_hz)[: count - at]
        caller[at : at + len(said)] = said * 10 ** (scene.caller_db / 20)
    noise = rng.standard_normal(count) * 32768 * 10 ** (NOISE_DB / 20)
    return Call(scene, far, echo, caller, noise)


def spliced(first: Call, then: Call, at_s: float) -> Call:
    """The first call's echo up to a moment, the other's from there on."""
    cut = int(at_s * first.scene.rate_hz)
    echo = np.concatenate((first.echo[:cut], then.echo[cut:]))
    return Call(first.scene, first.far, echo, first.caller, first.noise)


def unsteady(scene: Scene, most_ms: float, every_s: float) -> Call:
    """A call whose echo comes up to so much later, another time each stretch, as when a carrier begins to play late."""
    call = make(scene)
    rng = np.random.default_rng(scene.seed + 100)
    echo = call.echo.copy()
    step = int(every_s * scene.rate_hz)
    for at in range(0, len(echo), step):
        late = int(rng.uniform(0, most_ms) * scene.rate_hz / 1000)
        echo[at : at + step] = np.roll(call.echo, late)[at : at + step]
    return Call(scene, call.far, echo, call.caller, call.noise)


def run(canceller: Canceller, call: Call, frame_ms: int = 20) -> Samples:
    """Hold the call, frame by frame."""
    size = call.scene.rate_hz * frame_ms // 1000
    cuts = range(size, len(call.near), size)
    pairs, fed = zip(np.split(call.near, cuts), np.split(call.far, cuts), strict=True), Fed(canceller)
    return np.concatenate([fed.process(near, far) for near, far in pairs])


def erle_db(call: Call, out: Samples, from_s: float = 2.0, to_s: float | None = None) -> float:
    """How much less there is of the echo, where it is audible. Only for calls in which nobody else speaks."""
    rate = call.scene.rate_hz
    part = slice(int(from_s * rate), None if to_s is None else int(to_s * rate))
    envelope = np.convolve(call.echo**2, np.full(rate // 50, 50 / rate), "same")[part]
    audible = envelope > (32768 * 10 ** (AUDIBLE_DB / 20)) ** 2
    near, left = (each[part][audible].astype(np.float64) for each in (call.near, out))
    return _db(float(near @ near) / (float(left @ left) + 1e-9))


def caller_gain_db(call: Call, out: Samples) -> float:
    """What became of the caller's voice: the gain in each bin by regression, weighted by the voice's own power."""
    voice, _, kept = _regressed(call, out)
    return _db(float(kept.sum() / voice.sum()))


def beside_caller_db(call: Call, out: Samples) -> float:
    """What in each bin is not the caller, against the caller, while it speaks."""
    voice, heard, kept = _regressed(call, out)
    return _db(float((heard - kept).sum() / voice.sum()))


def other_room(scene: Scene) -> Scene:
    """The same call in another room."""
    return replace(scene, seed=scene.seed + 50)


def _room(scene: Scene, rng: np.random.Generator) -> tuple[Signal, int]:
    """An impulse response of power 1, and where its strongest reflection stands: half of the power, then the rest."""
    rate = scene.rate_hz
    at = np.arange(int(rate * scene.tail_ms * 1.5 / 1000) + 1)
    tail = rng.standard_normal(len(at)) * 10 ** (-1.5 * at * 1000 / rate / scene.tail_ms)
    room = tail / np.sqrt(tail @ tail)
    room[0] += 1.0
    half = 32 * rate // 8000
    taps = np.arange(-half, half + 1)
    low, high = (edge / rate for edge in BAND_HZ)
    band = (2 * high * np.sinc(2 * high * taps) - 2 * low * np.sinc(2 * low * taps)) * np.hamming(len(taps))
    room = np.convolve(room, band)
    return room / np.sqrt(room @ room), half


def _line(signal: Signal, rate_hz: int) -> Samples:
    samples = to_samples(signal)
    return decode_ulaw(encode_ulaw(samples)) if rate_hz == 8000 else samples


def _regressed(call: Call, out: Samples) -> tuple[Signal, Signal, Signal]:
    """Of each bin of the telephone's band: the caller's power, all that is heard, and the caller's share in it."""
    rate, at = call.scene.rate_hz, int(call.scene.caller_at_s * call.scene.rate_hz)
    size = rate * 64 // 1000
    band = slice(*(int(edge * size / rate) for edge in BAND_HZ))
    voice, heard = (_spectra(each[at:], size)[:, band] for each in (call.caller, out.astype(np.float64)))
    power = (np.abs(voice) ** 2).sum(axis=0) + 1e-9
    return power, (np.abs(heard) ** 2).sum(axis=0), np.abs((heard * voice.conj()).sum(axis=0)) ** 2 / power


def _spectra(signal: Signal, size: int) -> np.ndarray:
    starts = range(0, len(signal) - size, size // 2)
    return np.fft.rfft(np.stack([signal[at : at + size] for at in starts]) * np.hanning(size))


def _db(ratio: float) -> float:
    return 10 * float(np.log10(ratio + 1e-12))


@cache
def _speech(name: str, rate_hz: int) -> Signal:
    samples, own_hz = _joe() if name == "joe" else _recorded(name)
    signal = (samples if own_hz == rate_hz else resample_all(samples, own_hz, rate_hz)).astype(np.float64)
    sounding = signal[np.abs(signal) > 300]
    signal *= 32768 * 10 ** (SPEECH_DB / 20) / np.sqrt(np.mean(sounding**2))
    return np.clip(signal, -32000, 32000)


def _recorded(name: str) -> tuple[Samples, int]:
    spec = find_spec("moonshine_voice")
    assert spec is not None
    assert spec.submodule_search_locations
    return read_wav(Path(spec.submodule_search_locations[0]) / "assets" / f"{name}.wav")


@cache
def _joe() -> tuple[Samples, int]:
    from patter_cli.providers.local import LocalTTS

    async def speak() -> tuple[Samples, int]:
        voice = LocalTTS()
        session = await voice.open()
        said = [(await whole_clause(session, line))[0] for line in REPLY]
        await session.aclose()
        return np.concatenate(said), voice.rate_hz

    return asyncio.run(speak())
