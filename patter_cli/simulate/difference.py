"""How what was heard differs from what was expected, word by word, as somebody reads it in a log."""

from __future__ import annotations

import difflib
from typing import Final

from patter_cli.text.compare import normalised_words, word_errors

_BESIDE: Final = 3
"""Words of what was heard that are shown on either side."""


def nearest_stretch(heard: str, wanted: str) -> tuple[int, int]:
    """Where in the words of what was heard the words that come nearest begin and end."""
    said, words = normalised_words(heard), normalised_words(wanted)
    best = (len(words) + 1, 0, 0)
    for length in range(max(1, len(words) - 2), len(words) + 3):
        for at in range(max(1, len(said) - length + 1)):
            stretch = said[at : at + length]
            best = min(best, (word_errors(words, stretch), len(stretch), at))
    return best[2], best[2] + best[1]


def word_difference(wanted: str, heard: str, *, whole: bool = False) -> str:
    """The words where what was heard comes nearest: [-missing-], [+there instead+], the rest as it was.

    whole: against all that was heard. "" where nothing of it is alike, so that a difference would say nothing.
    """
    said, words = normalised_words(heard), normalised_words(wanted)
    begin, end = (0, len(said)) if whole else nearest_stretch(heard, wanted)
    matcher = difflib.SequenceMatcher(None, words, said[begin:end], autojunk=False)
    if matcher.ratio() < 0.4:
        return ""
    shown: list[str] = []
    for what, from_wanted, to_wanted, from_said, to_said in matcher.get_opcodes():
        missing, instead = words[from_wanted:to_wanted], said[begin:end][from_said:to_said]
        if what == "equal":
            shown += missing
        else:
            shown += [f"[-{' '.join(missing)}-]"] if missing else []
            shown += [f"[+{' '.join(instead)}+]"] if instead else []
    begins = ["…"] if begin > _BESIDE else []
    ends = ["…"] if end + _BESIDE < len(said) else []
    return " ".join([*begins, *said[max(0, begin - _BESIDE) : begin], *shown, *said[end : end + _BESIDE], *ends])
