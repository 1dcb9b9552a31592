"""What opens an account: cards by their check digit, keys that were pressed, keys of programming interfaces."""

from __future__ import annotations

import re

_SAID = (
    "(?:zero|oh|nought|one|two|three|four|five|six|seven|eight|nine|double|triple|ten|eleven|twelve|thirteen|fourteen"
    "|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
)
_KEYS = re.compile(r"(?<=\[DTMF: )[^\]*][^\]]*(?=\])")
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


def secret_ranges(text: str, *, cards: bool = True) -> list[tuple[int, int]]:
    """Where in a text they are, from and to, apart from each other."""
    found = [each.span() for pattern in (_KEYS, _SECRET) for each in pattern.finditer(text)]
    if not cards:
        return found
    others = [each.span() for each in _CARD.finditer(text) if is_card(each[0])]
    return found + [each for each in others if not any(begin < each[1] and each[0] < end for begin, end in found)]


def is_card(text: str) -> bool:
    """Whether digits in a row, written or said, begin with a card's number; its date and code may follow."""
    digits = as_digits(text)
    if len(digits) in _CARD_DIGITS and _luhn(digits):
        return True
    return any(_luhn(digits[:length]) for length in _MOSTLY if length < len(digits) and len(digits) > max(_MOSTLY))


def as_digits(text: str) -> str:
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
