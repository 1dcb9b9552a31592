"""Speech that needs no model: every word is a tone of its own, for ears and voices of scripted vendors.

`ToneVoice` says a text so, and `ToneEars` reads it back from samples of any rate, cut in any way, also through mu-law;
so a test knows what was sent over a vendor's wire, and what came back, to the word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from patter_cli.audio.frame import Samples

WORDS = (
    "hello", "i", "want", "to", "book", "a", "table", "for", "two", "people", "tomorrow", "evening", "yes", "no",
    "please", "goodbye", "thanks", "we", "open", "at", "nine", "sorry", "say", "that", "again", "one", "moment",
)  # fmt: skip
"""What can be said."""
FIRST_HZ, STEP_HZ = 400, 100
WORD_MS, GAP_MS = 120, 40
FRAME_MS = 20
PEAK = 8000


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word and where it is, in seconds."""

    text: str
    start_s: float
    end_s: float


def bare(word: str) -> str:
    """Without its marks, in small letters."""
    return "".join(each for each in word.lower() if each.isalnum())


def spoken(text: str, rate_hz: int) -> tuple[Samples, list[SpokenWord]]:
    """The sound of a text, with a gap after each word. A word that is not in WORDS is a low hum."""
    pieces: list[Samples] = [np.zeros(0, np.int16)]
    words: list[SpokenWord] = []
    at_s = 0.0
    for word in text.split():
        hz = FIRST_HZ + STEP_HZ * WORDS.index(bare(word)) if bare(word) in WORDS else 200
        times = np.arange(rate_hz * WORD_MS // 1000) / rate_hz
        pieces.append((PEAK * np.sin(2 * np.pi * hz * times)).astype(np.int16))
        pieces.append(np.zeros(rate_hz * GAP_MS // 1000, np.int16))
        words.append(SpokenWord(word, at_s, at_s + WORD_MS / 1000))
        at_s += (WORD_MS + GAP_MS) / 1000
    return np.concatenate(pieces), words


class PeerEars(Protocol):
    """What a scripted vendor hears with."""

    words: list[SpokenWord]
    """Since the last `take`."""
    seconds: float
    """Pushed in all."""
    silent_s: float
    """Silence at the end."""

    def push(self, samples: Samples) -> None: ...

    async def settle(self) -> None:
        """Have the words of all that was pushed."""

    def take(self) -> list[SpokenWord]:
        """The words so far; what comes begins anew."""


class PeerVoice(Protocol):
    """What a scripted vendor speaks with. May block: a vendor of the lab has its own process if it does."""

    def say(self, text: str, rate_hz: int) -> tuple[Samples, list[SpokenWord]]: ...


class ToneEars:
    """Finds the words in tones."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._frame = rate_hz * FRAME_MS // 1000
        self._rest: Samples = np.zeros(0, np.int16)
        self._tones: list[int] = []
        """Of the word that is being heard, a frame each."""
        self._from_s = 0.0
        self.words: list[SpokenWord] = []
        self.seconds = 0.0
        self.silent_s = 0.0

    def push(self, samples: Samples) -> None:
        rest = np.concatenate((self._rest, samples))
        count = len(rest) // self._frame
        for index in range(count):
            self._hear(rest[index * self._frame : (index + 1) * self._frame])
        self._rest = rest[count * self._frame :]

    async def settle(self) -> None:
        self._end_word()

    def take(self) -> list[SpokenWord]:
        words, self.words = self.words, []
        return words

    def _hear(self, frame: Samples) -> None:
        at_s = self.seconds
        self.seconds += FRAME_MS / 1000
        if np.abs(frame).max() < PEAK // 8:
            self.silent_s += FRAME_MS / 1000
            self._end_word()
            return
        self.silent_s = 0.0
        spectrum = np.abs(np.fft.rfft(frame.astype(np.float64) * np.hanning(len(frame)), 8 * len(frame)))
        hz = float(np.argmax(spectrum)) * self._rate_hz / (8 * len(frame))
        if not self._tones:
            self._from_s = at_s
        self._tones.append(round((hz - FIRST_HZ) / STEP_HZ))

    def _end_word(self) -> None:
        tones, self._tones = self._tones, []
        if len(tones) >= WORD_MS // FRAME_MS // 2:
            word = max(set(tones), key=tones.count)
            if 0 <= word < len(WORDS):
                self.words.append(SpokenWord(WORDS[word], self._from_s, self.seconds))


class ToneVoice:
    """Says words as tones."""

    def say(self, text: str, rate_hz: int) -> tuple[Samples, list[SpokenWord]]:
        return spoken(text, rate_hz)
