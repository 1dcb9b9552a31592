"""What every carrier's stream in JSON has in common: fields that nobody vouches for, read without ever raising."""

from __future__ import annotations

import json
from binascii import a2b_base64
from typing import Final, TypeAlias, TypeGuard

from patter_cli.contracts.carrier.stream import Refused

JsonObject: TypeAlias = dict[str, object]

MAX_MARK_CHARS: Final = 256
MAX_PARAMETERS: Final = 64
MAX_PARAMETER_CHARS: Final = 4096

_read_json: Final = json.JSONDecoder().decode


def parse_message(text: str, max_chars: int) -> JsonObject | Refused:
    """One text frame as an object, or why it is none. A longer one than max_chars is not read at all."""
    if len(text) > max_chars:
        return Refused(why="too long")
    try:
        message = _read_json(text)
    except (ValueError, RecursionError):  # RecursionError: brackets in brackets, thousands deep
        return Refused(why="not JSON")
    return message if isinstance(message, dict) else Refused(why="not a JSON object")


def read_base64(value: object) -> bytes | None:
    """The bytes of a base64 text; None for anything else, blanks in it too."""
    if not isinstance(value, str):
        return None
    try:
        return a2b_base64(value, strict_mode=True)
    except ValueError:
        return None


def shown(value: object) -> str:
    """A value as it was written, or the beginning of it, on one line; what has others in it is not looked into, since
    that may be thousands deep."""
    return "a list or an object" if isinstance(value, list | dict) else json.dumps(value)[:40]


def is_mark(value: object) -> TypeGuard[str]:
    """Whether it can be a mark's name."""
    return isinstance(value, str) and 0 < len(value) <= MAX_MARK_CHARS and _is_unicode(value)


def is_text(value: object) -> TypeGuard[str]:
    """Whether it can be a parameter's name or value."""
    return isinstance(value, str) and len(value) <= MAX_PARAMETER_CHARS and _is_unicode(value)


def _is_unicode(text: str) -> bool:
    """JSON can escape half a character; nothing behind us could write that to a file or a socket."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
