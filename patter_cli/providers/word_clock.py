"""When the written words of a clause are spoken, for a voice that says "$5 million" as three words of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

from patter_cli.contracts.tts import WordTimes

_SAID = re.compile("[A-Za-z']+")
_PLAIN = re.compile("[A-Za-z]?[a-z]+[.,;:?!]?")
"""Written as it is said: one word, unless it is short for something, and then the sum shows it."""

_SLACK = 12
"""So many words away from where it is expected a plain word is still looked for."""


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


def spoken_counts(text: str, spoken: str, read: Callable[[str], str]) -> list[int]:
    """How many words the voice says for each word of the text. spoken: what `read` made of the whole.

    Where a word is not said as it would be alone ("March 5, 2026"), plain words around it that are found again in what
    is spoken tell how many words are left for it; between two that stand together, the share of one is what the text
    up to it says more than the text before it.
    """
    said = _SAID.findall(spoken.lower())
    words = text.split()
    counts = [1 if _PLAIN.fullmatch(word) else _said(word, read) for word in words]
    if sum(counts) == len(said):
        return counts
    place = 0
    begun = 0
    for at, word in enumerate([*words, ""]):
        if word and not _PLAIN.fullmatch(word):
            continue
        expected = place + sum(counts[begun:at])
        found = _nearest(said, word.strip(".,;:?!").lower(), place, expected) if word else len(said)
        if found is None or (word and begun == at and found != place):
            continue
        if begun < at:
            counts[begun:at] = _shares(words[begun:at], counts[begun:at], found - place, read)
        elif at:
            counts[at - 1] += found - place
        place, begun = found + 1, at + 1
    return counts


def _nearest(said: Sequence[str], word: str, place: int, expected: int) -> int | None:
    """Where a word is said, if that is near where it is expected; None if its reading may be another."""
    near = range(max(place, expected - _SLACK), min(len(said), expected + _SLACK + 1))
    return min((at for at in near if said[at] == word), key=lambda at: abs(at - expected), default=None)


def _shares(words: Sequence[str], alone: list[int], total: int, read: Callable[[str], str]) -> list[int]:
    """The parts of a number of spoken words, one for each written one. alone: what each would have by itself."""
    if sum(alone) == total:
        return alone
    reached = [min(total, _said(" ".join(words[:end]), read)) for end in range(1, len(words))]
    reached = [*itertools.accumulate(reached, max), total]
    return [after - before for before, after in itertools.pairwise([0, *reached])]


def _said(text: str, read: Callable[[str], str]) -> int:
    return len(_SAID.findall(read(text)))
