"""When the written words of a clause are spoken, for vendors that tell it by the letter or by the word."""

from __future__ import annotations

from patter_cli.contracts.tts import WordTimes


def letters(text: str) -> str:
    """What is sounded of a text: letters and digits, in small."""
    return "".join(each for each in text.lower() if each.isalnum())


class SaidWords:
    """Fed with pieces of what was spoken, in order, each with its time; knows the written words that are complete.

    A piece is matched letter for letter. Where a vendor reads a number as words of its own, what follows is unknown:
    a time that may be wrong is worse than none.
    """

    def __init__(self, text: str) -> None:
        self._words = [letters(each) for each in text.split()]
        self._whole = "".join(self._words)
        self._seen = 0
        self._lost = False
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._open_ms = 0
        """Where the word that is being said began."""
        self._left = len(self._words[0]) if self._words else 0
        self._signs = len("".join(text.split()))
        """That are still to be told, marks among them."""
        self.end_ms = 0.0
        """Where the last piece ended."""
        self._skip_silent()

    @property
    def complete(self) -> bool:
        """Whether every letter has been said."""
        return not self._lost and self._seen >= len(self._whole)

    @property
    def begun(self) -> bool:
        """Whether letters have been said, each as it is written."""
        return not self._lost and self._seen > 0

    @property
    def told(self) -> bool:
        """Whether every sign of the text has been told, marks too."""
        return self.complete and self._signs <= 0

    def add(self, piece: str, start_ms: float, end_ms: float) -> None:
        """A letter, a word or several, from and to in ms of the clause."""
        self.end_ms = max(self.end_ms, end_ms)
        self._signs -= len("".join(piece.split()))
        sounded = letters(piece)
        if self._lost or not sounded:
            return
        if not self._whole.startswith(sounded, self._seen):
            self._lost = True
            return
        step_ms = (end_ms - start_ms) / len(sounded)
        for index in range(len(sounded)):
            if self._left == len(self._words[len(self._ends)]):
                self._open_ms = round(start_ms + index * step_ms)
            self._seen += 1
            self._left -= 1
            if not self._left:
                self._starts.append(max(0, self._open_ms))
                self._ends.append(max(self._starts[-1], round(start_ms + (index + 1) * step_ms)))
                self._skip_silent()

    def times(self) -> WordTimes:
        """Of all words that have been said to their end."""
        return WordTimes(tuple(self._starts), tuple(self._ends))

    def _skip_silent(self) -> None:
        """A word without letters is over as soon as its turn comes; the next one has all of its letters to come."""
        while len(self._ends) < len(self._words):
            self._left = len(self._words[len(self._ends)])
            if self._left:
                return
            at = self._ends[-1] if self._ends else 0
            self._starts.append(at)
            self._ends.append(at)
