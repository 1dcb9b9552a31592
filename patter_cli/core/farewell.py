"""Words said when the agent is about to hang up: do they keep the call, or are they a goodbye themselves?"""

from __future__ import annotations

from patter_cli.core.barge_in import Verdict, judge

IDLE = "idle"
"""The reason of a goodbye to somebody who seems to be gone."""
STOPPABLE = ("agent", IDLE)
"""The reasons of a goodbye that the caller may stop; the others are not theirs to stop: the server goes down, their
time is up, or we cannot hear or answer them any more."""

_PARTING = frozenset("bye goodbye bye-bye ciao cheers thanks thank all care night see talk have too same".split())
"""One of these makes it a goodbye, as long as all the rest belongs to one."""
_AROUND = _PARTING | frozenset(
    """a again and appreciate day dear else everything evening fine for good great help it later lot lovely
    morning much nice no nothing now ok okay oh one please right so soon speak sure take that that's then this to
    tomorrow very was weekend well will week wonderful yeah yes you you're your""".split()
)


def keeps_call(words: str, reason: str) -> bool:
    """Whether these words stop a hang-up for that reason: "wait, one more thing" does, "thanks, bye" does not.

    Somebody who seemed to be gone is there with any word, were it "mm-hm".
    """
    verdict = judge(words)
    if reason == IDLE:
        return verdict is not Verdict.NOTHING
    return verdict is Verdict.REAL and not _is_farewell(words)


def _is_farewell(text: str) -> bool:
    words = [word.strip(".,!?;:\"'…-").lower() for word in text.split()]
    words = [word for word in words if word]
    return _AROUND.issuperset(words) and not _PARTING.isdisjoint(words)
