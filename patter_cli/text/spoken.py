"""Days, times, names and numbers as people say them on the phone and recognisers write them; and back.

For agents that understand by rules. A recogniser writes "3:30" or "three thirty", "to-morrow" or "tomorrow", and
punctuation as it pleases: `normal` brings all that to one spelling, in which the other functions look. English.
"""

from __future__ import annotations

import datetime as dt
import re


def normal(text: str) -> str:
    """What was heard, in one spelling: lower case, numbers as digits, no punctuation but in "3:30" and "o'clock"."""
    text = text.lower().replace("’", "'")
    text = re.sub(r"\b(to|good)-(day|night|morrow|by)", r"\1\2", text)
    text = re.sub(r"\b([ap])\.? ?m\b\.?", r"\1m", text)
    text = re.sub(r"(?<=\d)\.(?=\d\d(?!\d))", ":", text)
    text = re.sub(r"(?:[^\w:']|:(?!\d))+", " ", text)
    text = re.sub(r"\b(first|second|last|that|this|which|no|earlier|later|other|any) one\b", r"\1", text)
    text = re.sub(rf"\b({'|'.join(_VALUES)})\b", lambda match: str(_VALUES[match[0]]), text)
    return re.sub(r"\b([2-5])0 ([1-9])\b", r"\1\2", text).strip()


def find_time(text: str, *, expected: bool) -> dt.time | None:
    """The first time of day in normal text, or None.

    One to seven o'clock are in the afternoon unless said otherwise. A bare number ("three") counts behind "at", or
    anywhere when a time is expected; there "to thirty" is "two thirty" misheard, and "330" a time as well.
    """
    text = re.sub(r"\bquarter to (\d+)", lambda match: f"{(int(match[1]) - 2) % 12 + 1}:45", text)
    text = re.sub(r"\bhalf past (\d+)", r"\1:30", text)
    text = re.sub(r"\bquarter past (\d+)", r"\1:15", text)
    text = re.sub(r"\b(noon|midday)\b", "12 o'clock", text)
    if expected:
        text = re.sub(r"\b(to|too|for) (?=30\b|o'clock)", lambda match: "4 " if match[1] == "for" else "2 ", text)
        text = re.sub(r"\b(1?\d)([0-5]0)\b", r"\1:\2", text)
    for match in _TIME.finditer(text):
        hour, minute, suffix = int(match[1]), int(match[2] or match[3] or 0), match[4]
        told = match[2] or match[3] or suffix or text[: match.start()].endswith(("at ", "around ", "about "))
        if hour < 24 and minute < 60 and (told or expected):
            afternoon = hour < 12 and (suffix == "pm" or (suffix != "am" and 0 < hour < 8))
            midnight = hour == 12 and suffix == "am"
            return dt.time(0 if midnight else hour + 12 if afternoon else hour, minute)
    return None


def find_day(text: str, today: dt.date) -> tuple[dt.date | None, str]:
    """The first day in normal text, and the text without it; None when it names none.

    A weekday is the coming one, never today. A date without a year is the next one. "2031-05-07" works too.
    """
    if match := re.search(r"\b(20\d\d) (\d\d) (\d\d)\b", text):
        return _date(*map(int, match.groups())), _without(match)
    if match := re.search(r"\b(?:(day after tomorrow)|(tomorrow)|today|tonight|this (morning|afternoon))\b", text):
        days = 2 if match[1] else 1 if match[2] else 0
        return today + dt.timedelta(days=days), _without(match, match[3] or "")
    text = re.sub(rf"\b(?:(20|30) )?({'|'.join(_ORDINALS)})\b", _ordinal, text)
    months = "|".join(_MONTHS)
    number = r"(\d{1,2})(?:st|nd|rd|th)?"
    if match := re.search(rf"\b{number}(?: of)? (?!may i\b)({months})\b|\b({months})(?: the)? {number}\b", text):
        month, day = _MONTHS.index(match[2] or match[3]) + 1, int(match[1] or match[4])
        dates = (_date(today.year + later, month, day) for later in range(9))
        return next((date for date in dates if date and date >= today), None), _without(match)
    if match := re.search(rf"\b({'|'.join(_WEEKDAYS)})day", text):
        days = (_WEEKDAYS.index(match[1]) - today.weekday() - 1) % 7 + 1
        return today + dt.timedelta(days=days), _without(match)
    if match := re.search(r"\b(?:the|on) (\d{1,2})(?:st|nd|rd|th)\b", text):
        coming = (today + dt.timedelta(days=days) for days in range(62))
        return next((date for date in coming if date.day == int(match[1])), None), _without(match)
    return None, text


