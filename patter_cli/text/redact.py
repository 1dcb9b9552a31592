"""What of a text may be kept: phone numbers, digits or words are struck out, as far as somebody wishes.

Struck out is struck out: nothing here can be undone, and doing it again changes nothing.
"""

from __future__ import annotations

import re
from enum import Enum


class Redaction(Enum):
    """How much is struck out; each level includes those before it."""

    OFF = "off"
    CARDS = "cards"
    """Payment cards, written or said, keys that were pressed, and keys of programming interfaces."""
    NUMBERS = "numbers"
    """Phone numbers, and whatever has as many digits, said in one go or written."""
    DIGITS = "digits"
    """Every digit, and numbers of two words or more (English): codes, cards, dates, keys that were pressed."""
    WORDS = "words"
    """Every letter and digit: how long a text was is left of it."""


STRUCK = "***"

_SAID = (
    "(?:zero|oh|nought|one|two|three|four|five|six|seven|eight|nine|double|triple|ten|eleven|twelve|thirteen|fourteen"
    "|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|[0-9])"
)
_DATE = r"(?<![0-9])[0-9]{4}-[01][0-9]-[0-3][0-9](?![0-9])"
"""It has eight digits, and nobody is called by it."""
_NUMBER = re.compile(
    rf"{_DATE}|\+?\d(?:[ ().-]{{0,3}}\d){{6,}}|\b{_SAID}(?:[ ,.-]{{1,2}}{_SAID}){{6,}}\b", re.IGNORECASE
)
"""Seven digits are the shortest number that can be called from elsewhere."""
_DIGITS = re.compile(rf"\b{_SAID}(?:[ ,.-]{{1,2}}{_SAID})+\b|\d", re.IGNORECASE)
_WORDS = re.compile(r"\w")


def redact(text: str, level: Redaction) -> str:
    """The text without what this level strikes out."""
    match level:
        case Redaction.OFF:
            return text
        case Redaction.DIGITS:
            text = _without(text, _secrets(text, cards=False))  # whose digits go one by one
            return _DIGITS.sub(lambda found: "*" if len(found[0]) == 1 else STRUCK, text)
        case Redaction.WORDS:
            return _WORDS.sub("x", text)
        case _:
            return _without(text, struck_ranges(text, level))


def struck_ranges(text: str, level: Redaction) -> list[tuple[int, int]]:
    """Where a text is struck out, from and to, in order and apart from each other."""
    if level is Redaction.OFF:
        return []
    if level is Redaction.WORDS:
        return [(0, len(text))] if _WORDS.search(text) else []
    found = _secrets(text)
    if level is not Redaction.CARDS:
        pattern = _NUMBER if level is Redaction.NUMBERS else _DIGITS
        found += [each.span() for each in pattern.finditer(text) if not re.fullmatch(_DATE, each[0])]
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(found):
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _secrets(text: str, *, cards: bool = True) -> list[tuple[int, int]]:
    """Where cards and keys are; loaded late, for nobody who only asks for the levels needs it."""
    from patter_cli.text.cards import secret_ranges

    return secret_ranges(text, cards=cards)


def _without(text: str, ranges: list[tuple[int, int]]) -> str:
    for begin, end in sorted(ranges, reverse=True):
        text = text[:begin] + STRUCK + text[end:]
    return text


def mask_number(number: str) -> str:
    """A party's phone number, so that two calls of the same one look alike: +1***0199. No number: as it is."""
    return _NUMBER.sub(_masked, number)


def _masked(found: re.Match[str]) -> str:
    digits = "".join(each for each in found[0] if each.isdigit())
    if not digits:
        return STRUCK
    return f"{found[0][:2] if found[0][0] == '+' else ''}{STRUCK}{digits[-4:]}"
