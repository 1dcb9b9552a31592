"""A tool's result as text for the model: always valid JSON, never too long, whatever the tool returned.

The value is walked with a budget: each piece is paid for as it is taken, and what cannot be paid is left out. So a
result of 10 MB costs what 16 KB cost, one that holds itself comes to an end, and the JSON around the cut is whole.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Set
from enum import Enum
from typing import Any

RESULT_BYTES = 16 << 10
"""The most that a model gets of one result, UTF-8. Source: RELIABILITY T26."""
DEPTH = 32
"""Deeper down a result is left out."""

_ROOM = 200
"""Bytes for what stands around the data."""
_CUT = "this is only the beginning: the result was longer than 16 KB"
_SELF_DESCRIBED = (str, bytes, bytearray, memoryview, int, float, type(None))


def render_result(value: Any) -> str:
    """What a tool returned, as {"ok": true, "data": ...}; "cut" says that data is not all of it.

    Enums give their value, dataclasses their fields, sets a list, bytes their text; what JSON has no word for, such as
    a date, becomes str(value), a NaN null. Runs methods of the value's own class, such as __str__, which may block.
    """
    walk = _Walk(RESULT_BYTES - _ROOM)
    answer: dict[str, Any] = {"ok": True, "data": walk.plain(value, DEPTH)}
    if walk.cut:
        answer["cut"] = _CUT
    return _json(answer)


def render_error(message: str) -> str:
    """What the model is told of a failure, as {"ok": false, "error": ...}."""
    return _json({"ok": False, "error": _Walk(RESULT_BYTES - _ROOM).text(message)})


class _Walk:
    """One pass over a result. room: bytes that are left."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.cut = False

    def plain(self, value: Any, depth: int) -> Any:
        """The value in what JSON has, as much of it as there is room for."""
        if isinstance(value, Enum):
            value = value.value
        if value is None or isinstance(value, bool):
            return value if self._pay(5) else None
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int | float):
            return self._number(value)
        if isinstance(value, bytes | bytearray | memoryview):
            self.cut |= len(value) > self._room
            return self.text(bytes(value[: max(self._room, 0)]).decode("utf-8", "replace"))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        if not isinstance(value, Mapping | list | tuple | Set):
            return self.text(str(value))
        if depth <= 0 or not self._pay(2):
            self.cut = True
            return None
        return self._members(value, depth) if isinstance(value, Mapping) else self._items(value, depth)

    def text(self, text: str) -> str:
        """As much of a text as there is room for."""
        kept = text[: max(self._room, 0)]
        while kept and (size := len(_json(kept).encode())) > self._room:
            kept = kept[: len(kept) * self._room // size - 1] if len(kept) * self._room // size > 1 else ""
        self._room -= len(_json(kept).encode())
        self.cut |= len(kept) < len(text)
        return kept

    def _number(self, value: float) -> Any:
        if isinstance(value, float):
            return float(value) if self._pay(25) and math.isfinite(value) else None
        if value.bit_length() > 1024:
            return self.text(f"a number of {value.bit_length()} bits")
        return int(value) if self._pay(value.bit_length() // 3 + 2) else None

    def _members(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key, inner in value.items():
            if not self._pay(4):
                break
            name = self.text(key if isinstance(key, str) else str(key.value if isinstance(key, Enum) else key))
            members[name] = self.plain(inner, depth - 1)
            if self.cut:
                break
        return members

    def _items(self, value: Any, depth: int) -> list[Any]:
        items: list[Any] = []
        for inner in value:
            if not self._pay(2):
                break
            items.append(self.plain(inner, depth - 1))
            if self.cut:
                break
        return items

    def _pay(self, size: int) -> bool:
        self._room -= size
        self.cut |= self._room < 0
        return self._room >= 0


def _json(value: Any) -> str:
    """Half of a surrogate pair has no UTF-8, and would end the request it gets into."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace").decode()
