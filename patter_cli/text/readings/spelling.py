"""Which letters are a word and which are read one by one: FAQ, NASA, U.S., PDFs."""

from __future__ import annotations

import re
from collections.abc import Callable

from patter_cli.text.readings.figures import letters
from patter_cli.text.readings.rule import Match

_NEVER_A_WORD = frozenset(
    "us uk eu un uae usa it vip atm ai api faq ceo cfo cto irs fbi cia diy eta asap id iou ok url isp ui io ipa "
    "aaa aa oem hiv uv ira iv".split()
)
_ALWAYS_A_WORD = frozenset("covid nato nasa unicef fifa uefa opec ikea wifi gif jpeg".split())
_VOWELLESS_WORDS = frozenset("hmm shh brr pst psst tsk nth".split())

_DOTTED = re.compile(r"\b(?:[A-Za-z]\.){2,}(?=\W|$)")
_PLURAL = re.compile(r"\b([A-Z]{2,5})s\b")
_CAPITALS = re.compile(r"(?<![A-Za-z'])[A-Z]{2,}(?![A-Za-z])")
_CAPITALS_BEFORE = re.compile(r"\b([A-Z]{2,})\W*$")
_CAPITALS_BEHIND = re.compile(r"^\W*([A-Z]{2,})\b")
_NO_VOWEL = re.compile(r"(?<![A-Za-z'])[b-df-hj-np-tv-xz]{2,6}(?![A-Za-z'])")
_HAS_VOWEL = re.compile("[aeiou]|[^y]y")


def looks_like_word(word: str) -> bool:
    """Whether lower-case letters can be read as a word, going by their vowels."""
    return word in _VOWELLESS_WORDS or bool(_HAS_VOWEL.search(word))


def initialisms(text: str, is_word: Callable[[str], bool]) -> str:
    """Capitals by name, unless they are a word, or shouted beside other capitals that are."""

    def spoken(match: Match) -> str:
        word = match[0].lower()
        if word in ("ok", "oks"):
            return "okay"
        if word in _NEVER_A_WORD and not shouted(match):
            return letters(word)
        long_word = len(word) > 5 and looks_like_word(word)
        return match[0] if word in _ALWAYS_A_WORD or is_word(word) or long_word else letters(word)

    def by_name(word: str) -> bool:
        return word in _NEVER_A_WORD or not is_word(word)

    def shouted(match: Match) -> bool:
        around = text[max(0, match.start() - 24) : match.start()], text[match.end() : match.end() + 24]
        beside = _CAPITALS_BEFORE.findall(around[0]) + _CAPITALS_BEHIND.findall(around[1])
        words = [word.lower() for word in beside]
        return any(w not in _NEVER_A_WORD and is_word(w) and looks_like_word(w) for w in words)

    text = _DOTTED.sub(_dotted, text)
    text = _PLURAL.sub(lambda m: f"{letters(m[1])}'s" if by_name(m[1].lower()) else m[0], text)
    text = _CAPITALS.sub(spoken, text)
    return _NO_VOWEL.sub(lambda m: m[0] if m[0] in _VOWELLESS_WORDS or is_word(m[0]) else letters(m[0]), text)


def _dotted(match: Match) -> str:
    """U.S. -> "U S", keeping the stop where a sentence seems to end."""
    ends = re.match(r"\s*$|\s+[A-Z][a-z]", match.string[match.end() :]) and len(match[0]) > 4 and match[0].isupper()
    return letters(match[0]) + ("." if ends else "")
