"""Figures that name something and count nothing: telephone, card and door numbers, codes, services."""

from __future__ import annotations

import re

from patter_cli.text.readings.figures import digits, in_pairs, number
from patter_cli.text.readings.rule import Match, Rule, rule

_STRONG = (
    r"(?:[Cc]ode|PIN|[Pp]in(?= code| number| is|:)|[Pp]asscode|[Pp]assword|OTP|CVV|CVC|SSN|IBAN|[Zz]ip|ZIP|[Pp]ostcode"
    r"|[Cc]onfirmation|[Rr]outing|[Ss]erial|[Ee]nding in(?= (?!19|20)\d{4}\b)"
    r"|[Ll]ast (?:four|4|three|3|two|2)(?: digits| numbers| figures)?|[Dd]igits"
    r"|(?:[Cc]ard|[Aa]ccount|[Nn]umber|[Vv]isa|[Mm]astercard|[Aa]mex|[Ii]t|[Oo]ne)\s+end(?:s|ing)(?: in| with)?)"
    r"(?: code| number| no\.?)?"
)
"""What is followed by figures to be read one by one, however few."""
_WEAK = (
    r"[Aa]ccount|[Cc]ard|[Rr]ef(?:erence)?|[Bb]ooking|[Rr]eservation|[Tt]icket|[Cc]ase|[Ii]nvoice|[Tt]racking"
    r"|[Pp]olicy|[Mm]ember(?:ship)?|[Cc]ustomer|[Mm]odel|ID|[Oo]rder"
)
"""What is only where it says "number", or there are three figures that count nothing."""
_STREET = (
    r"(?:St|Ave|Blvd|Rd|Ln|Dr|Ct|Pl|Sq|Hwy|Pkwy|Ter|Way|Street|Avenue|Boulevard|Road|Lane|Drive|Court|Place|Square)"
)
_PLURAL_NOUN = (
    r"\s+(?!(?:is|was|has|does|works|means|opens|ends|exists|belongs)\b)(?:[a-z]+ )?"
    r"(?:[a-z]{2,}s|people|men|women|children)\b"
)
_COUNTED = re.compile(_PLURAL_NOUN)
_COUNTS_NOTHING = rf"(?!{_PLURAL_NOUN})"
_CALLING = r"call|dial|text|phone|ring|press|calling|dialing|dialling|texting"


def _code(match: Match) -> str:
    return (
        f"{match[1]}{' number' if '#' in match[2] and 'number' not in match[1].lower() else ''} {_by_group(match[3])}"
    )


def _letters_and_digits(match: Match) -> str:
    """An account as banks write it, four and four."""
    groups = match[0].split() if " " in match[0] else re.findall(".{1,4}", match[0])
    return ", ".join(" ".join(digits(c) if c.isdigit() else c for c in group) for group in groups)


def _by_group(figures: str) -> str:
    return ", ".join(map(digits, re.findall(r"\d+", figures)))


def _telephone(match: Match) -> str:
    """Group by group, a short pause between; "+" is said."""
    written = match[0]
    groups = re.findall(r"\d+", written)
    length = sum(map(len, groups))
    card = 15 < length <= 19 and all(4 <= len(group) <= 6 for group in groups)
    if not 7 <= length <= 15 and not card:
        return written
    if len(groups) == 1:
        groups = _grouped(groups[0], "+" in written)
    return ("plus " if "+" in written else "") + ", ".join(digits(group) for group in groups if group)


def _grouped(figures: str, international: bool) -> list[str]:
    """An unbroken number as North Americans write theirs; others stay whole."""
    if len(figures) == 10 and not international:
        return [figures[:3], figures[3:6], figures[6:]]
    if len(figures) == 11 and figures[0] == "1":
        return ["1", figures[1:4], figures[4:7], figures[7:]]
    return [figures]


def _by_letters(match: Match) -> str:
    """1-888-CALL-NOW."""
    groups = re.split("[-. ]", match[0])
    said = [digits(each) if each.isdigit() else each for each in groups]
    first_word = next(at for at, each in enumerate(groups) if not each.isdigit())
    return ", ".join([*said[:first_word], " ".join(said[first_word:])])


def _large(match: Match) -> str:
    """1000000, 2500000 users; anything else of seven figures and more is somebody's number."""
    figures = match[0]
    counts = len(figures) < 10 and _COUNTED.match(match.string, match.end())
    return number(figures) if figures.endswith("0000") or counts else figures


_FIGURES = r"(\d{%d,}(?:[ -]\d{2,})*)(?![\w%%]|[.,]\d|\s?[$€£])"

NAMED: tuple[Rule, ...] = (
    rule(rf"\b({_STRONG}(?: is| are|:)?)(\s+#?|#){_FIGURES % 2}{_COUNTS_NOTHING}", _code),
    rule(rf"\b((?:{_WEAK})(?: code| number| no\.?)(?: is|:)?|[Nn]umber(?: is|:))(\s+#?|#){_FIGURES % 2}", _code),
    rule(rf"\b((?:{_WEAK})(?: is|:)?)(\s+#|#|:\s+){_FIGURES % 2}", _code),
    rule(
        rf"\b((?:[Yy]our|[Mm]y|[Tt]he|[Tt]his|[Oo]n|[Ff]or) (?:{_WEAK})(?: is)?)(\s+){_FIGURES % 3}{_COUNTS_NOTHING}",
        _code,
    ),
    rule(rf"\b((?:{_WEAK})(?: is)?)(\s+){_FIGURES % 4}{_COUNTS_NOTHING}", _code),
)
"""Figures whose name stands before them; before dates, which some of them look like."""

