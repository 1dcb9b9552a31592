"""Whether a voice in what a canceller leaves may be the caller's: our own words must not interrupt us.

Theory of operation. Three doubts, all in samples of the line. What is left of a call's first seconds is us, for the
room is not known yet, and for a moment again after the echo was lost. An utterance after a pause of ours may
come back a little earlier or later than the last: carriers, and busy machines, begin each as they like. While any doubt
lasts nobody is heard, but somebody who is louder than our loudest echo ever was: that is not us. Where the echo is so
faint that nothing of it was ever taken out, it is no louder than the line usually is while we speak. Where no echo can
be, there is no doubt; nor where it does not stand out of what the line brings anyway, for such is no voice to the
detector (audio/vad.py).
"""

from __future__ import annotations

from patter_cli.audio.delay import REACH_MS

TRUST_MS = 2000
"""How much of our voice is played before a voice in what is left of it is taken for the caller's."""
REGAIN_MS = 500
"""The same after the filter has lost the echo. Source: tests.bench.echo, what a change of delay or room takes."""
ROOM_MS = 150
"""How long after its delay an echo may still come. Before the delay is known it may be the longest there is."""
PAUSE_MS, BEGIN_MS = 400, 400
"""After such a silence of ours an utterance begins anew, and for so long, beside the delay, it may be elsewhere.
Source: tests/bench/phantoms.py."""
LOUDER = 4.0
"""A line of this many times the power of our loudest echo has somebody else in it: 6 dB."""
FADING = 0.9995
"""How much of that loudest is kept a block."""
RISE, FALL = 1.06, 0.993
"""How the level that the line seldom exceeds while we speak follows it, a block: 12 dB/s up and 1.5 dB/s down, so that
one block in nine is louder."""
SINK, LIFT = 0.9, 1.007
"""How the level that it seldom falls below while we are silent follows it: 23 dB/s down, for people pause,
and 1.5 up."""
STANDS_OUT = 25.0
"""What exceeds that by less, 14 dB, is no voice to a detector that wants 10 above the average. Source:
tests/bench/phantoms.py, a bad line."""
AUDIBLE = 0.1
"""A line of this share of its power, while we are silent, has somebody on it who may be going on: 10 dB below."""
FLOOR_MS = 2000
"""How much of our silence must have been heard for that level to be known: a caller who answers at once is no floor."""
VOICE_MS = 300
"""For how long the line is theirs then: the soft end of a word too."""


class EchoTrust:
    """One call's. A delay is in samples, None before it is known."""

    __slots__ = (
        "_beginning",
        "_ceiling",
        "_floor",
        "_peak",
        "_per_ms",
        "_silent",
        "_speaking",
        "_theirs",
        "_tried",
        "_unheard",
        "_untried",
    )

    def __init__(self, rate_hz: int) -> None:
        self._per_ms = rate_hz // 1000
        self._untried = TRUST_MS * self._per_ms
        """Samples of our voice still to be heard."""
        self._tried = False
        """Whether so much of our voice has been heard once."""
        self._beginning = 0
        """Samples until the utterance that has just begun is where we think it is."""
        self._peak = 0.0
        """The greatest power of the echo that was taken out of a block, of late."""
        self._ceiling = 0.0
        """The power that the line seldom exceeds while we speak."""
        self._floor = 0.0
        """The power that it seldom falls below while we are silent."""
        self._unheard = FLOOR_MS * self._per_ms
        """Samples of that silence still to be heard."""
        self._theirs = 0
        """Samples for which the line belongs to somebody who is louder than our echo."""
        self._speaking = 0
        """Samples for which somebody who spoke while we were silent is taken to go on."""
        self._silent = (REACH_MS + ROOM_MS + PAUSE_MS) * self._per_ms
        """Samples since we were last heard."""

    def played(self, count: int, *, sounds: bool, delay: int | None) -> None:
        """So many samples passed. sounds: we did, in them."""
        self._beginning = max(0, self._beginning - count)
        self._theirs = max(0, self._theirs - count)
        self._speaking = max(0, self._speaking - count)
        if not sounds:
            self._silent += count
            return
        if delay is not None and self._silent > PAUSE_MS * self._per_ms and not self._speaking:
            self._beginning = delay + BEGIN_MS * self._per_ms
        self._silent = 0
        self._untried -= count
        self._tried = self._tried or self._untried <= 0

    def brought(self, power: float, count: int) -> None:
        """The line's mean power in so many samples, those that were `played` last."""
        loudest = self._peak or (self._ceiling if self._tried else 0.0)
        if loudest and power > LOUDER * loudest:
            self._theirs = VOICE_MS * self._per_ms
        if not self._silent:
            self._ceiling = self._ceiling * (RISE if power > self._ceiling else FALL) or power
        elif power and self._silent > (REACH_MS + ROOM_MS) * self._per_ms:  # none is a frame that was lost
            self._unheard -= count
            self._floor = self._floor * (LIFT if power > self._floor else SINK) or power
        if self._peak and power > AUDIBLE * self._peak and self._silent > PAUSE_MS * self._per_ms:
            self._speaking = VOICE_MS * self._per_ms

    def took_out(self, power: float) -> None:
        """The mean power of the echo that was taken out of them; what is taken out in doubt may be anybody's."""
        if self._untried <= 0:
            self._peak = max(self._peak * FADING, power)

    def lost(self) -> None:
        """The echo is not where it was."""
        self._untried = max(self._untried, REGAIN_MS * self._per_ms)

    def trusts(self, delay: int | None) -> bool:
        """Whether a voice on the line may be the caller's now."""
        if self._theirs > 0 or (self._tried and self._unheard <= 0 and self._ceiling < STANDS_OUT * self._floor):
            return True
        if self._untried <= 0 and self._beginning <= 0:
            return True
        latest = REACH_MS * self._per_ms if delay is None else delay
        return self._beginning <= 0 and self._silent > latest + ROOM_MS * self._per_ms
