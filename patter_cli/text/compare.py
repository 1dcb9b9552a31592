"""Words put on one footing, to compare what was said with what was heard."""

from __future__ import annotations

import re

from patter_cli.text.pronounce import pronounceable
from patter_cli.text.readings.figures import SCALES, TENS, UNITS

_SAME = {"ok": "okay", "mister": "mr", "missus": "mrs", "doctor": "dr", "miz": "ms"}
_NUMBER_WORDS = frozenset((*UNITS, *TENS, *(name for name, _ in SCALES)))


def modern_spelling(text: str) -> str:
    """The spellings of a century ago, which some recognisers learned from old books, as we write them now."""
    text = re.sub(r"\b(to)-(day|night|morrow)\b", r"\1\2", text, flags=re.IGNORECASE)
    text = re.sub(r"\b(good)-bye?\b", r"\1bye", text, flags=re.IGNORECASE)
    return re.sub(r"\b(any|every|some)-(one|body|thing)\b", r"\1\2", text, flags=re.IGNORECASE)


def normalised_words(text: str) -> list[str]:
    """The words of a text for comparing: lower case, numbers spelled out, no punctuation, hyphens or old spellings.

    "9 a.m." and "nine AM", "3:30", "3.30" and "three thirty", "U.S.A." and "usa" give the same words.
    """
    text = re.sub(r"(?<![\d.$£€])(1?\d)\.([0-5][05])(?![\d%.]|\s?(?:percent|dollars|euros))", r"\1:\2", text)
    spoken = pronounceable(modern_spelling(text), is_word=lambda word: len(word) > 1)
    words = [_SAME.get(word, word) for word in re.findall(r"[a-z]+(?:'[a-z]+)*", spoken.lower())]
    joined: list[str] = []
    spelling = False
    for at, word in enumerate(words):
        if len(word) == 1 and spelling:
            joined[-1] += word
            continue
        after_number = bool(joined) and joined[-1] in _NUMBER_WORDS
        if word == "and" and after_number and _NUMBER_WORDS.issuperset(words[at + 1 : at + 2]):
            continue
        spelling = len(word) == 1
        joined.append("zero" if word == "oh" and after_number else word)
    return joined


def has_words(text: str, words: str) -> bool:
    """Whether the words were said, in a row, however they and the text are written."""
    wanted, said = normalised_words(words), normalised_words(text)
    return any(said[at : at + len(wanted)] == wanted for at in range(len(said) - len(wanted) + 1))


def word_error_rate(reference: str, hypothesis: str) -> float:
    """Words to insert, delete or replace, for each word of the reference; 0.0 is perfect, it may exceed 1.

    An empty reference gives 0.0 for an empty hypothesis and 1.0 for any other.
    """
    wanted, heard = normalised_words(reference), normalised_words(hypothesis)
    if not wanted:
        return 1.0 if heard else 0.0
    return word_errors(wanted, heard) / len(wanted)


def word_errors(wanted: list[str], heard: list[str]) -> int:
    """The least number of words to insert, delete or replace to get from one to the other."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(wanted, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]
