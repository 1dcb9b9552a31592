"""Ears and voices of the lab's vendors that really hear and speak: the built-in ones of this machine. And a mind that
proves that it was asked.

They take this machine's time, and block while they do: for a lab that has a process of its own.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from patter_cli import registry
from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import Resampler, resample_all
from patter_cli.contracts.stt import Final, SpeechToText, SttSession
from patter_cli.contracts.tts import TextToSpeech, whole_clause
from patter_cli.testing.vendors.llm.said import Said
from patter_cli.testing.vendors.tones import SpokenWord

LOUD = 250.0
"""The least that 20 ms of a voice measure, int16 units."""
FRAME_MS = 20
HANGOVER_S = 0.3
_WORKER = ThreadPoolExecutor(1)


class BuiltInEars:
    """The built-in recogniser behind a detector that only measures loudness."""

    def __init__(self, rate_hz: int) -> None:
        self._recipe: SpeechToText = registry.keyless("stt").load()()
        self._resampler = Resampler(rate_hz, self._recipe.rate_hz)
        self._frame = self._recipe.rate_hz * FRAME_MS // 1000
        self._rest: Samples = np.zeros(0, np.int16)
        self._before: Samples = np.zeros(0, np.int16)
        """What came before the voice: the softest of its beginning."""
        self._voice: list[Samples] = []
        self._from_s = 0.0
        self._session: SttSession | None = None
        self.words: list[SpokenWord] = []
        self.seconds = 0.0
        self.silent_s = 0.0

    def push(self, samples: Samples) -> None:
        """Take sound."""
        rest = np.concatenate((self._rest, self._resampler.process(samples)))
        count = len(rest) // self._frame
        for index in range(count):
            self._hear(rest[index * self._frame : (index + 1) * self._frame])
        self._rest = rest[count * self._frame :]

    async def settle(self) -> None:
        """Read what has been said since this was last asked."""
        if not self._voice:
            return
        sound, self._voice = np.concatenate(self._voice), []
        if self._session is None:
            self._session = await self._recipe.open()
        session = self._session
        session.push(sound)
        session.finalize()
        text = ""
        async for each in session.results():
            if isinstance(each, Final):
                text = each.text
                break
        session.commit()
        words = text.split()
        each_s = (self.seconds - self._from_s) / max(1, len(words))
        starts = [self._from_s + each_s * index for index in range(len(words))]
        self.words += [SpokenWord(word, at, at + each_s) for word, at in zip(words, starts, strict=True)]

    def take(self) -> list[SpokenWord]:
        """The words so far; what comes begins anew."""
        words, self.words = self.words, []
        return words

    def _hear(self, frame: Samples) -> None:
        self.seconds += FRAME_MS / 1000
        loud = float(np.sqrt(np.mean(np.square(frame.astype(np.float32))))) > LOUD
        self.silent_s = 0.0 if loud else self.silent_s + FRAME_MS / 1000
        if not self._voice and not loud:
            self._before = np.concatenate((self._before, frame))[-15 * self._frame :]
        elif loud or self.silent_s < HANGOVER_S:
            if not self._voice:
                self._from_s = self.seconds
                self._voice.append(self._before)
            self._voice.append(frame)


class BuiltInVoice:
    """The built-in voice, its words told as evenly as their letters are many."""

    def say(self, text: str, rate_hz: int) -> tuple[Samples, list[SpokenWord]]:
        """Blocks."""
        return _WORKER.submit(lambda: asyncio.run(self._say(text, rate_hz))).result()

    async def _say(self, text: str, rate_hz: int) -> tuple[Samples, list[SpokenWord]]:
        voice: TextToSpeech = registry.keyless("tts").load()()
        session = await voice.open()
        try:
            samples, times = await whole_clause(session, text)
        finally:
            await session.aclose()
        spans = zip(text.split(), times.starts_ms, times.ends_ms, strict=False)
        words = [SpokenWord(word, start_ms / 1000, end_ms / 1000) for word, start_ms, end_ms in spans]
        return resample_all(samples, voice.rate_hz, rate_hz), words


def heard_by_built_in_ears(sound: Samples) -> str:
    """What was said in a sound at 8 kHz. Blocks."""

    async def read() -> str:
        ears = BuiltInEars(8000)
        ears.push(sound)
        await ears.settle()
        return " ".join(each.text for each in ears.take())

    return _WORKER.submit(lambda: asyncio.run(read())).result()


def repeats(heard: str) -> str:
    """An engine's mind."""
    return f"You said: {heard}"


def repeats_the_caller(request: Any) -> Said:
    """A language model's: it finds the caller's last words in the body of any vendor's request."""
    turns = next(request[each] for each in ("messages", "contents", "input") if each in request)
    last: dict[str, Any] = next((each for each in reversed(turns) if each.get("role") == "user"), {})
    parts = last.get("content") or last.get("parts") or ""
    words = parts if isinstance(parts, str) else " ".join(str(each.get("text", "")) for each in parts)
    return Said(repeats(words.strip() or "nothing."))
