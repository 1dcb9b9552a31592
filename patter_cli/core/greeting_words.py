"""What the words of whoever answered a call tell of them: whether a human says them, or a machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Manner(Enum):
    """What words sound like, as far as they do not give a machine away."""

    NOTHING = "no words"
    HELLO = "a hello"
    ASKS = "asks or offers us something"
    PLAIN = "words that tell nothing"
    DOUBTFUL = "words of a machine, but few"


@dataclass(frozen=True, slots=True)
class Reading:
    """What words tell. score: how much they are a machine's. phrases: which ones gave it away."""

    manner: Manner
    score: int = 0
    phrases: tuple[str, ...] = ()


_TO_US = re.compile(
    r"\b(?:(?:he|she|they|mom|mum|mommy|dad|daddy|grandma|grandpa|my (?:wife|husband|son|daughter|mother|father|boss))"
    r"(?:'s| is|'re| are| isn't| aren't)(?: \w+){0,2}?"
    r" (?:available|unavailable|in|here|home|out|away|busy)"
    r"|(?:can|may|could|shall|should) i (?:take|give|get|ask|tell|help|direct|have|know)"
    r"|(?:would|do) you (?:like|want|care|wish) (?:me )?to leave"
    r"|leave (?:a |the |your )?message with"
    r"|who(?:'s| is| am i|m i) (?:this|that|it|calling|speaking|there)|who(?:'s| is) (?:on|at) the"
    r"|how (?:can|may|could) (?:i|we) (?:help|direct|assist)|what can (?:i|we) do for you|how are you"
    r"|can you hear me|are you there|anybody there|wrong number|what do you want|what(?:'s| is) (?:this|it)(?: about)?"
    r"|(?:hold|hang) on|(?:one|just a) (?:moment|second|sec|minute)|who (?:do|did|are) you)\b"
)
"""What only somebody says who waits for an answer."""

_PHRASES: tuple[tuple[int, re.Pattern[str]], ...] = tuple(
    (weight, re.compile(rf"\b(?:{pattern})\b"))
    for weight, pattern in (
        (2, r"leave (?:me |us )?(?:a |your |the |an )?(?:\w+ ){0,2}?(?:message|messages|name)"),
        (2, r"(?:after|at|hear|wait for|until|following) (?:the|a|this) (?:\w+ )?(?:tone|beep|signal|bleep)"),
        (2, r"after the (?:beat|beats|beet|bead|peep|bip)"),  # the beep, over a bad line
        (2, r"voice ?mail(?: ?box)?|mail ?box|answering (?:machine|service)|answer ?phone"),
        (2, r"record (?:your|a) (?:\w+ )?message|your message has"),
        (
            2,
            r"(?:can't|cannot|can not|couldn't|unable to|not able to) (?:come to|take|answer|get to|pick up)"
            r" (?:the|your|my|this) (?:phone|telephone|call|calls)",
        ),
        (2, r"(?:i'm|i am|we're|we are|im) (?:\w+ )?(?:unavailable|not available|not here|not home|away from|not in)"),
        (1, r"(?:is|are|isn't|aren't)(?: \w+)?(?: not)? (?:available|unavailable)"),
        (2, r"(?:person|number|party|subscriber|customer|user|extension) (?:that )?(?:you|you've|you're) "),
        (1, r"get back to you|return your call|give you a call|get in touch|(?:call|ring|phone) you (?:back|later)"),
        (1, r"(?:call|ring|phone|try)(?: me| us)? (?:back|again|later|tomorrow)"),
        (2, r"(?:drop|send|text|shoot) (?:me|us) (?:a |an )?(?:\w+ )?(?:line|text|e ?mail|message|note)"),
        (2, r"(?:talk|speak|talking) to (?:the|my|this) machine|(?:not|cannot|can't) be reached"),
        (1, r"away from (?:my|the) (?:desk|phone)|on (?:the other|another) line|out of (?:the )?office|on vacation"),
        (1, r"(?:we are|we're|are) open (?:from|until|monday)|(?:on|visit) our web ?site"),
        (2, r"you know what to do|you know the drill|do your thing|what you have to say"),
        (1, r"(?:i'll|i will|we'll|we will) (?:listen|hear) (?:to )?(?:it|them|this|you)"),
        (1, r"as soon as (?:i|we|possible)|at (?:your|our) earliest"),
        (1, r"(?:you have|you've|you) (?:now )?reached"),
        (2, r"press (?:one|two|three|four|five|zero|nine|pound|hash|star|the|\d)"),
        (2, r"(?:is|are|we're) (?:now |currently )?closed|(?<!your )(?:office|business|opening) hours"),
        (2, r"not in service|been disconnected|hang up|try (?:again|your call|calling)|been forwarded"),
        (2, r"(?:all|our) (?:\w+ )?(?:agents|representatives|operators|lines) are|call is important"),
        (1, r"name (?:and|your) (?:\w+ )?(?:number|telephone)|short message|brief message"),
        (1, r"sorry (?:i|we)(?:'ve)? missed|missed your call|be recorded"),
        (1, r"thanks? (?:you )?for (?:your call|the call)"),
    )
)
"""What machines say, and how sure it makes."""

_HELLO = frozenset(
    "hello hi hey hiya yes yeah yep yup yo good morning afternoon evening okay um uh there this is she he me it".split()
)


def read(text: str, *, goes_on: bool = False) -> Reading:
    """What the words so far tell, as a recogniser writes them.

    goes_on: more will come, so that the last words may turn out to be others: "leave a message with me".
    """
    said = " ".join(re.sub(r"[^\w' ]", " ", text.lower().replace("’", "'")).split())
    if not said:
        return Reading(Manner.NOTHING)
    without, to_us = _TO_US.subn(" ", said)
    score, phrases = 0, []
    for weight, pattern in _PHRASES:
        found = pattern.search(without)
        if found and not (goes_on and found.end() == len(without)):
            score += weight
            phrases.append(found.group().strip())
    words = said.split()
    if to_us or (words[-1] == "speaking" and not score):
        manner = Manner.ASKS
    elif score:
        manner = Manner.DOUBTFUL
    elif set(words) <= _HELLO:
        manner = Manner.HELLO
    elif text.rstrip().endswith("?"):
        manner = Manner.ASKS
    else:
        manner = Manner.PLAIN
    return Reading(manner, score, tuple(phrases))
