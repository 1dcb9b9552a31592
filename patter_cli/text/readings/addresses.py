"""Addresses letter for letter: e-mail, web, files, handles, names of machines."""

from __future__ import annotations

import re

from patter_cli.text.readings.figures import digits, letters
from patter_cli.text.readings.rule import Match, Rule, rule
from patter_cli.text.readings.spelling import looks_like_word

_SIGNS = {".": "dot", "@": "at", "/": "slash", "-": "dash", "_": "underscore", "+": "plus", "&": "and", "=": "equals"}
_SIGNS |= {"?": "question mark", "#": "hash", "%": "percent", ":": "colon", "~": "tilde", "'": "apostrophe"}
_SIGNS |= {"\\": "backslash", "*": "star", "!": "exclamation mark", "$": "dollar", ",": "comma", ";": "semicolon"}
_SHORT_WORDS = frozenset("co me us my go be we by to in on at it is do no so up or of he".split())
_KNOWN = (
    "com|org|net|edu|gov|mil|int|info|shop|app|dev|site|online|store|biz|xyz|co|io|ai|me|tv|uk|us|de|fr|it|es|nl|eu|ca"
    "|au|ch|at|be|se|no|dk|fi|pl|pt|ie|nz|in|jp|cn|kr|br|mx|za|ru"
)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_DOMAIN = (
    # Any ending that is written small; in capitals, or behind a label without a letter, one that everybody knows.
    rf"(?:(?:{_LABEL}\.)*(?=[0-9-]*[A-Za-z]){_LABEL}\.[a-z]{{2,24}}|(?:{_LABEL}\.)+(?i:{_KNOWN})|localhost(?=:))(?![\w-]|\.\w)"
)
_REST = r"(?::\d{2,5}(?!\d))?(?:[/?#][^\s,;]*)?"


def _spelled(match: Match) -> str:
    """Every sign by name; a part of an address that is a word as one, others letter by letter."""
    written = match[1].rstrip(".,;:!?/")
    ending = match[1][len(written) :].lstrip("/")
    words = []
    for part in re.findall(r"[a-z]+|[0-9]+|[^a-z0-9]", written.lower()):
        if part.isdigit():
            words.append(digits(part))
        elif part.isalpha():
            word = part in _SHORT_WORDS if len(part) < 3 else looks_like_word(part)
            words.append(part if word else letters(part))
        else:
            words.append(_SIGNS.get(part, ""))
    return " ".join(filter(None, words)) + ending


def _machine(match: Match) -> str:
    """192.168.1.1, each figure by itself."""
    host, _, port = match[0].partition(":")
    said = " dot ".join(digits(each) for each in host.split("."))
    return f"{said} colon {digits(port)}" if port else said


RULES: tuple[Rule, ...] = (
    rule(r"(?<![\w.])([\w.+-]+(?:'\w[\w.+-]*)*@[\w-]+(?:\.[\w-]+)*)", _spelled, "@"),
    rule(r"\b(?:https?|ftp|wss?)://(\S+)", _spelled, "://", flags=re.I),
    rule(r"\b(www\.\S+)", _spelled, "www.", "WWW.", "Www.", flags=re.I),
    rule(rf"(?<![\w@.])({_DOMAIN}{_REST})", _spelled, ".", "localhost"),
    rule(
        r"(?<![\w.])(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}(?::\d{2,5})?(?![\w]|\.\d)",
        _machine,
        ".",
    ),
    rule(r"\b([A-Za-z]):\\(?=\w)", lambda m: f"{m[1].upper()} colon backslash ", ":\\"),
    rule(r"(?<=[A-Za-z])_(?=[A-Za-z0-9])|(?<=\d)_(?=[A-Za-z])", " underscore ", "_"),
    rule(r"(?<!\w)@(?=[A-Za-z])", "at ", "@"),
    rule(r"(?<![\w#&])#(?=[A-Za-z])(?![A-Z]{1,3}-?\d)", "hashtag ", "#"),
    rule(r"(?<![\w.])\.(?=[A-Za-z]{2})", " dot ", "."),
)
