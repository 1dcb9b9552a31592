"""What a carrier's detection makes of whoever picked up: from when they spoke, and for how long. Pure.

It is as simple as carriers describe theirs: a short hello and then silence is a human, speech that goes on is a
machine, and the end of a greeting is a beep or a silence. So it is as often wrong as theirs is: a machine that only
says its name is a human, and a human who does not stop is a machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from patter_cli.testing.lab.people import TakenFor


class Sort(StrEnum):
    """What a sound is."""

    SPEECH = "speech"
    BEEP = "beep"
    FAX = "fax"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounded:
    """A sound of whoever picked up. Times in ms since the answer; end_ms may lie ahead: it sounds still."""

    sort: Sort
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When a carrier decides, in ms. The defaults are Twilio's. Source: Twilio docs, answering machine detection."""

    speech_ms: int = 2400
    """Speech that is longer is a machine's."""
    speech_end_ms: int = 1200
    """Silence that ends a hello, or a greeting."""
    silence_ms: int = 5000
    """Whoever says nothing for so long is unknown."""
    give_up_ms: int = 30_000


class GreetingEnd(StrEnum):
    """How a machine's greeting ended."""

    BEEP = "beep"
    SILENCE = "silence"
    UNKNOWN = "unknown"
    """It did not, in time."""


_FAX_MS: Final = 1000
"""So much of its tone is enough."""


def who(
    sounds: Sequence[Sounded], now_ms: float, thresholds: Thresholds, taken_for: TakenFor | None = None
) -> TakenFor | None:
    """Who picked up; None: that cannot be told yet. sounds: what has begun by now, in order."""
    found = _who(sounds, now_ms, thresholds)
    return taken_for if found is not None and taken_for is not None else found


def _who(sounds: Sequence[Sounded], now_ms: float, thresholds: Thresholds) -> TakenFor | None:
    heard = [each for each in sounds if each.start_ms <= now_ms]
    if any(each.sort is Sort.FAX and min(each.end_ms, now_ms) - each.start_ms >= _FAX_MS for each in heard):
        return TakenFor.FAX
    speech = [each for each in heard if each.sort is Sort.SPEECH]
    if any(each.sort is Sort.BEEP and each.end_ms <= now_ms for each in heard):
        return TakenFor.MACHINE
    if speech:
        end_ms = speech[0].end_ms
        for each in speech[1:]:
            if each.start_ms - end_ms >= thresholds.speech_end_ms:
                break
            end_ms = each.end_ms
        if min(end_ms, now_ms) - speech[0].start_ms > thresholds.speech_ms:
            return TakenFor.MACHINE
        if now_ms - end_ms >= thresholds.speech_end_ms:
            return TakenFor.HUMAN
    elif not heard and now_ms >= thresholds.silence_ms:
        return TakenFor.UNKNOWN
    return TakenFor.UNKNOWN if now_ms >= thresholds.give_up_ms else None


def greeting_end(sounds: Sequence[Sounded], now_ms: float, thresholds: Thresholds) -> GreetingEnd | None:
    """How a machine's greeting ended; None: it has not."""
    heard = [each for each in sounds if each.start_ms <= now_ms]
    if any(each.sort is Sort.BEEP and each.end_ms <= now_ms for each in heard):
        return GreetingEnd.BEEP
    if heard and now_ms - max(each.end_ms for each in heard) >= thresholds.speech_end_ms:
        return GreetingEnd.SILENCE
    return GreetingEnd.UNKNOWN if now_ms >= thresholds.give_up_ms else None
