"""Figures as words: whole numbers, ordinals, years, digits one by one, decimals in either continent's writing."""

from __future__ import annotations

import re

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
SCALES = (("trillion", 10**12), ("billion", 10**9), ("million", 10**6), ("thousand", 1000), ("hundred", 100))
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth"} | {
    "nine": "ninth",
    "twelve": "twelfth",
}

LONGEST_NUMBER = 15
"""Digits; anything longer is nobody's amount and is read digit by digit."""

_GROUPED = r"\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)(?:\.\d+)?"
EUROPEAN = r"(?:\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}(?![\d.]))"
PLAIN = rf"(?:{_GROUPED}|{EUROPEAN}|\d+(?:\.\d+)?)"
"""A number: 1,204.5 or 1.204,5 or 1204.5. Groups of three with one stop are a decimal; with two they are not."""
QUANTITY = rf"(?:{_GROUPED}|{EUROPEAN}|\d+,\d{{1,2}}(?![\d,])|\d+(?:\.\d+)?|\.\d+)"
"""A number of something: 3,5 and .5 as well, which without a unit would be a list and the end of a sentence."""
FRACTION = r"(?:\d+[ -])?\d{1,3}/\d{1,4}"
"""1/2, 1 1/2 or 1-1/2."""

_ENGLISH = re.compile(rf"{_GROUPED}|\d*\.?\d*")


def cardinal(number: int) -> str:
    """1204 -> "one thousand two hundred four"; below zero with "minus"; past the trillions digit by digit."""
    if number < 0:
        return f"minus {cardinal(-number)}"
    if number < 20:
        return UNITS[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return TENS[tens] + (f"-{UNITS[rest]}" if rest else "")
    if number >= 10**LONGEST_NUMBER:
        return digits(str(number))
    name, size = next((name, size) for name, size in SCALES if number >= size)
    head, rest = divmod(number, size)
    return f"{cardinal(head)} {name}" + (f" {cardinal(rest)}" if rest else "")


def ordinal(number: int) -> str:
    """21 -> "twenty-first"."""
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    if last in _ORDINALS:
        return words[:cut] + _ORDINALS[last]
    return words[:cut] + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def digits(text: str) -> str:
    """Each digit's name, whatever else is in the text left out: "(555) 01" -> "five five five zero one"."""
    return " ".join(UNITS[int(c)] for c in text if c in "0123456789")


def year(number: int) -> str:
    """1984 -> "nineteen eighty-four", 1905 -> "nineteen oh five", 2006 -> "two thousand six"."""
    century, rest = divmod(number, 100)
    if not 1100 <= number <= 2099 or (century % 10 == 0 and rest < 10):
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def in_pairs(figures: str) -> str:
    """A number on a door: "204" -> "two oh four", "1201" -> "twelve oh one", "200" -> "two hundred"."""
    number = int(figures)
    if figures[0] == "0" or len(figures) > 4:
        return digits(figures)
    if number < 100 or number % 1000 == 0:
        return cardinal(number)
    head, rest = divmod(number, 100)
    if rest == 0:
        return f"{cardinal(head)} hundred"
    return f"{cardinal(head)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def letters(text: str) -> str:
    """The letters of an initialism as capitals standing alone: "faq" -> "F A Q"."""
    return " ".join(c.upper() for c in text if c.isalpha())


def split_number(written: str) -> tuple[str, str]:
    """The digits before and behind the decimal sign: "1.234,50" -> ("1234", "50")."""
    if _ENGLISH.fullmatch(written):
        whole, _, fraction = written.replace(",", "").partition(".")
    else:
        whole, _, fraction = written.replace(".", "").partition(",")
    return whole, fraction


def number(written: str) -> str:
    """The words of a PLAIN, QUANTITY or FRACTION; leading zeros and endless figures digit by digit."""
    if "/" in written:
        return _mixed_fraction(written)
    whole, fraction = split_number(written)
    if not whole:
        return f"point {digits(fraction)}"
    by_digit = len(whole) > LONGEST_NUMBER or (len(whole) > 1 and whole[0] == "0")
    return (digits(whole) if by_digit else cardinal(int(whole))) + (f" point {digits(fraction)}" if fraction else "")


def is_one(written: str) -> bool:
    """Whether what it counts stands in the singular: "1", and parts of one as in "3/4 mile"."""
    return written == "1" or ("/" in written and not re.search("[ -]", written))


def part(numerator: int, denominator: int) -> str:
    """3, 4 -> "three quarters"; 50, 50 -> "fifty fifty"; 5, 5 -> "five out of five"; 120, 80 -> "... over eighty"."""
    if numerator == denominator and numerator >= 20:
        return f"{cardinal(numerator)} {cardinal(denominator)}"
    if numerator == denominator and numerator > 2:
        return f"{cardinal(numerator)} out of {cardinal(denominator)}"
    if not 0 < numerator < denominator or denominator == 0:
        return f"{cardinal(numerator)} over {cardinal(denominator)}"
    if denominator > 100 and denominator not in (1000, 10_000):
        return f"{cardinal(numerator)} slash {cardinal(denominator)}"
    if denominator == 2:
        return "one half"
    name = "quarter" if denominator == 4 else ordinal(denominator)
    return f"{cardinal(numerator)} {name}{'' if numerator == 1 else 's'}"


def _mixed_fraction(written: str) -> str:
    whole, _, fraction = written.replace("-", " ").rpartition(" ")
    numerator, denominator = map(int, fraction.split("/"))
    said = part(numerator, denominator)
    if not whole:
        return said
    if 0 < numerator < denominator:
        article = "an " if said.startswith(("one eigh", "one eleven")) else "a "
        return f"{cardinal(int(whole))} and {said.replace('one ', article, 1)}"
    return f"{cardinal(int(whole))} {said}"
