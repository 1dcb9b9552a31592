"""When the caller's turn is over: how much silence its words ask for."""

from __future__ import annotations

import re

from patter_cli.core.plan import Pace

_UNFINISHED = frozenset(
    """and or but so because if when while that which who whose than then with without for from to of in on at by
    about into the a an my your our their his her its this these those is are was were am be been i we you they he she
    it's i'm i'd we're can could would will should may might must do does did um uh er erm hmm well like also just
    maybe number mr mrs ms dr""".split()
)
"""Last words after which people go on. English; other languages fall back to silence alone."""

_SHORT_ANSWERS = frozenset(
    """yes yeah yep yup no nope okay ok sure correct right exactly great perfect thanks goodbye bye hello hi hey stop
    wait repeat never cancel monday tuesday wednesday thursday friday saturday sunday tomorrow today morning
    afternoon""".split()
)

_QUESTION_WORDS = frozenset("what when where who why how which whose can could do does is are will would may".split())

_OPEN_NUMBER = re.compile(r"(\d[\d\s-]*|\b(oh|zero|one|two|three|four|five|six|seven|eight|nine)( \w+)?)[.,]?$", re.I)


def endpoint_delay(text: str, pace: Pace) -> int:
    """Milliseconds of silence, from the last voiced window on, that end a turn with these words.

    text: what is recognised of the turn so far; empty if nothing is known yet.
    """
    words = [w.strip(".,!?;:\"'").lower() for w in text.split()]
    words = [w for w in words if w]
    if not words:
        return pace.endpoint_ms
    stripped = text.rstrip()
    if stripped.endswith("?") and len(words) >= 3 and not _QUESTION_WORDS.isdisjoint(words[:-1]):
        return pace.endpoint_complete_ms
    if words[-1] in _UNFINISHED or stripped.endswith(("...", "…", "-", "—")):
        return pace.endpoint_unfinished_ms
    if len(words) <= 3 and all(w in _SHORT_ANSWERS for w in words):
        return pace.endpoint_complete_ms
    if sum(ch.isdigit() for ch in stripped) in range(3, 10) and _OPEN_NUMBER.search(stripped):
        return pace.endpoint_unfinished_ms
    return pace.endpoint_ms