RULES: tuple[Rule, ...] = (
    rule(r"\b[Nn]os\.\s?#?(?=\d)", "numbers ", "os."),
    rule(r"\b(?:N[oO]\.|no\.|[Nn]umber|N[oO](?= ?#))\s?#?(?=\d)", "number ", "o", "O"),
    rule(r"(?<![\w&])#\s?(?=[A-Z]{0,3}-?\d)", "number ", "#"),
    rule(r"\b[A-Z]{2}\d\d(?: ?[A-Z\d]{4}){3,7}(?: ?[A-Z\d]{1,3})?\b", _letters_and_digits),
    rule(rf"(?<=\b[A-Z]{{2}} )(\d{{5}})(?:-(\d{{4}}))?\b(?![.,]?\d){_COUNTS_NOTHING}", lambda m: _by_group(m[0])),
    rule(r"\b(?:ext\.?|extension)\s?#?(\d+)\b", lambda m: f"extension {digits(m[1])}", "xt", flags=re.I),
    rule(r"(?<![\w.])x(?=\d{3,5}\b)(\d+)", lambda m: f"extension {digits(m[1])}", "x"),
    # Services.
    rule(
        rf"\b(?i:{_CALLING}) (?:\d{{3}}|\d{{5,6}})(?:(?:,| or| and) \d{{3}})*\b"
        rf"(?!{_PLURAL_NOUN}|[-.,/: ]?\d|%| or more| more| of)",
        lambda m: re.sub(r"\d+", lambda figures: digits(figures[0]), m[0]),
    ),
    rule(rf"(?<![\w.,$£€/-])(911)(?![\w%/-]|[.,]\d|{_PLURAL_NOUN})", lambda m: digits(m[1]), "911"),
    # Doors, roads, flights.
    rule(
        r"\b([Ss]eat|[Gg]ate|[Rr]ow|[Uu]nit|[Aa]pt\.?|[Aa]partment|[Rr]oom|[Ff]lat|[Bb]ay|[Pp]latform|[Tt]erminal) "
        r"(\d{1,2})-?([A-Z])\b",
        lambda m: f"{m[1]} {number(m[2])} {m[3]}",
    ),
    rule(
        r"\b((?:[Rr]oom|[Ss]uite|Ste\.?|[Aa]partment|Apt\.?|[Uu]nit|[Ff]light|[Rr]oute|[Hh]ighway|Hwy\.?|[Ii]nterstate|[Bb]us|Box)"
        r"(?: number)?) #?(\d{3,5})\b(?![.,]\d)",
        lambda m: f"{m[1]} {in_pairs(m[2])}",
    ),
    rule(
        rf"(?<![\w.,$£€#-])(\d{{3,5}})(?=\s+(?:[NSEW]\.?\s+)?(?:(?:[A-Z][a-z]+|\d+(?:st|nd|rd|th))\s+){{1,3}}{_STREET}\b)",
        lambda m: in_pairs(m[1]),
    ),
    # Large figures that count something or are round, ranges of such, and years, before telephone numbers.
    rule(r"(?<![\w.,+-])([1-9]\d{0,2}(?: 000)+)(?![\w.,]?\d)", lambda m: m[1].replace(" ", ","), " 000"),
    rule(
        r"(?<![\w.,+-])(?<!\d )([1-9]\d{0,2}(?: \d{3}){1,3})"
        r"(?= (?:km|kg|sq|dollars|euros|pounds|people|miles|users)\b)",
        lambda m: m[1].replace(" ", ","),
    ),
    rule(r"(?<![\w.,+-])[1-9]\d{6,14}(?![\w-]|[.,]\d|[ .]\d{2})", _large),
    rule(
        rf"(?<![\w.,+-])([1-9]\d+)-([1-9]\d+)(?=(?![-.]\d){_PLURAL_NOUN})",
        lambda m: f"{m[1]} to {m[2]}",
        "-",
    ),
    rule(r"(?<![\w.,+-])([1-9]\d*00)-([1-9]\d*00)(?![\w-]|[.,]?\d)", lambda m: f"{m[1]} to {m[2]}", "-"),
    # Telephone numbers.
    rule(r"(?<![\w.,$£€])\+?1?-?\d{3}(?:-[A-Z]{2,})+(?:-\d+)*\b", _by_letters, "-"),
    rule(
        r"(?<![\w.,$£€])\+?(?:\(\d{1,5}\) ?\d+|\d+)(?:[ .-]{1,2}(?:\(\d{1,5}\) ?)?\d{2,})*+(?![\w]|[.,:]\d)",
        _telephone,
    ),
    rule(r"(?<![\w.,-])\d\d-\d\d-\d\d(?![\w-]|[.,]\d)", lambda m: _by_group(m[0]), "-"),
)
