"""Years and decades in the forms that other rules would take for something else: 2019-23, the 1990s, in her 30s."""

from __future__ import annotations

from patter_cli.text.readings.figures import TENS, cardinal, year
from patter_cli.text.readings.rule import Match, Rule, rule

YEAR = r"(?:1[1-9]|20)\d\d"


def _decade(match: Match) -> str:
    """1990s -> "nineteen nineties"."""
    return _many(year(int(match[1]) * 10))


def _many(said: str) -> str:
    return f"{said[:-1]}ies" if said.endswith("y") else f"{said}s"


def _short_years(match: Match) -> str:
    """2019-23, if it goes up; a season or a school year."""
    first, last = int(match[1]), int(match[2])
    return f"{year(first)} to {cardinal(last)}" if last > first % 100 else match[0]


RULES: tuple[Rule, ...] = (
    rule(
        r"(?<![\w.,])([2-9])0'?s(?= (?:music|hits|rock|pop|songs|movies|style|fashion|party|disco|classics)\b)",
        lambda m: _many(TENS[int(m[1])]),
        "0s",
        "0's",
    ),
    rule(rf"(?<![\w-])({YEAR})\s?-\s?({YEAR})\b(?!-)", lambda m: f"{year(int(m[1]))} to {year(int(m[2]))}", "-"),
    rule(r"(?<![\w.,-])((?:19|20)\d\d)-(\d\d)(?![\w-])", _short_years, "-"),
    rule(r"\b((?:1[1-9]|20)\d)0'?s\b", _decade, "0s", "0's"),
    rule(
        r"(\b(?:[Tt]he|her|his|our|my|their|your|late|early|mid) |\bmid-|(?<!\w)')([2-9])0'?s\b",
        lambda m: m[1].replace("'", "") + _many(TENS[int(m[2])]),
        "0s",
        "0's",
    ),
)
