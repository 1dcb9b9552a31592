"""Measures: a number and its unit, ranges of them, so much of one for each of another, feet and inches."""

from __future__ import annotations

import re

from patter_cli.text.readings.figures import FRACTION, QUANTITY, is_one, number
from patter_cli.text.readings.rule import Match, Rule, one_of, rule

_EXACT = {
    "m": "meter", "g": "gram", "l": "liter", "L": "liter", "s": "second", "h": "hour", "W": "watt", "V": "volt",
    "MB": "megabyte", "Mb": "megabit", "GB": "gigabyte", "Gb": "gigabit", "KB": "kilobyte", "kB": "kilobyte",
    "Kb": "kilobit", "kb": "kilobit", "TB": "terabyte", "PB": "petabyte", "mW": "milliwatt", "MW": "megawatt",
    "GW": "gigawatt", "mV": "millivolt", "mA": "milliampere", "MHz": "megahertz", "mAh": "milliampere hour",
    "Mbps": "megabit per second", "Gbps": "gigabit per second", "kbps": "kilobit per second",
    "Kbps": "kilobit per second", "MB/s": "megabyte per second", "Nm": "newton meter", "nm": "nanometer",
    "kJ": "kilojoule", "Pa": "pascal", "kPa": "kilopascal", "µm": "micrometer", "µs": "microsecond",
    "Ω": "ohm", "kΩ": "kilohm", "MΩ": "megohm", "mΩ": "milliohm",
    "µl": "microliter", "Mbit": "megabit", "Gbit": "gigabit", "kbit": "kilobit",
}  # fmt: skip
"""Units whose capitals matter: a megabyte is no megabit, a gram no generation of telephones."""
_ANY_CASE = {
    "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "mi": "mile", "yd": "yard", "yds": "yard",
    "kg": "kilogram", "kgs": "kilogram", "mg": "milligram", "mcg": "microgram", "µg": "microgram",
    "lb": "pound", "lbs": "pound", "oz": "ounce", "fl oz": "fluid ounce", "ml": "milliliter", "cl": "centiliter",
    "dl": "deciliter", "gal": "gallon", "qt": "quart", "tbsp": "tablespoon", "tsp": "teaspoon",
    "ft": "foot", "in.": "inch", "hr": "hour", "hrs": "hour", "min": "minute", "mins": "minute", "sec": "second",
    "secs": "second", "ms": "millisecond", "yr": "year", "yrs": "year", "mo": "month", "mos": "month",
    "wk": "week", "wks": "week", "kw": "kilowatt", "kwh": "kilowatt hour", "hz": "hertz", "khz": "kilohertz",
    "mhz": "megahertz", "ghz": "gigahertz", "db": "decibel", "px": "pixel", "kcal": "kilocalorie",
    "cal": "calorie", "ha": "hectare", "mph": "mile per hour", "kph": "kilometer per hour",
    "kmh": "kilometer per hour", "mpg": "mile per gallon", "bpm": "beat per minute",
    "rpm": "revolution per minute", "fps": "frame per second", "dpi": "dot per inch", "ppm": "part per million",
    "psi": "pound per square inch", "°c": "degree Celsius", "°f": "degree Fahrenheit", "°k": "degree Kelvin",
    "° c": "degree Celsius", "° f": "degree Fahrenheit", "°": "degree", "mbps": "megabit per second",
    "tb": "terabyte", "gb": "gigabyte", "mb": "megabyte",
}  # fmt: skip
_AREAS = {"m": "meter", "cm": "centimeter", "mm": "millimeter", "km": "kilometer", "ft": "foot", "in": "inch"}
_AREAS |= {"mi": "mile", "yd": "yard"}
_PLURALS = {"foot": "feet", "inch": "inches", "hertz": "hertz", "kilohertz": "kilohertz", "megahertz": "megahertz"}
_PLURALS |= {"gigahertz": "gigahertz", "percent": "percent"}
_RATES = {"mo": "month", "hr": "hour", "h": "hour", "yr": "year", "y": "year", "wk": "week", "d": "day", "w": "week"}
_RATES |= {"min": "minute", "sec": "second", "s": "second", "lb": "pound", "sqft": "square foot"}

UNIT = rf"(?:(?i:{one_of(_ANY_CASE)})|{one_of(_EXACT)})"
_AREA = rf"(?:(?P<sq>(?i:sq|square|cu)\.?\s)(?P<of>{one_of(_AREAS)})\b\.?|(?P<base>{one_of(_AREAS)})\^?(?P<power>[23]))"
_END = r"(?![A-Za-z\d'^])(?:\.(?=\s+[a-z\d]|,))?"
_AMOUNT = rf"(?<![\w.,])(?<!\d/)(?P<low>{FRACTION}|{QUANTITY})"
_RANGE = rf"(?:\s?(?:{UNIT}|%)?\s?-\s?(?P<high>{FRACTION}|{QUANTITY}))?"
_PER = r"(?:\s?/\s?(?P<rate>[A-Za-z]+)\b(?!/))?"
_NOUN = re.compile(
    r" (?!(?:and|or|to|but|if|when|is|are|was|in|at|on|from|with|of|long|wide|high|tall|per|a|an)\b)[a-z]"
)
_ANY_NOUN = re.compile(" [A-Za-z]")
_QUOTED = re.compile(r"(?<!\w)'\w[^']*$")
_BEFORE_NOUN = re.compile(r"(?i)(?<!\w)an? (?:minus )?$")


