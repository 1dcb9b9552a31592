"""Speech with no key and no network: the names people use for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from patter_cli.errors import BadSetting

if TYPE_CHECKING:
    from patter_cli.providers import joe, moonshine

_VOICES = {"joe": 1.0, "jo": 1.12}
"""Name -> pitch. 1.08 to 1.2 are understood alike, within a few words. Source: tests/bench/stt.py."""


_VENDORS = frozenset(
    "alloy ash ballad cedar coral echo fable marin nova onyx sage shimmer verse "  # OpenAI
    "rachel adam antoni arnold bella domi elli josh sam sarah charlie george callum daniel lily aria roger".split()
)
"""Voices of vendors that people write before they have a key. Sources: the vendors' voice lists."""


def stands_in_for(voice: str) -> bool:
    """Whether this is a vendor's voice, for which the built-in one speaks where there is no key."""
    return voice.lower() in _VENDORS


def LocalSTT() -> moonshine.SpeechToText:
    """The built-in ears: English, no key, no network."""
    from patter_cli.providers import moonshine

    return moonshine.SpeechToText()


def LocalTTS(voice: str = "joe", language: str = "") -> joe.TextToSpeech:
    """The built-in voice: "joe", or "jo", the same speaker in a higher timbre; for vendors' it stands in.

    language: whose way of writing dates it reads, BCP-47; "" is the agent's. Raises BadSetting for any other name.
    """
    from patter_cli.providers import joe

    if stands_in_for(voice):
        voice = "joe"
    if voice not in _VOICES:
        raise BadSetting(f"there is no local voice {voice!r}", hint=f"choose one of: {', '.join(_VOICES)}")
    return joe.TextToSpeech(pitch=_VOICES[voice], language=language)


async def warm_all() -> None:
    """Load the ears and the voice side by side, so that the first call does not wait. Raises MissingExtra."""
    await asyncio.gather(LocalSTT().warm(), LocalTTS().warm())
