"""Vendors' keys, looked up by name: the one place beside settings.py that reads the environment.

A provider is made in an agent's file and frozen there, and asks for its key when it is used. So a look-up is what it is
given, not a value: the environment as it is then, and behind it what the .env held when the program was started.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Final

log = logging.getLogger(__name__)

OLDER: Final = {
    "TWILIO_ACCOUNT_SID": "TWILIO_SID",
    "TWILIO_AUTH_TOKEN": "TWILIO_TOKEN",
    "OPENAI_API_KEY": "OPENAI_KEY",
    "DEEPGRAM_API_KEY": "DEEPGRAM_KEY",
    "ELEVENLABS_API_KEY": "ELEVENLABS_KEY",
}
"""What variables were once called: read where the current name has nothing."""

_BEHIND: dict[str, str] = {}
_TOLD: set[str] = set()


def stand_behind(keys: Mapping[str, str]) -> None:
    """Let these be found where the environment has nothing, from now on and in this process only."""
    _BEHIND.clear()
    _BEHIND.update(keys)


def look_up(variable: str) -> str:
    """The key that is set under this name, or under its older one, which is told once; "" if there is none. Blanks
    around it are not the key's, and nothing but blanks is no key."""
    name = set_as(variable)
    if name != variable and name not in _TOLD:
        _TOLD.add(name)
        log.warning("%s is the older name of %s: rename it; see docs/migrating.md", name, variable)
    return _value(name)


def set_as(variable: str) -> str:
    """The name that it is set under, which may be its older one; its own if it is not set."""
    older = OLDER.get(variable, "")
    return older if older and not _value(variable) and _value(older) else variable


def _value(name: str) -> str:
    return os.environ.get(name, "").strip() or _BEHIND.get(name, "").strip()
