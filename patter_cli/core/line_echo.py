"""A line that returns our own voice: its words are not the caller's, and a line that never lets us speak is not heeded.

Theory of operation. The canceller takes our voice out of what the line brings, but it has to learn, and a recogniser
reads words into what is left. For SETTLING_MS after an echo was found, words that repeat what we are saying, or have
just said, are ours: they take no floor and are no turn.

A guard of last resort stands behind it. A reply that yields within SOON_MS of being heard may be an impatient caller;
SOON_TIMES in a row are a line that interrupts us whatever we do. From then on replies are said to their end, until
somebody takes a turn while we are silent.
"""

from __future__ import annotations

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.call import Call
from patter_cli.core.events import Ms
from patter_cli.core.reply import Reply

SETTLING_MS = 10_000
"""What a canceller takes to learn a room, with pauses: it needs two seconds of our voice."""
TRAIL_MS = 800
"""How long after our voice its echo may still come, and be heard as a voice."""
SOON_MS = 1500
SOON_TIMES = 4
FEW_WORDS = 4
SHARED = 0.75
"""How many of the words must be ours, in our order: a recogniser misreads some of an echo."""


class LineEcho:
    """Knows what we said last, and whether this line returns it."""

    __slots__ = ("_call", "_said", "_settling_until", "_silent_since", "_soon")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._settling_until: Ms = -1
        self._said = ""
        self._silent_since: Ms = 0
        self._soon = 0
        """Replies in a row that had to yield as soon as they were heard."""

    def found(self, event: fact.EchoFound) -> None:
        self._settling_until = self._call.now + SETTLING_MS

    def left(self, reply: Reply, *, yielded: bool) -> None:
        """A reply is over. yielded: the caller, or what seemed to be them, took the floor from it."""
        call = self._call
        if not reply.audible:
            return
        self._said = reply.said
        self._silent_since = call.now if reply.silenced_at is None else reply.silenced_at
        heard_at = reply.ledger.heard_from
        soon = yielded and heard_at is not None and self._silent_since - heard_at <= SOON_MS
        self._soon = self._soon + 1 if soon else 0
        if self._soon >= SOON_TIMES and not call.keeps_floor:
            call.keeps_floor = True
            call.issue(order.KeepFloor(interruptions=self._soon))

    def turn_taken(self, voiced_since: Ms) -> None:
        """Somebody spoke while nothing of us was to be heard: there is a caller, and they may interrupt again."""
        if self._call.keeps_floor and voiced_since > self._silent_since + TRAIL_MS:
            self._call.keeps_floor = False
            self._soon = 0

    def keep(self, words: str) -> None:
        """What was said over a reply that does not yield waits to be answered, unless it is the reply itself."""
        call, reply = self._call, self._call.reply
        if words.strip() and not (reply is not None and repeats(words, f"{self._said} {reply.said}")):
            call.said.add(words.strip())

    def is_ours(self, words: str, voiced_since: Ms) -> bool:
        """Whether these words, heard since then, are our own that came back."""
        call, reply = self._call, self._call.reply
        if call.now > self._settling_until:
            return False
        if reply is not None and reply.audible:
            return repeats(words, f"{self._said} {reply.said}")
        return voiced_since <= self._silent_since + TRAIL_MS and repeats(words, self._said)


def repeats(words: str, said: str) -> bool:
    """Whether words are a piece of what was said: SHARED of them occur in it, in its order.

    A single word may be anybody's, and two or three must stand there side by side.
    """
    heard, ours = _plain(words), _plain(said)
    if len(heard) < FEW_WORDS:
        return len(heard) > 1 and any(heard == ours[at : at + len(heard)] for at in range(len(ours)))
    found, at = 0, 0
    for word in heard:
        if word in ours[at:]:
            at = ours.index(word, at) + 1
            found += 1
    return bool(heard) and found >= SHARED * len(heard)


def _plain(text: str) -> list[str]:
    return ["".join(ch for ch in word if ch.isalnum()) for word in text.lower().split()]
