"""Is a voice over the agent's own a real interruption, a false one, or a backchannel?"""

from __future__ import annotations

from enum import Enum

_BACKCHANNELS = frozenset(
    """mm mmm mhm mm-hm mm-hmm mhmm hm hmm uh-huh uhuh huh ah aha oh ooh okay ok alright right yeah yep yes yup sure
    good great nice cool wow really see thanks""".split()
)
_BACKCHANNEL_PHRASES = frozenset({"i see", "got it", "of course", "all right", "oh okay", "thank you", "very good"})


class Verdict(Enum):
    """What to do about it."""

    NOTHING = "nothing"
    """No words: noise, a cough, our own echo."""
    BACKCHANNEL = "backchannel"
    """Words that take nothing: "mm-hm", "okay"."""
    REAL = "real"
    """Words that take the floor."""


def judge(text: str) -> Verdict:
    """Judge what was recognised of a voice heard while the agent had the floor."""
    words = [w.strip(".,!?;:\"'…").lower() for w in text.split()]
    words = [w for w in words if any(ch.isalnum() for ch in w)]
    if not words:
        return Verdict.NOTHING
    if len(words) <= 4 and all(w in _BACKCHANNELS for w in words):
        return Verdict.BACKCHANNEL
    if " ".join(words) in _BACKCHANNEL_PHRASES:
        return Verdict.BACKCHANNEL
    return Verdict.REAL
