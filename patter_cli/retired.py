"""Models that their vendors have taken away, or will: what takes their place, as data with its dates.

An agent's file outlives the models it names. Where one has ended, its successor answers the phone in its place, and a
warning says so; where one is about to end, the warning comes before.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, is_dataclass, replace
from datetime import date, timedelta
from typing import Any, Final, cast

from patter_cli.contracts.provider import name_of

log = logging.getLogger(__name__)

AHEAD: Final = timedelta(days=60)
"""So long before a model's end it is told."""
_SNAPSHOT = r"(?:-latest|-[0-9]{4}-?[0-9]{2}-?[0-9]{2})?"
_TOLD: set[tuple[str, str]] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """Some models of a vendor's. models: a pattern of their names, without the date of a snapshot. ends: the first day
    without them; the earliest there is, where nobody says."""

    provider: str
    models: str
    successor: str
    ends: date = date.min


def _openai(models: str, successor: str, ends: date) -> Retired:
    return Retired(provider="openai", models=models, successor=successor, ends=ends)


RETIRED: tuple[Retired, ...] = (
    # Source: OpenAI's page of deprecations, 2026-11.
    _openai("gpt-4.1-nano|o4-mini|gpt-3.5-turbo", "gpt-6-luna", date(2026, 10, 23)),
    _openai("gpt-4-turbo", "gpt-6.1-terra", date(2026, 10, 23)),
    _openai("gpt-5-(?:mini|nano)", "gpt-6-luna", date(2026, 12, 11)),
    _openai("gpt-5|o3", "gpt-6.1-terra", date(2026, 12, 11)),
    _openai("gpt-4(?:o|.1)-mini", "gpt-6-luna", date(2027, 1, 14)),
    _openai("gpt-4(?:o|.1)", "gpt-6.1-terra", date(2027, 1, 14)),
    # Source: Anthropic's page of deprecations, 2026-11.
    Retired(provider="anthropic", models="claude-sonnet-4-5", successor="claude-sonnet-5-5", ends=date(2026, 11, 30)),
    Retired(provider="anthropic", models="claude-3(?:-[57])?-haiku", successor="claude-haiku-5-5"),
    Retired(
        provider="anthropic", models="claude-3(?:-[57])?-sonnet|claude-sonnet-4(?:-0)?", successor="claude-sonnet-5-5"
    ),
    Retired(provider="anthropic", models="claude-3-opus|claude-opus-4(?:-[01])?", successor="claude-opus-5-5"),
    # Source: Groq's page of deprecations, by somebody who read it, 2026-08.
    Retired(provider="groq", models="llama-3.3-70b-versatile", successor="openai/gpt-oss-120b", ends=date(2026, 8, 16)),
    Retired(provider="groq", models="llama-3.1-8b-instant", successor="openai/gpt-oss-20b", ends=date(2026, 8, 16)),
    # Source: Cerebras's list of models, 2026-10.
    Retired(provider="cerebras", models="qwen-3-.*", successor="qwen-3.8-27b"),
    Retired(
        provider="cerebras",
        models="llama3.1-8b|llama-3.3-70b|zai-glm-4.7|gemma-4-31b",
        successor="gpt-oss-120b",
    ),
)


def current(recipe: Any, today: date, rows: Iterable[Retired] = RETIRED) -> Any:
    """The same recipe with a model that there is. What talks to somebody's own server is left alone, for its models
    are theirs. A warning is logged, once for each model."""
    model = getattr(recipe, "model", "")
    if not isinstance(model, str) or not is_dataclass(recipe) or getattr(recipe, "base_url", None):
        return recipe
    provider = name_of(recipe)
    row = next((each for each in rows if each.provider == provider and _is_one(each, model)), None)
    if row is None or today + AHEAD < row.ends:
        return recipe
    ended = row.ends <= today
    if (provider, model) not in _TOLD:
        _TOLD.add((provider, model))
        when = "has ended" if ended else f"ends on {row.ends}"
        what = "answers in its place" if ended else "takes its place"
        log.warning("%s's model %s %s: %s %s; change the agent's file", provider, model, when, row.successor, what)
    return replace(cast(Any, recipe), model=row.successor) if ended else recipe


def _is_one(row: Retired, model: str) -> bool:
    return re.fullmatch(f"(?:{row.models}){_SNAPSHOT}", model) is not None
