"""What strangers say, as a terminal may show it: text, and never an order to the terminal."""

from __future__ import annotations

import json
import re
from typing import Any

_BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""They turn the order of what follows; Python calls some of them printable."""
_JOINERS = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
"""They have no width and no sign of their own: Persian has them within words, and families of emoji."""
_SHOWN = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " "} | dict.fromkeys(_JOINERS, ""))
"""What people write, and Python does not call printable."""
_IN_JSON = re.compile(rf"[\x7f-\x9f\u2028\u2029\ufeff{_BIDI}\ud800-\udfff]")
"""What JSON leaves as it is, and a terminal might obey."""


def printable(text: str) -> str:
    """One line, without control characters and bidi overrides."""
    return "".join(ch if ch.isprintable() and ch not in _BIDI else "�" for ch in text.translate(_SHOWN))


def printable_lines(text: str) -> str:
    """The same for text of several lines, which they stay; a tab becomes spaces."""
    return "\n".join(printable(line.expandtabs(4)) for line in text.split("\n"))


def printable_json(value: Any) -> str:
    """A value as indented JSON that means the same and can be looked at."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
