"""Google: where its models are reached, whatever they are asked for, and how little they may think before a word."""

from __future__ import annotations

import re
from typing import Any

from patter_cli.providers.account import Account, family

GOOGLE = Account(
    name="google",
    url="https://generativelanguage.googleapis.com/v1beta",
    version="v1beta",
    keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    looks_like="AIza",
    key_header="x-goog-api-key",
)
NAME = "gemini-"
"""How its models' names begin."""


def thinking_config(model: str, effort: str | None) -> dict[str, Any] | None:
    """How little a model may think before its first word; None: it does not take the field."""
    version = family(model, NAME)
    if version is None or version < (2, 5):
        return None
    if version >= (3, 0):
        return {"thinkingLevel": effort or ("minimal" if re.search(r"-flash-lite\b", model) else "low")}
    return {"thinkingBudget": 128 if "-pro" in model else 0}
