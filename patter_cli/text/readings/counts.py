"""What is left of figures: ranges, ordinals, years, figures among letters, and plain numbers."""

from __future__ import annotations

import re

from patter_cli.text.readings.figures import (
    EUROPEAN,
    LONGEST_NUMBER,
    PLAIN,
    cardinal,
    digits,
    letters,
    number,
    ordinal,
    year,
)
from patter_cli.text.readings.rule import Match, Rule, rule
from patter_cli.text.readings.spelling import looks_like_word
from patter_cli.text.readings.years import YEAR

_SCALES = {"k": "thousand", "m": "million", "b": "billion", "t": "trillion"}
_MANY = r"(?= (?:people|users|customers|calories|steps|dollars|euros|pounds|miles|points|pages|words|times|units)\b)"


def _counted(match: Match) -> str:
    figures = match[1].replace(",", "")
    return ordinal(int(figures)) if len(figures) <= LONGEST_NUMBER else digits(figures)


def _scaled(match: Match) -> str:
    """15K followers, 1.2M views, 2.1bn."""
    return f"{number(match[1])} {_SCALES[match[2][0].lower()]}"


def _mixed(match: Match) -> str:
    """A1234, B12, 4K: letters by name, two digits as a number, more of them one by one."""
    said = []
    for part in re.findall(r"[A-Za-z]+|\d+", match[0]):
        if part.isdigit():
            said.append(number(part) if len(part) < 3 else digits(part))
        else:
            said.append(letters(part) if len(part) < 3 or part.isupper() or not looks_like_word(part) else part)
    return " ".join(said)


RULES: tuple[Rule, ...] = (
    rule(r"(?<![\w.,-])\d{1,2}(?:-\d{1,2}){2,}(?![\w-])", lambda m: m[0].replace("-", ", "), "-"),
    rule(r"(?<![\w.,-])(\d+)-\1(?![\w-]|[.,]\d)", r"\1 \1", "-"),
    rule(r"(?<=\d)\s?-\s?(?=\d+(?:[.,]\d+)?(?:st|nd|rd|th)?\b(?!-))", " to ", "-"),
    rule(r"(?<=\d)(st|nd|rd|th)\s?-\s?(?=\d+(?:st|nd|rd|th)\b)", r"\1 to ", "-"),
    rule(r"\b([A-Z])(\d{1,3})-(?=\1\d)", r"\1\2 to ", "-"),
    rule(r"(?<=[A-Za-z])-(?=\d)|(?<=\d)-(?=[A-Za-z])", " ", "-"),
    rule(r"(?<![\w.,])([\d,]*\d)(?:st|nd|rd|th)\b", _counted, flags=re.I),
    rule(rf"(?<![\w.,])({PLAIN})\s?((?i:bn|mn|tn))\b", _scaled, "n", "N"),
    rule(r"(?<![\w.,])(\d+\.\d+|[\d,]{2,})\s?([MB])\b", _scaled, "M", "B"),
    rule(rf"(?<![\w.,])({PLAIN})([KkMB])(?= (?:[a-z]+ )?[a-z]+s\b)", _scaled, "K", "k", "M", "B"),
    rule(rf"(?<![\w.,])({YEAR}){_MANY}", lambda m: cardinal(int(m[1]))),
    rule(rf"(?<![\w.,])({YEAR})(?![\w%]|[.,]\d)", lambda m: year(int(m[1]))),
    rule(r"\b[vV](?:er\.|ersion)? ?(?=\d+\.\d)|\bv(?=\d)", "version ", "v", "V"),
    rule(rf"(?<![\w.,]){EUROPEAN}(?![\w]|[.,]\d)", lambda m: number(m[0]), "."),
    rule(r"\b\d+(?:\.\d+){2,}", lambda m: " point ".join(number(each) for each in m[0].split("."))),
    rule(r"(?<![\w.,])\d+\.\d+(?=[A-Za-z])", lambda m: f"{number(m[0])} ", "."),
    rule(r"\b(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z\d]+\b", _mixed),
    rule(r"(?<!\d)\.(\d+)", lambda m: f" point {digits(m[1])}", "."),
    rule(PLAIN, lambda m: f" {number(m[0])} "),
)
