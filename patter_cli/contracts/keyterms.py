"""How many key terms a recogniser takes: a budget that each vendor's recipe may state, and what is kept within it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

USUAL_TERMS = 100
"""Of a vendor that states no number; UNVERIFIED for each of those."""
TOKEN_BYTES = 3
"""Of a name, which falls into smaller pieces than a word that everybody writes. UNVERIFIED: who says
how many tokens it takes does not say what one is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeytermBudget:
    """What a request may carry. characters: of all terms, with one between each two; tokens: of all; None: any."""

    terms: int = USUAL_TERMS
    characters: int | None = None
    tokens: int | None = None

    def kept(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """The terms that fit, the first ones first; one that is too long leaves its place to those behind it."""
        kept: list[str] = []
        characters = tokens = 0
        for each in wanted:
            longer, more = characters + len(each) + bool(kept), tokens + tokens_of(each)
            if self.characters is not None and longer > self.characters:
                continue
            if self.tokens is not None and more > self.tokens:
                continue
            kept.append(each)
            characters, tokens = longer, more
            if len(kept) == self.terms:
                break
        return tuple(kept)

    def __str__(self) -> str:
        """Such as "100 terms, 1200 characters"."""
        several = {"terms": self.terms, "characters": self.characters, "tokens": self.tokens}
        return ", ".join(f"{value} {name}" for name, value in several.items() if value is not None)


@runtime_checkable
class TakesKeyterms(Protocol):
    """What a recogniser's recipe may have that takes key terms: how many of them."""

    @property
    def keyterm_budget(self) -> KeytermBudget:
        """Of one session."""


def tokens_of(term: str) -> int:
    """About as many as a vendor counts, rather more than fewer."""
    return sum(-(-len(word.encode()) // TOKEN_BYTES) for word in term.split())


def budget_of(recipe: object) -> KeytermBudget:
    """What this recogniser takes."""
    return recipe.keyterm_budget if isinstance(recipe, TakesKeyterms) else KeytermBudget()
