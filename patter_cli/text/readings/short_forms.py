"""Short forms of words: Dr., St., e.g., appt., w/o."""

from __future__ import annotations

import re

from patter_cli.text.readings.rule import Match, Rule, rule
from patter_cli.text.readings.sentences import STARTER

_SHORT = {
    "jr": "Junior", "sr": "Senior", "ave": "Avenue", "blvd": "Boulevard", "rd": "Road", "ln": "Lane", "hwy": "Highway",
    "apt": "Apartment", "ste": "Suite", "dept": "Department", "ext": "extension", "vs": "versus", "etc": "et cetera",
    "approx": "approximately", "inc": "Incorporated", "ltd": "Limited", "corp": "Corporation", "tel": "telephone",
    "appt": "appointment", "est": "established", "hrs": "hours", "mins": "minutes", "govt": "government",
    "bros": "Brothers", "univ": "University", "assn": "Association", "bldg": "Building", "pkwy": "Parkway",
    "misc": "miscellaneous", "avg": "average", "incl": "including", "excl": "excluding", "tbsp": "tablespoon",
    "tsp": "teaspoon", "max": "maximum", "min": "minimum",
}  # fmt: skip
_NAMES = ("Max", "Min")
"""Who is not short for anything."""
_TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Prof": "Professor", "Rev": "Reverend", "Gen": "General",
    "Capt": "Captain", "Sgt": "Sergeant", "Lt": "Lieutenant", "Gov": "Governor", "Sen": "Senator",
    "Rep": "Representative", "Col": "Colonel", "Cmdr": "Commander", "Maj": "Major",
}  # fmt: skip
"""What stands before a name; anywhere else it may be a word: a sales rep, the next gen."""
_PARTS = {"p": "page", "pp": "pages", "vol": "volume", "ch": "chapter", "fig": "figure", "sec": "section"}
_PARTS |= {"para": "paragraph", "ver": "version", "ca": "circa", "c": "circa"}


def _saint_or_street(match: Match) -> str:
    """After a name it is a street, unless another name follows."""
    if match[3] and not re.fullmatch(STARTER, match[3]):
        return f"{match[1]} Saint"
    return f"{match[1]} Street" + ("." if match[3] else "")


def _short(match: Match) -> str:
    return match[0] if match[1] in _NAMES else _SHORT.get(match[1].lower(), match[0])


def _title(match: Match) -> str:
    return _TITLES[match[1]]


IN_FRONT: tuple[Rule, ...] = (
    rule(
        r"(?<![\w.])(pp?|ca?|(?i:vol|ch|fig|sec|para|ver))\.\s?(?=\d)",
        lambda m: f"{_PARTS[m[1].lower()]} ",
        ".",
    ),
)
"""Short forms that are only that before a figure."""

RULES: tuple[Rule, ...] = (
    rule(r"\b[Dd]r\.(?=\s+[A-Z])|\bDr(?=\s+[A-Z])", "Doctor", "r"),
    rule(r"(?<=[a-z]\s)Dr\b\.?", "Drive", "Dr"),
    rule(r"\b([A-Z][a-z]+(?:'s)?|[a-z]+(?:st|nd|rd|th)) St\b(\.?)(?=\s+([A-Z][a-z]*)|)", _saint_or_street, "St"),
    rule(r"\bSt\b\.?(?=\s+[A-Z])", "Saint", "St"),
    rule(r"\bMt\b\.?(?=\s+[A-Z])", "Mount", "Mt"),
    rule(r"\bFt\b\.?(?=\s+[A-Z])", "Fort", "Ft"),
    rule(r"\b[Ee]\.\s?g\.,?", "for example,", ".g.", ". g."),
    rule(r"\b[Ii]\.\s?e\.,?", "that is,", ".e.", ". e."),
    rule(r"\bPh\.\s?D\b\.?", "P H D", "Ph."),
    rule(r"\bw/o\b", "without", "w/o"),
    rule(r"\bc/o\b", "care of", "c/o"),
    rule(r"\bw/(?=\s|\w)\s?", "with ", "w/"),
    rule(r"\b[Nn]/[Aa]\b", "not applicable", "/"),
    rule(r"\b([A-Za-z]{2,7})\.(?=\s*[a-z,;)]|\s*$)", _short, "."),
    rule(rf"\b({'|'.join(_TITLES)})\b\.?(?=\s+(?:(?:and|&)\s)?[A-Z])", _title),
    rule(r"(?<=[a-z]\s)Ave\b\.?", "Avenue", "Ave"),
    rule(r"\b(Blvd|Rd|Ln|Hwy|Pkwy|Jr|Sr|Apt|Ste|Dept|Inc|Ltd|Corp|Tel|Bldg|Bros|Univ|Assn)\b\.?", _short),
    rule(r"(?<=[a-z&] )Co\.", "Company", "Co."),
    rule(r"\bno\. of\b", "number of", "no. of"),
    rule(r"\b[Vv]s\b\.?", "versus", "vs", "Vs"),
)
