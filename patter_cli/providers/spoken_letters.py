"""When the words of a reply are spoken, where letters are told beside its sound and its text comes by itself."""

from __future__ import annotations

from collections.abc import Iterable

from patter_cli.providers.said_words import SaidWords

MOST_LETTERS = 20_000
"""That wait for a text."""


class SpokenLetters:
    """One reply's. Letters that come before its text wait for it."""

    def __init__(self) -> None:
        self._words: SaidWords | None = None
        self._waiting: list[tuple[str, float, float]] = []
        self._sound_ms = 0.0
        """Of the reply's sound so far."""
        self._told = 0

    def text(self, text: str) -> None:
        """What the reply says."""
        self._words = SaidWords(text)
        for letter, start_ms, end_ms in self._waiting:
            self._words.add(letter, start_ms, end_ms)

    def sound(self, length_ms: float, letters: Iterable[tuple[str, float, float]]) -> None:
        """Its next sound, and what of it is told: letters, each with its beginning, in ms from the first sample of this
        piece, and its length."""
        for letter, start_ms, ms in letters:
            told = letter, self._sound_ms + start_ms, self._sound_ms + start_ms + ms
            if self._words is not None:
                self._words.add(*told)
            elif len(self._waiting) < MOST_LETTERS:
                self._waiting.append(told)
        self._sound_ms += length_ms

    def news(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """(starts, ends) of all words spoken to their end, in ms; None if there are no more than last time."""
        times = self._words.times() if self._words is not None else None
        if times is None or len(times.ends_ms) <= self._told:
            return None
        self._told = len(times.ends_ms)
        return times.starts_ms, times.ends_ms
