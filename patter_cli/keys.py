"""Vendors' keys, looked up by name: the one place beside settings.py that reads the environment.

A provider is made in an agent's file and frozen there, and asks for its key when it is used. So a look-up is what it is
given, not a value: the environment as it is then, and behind it what the .env held when the program was started.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_BEHIND: dict[str, str] = {}


def stand_behind(keys: Mapping[str, str]) -> None:
    """Let these be found where the environment has nothing, from now on and in this process only."""
    _BEHIND.clear()
    _BEHIND.update(keys)


def look_up(variable: str) -> str:
    """The key that is set under this name; "" if there is none."""
    return os.environ.get(variable, "") or _BEHIND.get(variable, "")
