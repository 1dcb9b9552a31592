"""Dates in each order people write them; which of two numbers is the month depends on the speaker's language."""

from __future__ import annotations

import re
from functools import cache

from patter_cli.text.readings.figures import ordinal, year
from patter_cli.text.readings.rule import Match, Rule, Spoken, rule
from patter_cli.text.readings.sentences import STOP

MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()

MONTH_FIRST = ("en", "en-us", "en-ca", "en-ph")
"""Where 3/4 is in March. Elsewhere it is in April, also in English."""

_MONTH = (
    r"(Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
_SHORT_MONTH = r"(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b"
_DAY = r"(0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s+((?:1[1-9]|20)\d\d)\b(?![:.,]?\d))?"
_WEEKDAY = r"(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\b"
_WEEKDAY_WHOLE = r"((?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\b"
_OF_A_DAY = r"on|by|until|till|before|after|since|from|through|due|dated?|expires"


_BARE = {
    True: r"(0?[1-9]|1[0-2])/(1[3-57-9]|2[1-9]|3[01])",
    False: r"(1[3-57-9]|2[1-9]|3[01])/(0?[1-9]|1[0-2])(?<!24/7)",
}
"""Two numbers that are a day and a month of themselves, for no cook or carpenter has such a fraction."""


def is_month_first(language: str) -> bool:
    """Whether 3/4/2026 is in March. language: BCP-47."""
    return language.lower().replace("_", "-") in MONTH_FIRST


@cache
def rules(month_first: bool) -> tuple[Rule, ...]:
    """The table for one order of month and day in figures."""
    numeric, short = _numeric(month_first), _short_numeric(month_first)
    return (
        rule(r"(?<![\w-])(\d{4})([-/.])(\d\d?)\2(\d\d?)(?:(T)(?=\d\d:)|(?![\w-]|/\d|\.\d))", _iso, "-", "/", "."),
        rule(r"(?<![\w/.-])(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?![\w-]|[/.]\d)", numeric, "-", "/", "."),
        rule(r"(?<![\w/.-])(\d{1,2})(/)(\d{1,2})\2(\d\d)(?![\w-]|[/.]\d)", numeric, "/"),
        rule(r"(?<![\w/.-])(\d\d)(-)(\d\d)\2(\d\d)(?![\w-]|[/.]\d)", numeric, "-"),
        rule(rf"\b({_OF_A_DAY})(\s)(\d{{1,2}})/(\d{{1,2}})(?![\w/]|\.\d)", short, "/", flags=re.I),
        rule(rf"\b{_WEEKDAY_WHOLE}\.?()(?:,?\s+)(\d{{1,2}})/(\d{{1,2}})(?![\w/]|\.\d)", short, "/"),
        rule(rf"(?<![\w./]){_BARE[month_first]}(?![\w/]|[.,]\d)", _bare(month_first), "/"),
        *_WRITTEN,
    )


def _date(month: str, day: str, year_digits: str | None = None) -> str:
    return f"{month} {ordinal(int(day))}" + (f", {year(int(year_digits))}" if year_digits else "")


def _month(written: str) -> str:
    return next(name for name in MONTHS if name.startswith(written[:3].title()))


def _weekday(written: str) -> str:
    return next(name for name in DAYS if name.startswith(written[:3].title()))


def _numbered(first: int, second: int, year_digits: str | None, month_first: bool) -> str:
    """The date of two numbers in the given order, in the other where only that gives a date; "" if none does."""
    if max(first, second) > 31 or min(first, second) < 1 or min(first, second) > 12:
        return ""
    month, day = (first, second) if month_first else (second, first)
    if month > 12:
        month, day = day, month
    return _date(MONTHS[month - 1], str(day), year_digits)


def _iso(match: Match) -> str:
    month, day = int(match[3]), int(match[4])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    return _date(MONTHS[month - 1], match[4], match[1]) + (" at " if match[5] else "")


def _numeric(month_first: bool) -> Spoken:
    def spoken(match: Match) -> str:
        years = match[4]
        if len(years) == 2:
            years = f"{'20' if int(years) < 50 else '19'}{years}"
        return _numbered(int(match[1]), int(match[3]), years, month_first) or match[0]

    return spoken


def _short_numeric(month_first: bool) -> Spoken:
    """on 12/25; Sunday 6/15."""

    def spoken(match: Match) -> str:
        said = _numbered(int(match[3]), int(match[4]), None, month_first)
        before = match[1] if match[2] else f"{_weekday(match[1])},"
        return f"{before} {said}" if said else match[0]

    return spoken


def _bare(month_first: bool) -> Spoken:
    return lambda match: _numbered(int(match[1]), int(match[2]), None, month_first) or match[0]


def _month_day(match: Match) -> str:
    return _date(_month(match[1]), match[2], match[3])


def _month_days(match: Match) -> str:
    """May 5-7, 2026 -> "May fifth to seventh, ..."."""
    years = f", {year(int(match[4]))}" if match[4] else ""
    return f"{_month(match[1])} {ordinal(int(match[2]))} to {ordinal(int(match[3]))}{years}"


def _day_month(match: Match) -> str:
    the = match[1] or ("" if " of " in match[0] else "the ")
    years = f", {year(int(match[4]))}" if match[4] else ""
    return f"{the}{ordinal(int(match[2]))} of {_month(match[3])}{years}"


def _days_month(match: Match) -> str:
    """5-7 May."""
    years = f", {year(int(match[5]))}" if match[5] else ""
    return f"{match[1] or 'the '}{ordinal(int(match[2]))} to {ordinal(int(match[3]))} of {_month(match[4])}{years}"


def _day_and_stop(match: Match) -> str:
    return _weekday(match[1]) + (match["stop"] or "")


def _month_and_stop(match: Match) -> str:
    return _month(match[1]) + (match["stop"] or "")


_NEEDS_MONTH = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NEEDS_DAY = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WRITTEN: tuple[Rule, ...] = (
    rule(rf"\b({_MONTH}\s+{_DAY})\s?-\s?(?={_MONTH})", lambda m: f"{m[1]} to ", *_NEEDS_MONTH),
    rule(
        rf"\b{_MONTH}\s+{_DAY}\s?-\s?{_DAY}(?![\w:-]|[.,]\d){_YEAR}",
        _month_days,
        *_NEEDS_MONTH,
    ),
    rule(rf"\b{_MONTH}\s+{_DAY}(?![\w:]|[.,]\d){_YEAR}", _month_day, *_NEEDS_MONTH),
    rule(rf"\b([Tt]he\s+)?{_DAY}\s?-\s?{_DAY}\s+(?:of\s+)?{_MONTH}{_YEAR}", _days_month, *_NEEDS_MONTH),
    rule(
        rf"(?<![\w./-])([Tt]he\s+)?{_DAY}-{_SHORT_MONTH}-((?:1[1-9]|20)\d\d)\b",
        _day_month,
        *_NEEDS_MONTH,
    ),
    rule(rf"(?<![\w./-])([Tt]he\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}{_YEAR}", _day_month, *_NEEDS_MONTH),
    rule(
        rf"\b{_MONTH},?\s+(1[1-9]\d\d|20\d\d)\b(?![:%]|[.,]\d)",
        lambda m: f"{_month(m[1])} {year(int(m[2]))}",
        *_NEEDS_MONTH,
    ),
    rule(
        rf"\b{_SHORT_MONTH}\.?\s?-\s?{_MONTH}",
        lambda m: f"{_month(m[1])} to {_month(m[2])}",
        *_NEEDS_MONTH,
    ),
    rule(rf"\b(Feb|Apr|Jul|Aug|Sept?|Oct|Nov|Dec)\b{STOP}", _month_and_stop, *_NEEDS_MONTH),
    # Jan, Mar and Jun are also people.
    rule(rf"(?<=\b(?i:in|of|by|to) )(Jan|Mar|Jun)\b{STOP}", _month_and_stop, *_NEEDS_MONTH),
    rule(rf"(?<=\b(?i:last|next|this) )(Jan|Mar|Jun)\b{STOP}", _month_and_stop, *_NEEDS_MONTH),
    rule(rf"(?<=\b(?i:since|until|every) )(Jan|Mar|Jun)\b{STOP}", _month_and_stop, *_NEEDS_MONTH),
    # Days of the week: a row of them, from one to another, and each alone.
    rule(
        rf"\b{_WEEKDAY}\.?(?:\s?[-/]\s?{_WEEKDAY}\.?){{2,}}",
        lambda m: ", ".join(map(_weekday, re.findall("[A-Za-z]{3,}", m[0]))),
        *_NEEDS_DAY,
    ),
    rule(rf"\b{_WEEKDAY}\.?\s?-\s?{_WEEKDAY}", lambda m: f"{_weekday(m[1])} to {_weekday(m[2])}", "-", flags=re.I),
    rule(rf"\b{_WEEKDAY}\.?\s?/\s?{_WEEKDAY}", lambda m: f"{_weekday(m[1])} or {_weekday(m[2])}", "/"),
    rule(rf"\b(Mon|Tues?|Wed|Thu(?:rs?)?|Fri)\b{STOP}", _day_and_stop, *_NEEDS_DAY),
    # Sat and Sun are words as well: the day where something says so, or a capital in the middle of a sentence does.
    rule(
        rf"\b(Sat|Sun)\b(?=\.?,?\s(?:&|and|or|-|at|from|until|morning|afternoon|evening|night|\d|{'|'.join(MONTHS)})){STOP}",
        _day_and_stop,
        "Sat",
        "Sun",
    ),
    rule(rf"(?<=[a-z&,] )(?<![Tt]he )(Sat|Sun)\b(?! [A-Z]){STOP}", _day_and_stop, "Sat", "Sun"),
    rule(r"^(Sat|Sun)\.(?P<stop>)(?=\s[a-z])", _day_and_stop, "Sat.", "Sun."),
    rule(rf"^(Sat|Sun){STOP}(?=[,:]|$)", _day_and_stop, "Sat", "Sun"),
)
