"""Models that know few languages: what takes the place of one for a caller who speaks another."""

from __future__ import annotations

import logging
from collections.abc import Mapping

log = logging.getLogger(__name__)

_TOLD: set[tuple[str, str, str]] = set()


def speaks(language: str) -> str:
    """The language of a BCP-47 tag: "es" of "es-MX"; "" of none."""
    return language.partition("-")[0].lower()


def model_for(provider: str, model: str, language: str, english: Mapping[str, str]) -> str:
    """The vendor's model for this language, told once where it is not the one that was named.

    english: models that know English alone -> the same vendor's for several languages. language: BCP-47; "" where
    nobody has said yet.
    """
    other = english.get(model)
    if other is None or speaks(language) in ("", "en"):
        return model
    told = (provider, model, speaks(language))
    if told not in _TOLD:
        _TOLD.add(told)
        log.warning("%s's %s knows English alone: %s is used for %s", provider, model, other, language)
    return other
