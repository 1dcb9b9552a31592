"""Somebody else in place of who was on the phone: names, numbers, cards and addresses exchanged, the same each time.

Whoever reads the result learns what was said and not who said it. A detail is exchanged wherever it stands, however it
is written: "+1 415 555 0123", "four one five five five five ..." and "415-555-0123" become the same other number, which
nobody has; a card becomes one that every check takes for a card.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from patter_cli.text.cards import as_digits, is_card
from patter_cli.text.redact import Redaction, struck_ranges

NUMBERS = "2025550"
"""What ours begin with: 202-555-0100 to 0199 are nobody's. Source: NANPA, fictitious numbers."""
CARD = "4242424242424242"
FIRST_NAMES = ("Alex", "Robin", "Sam", "Kim", "Chris", "Jamie", "Lee", "Terry", "Morgan", "Casey")
LAST_NAMES = ("Carter", "Mason", "Walker", "Turner", "Fisher", "Cooper", "Baker", "Porter", "Miller", "Archer")
MANY_KEYS = 5
"""So many keys in one go are an account or a card; fewer choose from a menu."""

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_SAID_EMAIL = re.compile(
    r"\b[A-Za-z0-9]+(?:(?: dot | underscore |[._-])[A-Za-z0-9]+)* at [A-Za-z0-9-]+(?: dot [A-Za-z]{2,})+\b",
    re.IGNORECASE,
)
_NAME_KEY = re.compile("(?:^|_)(?:name|first|last|surname|customer|caller|patient|guest|contact|person)", re.IGNORECASE)
"""Of a tool's argument that is somebody's name."""
_DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_SAID_NAME = re.compile(
    rf"\b(?:[Mm]y name is|[Nn]ame's|[Tt]his is|I am|I'm)((?: (?!(?:{_DAYS}|{_MONTHS}|I)\b)[A-Z][a-z'-]+){{1,3}})"
)
_WORD = re.compile(r"[^\W\d_][\w'-]*")
_DIGIT_WORDS = "zero one two three four five six seven eight nine".split()
_TITLES = frozenset("mr mrs ms miss dr sir madam doctor".split())


@dataclass(slots=True)
class StandIns:
    """Learn what is whose, then replace it. kept: numbers that are the author's own, and stay."""

    kept: Iterable[str] = ()
    _numbers: dict[str, str] = field(default_factory=dict)
    """By its last seven digits: ours in its place."""
    _names: dict[str, str] = field(default_factory=dict)
    """By the word in small letters."""
    _emails: dict[str, str] = field(default_factory=dict)
    _people: int = 0
    count: int = 0
    """How many details were replaced."""

    def learn_arguments(self, arguments: Mapping[str, Any]) -> None:
        """What a tool was given: names are known by what they were given as."""
        for key, value in arguments.items():
            if isinstance(value, Mapping):
                self.learn_arguments(value)
            elif isinstance(value, str) and _NAME_KEY.search(key):
                self.learn_name(value)

    def learn_said(self, text: str) -> None:
        """What the caller said: "my name is Anna Brown"."""
        for found in _SAID_NAME.finditer(text):
            self.learn_name(found[1])

    def learn_name(self, name: str) -> None:
        """Somebody is called so."""
        words = [each for each in _WORD.findall(name) if len(each) > 1 and each.lower() not in _TITLES]
        if not words or len(words) > 4 or all(each.lower() in self._names for each in words):
            return
        place = self._people % len(FIRST_NAMES)
        self._people += 1
        for at, word in enumerate(words):
            names = FIRST_NAMES if at == 0 else LAST_NAMES
            self._names.setdefault(word.lower(), names[(place + max(0, at - 1)) % len(names)])

    def replace(self, text: str) -> str:
        """The text with stand-ins in place of what is somebody's."""
        text = _EMAIL.sub(lambda found: self._email(found[0], said=False), text)
        text = _SAID_EMAIL.sub(lambda found: self._email(found[0], said=True), text)
        for begin, end in reversed(struck_ranges(text, Redaction.NUMBERS)):
            text = text[:begin] + self._number(text[begin:end]) + text[end:]
        return _WORD.sub(self._named, text)

    def replace_value(self, value: Any) -> Any:
        """The same in JSON values."""
        if isinstance(value, str):
            return self.replace(value)
        if isinstance(value, list):
            return [self.replace_value(each) for each in value]
        if isinstance(value, Mapping):
            return {key: self.replace_value(each) for key, each in value.items()}
        if isinstance(value, int) and not isinstance(value, bool) and len(str(abs(value))) >= 7:
            return int(as_digits(self._number(str(value))))
        return value

    def replace_keys(self, keys: str) -> str:
        """Keys that were pressed; those of a menu stay."""
        digits = "".join(each for each in keys if each.isdigit())
        if len(digits) < MANY_KEYS:
            return keys
        other = iter(self._other(digits))
        return "".join(next(other) if each.isdigit() else each for each in keys)

    def _number(self, written: str) -> str:
        """Another number, written as this one is."""
        digits = as_digits(written)
        if not digits or any(_tail(digits) == _tail(each) for each in self._kept_digits()):
            return written
        other = self._other(digits)
        if not any(each.isdigit() for each in written):
            return " ".join(_DIGIT_WORDS[int(each)] for each in other)
        if sum(each.isdigit() for each in written) != len(other):
            return other  # partly said, partly written
        signs = iter(other)
        return "".join(next(signs) if each.isdigit() else each for each in written)

    def _kept_digits(self) -> list[str]:
        return ["".join(each for each in number if each.isdigit()) for number in self.kept]

    def _other(self, digits: str) -> str:
        """As many digits that are nobody's."""
        self.count += 1
        if is_card(digits):
            return (CARD + "0" * len(digits))[: len(digits)] if len(digits) != 16 else CARD
        key = _tail(digits)
        if key not in self._numbers:
            self._numbers[key] = f"1{NUMBERS}{100 + len(self._numbers) % 100}"
        ours = self._numbers[key]
        return ours[-len(digits) :].rjust(len(digits), "0")

    def _email(self, written: str, *, said: bool) -> str:
        self.count += 1
        key = written.lower().replace(" at ", "@").replace(" dot ", ".").replace(" underscore ", "_")
        ours = self._emails.setdefault(key, f"person{len(self._emails) + 1}")
        return f"{ours} at example dot com" if said else f"{ours}@example.com"

    def _named(self, found: re.Match[str]) -> str:
        word = found[0]
        bare, owned = (word[:-2], word[-2:]) if word.lower().endswith("'s") else (word, "")
        other = self._names.get(bare.lower())
        if other is None:
            return word
        self.count += 1
        return (other.lower() if bare.islower() else other.upper() if bare.isupper() else other) + owned


def _tail(digits: str) -> str:
    return digits[-7:]
