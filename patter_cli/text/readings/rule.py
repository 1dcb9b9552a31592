"""One rewriting rule of a reading, and running a table of them.

A rule costs its regular expression's walk over the clause, whether or not it finds anything. So each names what must be
in the text for it to have any work: most clauses hold no figure and no sign, and pass most tables unread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

Match: TypeAlias = re.Match[str]
Spoken: TypeAlias = Callable[[Match], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """Turns what a pattern finds into words. needs: one of these must be in the text; empty: it is always tried."""

    pattern: re.Pattern[str]
    spoken: Spoken
    needs: tuple[str, ...]


def rule(pattern: str, spoken: Spoken | str, *needs: str, flags: int = 0) -> Rule:
    """A rule out of a pattern and what it becomes: a function of the match, or a template of `re.sub`."""
    return Rule(re.compile(pattern, flags), (lambda m: m.expand(spoken)) if isinstance(spoken, str) else spoken, needs)


def rewrite(text: str, rules: Iterable[Rule]) -> str:
    """The text after each rule in turn."""
    for each in rules:
        if not each.needs or any(sign in text for sign in each.needs):
            text = each.pattern.sub(each.spoken, text)
    return text


def one_of(names: Iterable[str]) -> str:
    """An alternation that finds the longest of the names."""
    return "(?:" + "|".join(sorted(map(re.escape, names), key=len, reverse=True)) + ")"
