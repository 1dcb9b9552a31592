"""An answer begun before the caller's turn is surely over: what it says is kept until the final words agree."""

from __future__ import annotations

from dataclasses import dataclass, field

from patter_cli.core import events as fact
from patter_cli.core.events import Event

MAX_DRAFTS = 3
"""Drafts a turn: each costs a request to the model."""


@dataclass(slots=True)
class Draft:
    """One speculative reply. Nothing of it is spoken, and no tool of it runs, before it is adopted."""

    id: int
    words: tuple[str, ...]
    events: list[Event] = field(default_factory=list)
    """What has come of it so far, in order."""

    @property
    def failed(self) -> bool:
        return any(isinstance(event, fact.ResponseFailed) for event in self.events)


def draft_words(text: str) -> tuple[str, ...]:
    """What must agree between the words a draft answers and the final ones: the words, not case or punctuation."""
    words = ("".join(ch for ch in word.casefold() if ch.isalnum()) for word in text.split())
    return tuple(word for word in words if word)
