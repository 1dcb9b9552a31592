"""The text before any rule: one kind of quote and dash, no markup, no accents, figures of any script as 0 to 9."""

from __future__ import annotations

import re
import unicodedata

from patter_cli.text.readings.rule import Match
from patter_cli.text.readings.signs import COIN_SIGNS

_TYPOGRAPHY = str.maketrans(
    {"‘": "'", "’": "'", "ʼ": "'", "′": "'", "“": '"', "”": '"', "„": '"', "″": '"', "«": '"', "»": '"', "…": "..."}
    | {"‐": "-", "‑": "-", "–": "-", "−": "-", "‒": "-", "―": "—", "№": "No. ", "⁄": "/", "∕": "/"}
    | dict(zip("ßæÆœŒøØłŁđĐıþÞðÐħ", "ss ae AE oe OE o O l L d D i th Th d D h".split(), strict=True))
    | {"μ": "µ", "²": "^2", "³": "^3"}
    | {"℃": "°C", "℉": "°F", "º": "°", "\t": " ", "\u00a0": " ", "\u2009": " ", "\u202f": " "}
    | dict.fromkeys("\u00ad\u200b\u2060\ufeff¿¡·", "")
)
_VULGAR = re.compile(r"(\d?)\s?([¼-¾⅐-⅞])")
_SIGN_NAMES = {"∞": "infinity", "√": "square root of", "π": "pi", "∑": "sum of", "©": "copyright", "®": "registered"}
_SIGN_NAMES |= {"™": "trademark", "§": "section", "¶": "paragraph", "†": "dagger", "‰": "per thousand"}
_MARKUP = re.compile(r"[*`~^_]{2,}|`|(?<![\w*~])([*_~])(?=[^\W_])([^*_~]{1,300}?)(?<=[^\s*_~])\1(?![\w*~])")


_GREEK = re.compile(
    r"(?<![\u0370-\u03ff])(?!(?<=\d)Ω|(?<=\d\s)Ω|(?<=\d[kMm])Ω|(?<=\d\s[kMm])Ω)[\u0370-\u03ff](?![\u0370-\u03ff])"
)
"""A letter alone is said by its name; behind a figure Ω is a unit."""


def plain(text: str) -> str:
    """The text on one line in ASCII, but for the signs that rules know; what no rule can know is named.

    A line's end is a pause. Letters of scripts that have nothing to do with ours stay and are dropped in the end.
    """
    text = text.strip()
    if not text.isascii():
        text = _ascii(text)
    if "'" in text:
        text = re.sub(r"(?<=\d)'(?=\d{3}(?!\d))", ",", text)
    if "\n" in text or "\r" in text:
        text = re.sub(r"\s*[\r\n]\s*", lambda m: ". " if m[0].count("\n") > 1 else ", ", text)
    if any(mark in text for mark in "*`~^_"):
        text = _MARKUP.sub(lambda m: m[2] or " ", text)
    return re.sub(r"\s+", " ", text)


def _ascii(text: str) -> str:
    text = re.sub(r"(?<=\d)[\u00a0\u202f\u2009](?=\d{3}(?!\d))", ",", text)
    text = _VULGAR.sub(_vulgar, text.translate(_TYPOGRAPHY))
    # Between amounts a long dash is "to", between words it is a pause.
    text = re.sub(r"(?<=[\d%])—(?=[$£€¥₹\d.])", "-", text).replace("—", ", ")
    text = "".join(map(_letter, unicodedata.normalize("NFC", text)))
    return _GREEK.sub(_greek, text)


def _vulgar(match: Match) -> str:
    """2½ -> "2 1/2"."""
    fraction = unicodedata.normalize("NFKC", match[2]).replace("⁄", "/")
    return f"{match[1]} {fraction} " if match[1] else f" {fraction} "


def _letter(character: str) -> str:
    """A character without its accent; a sign of mathematics or money that no rule reads by its name."""
    if character.isascii() or character in "°µ×÷±≈≠≤≥→←⇒" or character in COIN_SIGNS:
        return character
    if character in _SIGN_NAMES:
        return f" {_SIGN_NAMES[character]} "
    if character.isdigit() and unicodedata.category(character) == "Nd":
        return str(unicodedata.digit(character))
    if unicodedata.category(character) in ("Sm", "Sc") and character not in COIN_SIGNS:
        return f" {unicodedata.name(character, '').lower().removesuffix(' sign')} "
    bare = unicodedata.normalize("NFKD", character)
    return "".join(c for c in bare if not unicodedata.combining(c))


def _greek(match: Match) -> str:
    """A lone Greek letter is a symbol and has a name everybody knows."""
    name = unicodedata.name(match[0], "").split(" WITH ")[0].rpartition(" ")[2]
    return f" {name.lower()} "
