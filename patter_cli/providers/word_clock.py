"""When the written words of a clause are spoken, for a voice that says "$5 million" as three words of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

from patter_cli.contracts.tts import WordTimes
from patter_cli.text.pronounce import pronounceable

_SAID = re.compile("[A-Za-z']+")
_PLAIN = re.compile("[A-Za-z]?[a-z]+[.,;:?!]?")
"""Written as it is said: one word, unless it is short for something, and then the sum shows it."""


class WordClock:
    """Turns where the spoken words are into the times of the written ones. counts: see `spoken_counts`."""

    def __init__(self, counts: Sequence[int], rate_hz: int) -> None:
        self._counts = counts
        self._rate_hz = rate_hz
        self._spoken: list[tuple[int, int]] = []
        self._samples = 0

    def add(self, words: Sequence[tuple[int, int]], samples: int) -> None:
        """The clause goes on with a piece of so many samples, and these are the first and last of each of its words."""
        self._spoken += [(self._samples + start, self._samples + end) for start, end in words]
        self._samples += samples

    def times(self) -> WordTimes:
        """Of all written words that have been made to their end."""
        starts, ends = [], []
        first, end = 0, 0
        for count in self._counts:
            own = self._spoken[first : first + count]
            if len(own) < count:
                break
            first += count
            start, end = (own[0][0], own[-1][1]) if own else (end, end)
            starts.append(round(start * 1000 / self._rate_hz))
            ends.append(round(end * 1000 / self._rate_hz))
        return WordTimes(tuple(starts), tuple(ends))


def spoken_counts(text: str, spoken: str, is_word: Callable[[str], bool]) -> list[int]:
    """How many words the voice says for each word of the text. spoken: what `pronounceable` made of the whole.

    Where a word is not said as it would be alone ("March 5, 2026"), its share is what the text up to it says more than
    the text before it.
    """
    total = len(_SAID.findall(spoken))
    words = text.split()
    counts = [1 if _PLAIN.fullmatch(word) else _said(word, is_word) for word in words]
    if sum(counts) == total:
        return counts
    reached = [min(total, _said(" ".join(words[:end]), is_word)) for end in range(1, len(words))]
    reached = [*itertools.accumulate(reached, max), total]
    return [after - before for before, after in itertools.pairwise([0, *reached])]


def _said(text: str, is_word: Callable[[str], bool]) -> int:
    return len(_SAID.findall(pronounceable(text, is_word=is_word)))
