"""Written English to words a voice can say.

Theory of operation. `pronounceable` runs tables of rewriting rules over the whole text, in order. Each rule turns one
written form into plain words and leaves the rest alone, so it only has to be right about what those before it left
over: addresses go before dates, dates before times, times and money before telephone numbers, those before measures,
and plain numbers come last. A letter that is to be read by its name comes out as a capital standing alone ("U S A",
"nine A M"). A sign that no rule knows is said by its name; only layout, pictures and other scripts are dropped, so the
result never surprises a voice. Each table is a file of `readings/`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from patter_cli.text.readings import (
    addresses,
    codes,
    counts,
    dates,
    measures,
    money,
    parts,
    roman,
    short_forms,
    signs,
    symbols,
    times,
    years,
)
from patter_cli.text.readings.rule import Match, rewrite
from patter_cli.text.readings.spelling import initialisms, looks_like_word
from patter_cli.text.readings.typography import plain

_FIGURE = re.compile("[0-9]")
_LETTER = re.compile("[A-Za-z]")
_FOREIGN = re.compile(r"[^A-Za-z'.,;:?! -]")
_LOOSE = re.compile(r"(?<![A-Za-z])['-]+|[-]+(?![A-Za-z])|(?<![sS])'+(?![A-Za-z])")
_SAYS_NOTHING = re.compile(r"[\s.,;:?!'\"()\[\]{}*_`~|-]*")
_BEFORE_MARK = re.compile(r"\s+([.,;:?!])")
_BLANKS = re.compile(r"\s+")
_MARKS = re.compile(r"([.,;:?!])[.,;:?!]+")

_WITH_FIGURES = (
    money.RULES,
    years.RULES,
    codes.RULES,
    short_forms.IN_FRONT,
    parts.SIZES,
    measures.RULES,
    parts.RULES,
    counts.RULES,
)


def pronounceable(text: str, *, language: str = "en", is_word: Callable[[str], bool] | None = None) -> str:
    """Spell out what a voice cannot read.

    text: anything, in English. language: BCP-47, whose speaker reads it: 3/4 is in March for an American.
    is_word: whether a lower-case word is in the voice's lexicon; capitals that are in it are read as a word ("NASA").
    Without it, capitals with a vowel are taken for words unless known not to be.
    Returns ASCII letters, apostrophes, hyphens inside words, blanks and `.,;:?!` only; "" if nothing can be said.
    Never raises.
    """
    text = plain(text)
    if _SAYS_NOTHING.fullmatch(text):
        return ""
    text = rewrite(text, addresses.RULES)
    if _FIGURE.search(text):
        text = rewrite(text, codes.NAMED)
    text = rewrite(text, dates.rules(dates.is_month_first(language)))
    if _FIGURE.search(text):
        text = rewrite(text, times.RULES)
    text = rewrite(text, signs.RULES)
    if _FIGURE.search(text):
        for table in _WITH_FIGURES:
            text = rewrite(text, table)
    for table in (roman.RULES, short_forms.RULES, money.ALONE, symbols.RULES):
        text = rewrite(text, table)
    text = initialisms(text, is_word or looks_like_word)
    text = _LOOSE.sub(" ", _FOREIGN.sub(" ", text))
    text = _BEFORE_MARK.sub(r"\1", _BLANKS.sub(" ", text))
    text = _MARKS.sub(_strongest, text)
    return text.strip(" ,;:") if _LETTER.search(text) else ""


def _strongest(match: Match) -> str:
    """Of several marks in a row, the one that shapes the melody most."""
    return next(mark for mark in "?!.;:," if mark in match[0])
