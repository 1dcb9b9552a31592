"""A tool's parameters as vendors take them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plain_schema(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's parameters as an object with properties: at the top, strict vendors take nothing else.

    What is left out, as a choice between sets of arguments, is still asked of the arguments before the tool runs.
    """
    kept = {name: each for name, each in parameters.items() if name not in ("anyOf", "oneOf", "allOf", "not", "enum")}
    return {**kept, "type": "object", "properties": dict(kept.get("properties") or {})}
