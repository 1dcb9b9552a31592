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


_KEYS = re.compile(r"(?<=\[DTMF: )[^\]]+(?=\])")
"""What was pressed on a telephone, as history has it: a PIN, a card, an account."""
_SECRET = re.compile(
    r"\b(?:(?:sk|pk|rk|xai|gsk|key|whsec|xox[abprs])[-_][A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|AKIA[0-9A-Z]{16}|AIza[A-Za-z0-9_-]{30,}|(?:AC|SK)[0-9a-f]{32})(?![A-Za-z0-9_-])"
)
"""Of the vendors that we know; one that somebody reads out or types by mistake."""
_CARD = re.compile(
    rf"(?<![0-9+])(?:[0-9]+|{_SAID}\b)(?:[ ,.-]{{1,2}}(?:[0-9]+|{_SAID}\b))*(?![0-9])", re.IGNORECASE | re.ASCII
)
"""Digits in a row, written, said or both: what may be a card's number."""
_CARD_DIGITS = range(13, 20)
"""Source: ISO/IEC 7812-1."""
_MOSTLY = (16, 15)
"""Of nearly all cards."""
_VALUES = {
    word: str(value)
    for value, word in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen""".split()
    )
} | {"oh": "0", "nought": "0"}
_TENS = {word: value for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
_TIMES = {"double": 2, "triple": 3}


def redact(text: str, level: Redaction) -> str:
    """The text without what this level strikes out."""
    match level:
        case Redaction.OFF:
            return text
        case Redaction.DIGITS:
            text = _KEYS.sub(STRUCK, _SECRET.sub(STRUCK, text))
            return _DIGITS.sub(lambda found: "*" if len(found[0]) == 1 else STRUCK, text)
        case Redaction.WORDS:
            return _WORDS.sub("x", text)
        case _:
            ranges = struck_ranges(text, level)
            for begin, end in reversed(ranges):
                text = text[:begin] + STRUCK + text[end:]
            return text


def struck_ranges(text: str, level: Redaction) -> list[tuple[int, int]]:
    """Where a text is struck out, from and to, in order and apart from each other."""
    patterns: tuple[re.Pattern[str], ...]
    match level:
        case Redaction.OFF:
            return []
        case Redaction.CARDS:
            patterns = (_KEYS, _SECRET)
        case Redaction.NUMBERS:
            patterns = (_KEYS, _SECRET, _NUMBER)
        case Redaction.DIGITS:
            patterns = (_KEYS, _SECRET, _DIGITS)
        case Redaction.WORDS:
            return [(0, len(text))] if _WORDS.search(text) else []
    found = [
        each.span()
        for pattern in patterns
        for each in pattern.finditer(text)
        if each[0] != STRUCK and not (pattern is _NUMBER and re.fullmatch(_DATE, each[0]))
    ]
    found += [each.span() for each in _CARD.finditer(text) if _is_card(each[0])]
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(found):
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _is_card(text: str) -> bool:
    """Whether digits in a row begin with a card's number; its date and code may follow."""
    digits = _as_digits(text)
    if len(digits) in _CARD_DIGITS and _luhn(digits):
        return True
    return any(_luhn(digits[:length]) for length in _MOSTLY if length < len(digits) and len(digits) > max(_MOSTLY))


def _as_digits(text: str) -> str:
    """What was said or written, as digits: "double four twenty two" is 4422."""
    digits, times, ten = "", 1, ""
    for word in re.findall(r"[0-9]+|[a-z]+", text.lower()):
        value = word if word.isdigit() else _VALUES.get(word, "")
        if ten and not (len(value) == 1 and value != "0"):
            digits, ten = f"{digits}{ten}0", ""
        if word in _TIMES:
            times = _TIMES[word]
        elif word in _TENS:
            ten = str(_TENS[word])
        elif value:
            digits, ten, times = digits + ten + value * times, "", 1
    return f"{digits}{ten}0" if ten else digits


def _luhn(digits: str) -> bool:
    """The check that every card's number passes, and one in ten others. Source: ISO/IEC 7812-1, annex B."""
    if len(set(digits)) == 1:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def mask_number(number: str) -> str:
    """A party's phone number, so that two calls of the same one look alike: +1***0199. No number: as it is."""
    return _NUMBER.sub(_masked, number)


def _masked(found: re.Match[str]) -> str:
    digits = "".join(each for each in found[0] if each.isdigit())
    if not digits:
        return STRUCK
    return f"{found[0][:2] if found[0][0] == '+' else ''}{STRUCK}{digits[-4:]}"
