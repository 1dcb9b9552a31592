"""Is a voice over the agent's own a real interruption, a false one, or a backchannel?

Theory of operation. What a recogniser makes of half a second of humming, coughing or a full café is always words:
"You", "I.", "You need to.", "Uh?". A person who interrupts says something that means something alone. So a voice
takes the floor when at least one of its words does; words that only hold others together are noise until more comes,
and whoever goes on talking takes the floor by that. A recogniser that repeats itself has run out of sound to read:
repeats count once.
"""

from __future__ import annotations

from enum import Enum

_BACKCHANNELS = frozenset(
    """mm mmm mhm mm-hm mm-hmm mm-h mhmm hm hmm uh-huh uhuh huh uh um er ah aha oh ooh okay ok alright right yeah yep
    yes yup sure good great nice cool wow really see thanks maybe""".split()
)
_BACKCHANNEL_PHRASES = frozenset(
    """i see|got it|get it|of course|all right|oh all right|yeah all right|okay all right|oh okay|thank you|very good|
    oh i see|okay i see|yeah i see|ah i see|i know|i understand|that's right|oh really|makes sense""".replace(
        "\n    ", ""
    ).split("|")
)

_EMPTY = frozenset(
    """a an and are as at be been can could d did do does e for from get go going gonna guess had has have he i i'd
    i'll i'm i've in into is it it's just know let like m me mean my need of on or she so some t that that's the then
    there these they thing think this to u was watching we we'll we're well were will with would you you'll
    you're""".split()
)
"""Words that mean nothing alone. Source: tests/bench/turns.py, what Moonshine hears in hummed mm-hms, coughs, slams,
keyboards and babble. Not among them: no, not, stop, wait, what, who, and other words that do."""

_EMPTY_WORDS = 4
"""So many words without meaning are a sentence all the same: "I would like to"."""

_SHORTEST_MS = 160
"""No word takes less: the shortest "no" was 256. Source: tests/bench/turns.py; 18 of 34 voices on a speakerphone's
line were shorter, and were the agent's own echo, read as "No." or "But."."""

_WEAK_MS = 600
"""A voice this short, of one or two words of which none interrupts, is more often a "got it" or an "mm-hm" that was
misread ("Daddy.", "You agree?") than words that were meant. Source: tests/bench/turns.py."""

_NUMBERS = frozenset("zero one two three four five six seven eight nine ten".split())
"""What a caller who knows the menu says into it."""

_LONGEST_HUM_MS = 1200
"""Nobody hums "mm-hm" for longer, and whoever goes on takes the floor by that."""

_NOT_READ_IN_HUMS = frozenset(
    "no nah nope hello stop wait hold hang excuse help repeat operator person agent cancel goodbye".split()
)
"""Of other words in a hum ("You can use it.", "I don't know.") a recogniser has heard what it expects, not what was
said. Source: what Moonshine read into 192 hums over babble and mobile lines."""

_INTERRUPTS = frozenset(
    """no nope nah not don't never stop wait hold hang hello hey hi sorry excuse pardon what what's who who's when where
    where's why how how's which repeat again cancel help operator human person somebody someone agent representative
    goodbye bye quiet enough please but actually listen look can could monday tuesday wednesday thursday friday saturday
    sunday today tomorrow""".split()
)

_HALLUCINATIONS = frozenset({"thank you for watching", "thanks for watching"})
"""What recognisers that learned from videos hear in silence."""


class Verdict(Enum):
    """What to do about it."""

    NOTHING = "nothing"
    """No words that mean anything: noise, a cough, our own echo."""
    BACKCHANNEL = "backchannel"
    """Words that take nothing, but may answer a question: "mm-hm", "okay"."""
    REAL = "real"
    """Words that take the floor."""


def judge(text: str, voiced_ms: int | None = None, *, hummed: bool = False) -> Verdict:
    """Judge what was recognised of a voice heard while the agent had the floor.

    voiced_ms: how long the voice was, once it is over; None while it goes on. hummed: it sounded like an "mm-hm".
    """
    words = [w.strip(".,!?;:\"'…-").lower() for w in text.split()]
    words = [w for w in words if any(ch.isalnum() for ch in w)]
    once = _without_repeats(words)
    said = " ".join(once)
    if not once or said in _HALLUCINATIONS:
        return Verdict.NOTHING
    if all(w in _BACKCHANNELS for w in words):
        return Verdict.BACKCHANNEL if len(words) <= 4 else Verdict.REAL
    if said in _BACKCHANNEL_PHRASES:
        return Verdict.BACKCHANNEL
    if len(once) < _EMPTY_WORDS and all(w in _EMPTY or w in _BACKCHANNELS for w in once):
        # Near the end of a question "I do" is an answer, as "okay" is; a lonely "the" is none.
        return Verdict.BACKCHANNEL if len(once) > 1 else Verdict.NOTHING
    if voiced_ms is not None and voiced_ms < _SHORTEST_MS and len(once) <= 2:
        return Verdict.NOTHING
    weak = len(once) <= 2 and _INTERRUPTS.isdisjoint(once) and not _is_number(once)
    if weak and voiced_ms is not None and voiced_ms < _WEAK_MS:
        return Verdict.BACKCHANNEL
    if hummed and (voiced_ms or 0) < _LONGEST_HUM_MS and _NOT_READ_IN_HUMS.isdisjoint(once):
        return Verdict.BACKCHANNEL
    return Verdict.REAL


def _is_number(words: list[str]) -> bool:
    return len(words) == 1 and (words[0] in _NUMBERS or words[0].isdecimal())


def _without_repeats(words: list[str]) -> list[str]:
    """The words without a phrase that is said again and again: "oh, well, oh, well, oh" is "oh, well"."""
    for length in range(1, len(words) // 2 + 1):
        phrase = words[:length]
        if all(word == phrase[index % length] for index, word in enumerate(words)):
            return phrase
    return words
