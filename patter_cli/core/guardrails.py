"""Rules on a clause before it is spoken: blocked terms match whole words, also across a clause's joint."""

from __future__ import annotations

import re
from functools import lru_cache

from patter_cli.core.plan import BlockedTerms


@lru_cache(maxsize=256)
def _pattern(terms: tuple[str, ...]) -> re.Pattern[str]:
    options = "|".join(r"\W+".join(map(re.escape, term.split())) for term in terms if term.strip())
    return re.compile(rf"(?<!\w)(?:{options})(?!\w)" if options else r"(?!)", re.IGNORECASE)


def replacement_for(text: str, before: str, rules: tuple[BlockedTerms, ...]) -> str | None:
    """What must be said in place of this clause, or None if it may be spoken.

    before: the words already ordered in this reply; a term that straddles the joint blocks the second clause.
    """
    tail = " ".join(before.split()[-8:])
    joined = f"{tail} {text}" if tail else text
    start = len(joined) - len(text)
    for rule in rules:
        if any(match.end() > start for match in _pattern(rule.terms).finditer(joined)):
            return rule.replacement
    return None
