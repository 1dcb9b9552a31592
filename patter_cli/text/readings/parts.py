"""Two numbers in one: fractions, ratios, scores, sizes; and so many for each."""

from __future__ import annotations

from patter_cli.text.readings.figures import FRACTION, PLAIN, cardinal, number, part
from patter_cli.text.readings.measures import TIMES_OF, UNIT, per
from patter_cli.text.readings.rule import Match, Rule, rule


def _fraction(match: Match) -> str:
    return part(int(match[1]), int(match[2]))


def _out_of(match: Match) -> str:
    return f"{number(match[1])} out of {number(match[2])}"


def _power(match: Match) -> str:
    """x^2 -> "x squared"; 10^6 -> "ten to the power of six"."""
    named = {"2": " squared", "3": " cubed"}.get(match[1])
    return named or f" to the power of {cardinal(int(match[1]))}"


def _scientific(match: Match) -> str:
    return f"{number(match[1])} times ten to the power of {cardinal(int(match[2]))}"


SIZES: tuple[Rule, ...] = (
    rule(rf"(?<=\d)\s?[xX×]\s?(?=\d[\d.]*\s?(?:[xX×]|{UNIT}(?![A-Za-z])))", " by ", "x", "X", "×"),
    rule(rf"(\d\s?{UNIT})\s?[xX×]\s?(?=\d)", r"\1 by ", "x", "X", "×"),
    rule(r"(?<=\d)(?<!\b0)[xX](?=\d)", " by ", "x", "X"),
    rule(r"(?<=\d)(?<!\b0)\s?[x×]\s?(?=\d)", " times ", "x", "×"),
    rule(rf"(?<![\w.,])({PLAIN})x(?!\w)", lambda m: f"{number(m[1])} times", "x"),
)
"""4x4, 8 x 10 in, two times four: before a measure takes its second number."""
RULES: tuple[Rule, ...] = (
    rule(r"(?<![\w.,])(\d+(?:\.\d+)?)(?:e(?=\d)|[eE](?=[+-]\d)|(?<=\.\d)E)([+-]?\d+)\b", _scientific, "e", "E"),
    rule(r"(?<=\w)\^(-?\d+)\b", _power, "^"),
    rule(rf"(?<![\w.,])({PLAIN} [a-z]+)\s?/\s?({TIMES_OF})\b", lambda m: f"{m[1]} {per(m[2])}", "/"),
    rule(r"(?<![\w./])(\d+(?:\.\d+)?)/(\d+)(?= stars?\b)", _out_of, "/"),
    rule(r"(?<![\w./])(\d+\.\d+)/(\d+)(?![\w/]|[.,]\d)", _out_of, "/"),
    rule(
        rf"(?<![\w./,])({FRACTION})(?![\w/]|[.,]\d)",
        lambda m: number(m[1]) if " " in m[1] or "-" in m[1] else m[0],
        "/",
    ),
    rule(r"(?<![\w./])(\d{1,3})/(\d{1,4})(?![\w/]|[.,]\d)", _fraction, "/"),
    rule(r"(?<![\w.:])(\d+(?:\.\d+)?):(\d+)(?![\w:]|\.\d)", lambda m: f"{number(m[1])} to {number(m[2])}", ":"),
)
