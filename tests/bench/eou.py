"""How well the end-of-turn model tells a finished sentence from one broken off: `python -m tests.bench.eou`.

Everything is heard through 8 kHz mu-law, and followed by the silence that the engine shows the model. The same
sentences are broken off in two ways: anywhere, at 55 percent of their length, as the line or a cough would, and at the
quietest moment between 45 and 65 percent, where somebody hesitates. Humans: telephone prompts of five words and more
out of Debian's asterisk-core-sounds-en and -wav, if installed, and the reader of the moonshine-voice package. Joe: the
callers' sentences of tests/bench/stt.py, in the melody of a machine.

The threshold is the model's own, 0.5. The area is how often a finished sentence scores above an unfinished one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from statistics import median
from time import perf_counter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from patter_cli.audio.frame import Samples
from patter_cli.audio.vad import VadPolicy
from patter_cli.audio.wav import read_wav
from patter_cli.contracts.tts import whole_clause
from patter_cli.engine.eou import UNSHOWN_MS
from patter_cli.providers import joe
from patter_cli.providers.inference import asset
from patter_cli.providers.smart_turn import RATE_HZ, SmartTurn, log_mel
from tests.bench.stt import CALLERS, PROMPTS, prompts, telephone

Flags: TypeAlias = npt.NDArray[np.bool_]

SHOWN_SILENCE_S = (VadPolicy().hangover_ms - UNSHOWN_MS) / 1000
"""What the model is shown of the pause in which it is asked."""
PROMPTS_USED = 93
PHRASES_S = ((0.2, 1.3), (1.7, 2.9), (3.4, 4.4), (4.8, 5.7), (6.5, 7.5), (8.0, 9.0))
"""Where the six phrases of the reading lie."""


def main() -> None:
    """Print a line for each kind of voice."""
    asyncio.run(_measure())


async def _measure() -> None:
    model = SmartTurn()
    started = perf_counter()
    await model.warm()
    print(f"end-of-turn model ready in {perf_counter() - started:.2f} s")
    mel_ms = []
    for _ in range(10):
        started = perf_counter()
        log_mel(np.zeros(8 * RATE_HZ, np.int16))
        mel_ms.append((perf_counter() - started) * 1000)
    print(f"spectrogram {median(mel_ms):.1f} ms")
    await _line(model, "telephone prompts", list(_prompt_sounds()))
    await _line(model, "a reader's phrases", list(_phrases()))
    for pitch in (1.0, 1.12):
        await _line(model, f"Joe at pitch {pitch:.2f}", [sound async for sound in _spoken(pitch)])


async def _line(model: SmartTurn, title: str, sounds: list[Samples]) -> None:
    if not sounds:
        print(f"{title}: not installed")
        return
    times_ms: list[float] = []

    async def ask(sound: Samples) -> float:
        heard = np.concatenate((sound, np.zeros(int(SHOWN_SILENCE_S * RATE_HZ), np.int16)))
        started = perf_counter()
        probability = await model.finished(heard)
        times_ms.append((perf_counter() - started) * 1000)
        return probability

    whole = np.array([await ask(sound) for sound in sounds])
    anywhere = np.array([await ask(sound[: len(sound) * 55 // 100]) for sound in sounds])
    hesitant = np.array([await ask(sound[: _pause(sound)]) for sound in sounds])
    print(f"{title}: {len(sounds)} sentences, {median(times_ms):.0f} ms a decision ({_p95(times_ms):.0f} p95)")
    print(f"  finished: {_share(whole > 0.5)} right; over 0.1 {_share(whole > 0.1)}, over 0.9 {_share(whole > 0.9)}")
    for how, broken in (("anywhere", anywhere), ("at a pause", hesitant)):
        area = float(np.mean(whole[:, np.newaxis] > broken))
        right = (np.mean(whole > 0.5) + np.mean(broken <= 0.5)) / 2
        print(
            f"  broken off {how}: {_share(broken <= 0.5)} right; over 0.1 {_share(broken > 0.1)}, "
            f"over 0.9 {_share(broken > 0.9)}; accuracy {100 * right:.0f} %, area {area:.2f}"
        )


def _share(which: Flags) -> str:
    return f"{100 * np.mean(which):.0f} %"


def _p95(values: list[float]) -> float:
    return float(np.percentile(values, 95))


def _prompt_sounds() -> Iterator[Samples]:
    long = [name for name, text in prompts().items() if len(text.split()) >= 5]
    for name in long[:: max(1, len(long) // PROMPTS_USED)][:PROMPTS_USED]:
        yield _trimmed(telephone(*read_wav(PROMPTS / f"{name}.wav")))


def _phrases() -> Iterator[Samples]:
    samples, rate_hz = read_wav(asset("moonshine_voice", "assets/beckett.wav"))
    heard = telephone(samples, rate_hz)
    for start_s, stop_s in PHRASES_S:
        yield _trimmed(heard[int(start_s * RATE_HZ) : int(stop_s * RATE_HZ)])


async def _spoken(pitch: float) -> AsyncIterator[Samples]:
    voice = await joe.TextToSpeech(pitch=pitch).open()
    for text in CALLERS:
        spoken, _ = await whole_clause(voice, text)
        yield _trimmed(telephone(spoken, joe.RATE_HZ))


def _trimmed(sound: Samples) -> Samples:
    """Without the silence at both ends: more than 40 dB below the loudest 20 ms."""
    levels = _levels(sound)
    voiced = np.flatnonzero(levels > levels.max() * 0.01)
    return sound[voiced[0] * _STEP : (voiced[-1] + 1) * _STEP]


def _pause(sound: Samples) -> int:
    """Where somebody would hesitate: the quietest moment about the middle."""
    levels = _levels(sound)
    first, last = int(len(levels) * 0.45), int(len(levels) * 0.65)
    return (first + int(np.argmin(levels[first : last + 1])) + 1) * _STEP


def _levels(sound: Samples) -> npt.NDArray[np.float64]:
    """The root of the mean square of every 20 ms."""
    whole = sound[: len(sound) // _STEP * _STEP].astype(np.float64).reshape(-1, _STEP)
    levels: npt.NDArray[np.float64] = np.sqrt(np.mean(whole**2, axis=1))
    return levels


_STEP = RATE_HZ // 50

if __name__ == "__main__":
    main()
