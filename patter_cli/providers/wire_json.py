"""What vendors' messages say, whatever is really in them: JSON from strangers, read without trust."""

from __future__ import annotations

import base64
import binascii
import json
from math import isfinite
from typing import Any

from patter_cli.errors import BadReply
from patter_cli.providers.http import Server


def read_object(server: Server, message: str | bytes) -> dict[str, Any]:
    """The object in a message. Raises BadReply."""
    try:
        value = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise BadReply(f"{server.host} sent something that is no JSON", provider=server.provider) from error
    if not isinstance(value, dict):
        raise BadReply(f"{server.host} sent JSON that is no object", provider=server.provider)
    return value


def text_of(value: Any, name: str) -> str:
    """A text; "" if there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def number_of(value: Any, name: str, default: float = 0.0) -> float:
    """A finite number; the default if there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return default
    try:
        number = float(found)
    except OverflowError:
        return default
    return number if isfinite(number) and abs(number) < 1e9 else default


def list_of(value: Any, name: str) -> list[Any]:
    """A list; [] if there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def object_of(value: Any, name: str) -> dict[str, Any]:
    """An object; {} if there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def numbers_of(value: Any, name: str) -> list[float]:
    """A list of finite numbers, 0 for what is none."""
    return [number_of({"each": each}, "each") for each in list_of(value, name)]


def texts_of(value: Any, name: str) -> list[str]:
    """A list of texts, "" for what is none."""
    return [each if isinstance(each, str) else "" for each in list_of(value, name)]


def sound_of(server: Server, value: Any, name: str) -> bytes:
    """Sound in base64; b"" if there is none. Raises BadReply."""
    coded = text_of(value, name)
    try:
        return base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadReply(f"{server.host} sent sound that is no base64", provider=server.provider) from error
