"""Times of day, spans of time, and how long something takes."""

from __future__ import annotations

import re

from patter_cli.text.readings.figures import cardinal, letters
from patter_cli.text.readings.rule import Match, Rule, rule

_HOUR = r"(?<![\d.:])(?P<hour>[01]?\d|2[0-4])"
_MINUTE = r"(?P<minute>[0-5]\d)(?::(?P<seconds>[0-5]\d))?"
_CLOCK = r"(?:[01]?\d|2[0-3])[:.h][0-5]\d(?::[0-5]\d)?"
_ZONE = r"(?:[ECMP][SD]?T|AK[SD]T|HST|GMT|UTC|BST|CES?T|EES?T|IST|JST|AE[SD]T|NZ[SD]T)"
_GOES_ON = (
    r"(?:(?:Eastern|Central|Mountain|Pacific|Atlantic|Alaska|Hawaii|Greenwich|British|European|Australian|Indian|Japan|"
    r"Zulu)\b|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b)"
)
"""Words with a capital that do not begin a sentence behind a.m.: whose time it is, and on which day."""
_HALF = rf"\s?(?P<half>[ap])(?:\.\s?m\b(?:\.(?=\s+(?-i:[a-z0-9(]|{_ZONE}\b|{_GOES_ON})|[,;:?!)]))?|m\b)"
_SPAN = {"d": "day", "h": "hour", "m": "minute", "s": "second"}
_NO_RATIO = r"(?!\s?(?:ratio|odds|scale|aspect|mix|split))"


def _half(letter: str) -> str:
    return f" {letter.upper()} M" if letter else ""


def _clock(match: Match) -> str:
    """17:30 -> "five thirty P M"; 9:00 -> "nine o'clock"; 9:05 am -> "nine oh five A M"; 00:00 -> "midnight"."""
    written, minute, half = match["hour"], int(match["minute"]), match["half"]
    hour = int(written)
    seconds = int(match["seconds"] or 0)
    rest = f" and {cardinal(seconds)} second{'' if seconds == 1 else 's'}" if match["seconds"] else ""
    if hour % 24 == 0 and not half and len(written) == 2:
        if not minute:
            return f"midnight{rest}"
        half = "a"
    if hour > 12 and not half:
        half = "p"
    said = cardinal(hour % 12 or 12)
    if minute:
        said += f" {'oh ' if minute < 10 else ''}{cardinal(minute)}"
    elif not half:
        said += " o'clock"
    return said + _half(half) + rest


def _span(match: Match) -> str:
    """3h 20m -> "three hours twenty minutes"."""
    said = []
    for figures, unit in re.findall(r"(\d+)\s?([a-z]+)", match[0].lower()):
        said.append(f"{cardinal(int(figures))} {_SPAN[unit[0]]}{'' if int(figures) == 1 else 's'}")
    return " ".join(said)


def _hours(match: Match) -> str:
    """1h30 -> "one hour thirty"."""
    hours = int(match[1])
    return f"{cardinal(hours)} hour{'' if hours == 1 else 's'} {cardinal(int(match[2]))}"


RULES: tuple[Rule, ...] = (
    rule(r"\b24/7\b", "twenty-four seven", "/"),
    rule(r"(?<![\w/.])9/11\b(?![/.]\d)", "nine eleven", "/"),
    rule(
        r"(?<![\w.:])\d+\s?(?:d|hrs?|h|mins?|m|secs?|s)(?:\s?\d+\s?(?:hrs?|h|mins?|m|secs?|s))+\b",
        _span,
        "h",
        "m",
        "s",
        flags=re.I,
    ),
    rule(r"(?<![\w.:])(\d{1,2})h([0-5]\d)\b(?!\s?[ap]\.?m\b)", _hours, "h"),
    rule(rf"(?<=[\dmM.])\s?-\s?(?={_CLOCK}|1?\d\s?[ap]\.?m\b)", " to ", ":", "m", "M", flags=re.I),
    rule(r"(?i)(?<=:\d\d)\s?-\s?(?=\d)|(?<=\d[ap]m)\s?-\s?(?=\d)|(?<=\d [ap]m)\s?-\s?(?=\d)", " to ", "-"),
    rule(rf"{_HOUR}[:.h]{_MINUTE}{_HALF}", _clock, ":", ".", "h", flags=re.I),
    rule(rf"{_HOUR}:{_MINUTE}(?P<half>)(?![\d:]|\.\d){_NO_RATIO}", _clock, ":"),
    rule(rf"(?<![\d.:])(1?\d){_HALF}", lambda m: cardinal(int(m[1])) + _half(m[2]), "m", "M", flags=re.I),
    rule(r"(?<=\d)\s?([ap])\.?m\b\.?", lambda m: _half(m[1]), "m", "M", flags=re.I),
    rule(rf"(?<= M )\(?({_ZONE})\b\)?", lambda m: letters(m[1]), " M "),
)