def find_name(heard: str, *, expected: bool) -> str:
    """A person's name in what a recogniser wrote (not normal text: its capitals count); "" when there is none.

    Expected is a bare name of up to three words; otherwise it takes "my name is" or "this is" before one.
    """
    told = re.search(r"(?i:\bname(?:'s| is)) (.+)", heard) or re.search(r"\b[Tt]his is ([A-Z].+)", heard)
    if told:
        name = told[1]
    elif expected:
        name = re.sub(r"(?i)^(?:(?:um+|uh|er|yes|okay|sure|oh|it's|it is|i'm|i am|under|for)\b[ ,.]*)+", "", heard)
    else:
        return ""
    words = re.split(r"[^\w'’ -]| (?:and|please)\b", name)[0].split()
    if not words or (not told and (len(words) > 3 or not _NO_NAME.isdisjoint(normal(" ".join(words)).split()))):
        return ""
    return " ".join(word.capitalize() if word.islower() else word for word in words[:3])


def find_phone_number(text: str) -> str:
    """The digits of a phone number in normal text, seven at least; "" when there is none."""
    digits = re.sub(r"\D", "", re.sub(r"\b(oh|o)\b", "0", text))
    return digits if len(digits) >= 7 else ""


def say_time(time: dt.time) -> str:
    """A time as one says it: "three o'clock", "nine thirty", "four oh five"."""
    minute = time.minute
    tens = "" if minute < 20 else _WORDS[18 + minute // 10]
    ones = _WORDS[minute % 10] if tens else f"oh {_WORDS[minute]}" if minute < 10 else _WORDS[minute]
    words = "o'clock" if not minute else tens if tens and not minute % 10 else f"{tens} {ones}".strip()
    return f"{_WORDS[(time.hour - 1) % 12 + 1]} {words}"


def say_day(day: dt.date, today: dt.date) -> str:
    """A day of the coming weeks as it stands in a sentence: "today", "on Wednesday the 5th"."""
    if day == today:
        return "today"
    ending = {1: "st", 2: "nd", 3: "rd"}.get(0 if day.day in (11, 12, 13) else day.day % 10, "th")
    return f"on {day:%A} the {day.day}{ending}"


def _without(match: re.Match[str], instead: str = "") -> str:
    return match.string[: match.start()] + instead + match.string[match.end() :]


def _ordinal(match: re.Match[str]) -> str:
    tens, ones = match.groups()
    months = "|".join(_MONTHS)
    dated = tens or re.search(rf"{ones} (of )?(the )?({months})|({months}) (the )?{ones}", match.string)
    if ones in ("first", "second") and not dated:
        return match[0]  # "the first" is more often a choice than a date
    return f"{int(tens or 0) + _ORDINALS[ones]}th"


def _date(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:  # the thirty-first of June
        return None


_NO_NAME = frozenset(
    "what how when where why who do does can could is are will would a an the i my you it to not no yes yeah that's "
    "hello help please sorry thanks thank never cancel wait appointment right correct nothing".split()
)
_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty"
).split()
_VALUES = dict(zip(_WORDS, [*range(21), 30, 40, 50], strict=True))
_ORDINAL_WORDS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth"
).split()
_ORDINALS = dict(zip(_ORDINAL_WORDS, [*range(1, 21), 30], strict=True))
_WEEKDAYS = ["mon", "tues", "wednes", "thurs", "fri", "satur", "sun"]
_MONTHS = "january february march april may june july august september october november december".split()
_TIME = re.compile(r"\b(\d{1,2})(?: ?:(\d\d)| (00|15|30|45)\b)? ?(am\b|pm\b|o'clock)?")