TIMES_OF = r"month|mo|hour|hr|h|day|d|week|wk|year|yr|minute|min|second|sec|s|night|person|unit|user|visit|call|item"
"""What something happens so often in, or costs so much for."""


def per(unit: str) -> str:
    """mo -> "per month"; a unit's short form by its name, any other word as it is."""
    return f"per {_RATES.get(unit) or _name(unit) or unit}"


def _name(unit: str) -> str:
    return _EXACT.get(unit) or _ANY_CASE.get(unit) or _ANY_CASE.get(unit.lower(), "")


def _plural(name: str) -> str:
    first, _, rest = name.partition(" ")
    if rest and first in ("square", "cubic", "fluid", "kilowatt", "newton", "milliampere"):
        return f"{first} {_plural(rest)}"
    return _PLURALS.get(first, f"{first}s") + (f" {rest}" if rest else "")


def _measured(match: Match, name: str) -> str:
    """So many of a unit; in the singular for one, and where it stands before its noun: a 10 km run."""
    low, high = match["low"], match["high"]
    adjective = "-" in match[0][len(low) :] and high is None
    unit = name if adjective or _is_adjective(match) or (high is None and is_one(low)) else _plural(name)
    rate = f" {per(match['rate'])}" if match["rate"] else ""
    return f"{number(low)}{f' to {number(high)}' if high else ''} {unit}{rate}"


def _is_adjective(match: Match) -> bool:
    """Whether it stands between an article and a noun: a 6' fence."""
    before = match.string[max(0, match.start() - 10) : match.start()]
    return bool(_BEFORE_NOUN.search(before) and _NOUN.match(match.string, match.end()))


def _measure(match: Match) -> str:
    name = _name(match["unit"])
    return _measured(match, name) if name else match[0]


def _area(match: Match) -> str:
    kind = "cubic" if (match["sq"] or "").lower().startswith("cu") or match["power"] == "3" else "square"
    return _measured(match, f"{kind} {_AREAS[match['of'] or match['base']]}")


def _feet(match: Match) -> str:
    """5'10" -> "five foot ten"; 6' -> "six feet"."""
    feet, inches = match[1], match[2]
    if not inches and _QUOTED.search(match.string, 0, match.start()):
        return match[0]
    if inches:
        return f"{number(feet)} foot {number(inches)}"
    singular = feet == "1" or _is_adjective(match)
    return f"{number(feet)} {'foot' if singular else 'feet'}"


def _feet_and_inches(match: Match) -> str:
    """5 ft 10 in."""
    feet, inches = ("foot" if match[1] == "1" else "feet"), ("inch" if match[2] == "1" else "inches")
    return f"{number(match[1])} {feet} {number(match[2])} {inches}"


def _inches(match: Match) -> str:
    """Unless it closes a quotation, that is what the sign behind a figure means."""
    if match.string.count('"', 0, match.start()) % 2:
        return match[0]
    thing = _ANY_NOUN.match(match.string, match.end())
    return f"{number(match[1])} {'inch' if thing or is_one(match[1]) else 'inches'}"


RULES: tuple[Rule, ...] = (
    rule(r"(?<![\w.,'])(\d{1,2})'(?:\s?(\d{1,2}(?:\.\d)?)(?:\"|''))?(?!\w)", _feet, "'"),
    rule(
        r"(?<![\w.,])([2-6])g(?= (?:network|signal|coverage|connection|phone|service|speed|data|internet|plan)s?\b)",
        r"\1 G",
        "g",
    ),
    rule(r"(?<![\w.,])(\d+) ?(?:ft|feet|foot)\.? (\d+) ?(?:in\b\.?|inch(?:es)?\b)", _feet_and_inches, "f"),
    rule(r"\bdegrees? ([CF])\b", lambda m: f"degrees {'Celsius' if m[1] == 'C' else 'Fahrenheit'}", "degree"),
    rule(rf"(?<![\w.,])({FRACTION}|{QUANTITY})\"(?!\w)", _inches, '"'),
    rule(rf"{_AMOUNT}{_RANGE}\s?%(?!\w){_PER}", lambda m: _measured(m, "percent"), "%"),
    rule(rf"{_AMOUNT}{_RANGE}[\s-]?{_AREA}{_END}{_PER}", _area, "2", "3", "^", "sq", "Sq", "cu"),
    rule(rf"{_AMOUNT}{_RANGE}[\s-]?(?P<unit>{UNIT}){_END}{_PER}", _measure),
)
