"""Take out of a text what only the eye wants: markdown, emoji, web addresses in full, control characters.

How words, numbers and what is left of an address are said is the voice's affair, not settled here.
"""

from __future__ import annotations

import html
import re
from urllib.parse import unquote


def speakable(text: str) -> str:
    """Return what a voice should say for a text that a model wrote, on one line.

    text: one sentence or several; markup may be cut off at either end, as a sentence out of a longer text has it.
    Plain prose comes back as it is. Returns "" when nothing is left to say. Never raises.
    """
    text = _LINE_BREAKS.sub("\n", text)
    text = _INVISIBLE.sub("", text)
    text = _FENCE.sub("", text)
    text = _LINK.sub(_link_text, text)
    text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    text = _AUTOLINK.sub(r"\1", text)
    text = _TAG.sub(" ", text)
    text = _URL.sub(_readable_address, text)
    for marks in _EMPHASIS:
        text = marks.sub("", text)
    text = " ".join(_lines(text))
    text = _EMOJI_BETWEEN_WORDS.sub(" ", text)
    text = _EMOJI.sub("", text)
    text = _CONTROL.sub(" ", text)
    return " ".join(text.split())


def _lines(text: str) -> list[str]:
    """The lines without their layout; an item or a heading without an ending gets a full stop to pause at."""
    lines = [line.strip() for line in text.split("\n")]
    quotes = sum(line.startswith(">") for line in lines) > 1 or not _COMPARED.match(lines[0])
    spoken: list[str] = []
    for line in lines:
        if _RULE.fullmatch(line):
            continue
        bare = _QUOTE.sub("", line) if quotes else line
        row = bare.startswith("|")
        if mark := _ITEM.match(bare):
            bare = bare[mark.end() :].rstrip("#" if mark[0].startswith("#") else "").rstrip()
        elif row:
            bare = _COLUMN.sub(", ", bare.strip("| \t"))
        pauses = mark or row or _NUMBERED.match(bare)
        if pauses and len(lines) > 1 and bare and bare[-1].isalnum():
            bare += "."
        spoken.append(bare)
    return spoken


def _link_text(match: re.Match[str]) -> str:
    return match[1] or match[2]


def _readable_address(match: re.Match[str]) -> str:
    """Keep the host and the path: "https://www.a.example/b?c=d" is "a.example/b"."""
    address = match[0]
    ending = ""
    while address[-1] in ".,;:!?'\"*_)]}" and not (address[-1] == ")" and "(" in address):
        ending = address[-1] + ending
        address = address[:-1]
    address = re.split(r"[?#]", address, maxsplit=1)[0]
    address = re.sub(r"(?i)^(?:https?|ftp|wss?)://|^(?:mailto|tel):", "", address)
    return unquote(re.sub(r"(?i)^www\.", "", address)).rstrip("/") + ending


_LINE_BREAKS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_INVISIBLE = re.compile("\ufe0f?\u20e3|[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
"""Keycap frames, soft hyphens, zero-width blanks, writing direction. Joiners stay: Indic and Persian need them."""
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd\ufffe\uffff]")

_FENCE = re.compile(r"(?m)^[ \t]*(?:```+|~~~+)[ \t]*[\w+#.-]*[ \t]*$")
_LINK = re.compile(r"!?\[([^\[\]\n]{0,300})\]\(\s*<?([^()\s<>]{0,2000})>?(?:\s+\"[^\"\n]{0,300}\")?\s*\)")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)?[^\s<>@]{1,500}[.@:][^\s<>]{1,500})>")
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9-]{0,20}(?:\s[^<>]{0,500})?/?>|<!--.{0,500}?-->")
_ENTITY = re.compile(
    r"&(?:amp|lt|gt|quot|apos|nbsp|ndash|mdash|hellip|rsquo|lsquo|rdquo|ldquo|#\d{1,6}|#x[0-9a-fA-F]{1,5});"
)
_URL = re.compile(r"(?i)\b(?:(?:https?|ftp|wss?)://|mailto:|tel:(?=[+\d])|www\.(?=\w))[^\s<>]+")

_RULE = re.compile(r"(?:[-*_=](?:[ \t]*[-*_=]){2,}|\|(?:[ \t]*:?-+:?[ \t]*\|)+)")
_QUOTE = re.compile(r"^(?:>[ \t]?)+(?=\s|\w|[\"'*_“‘(])")
_COMPARED = re.compile(r">=?[ \t]*[$£€¥₹]?\.?\d")
"""More than so much, unless the lines after it are quoted as well."""
_ITEM = re.compile(r"(?:#{1,6}|[-*+•‣◦▪●–—](?:[ \t]+\[[ xX]\])?)[ \t]+")
_NUMBERED = re.compile(r"\d{1,3}[.)][ \t]")
_COLUMN = re.compile(r"[ \t]*\|[ \t]*")

# Emphasis marks, whole or one half of a pair that a sentence break left behind. A mark between blanks ("5 * 3") or
# inside a word ("snake_case") is prose.
_EMPHASIS = (
    re.compile(r"~~|`+"),
    re.compile(r"\*{2,}"),
    re.compile(r"(?<![\w*])\*(?=[^\s*])|(?<=[^\s*])\*(?![\w*])"),
    re.compile(r"(?<!\w)_+(?=[^\s_])|(?<=[^\s_])_+(?!\w)"),
    re.compile(r"\*{2,}"),  # those that had other marks between them
)

_PICTURE = (
    "(?:[\U0001f000-\U0001faff\u2600-\u27bf\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u231a\u231b"
    "\u2328\u23cf\u23e9-\u23f3\u23f8-\u23fa\u3030\u303d\u3297\u3299]|[\U000e0020-\U000e007f]|\ufe0f)"
)
_EMOJI = re.compile(rf"[ \t]*{_PICTURE}(?:[ \t]*\u200d?{_PICTURE})*")
_EMOJI_BETWEEN_WORDS = re.compile(rf"(?<=[^\W_]){_PICTURE}(?:\u200d?{_PICTURE})*(?=[^\W_])")
