"""Words given to a voice as they sound instead of as they are written: "Nguyen" as "win".

What is written stays what it is everywhere else, in the history, the transcript and the record; so each respelling
also says how many words are now spoken for each written one.
"""

from __future__ import annotations

import bisect
import re
import unicodedata
from collections.abc import Iterable

_WORD = re.compile(r"\S+")


class Respelling:
    """words: (written, spoken) pairs. Only whole words are replaced; what stands in for one is not looked at again.

    Written small, a word is found in any case ("sql" in "SQL"); with capitals, as it is or all in capitals: "Reading",
    the town, is not found in "reading".
    """

    def __init__(self, words: Iterable[tuple[str, str]]) -> None:
        self._exact = {_composed(written): spoken for written, spoken in words}
        self._folded = {written: spoken for written, spoken in self._exact.items() if written == written.lower()}
        self._shouted = {written.upper(): spoken for written, spoken in self._exact.items()}
        longest_first = sorted(map(re.escape, self._exact), key=len, reverse=True)
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", re.IGNORECASE)

    def respell(self, text: str) -> tuple[str, list[int]]:
        """The text to be spoken, and how many of its words each word of the written text has; 0 for some in a phrase.

        Words are what blanks separate. The counts are one for each written word and together all that are spoken.
        """
        text = _composed(text)
        said: list[str] = []
        ends: list[tuple[int, int]] = [(0, 0)]
        """Places in the written text and in the spoken one that belong together."""
        done = length = 0
        for match in self._pattern.finditer(text):
            spoken = self._spoken(match[0])
            if spoken is None:
                continue
            said += [text[done : match.start()], spoken]
            ends.append((match.start(), length + match.start() - done))
            length = ends[-1][1] + len(spoken)
            ends.append((match.end(), length))
            done = match.end()
        said.append(text[done:])
        whole = "".join(said)
        return whole, _counts(text, whole, ends)

    def _spoken(self, found: str) -> str | None:
        for table, form in ((self._exact, found), (self._folded, found.lower()), (self._shouted, found)):
            if form in table:
                return table[form]
        return None


def _counts(text: str, said: str, ends: list[tuple[int, int]]) -> list[int]:
    """A written word has the spoken ones that end where it does, or before."""
    words_said = [match.end() for match in _WORD.finditer(said)]
    starts = [written for written, _ in ends]
    counts: list[int] = []
    before = 0
    last = len(text.rstrip())
    for match in _WORD.finditer(text):
        # At a place that is known its counterpart; between two, as far behind the first, but not past the second.
        at = bisect.bisect_right(starts, match.end()) - 1
        written, spoken = ends[at]
        place = spoken + match.end() - written
        if at + 1 < len(ends):
            place = min(place, ends[at + 1][1])
        reached = len(words_said) if match.end() == last else max(before, bisect.bisect_right(words_said, place))
        counts.append(reached - before)
        before = reached
    return counts


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)
