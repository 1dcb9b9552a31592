"""Written English to words a voice can say.

Theory of operation. `pronounceable` is a list of rewriting rules, run in order over the whole text. Each turns
one written form into plain words and leaves the rest alone, so a rule only has to be right about what the
rules before it left over: addresses go before dates, dates before times, times before telephone numbers, those
before plain numbers. A letter that is to be read by its name comes out as a capital standing alone ("U S A",
"nine A M"). What is still not a letter or a mark of prosody at the end is dropped, so the result never
surprises a voice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

_Match = re.Match[str]
_Rule = tuple[re.Pattern[str], Callable[[_Match], str]]

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
_MONTHS = ("January February March April May June July August September October November December").split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()

_LONGEST_NUMBER = 15
"""Digits; anything longer is nobody's amount and is read digit by digit."""


def cardinal(number: int) -> str:
    """1204 -> "one thousand two hundred four"; below zero with "minus"; past the trillions digit by digit."""
    if number < 0:
        return f"minus {cardinal(-number)}"
    if number < 20:
        return UNITS[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return TENS[tens] + (f"-{UNITS[rest]}" if rest else "")
    if number >= 10**_LONGEST_NUMBER:
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


def letters(text: str) -> str:
    """The letters of an initialism as capitals standing alone: "faq" -> "F A Q"."""
    return " ".join(c.upper() for c in text if c.isalpha())


def pronounceable(text: str, *, is_word: Callable[[str], bool] | None = None) -> str:
    """Spell out what a voice cannot read.

    text: anything, in English. is_word: whether a lower-case word is in the voice's lexicon; capitals that are in it
    are read as a word ("NASA"). Without it, capitals with a vowel are taken for words unless known not to be.
    Returns ASCII letters, apostrophes, hyphens inside words, blanks and `.,;:?!` only; "" if nothing can be said.
    Never raises.
    """
    text = _plain(text)
    for pattern, spoken in _RULES:
        text = pattern.sub(spoken, text)
    text = _initialisms(text, is_word or _looks_like_word)
    text = re.sub(r"[^A-Za-z'.,;:?! -]", " ", text)
    text = re.sub(r"(?<![A-Za-z])['-]+|[-]+(?![A-Za-z])|(?<![sS])'+(?![A-Za-z])", " ", text)
    text = re.sub(r"\s+([.,;:?!])", r"\1", re.sub(r"\s+", " ", text))
    text = re.sub(r"([.,;:?!])[.,;:?!]+", _strongest, text)
    return text.strip(" ,;:") if re.search("[A-Za-z]", text) else ""


# --- the text before any rule -------------------------------------------------------------------------------

_TYPOGRAPHY = str.maketrans(
    {"‘": "'", "’": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "…": ".", "—": ", ", "‐": "-", "‑": "-", "−": "-"}
    | {"–": "-", "½": " 1/2 ", "¼": " 1/4 ", "¾": " 3/4 ", "⅓": " 1/3 ", "⅔": " 2/3 ", "№": "No. ", "ß": "ss"}
    | {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "×": " times ", "÷": " divided by ", "℃": "°C", "℉": "°F"}
    | {"\t": " ", "\u00ad": "", "\u200b": "", "\u2060": "", "\ufeff": "", "→": " to "}
)


def _plain(text: str) -> str:
    """Typography and accents taken off; a line's end is a pause."""
    text = text.translate(_TYPOGRAPHY)
    text = re.sub(r"\s*\n\s*", lambda m: ". " if "\n\n" in m[0] else ", ", text.strip())
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = re.sub(r"[*`~^_]{2,}|(?<!\w)[*_`~]+|[*`~]+(?!\w)|\|", " ", text)
    return re.sub(r"\s+", " ", text)


# --- addresses ----------------------------------------------------------------------------------------------

_SIGNS = {".": "dot", "@": "at", "/": "slash", "-": "dash", "_": "underscore", "+": "plus", "&": "and"}
_SIGNS |= {"=": "equals", "?": "question mark", "#": "hash", "%": "percent", ":": "colon", "~": "tilde"}
_SHORT_WORDS = frozenset("co me us my go be we by to in on at it is do no so up or of he".split())
_DOMAIN = (
    r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+"
    r"(?:com|org|net|edu|gov|info|shop|app|dev|site|online|store|biz|co|io|ai|me|uk|us|de|fr|it|es|nl|eu|ca|au)\b"
)


def _address(match: _Match) -> str:
    words = []
    for part in re.findall(r"[a-z]+|[0-9]+|[^a-z0-9]", match[1].lower().rstrip("/.,;:?!")):
        if part.isdigit():
            words.append(digits(part))
        elif part.isalpha():
            word = part in _SHORT_WORDS if len(part) < 3 else _looks_like_word(part)
            words.append(part if word else letters(part))
        else:
            words.append(_SIGNS.get(part, ""))
    ending = re.search(r"[.,;:?!]*$", match[1])
    return " ".join(filter(None, words)) + (ending[0] if ending else "")


# --- dates and times ----------------------------------------------------------------------------------------

_MONTH = (
    r"(Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
_DAY = r"(0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:,?\s+((?:1[1-9]|20)\d\d)\b(?![:.,]?\d))?"
_WEEKDAY = r"(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)"
_CLOCK = r"([01]?\d|2[0-3])[:.h]([0-5]\d)(?::[0-5]\d)?"
_HALF = r"\s?([ap])(?:\.\s?m\b(?:\.(?=\s+(?-i:[a-z0-9(])|[,;:?!)]))?|m\b)"


def _date(month: str, day: str, year_digits: str | None) -> str:
    return f"{month} {ordinal(int(day))}" + (f", {year(int(year_digits))}" if year_digits else "")


def _month(written: str) -> str:
    return next(name for name in _MONTHS if name.startswith(written[:3].title()))


def _weekday(written: str) -> str:
    return next(name for name in _DAYS if name.startswith(written[:3].title()))


def _day_first(match: _Match) -> str:
    the = "" if match[1] else "the "
    return f"{match[1] or ''}{the}{ordinal(int(match[2]))} of {_month(match[3])}" + (
        f", {year(int(match[4]))}" if match[4] else ""
    )


def _numeric_date(match: _Match) -> str:
    """11/21/2026, month first as in America; the other way round where only that gives a date."""
    full = match[3] if len(match[3]) == 4 else f"20{match[3]}"
    return _numbered(int(match[1]), int(match[2]), full) or match[0]


def _month_and_day(match: _Match) -> str:
    return _numbered(int(match[2]), int(match[3]), None) or f"{match[2]}/{match[3]}"


def _numbered(first: int, second: int, year_digits: str | None) -> str:
    month, day = (first, second) if first <= 12 else (second, first)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return ""
    return _date(_MONTHS[month - 1], str(day), year_digits)


def _iso_date(match: _Match) -> str:
    month, day = int(match[2]), int(match[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    return _date(_MONTHS[month - 1], match[3], match[1]) + (" at " if match[4] else "")


def _half(letter: str) -> str:
    return f" {letter.upper()} M" if letter else ""


def _clock(match: _Match) -> str:
    """17:30 -> "five thirty P M"; 9:00 -> "nine o'clock"; 9:05 am -> "nine oh five A M"."""
    hour, minute, half = int(match[1]), int(match[2]), match[3]
    if not half and (hour > 12 or match[1] == "00"):
        half = "p" if hour else "a"
    said = cardinal(hour % 12 or 12)
    if minute:
        said += f" {'oh ' if minute < 10 else ''}{cardinal(minute)}"
    elif not half:
        said += " o'clock"
    return said + _half(half)


# --- numbers ------------------------------------------------------------------------------------------------

_AMOUNT = r"(\d+(?:,\d{3})+|\d+)(?:\.(\d+))?"
_SCALE = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion"}
_COINS = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
}
_CODES = {"usd": "$", "gbp": "£", "eur": "€", "inr": "₹", "jpy": "¥"}
_MEASURES = {
    "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "m": "meter", "mi": "mile", "yd": "yard",
    "kg": "kilogram", "mg": "milligram", "g": "gram", "lb": "pound", "lbs": "pound", "oz": "ounce",
    "l": "liter", "ml": "milliliter", "gal": "gallon", "sq": "square",
    "hr": "hour", "hrs": "hour", "h": "hour", "min": "minute", "mins": "minute", "sec": "second",
    "secs": "second", "ms": "millisecond", "s": "second", "yr": "year", "yrs": "year", "wk": "week", "wks": "week",
    "kb": "kilobyte", "mb": "megabyte", "gb": "gigabyte", "tb": "terabyte", "kw": "kilowatt", "w": "watt",
    "kwh": "kilowatt-hour", "v": "volt", "hz": "hertz", "khz": "kilohertz", "mhz": "megahertz", "ghz": "gigahertz",
    "mph": "mile per hour", "kph": "kilometer per hour", "km/h": "kilometer per hour", "ft": "foot",
    "°c": "degree Celsius", "°f": "degree Fahrenheit", "°": "degree", "¢": "cent",
}  # fmt: skip
_PLURALS = {"foot": "feet", "hertz": "hertz", "kilohertz": "kilohertz", "megahertz": "megahertz", "square": "square"}
_PLURALS |= {"gigahertz": "gigahertz"}
_FRACTIONS = {"1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters"}


def _number(whole: str, fraction: str | None = None) -> str:
    """The words of the two parts of a written amount; leading zeros and endless figures digit by digit."""
    whole = whole.replace(",", "")
    by_digit = len(whole) > _LONGEST_NUMBER or (len(whole) > 1 and whole[0] == "0")
    return (digits(whole) if by_digit else cardinal(int(whole))) + (f" point {digits(fraction)}" if fraction else "")


def _money(sign: str, whole: str, fraction: str | None, scale: str | None) -> str:
    one, many, cent, cents = _COINS[sign]
    if scale:
        return f"{_number(whole, fraction)} {_SCALE.get(scale.lower(), scale.lower())} {many}"
    amount, change = int(whole.replace(",", "")), int(((fraction or "") + "00")[:2])
    if fraction and len(fraction) > 2:
        return f"{_number(whole, fraction)} {many}"
    parts = [f"{_number(whole)} {one if amount == 1 else many}"] if amount or not change else []
    parts += [f"{cardinal(change)} {cent if change == 1 else cents}"] if change else []
    return " and ".join(parts)


def _measure(match: _Match) -> str:
    name = _MEASURES[match[3].lower()]
    if match[1] != "1" or match[2]:
        first, _, rest = name.partition(" ")
        name = _PLURALS.get(first, f"{first}s") + (f" {rest}" if rest else "")
    return f"{_number(match[1], match[2])} {name}"


def _counted(match: _Match) -> str:
    figures = match[1].replace(",", "")
    return ordinal(int(figures)) if len(figures) <= _LONGEST_NUMBER else digits(figures)


def _part_of_one(fraction: str) -> str:
    return _FRACTIONS.get(fraction, fraction).replace("one ", "a ")


def _decade(match: _Match) -> str:
    """1990s -> "nineteen nineties"."""
    said = year(int(match[1]) * 10)
    return f"{said[:-1]}ies" if said.endswith("y") else f"{said}s"


def _telephone(match: _Match) -> str:
    """Group by group, a short pause between; "+" is said."""
    groups = re.findall(r"\d+", match[0])
    if not 7 <= sum(map(len, groups)) <= 15:
        return match[0]
    if len(groups) == 1 and "+" not in match[0]:
        number = groups[0]
        groups = [number[:3], number[3:6], number[6:]] if len(number) == 10 else [number]
    return ("plus " if "+" in match[0] else "") + ", ".join(digits(group) for group in groups if group)


def _mixed(match: _Match) -> str:
    """A1234, B12, 4K: letters by name, two digits as a number, more of them one by one."""
    said = []
    for part in re.findall(r"[A-Za-z]+|\d+", match[0]):
        if part.isdigit():
            said.append(_number(part) if len(part) < 3 else digits(part))
        else:
            said.append(letters(part) if len(part) < 3 or part.isupper() else part)
    return " ".join(said)


# --- words --------------------------------------------------------------------------------------------------

_SHORT = {
    "mr": "Mister", "mrs": "Missus", "ms": "Miz", "prof": "Professor", "jr": "Junior", "sr": "Senior",
    "ave": "Avenue", "blvd": "Boulevard", "rd": "Road", "ln": "Lane", "hwy": "Highway", "apt": "Apartment",
    "ste": "Suite", "dept": "Department", "ext": "extension", "vs": "versus", "etc": "et cetera", "approx":
    "approximately", "inc": "Incorporated", "ltd": "Limited", "corp": "Corporation", "tel": "telephone",
    "appt": "appointment", "est": "established", "rev": "Reverend", "gen": "General", "capt": "Captain",
    "sgt": "Sergeant", "lt": "Lieutenant", "hrs": "hours", "mins": "minutes", "govt": "government", "max": "maximum",
    "min": "minimum",
}  # fmt: skip
_NEVER_A_WORD = frozenset(
    "us uk eu un uae usa it vip atm ai api faq ceo cfo cto irs fbi cia diy eta asap id iou ok url isp ui io ipa "
    "aaa aa oem hiv uv ira".split()
)
_VOWELLESS_WORDS = frozenset("hmm shh brr pst psst tsk nth".split())
_OPENERS = frozenset("We The It Our You Your Please I They He She This That There Is Are Do And But Call Just".split())
"""What begins a sentence far more often than it is somebody's name."""


def _looks_like_word(word: str) -> bool:
    """Whether lower-case letters can be read as a word, going by their vowels."""
    return word in _VOWELLESS_WORDS or bool(re.search("[aeiou]", word) or re.search("[^y]y", word))


def _initialisms(text: str, is_word: Callable[[str], bool]) -> str:
    """Capitals by name, unless they are a word, or shouted beside other capitals that are."""

    def spoken(match: _Match) -> str:
        word = match[0].lower()
        if word in ("ok", "oks"):
            return "okay"
        if word in _NEVER_A_WORD and not shouted(match):
            return letters(word)
        long_word = len(word) > 5 and _looks_like_word(word)
        return match[0] if is_word(word) or long_word else letters(word)

    def by_name(word: str) -> bool:
        return word in _NEVER_A_WORD or not is_word(word)

    def shouted(match: _Match) -> bool:
        around = text[max(0, match.start() - 24) : match.start()], text[match.end() : match.end() + 24]
        beside = re.findall(r"\b([A-Z]{2,})\W*$", around[0]) + re.findall(r"^\W*([A-Z]{2,})\b", around[1])
        words = [word.lower() for word in beside]
        return any(w not in _NEVER_A_WORD and is_word(w) and _looks_like_word(w) for w in words)

    text = re.sub(r"\b(?:[A-Za-z]\.){2,}(?=\W|$)", _dotted, text)
    text = re.sub(r"\b([A-Z]{2,5})s\b", lambda m: f"{letters(m[1])}'s" if by_name(m[1].lower()) else m[0], text)
    return re.sub(r"(?<![A-Za-z'])[A-Z]{2,}(?![A-Za-z])", spoken, text)


def _dotted(match: _Match) -> str:
    """U.S. -> "U S", keeping the stop where a sentence seems to end."""
    ends = re.match(r"\s*$|\s+[A-Z][a-z]", match.string[match.end() :]) and len(match[0]) > 4
    return letters(match[0]) + ("." if ends else "")


def _strongest(match: _Match) -> str:
    """Of several marks in a row, the one that shapes the melody most."""
    return next(mark for mark in "?!.;:," if mark in match[0])


def _saint_or_street(match: _Match) -> str:
    """After a name it is a street, unless another name follows."""
    if match[3] and match[3] not in _OPENERS:
        return f"{match[1]} Saint"
    return f"{match[1]} Street" + ("." if match[3] else "")


def _rule(pattern: str, spoken: Callable[[_Match], str] | str, flags: int = 0) -> _Rule:
    return re.compile(pattern, flags), (lambda m: m.expand(spoken)) if isinstance(spoken, str) else spoken


def _amounts() -> Iterable[_Rule]:
    signs, scales = "[$£€¥₹]", r"(?:\s?(k|mn|m|bn|b|thousand|million|billion|trillion)\b)?"
    yield _rule(rf"-?({signs})\s?{_AMOUNT}{scales}", _signed_money, re.I)
    yield _rule(rf"(?<![\w.,]){_AMOUNT}\s?({signs})", lambda m: _money(m[3], m[1], m[2], None))
    codes = "|".join(_CODES)
    yield _rule(rf"\b({codes})\s?{_AMOUNT}{scales}", lambda m: _money(_CODES[m[1].lower()], m[2], m[3], m[4]), re.I)
    yield _rule(rf"(?<![\w.,]){_AMOUNT}\s?({codes})\b", lambda m: _money(_CODES[m[3].lower()], m[1], m[2], None), re.I)


def _signed_money(match: _Match) -> str:
    return ("minus " if match[0][0] == "-" else "") + _money(match[1], match[2], match[3], match[4])


_RULES: tuple[_Rule, ...] = (
    # Addresses.
    _rule(r"\b([\w.+-]+@[\w-]+(?:\.[\w-]+)+)", _address),
    _rule(r"\bhttps?://(\S+)", _address, re.I),
    _rule(r"\b(www\.\S+)", _address, re.I),
    _rule(rf"(?<![\w@.])({_DOMAIN}(?:/\S*)?)", _address, re.I),
    # Dates.
    _rule(r"\b(\d{4})-(\d\d)-(\d\d)(?:(T)(?=\d\d:))?", _iso_date),
    _rule(r"(?<![\d/])(\d{1,2})[/](\d{1,2})[/](\d{4}|\d\d)(?![\d/])", _numeric_date),
    _rule(r"(?<![\d/])(\d{1,2})[.](\d{1,2})[.](\d{4})(?![\d.])", _numeric_date),
    _rule(
        r"\b(on|by|until|till|before|after|since|from) (\d{1,2})/(\d{1,2})(?![\d/])",
        lambda m: f"{m[1]} {_month_and_day(m)}",
        re.I,
    ),
    _rule(rf"\b{_MONTH}\s+{_DAY}(?:st|nd|rd|th)?(?![\w:]|[.,]\d){_YEAR}", lambda m: _date(_month(m[1]), m[2], m[3])),
    _rule(rf"\b([Tt]he\s+)?{_DAY}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}{_YEAR}", _day_first),
    _rule(rf"\b{_MONTH}\s+(1[1-9]\d\d|20\d\d)\b", lambda m: f"{_month(m[1])} {year(int(m[2]))}"),
    _rule(rf"\b{_WEEKDAY}\.?\s?-\s?{_WEEKDAY}\b\.?", lambda m: f"{_weekday(m[1])} to {_weekday(m[2])}"),
    _rule(
        rf"\b{_WEEKDAY[:-1]})\.?(?=,?\s+(?:\d|January|February|March|April|May|June|July|August|Sept|Oct|Nov|Dec))",
        lambda m: _weekday(m[1]),
    ),
    _rule(r"\b(Mon|Tues?|Wed|Thu(?:rs?)?|Fri)\b\.?", lambda m: _weekday(m[1])),
    # Times.
    _rule(r"\b24/7\b", "twenty-four seven"),
    _rule(rf"(?<=\d|m)\s?-\s?(?={_CLOCK}|1?\d\s?[ap]\.?m\b)", " to ", re.I),
    _rule(rf"(?<![\d.:])([01]?\d|2[0-3])[:.h]([0-5]\d){_HALF}", _clock, re.I),
    _rule(r"(?<![\d.:])([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?()(?![\d:])", _clock),
    _rule(rf"(?<![\d.:])(1?\d){_HALF}", lambda m: cardinal(int(m[1])) + _half(m[2]), re.I),
    _rule(r"(?<=\d)\s?([ap])\.?m\b\.?", lambda m: _half(m[1]), re.I),
    _rule(
        r"\b((?:1[1-9]|20)\d\d)\s?-\s?((?:1[1-9]|20)\d\d)\b(?!-)", lambda m: f"{year(int(m[1]))} to {year(int(m[2]))}"
    ),
    _rule(r"\b((?:1[1-9]|20)\d)0s\b", _decade),
    # Telephone numbers and codes.
    _rule(
        r"\b((?:code|PIN|zip|account|order|confirmation|reference|ending in)(?: code| number)?(?: is|:)?) #?(\d{3,})\b",
        lambda m: f"{m[1]} {digits(m[2])}",
        re.I,
    ),
    _rule(r"\b(?:ext\.?|extension)\s?#?(\d+)\b", lambda m: f"extension {digits(m[1])}", re.I),
    _rule(
        r"(?<![\w.,$£€])\+?(?:\(\d{1,5}\) ?\d+|\d+)(?:[ .-]{1,2}(?:\(\d{1,5}\) ?)?\d{2,})*+(?![\w]|[.,:]\d)", _telephone
    ),
    # Amounts.
    *_amounts(),
    _rule(rf"(?<![\w.,]){_AMOUNT}\s?%", lambda m: f"{_number(m[1], m[2])} percent"),
    _rule(r"\b([Nn]os?|[Nn]umber)\.?\s?#?(?=\d)", "number "),
    _rule(r"#\s?(?=\d)", "number "),
    _rule(r"(\d+)\s+([123]/[234])(?![\d/])", lambda m: f"{_number(m[1])} and {_part_of_one(m[2])}"),
    _rule(r"(?<![\d/])([123]/[234])(?![\d/])", lambda m: _FRACTIONS.get(m[1], m[0])),
    _rule(
        rf"(?<![\w.,]){_AMOUNT}\s?({'|'.join(sorted(map(re.escape, _MEASURES), key=len, reverse=True))})(?![\w/])",
        _measure,
        re.I,
    ),
    _rule(r"(?<=\d)\s?-\s?(?=\d+\b(?!-))", " to "),
    _rule(r"(?<![\w.,])([\d,]*\d)(?:st|nd|rd|th)\b", _counted, re.I),
    _rule(r"(?<![\w.,])((?:1[1-9]|20)\d\d)(?![\w%]|[.,]\d)", lambda m: year(int(m[1]))),
    _rule(r"\bv(?=\d)", "version "),
    _rule(r"\b\d+(?:\.\d+){2,}", lambda m: " point ".join(_number(part) for part in m[0].split("."))),
    _rule(r"(?:(?<=\s)|^)-(?=\d)", "minus "),
    _rule(r"\b(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z\d]+\b", _mixed),
    _rule(r"(?<!\d)\.(\d+)", lambda m: f" point {digits(m[1])}"),
    _rule(_AMOUNT, lambda m: f" {_number(m[1], m[2])} "),
    # Abbreviations and symbols.
    _rule(r"\b[Dd]r\.(?=\s+[A-Z])|\bDr(?=\s+[A-Z])", "Doctor"),
    _rule(r"(?<=[a-z]\s)Dr\b\.?", "Drive"),
    _rule(r"\b([A-Z][a-z]+|[a-z]+(?:st|nd|rd|th)) St\b(\.?)(?=\s+([A-Z][a-z]*)|)", _saint_or_street),
    _rule(r"\bSt\b\.?(?=\s+[A-Z])", "Saint"),
    _rule(r"\be\.\s?g\.", "for example,"),
    _rule(r"\bi\.\s?e\.", "that is,"),
    _rule(r"\bw/o\b", "without"),
    _rule(r"\bw/(?=\s|\w)", "with "),
    _rule(rf"\b({'|'.join(_SHORT)})\.(?=\s*[a-z,;)]|\s*$)", lambda m: _SHORT[m[1].lower()], re.I),
    _rule(r"\b(Mr|Mrs|Ms|Prof|Rev|Gen|Capt|Sgt|Lt)\b\.?(?=\s+[A-Z])", lambda m: _SHORT[m[1].lower()]),
    _rule(r"\b(Ave|Blvd|Rd|Ln|Hwy|Jr|Sr|Apt|Ste|Dept|Inc|Ltd|Corp|Tel)\b\.?", lambda m: _SHORT[m[1].lower()]),
    _rule(r"\band/or\b", "and or"),
    _rule(r"(?<=\w)\s?/\s?(?=\w)", " slash "),
    _rule(r"\s?&\s?", " and "),
    _rule(r"\s?@\s?", " at "),
    _rule(r"\s?\+\s?", " plus "),
    _rule(r"\s?=\s?", " equals "),
    _rule(r"\s?%", " percent"),
    _rule(r"~\s?(?=[a-z])", "about "),
    _rule(r"<\s?(?=[a-z])", " less than "),
    _rule(r">\s?(?=[a-z])", " more than "),
    _rule(r"°", " degrees "),
    _rule(r"\s[-]+\s|\s*[()\[\]{}]\s*", ", "),
)
