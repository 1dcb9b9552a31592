"""Whoever picks up in the lab: a person, a machine or nobody, as a script on the line.

The last two digits of a number say who is there, in whichever area code: +12025550102 and +15550100002 are both the
machine with a beep. Numbers that are not in the table are a human's.

    01  a human: "Hello?", then an answer to each thing that is said
    02  a machine with a greeting and a beep
    03  a machine with a greeting and no beep
    04  a machine whose greeting takes 25 s, with a beep
    05  a slow human: picks up late, and is slow to speak
    06  a human who says nothing
    07  a fax
    08  busy
    09  nobody picks up
    10  a number that cannot be reached
    11  hangs up at once
    12  talks for some seconds, then hangs up
    13  a menu that wants a key, then a human
    14  a human who picks up and declines: goodbye
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from patter_cli.audio.frame import Samples

FAX_HZ: Final = 2100.0
"""A fax that answers. Source: ITU-T T.30, CED."""


@dataclass(frozen=True, slots=True)
class Say:
    """Speak, in the lab's voice; over when the last word is."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Play:
    """Let a recording sound. samples: int16, shape (n,), 8 kHz."""

    samples: Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """A single steady tone: a machine's beep, or a fax."""

    hz: float = 1000.0
    ms: int = 400


@dataclass(frozen=True, slots=True)
class Pause:
    """Say nothing for so long, in ms."""

    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Until the other side has spoken and then been quiet for quiet_ms; or has said nothing for within_ms; or for
    longest_ms at the most."""

    quiet_ms: int = 900
    within_ms: int = 10_000
    longest_ms: int = 120_000


@dataclass(frozen=True, slots=True)
class Press:
    """Press keys: 0-9, * and #."""

    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitKey:
    """Until the other side has pressed a key, or for within_ms."""

    within_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class HangUp:
    """Leave."""


Step: TypeAlias = Say | Play | Tone | Pause | Listen | Press | AwaitKey | HangUp


class Refusal(StrEnum):
    """Why nobody picks up."""

    BUSY = "busy"
    DECLINED = "declined"
    FAILED = "failed"


class TakenFor(StrEnum):
    """What a carrier believes of whoever picked up, whatever it hears of them."""

    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody, or something, at a number."""

    name: str
    picks_up_ms: int | None = 1500
    """How long it rings; None: it rings for ever."""
    refuses: Refusal | None = None
    """Nobody picks up, and this is why: told when they would have."""
    steps: tuple[Step, ...] = ()
    """What they do on the line. After the last they stay, until the other side hangs up."""
    taken_for: TakenFor | None = None
    """The carrier's detection is wrong about them, or right without listening; None: it goes by what it hears."""


_GREETING: Final = (
    "Hi, you have reached Anna Miller. I can't come to the phone right now. Please leave your name, your number and "
    "a short message after the tone, and I'll call you back. Thank you."
)
_LONG_GREETING: Final = (
    "Thank you for calling the Miller family. Nobody is at home at the moment, or we are all out in the garden and "
    "cannot hear the telephone. If you are calling about the piano that we have for sale, it is still here, and you "
    "are welcome to have a look at it on Saturday, between ten and four. If you are calling about anything else, "
    "please leave your name, the time of your call, and a number under which we can reach you this week, and one of "
    "us will get back to you as soon as we can. Please speak slowly, and wait for the tone."
)

_RECORDS: Final = (Listen(quiet_ms=5000, within_ms=8000, longest_ms=60_000), HangUp())
"""A machine with its tape running: it stops when nobody speaks any more."""

HUMAN: Final = Person(
    name="human",
    steps=(
        Pause(400),
        Say("Hello?"),
        Listen(),
        Say("Yes, that is right."),
        Listen(),
        Say("Okay, thank you. Goodbye."),
        Listen(within_ms=6000),
        HangUp(),
    ),
)
SLOW_HUMAN: Final = Person(
    name="slow human",
    picks_up_ms=9000,
    steps=(Pause(2500), Say("Hello? Who is this?"), Listen(), Say("Oh, I see. Yes."), Listen(within_ms=6000), HangUp()),
)
SILENT_HUMAN: Final = Person(name="silent human", steps=(Pause(30_000), HangUp()))
MACHINE: Final = Person(name="machine", steps=(Pause(500), Say(_GREETING), Pause(700), Tone(), *_RECORDS))
MACHINE_WITHOUT_BEEP: Final = Person(name="machine without a beep", steps=(Pause(500), Say(_GREETING), *_RECORDS))
LONG_MACHINE: Final = Person(
    name="machine that talks for 25 s", steps=(Pause(500), Say(_LONG_GREETING), Pause(700), Tone(hz=1400.0), *_RECORDS)
)
FAX: Final = Person(
    name="fax",
    steps=(Pause(300), Tone(hz=FAX_HZ, ms=3000), Pause(1500), Tone(hz=FAX_HZ, ms=3000), Pause(5000), HangUp()),
)
BUSY: Final = Person(name="busy", picks_up_ms=400, refuses=Refusal.BUSY)
NOBODY: Final = Person(name="nobody", picks_up_ms=None)
UNREACHABLE: Final = Person(name="unreachable", picks_up_ms=400, refuses=Refusal.FAILED)
HANGS_UP: Final = Person(name="hangs up at once", steps=(Pause(200), HangUp()))
BRIEF: Final = Person(
    name="brief",
    steps=(Pause(300), Say("Hello? Sorry, I have no time at all, I am about to leave the house."), HangUp()),
)
MENU: Final = Person(
    name="menu",
    steps=(
        Pause(300),
        Say("Welcome to Miller and Sons. For sales, press one. For everything else, press two."),
        AwaitKey(),
        Say("One moment please."),
        Pause(1000),
        Say("Hello, this is Tom speaking."),
        Listen(),
        Say("Okay, thank you. Goodbye."),
        Listen(within_ms=6000),
        HangUp(),
    ),
)
DECLINES: Final = Person(
    name="declines",
    steps=(Pause(400), Say("Hello?"), Listen(), Say("No, I do not want that. Please do not call again."), HangUp()),
)
TURNS_AWAY: Final = Person(name="turns the call away", picks_up_ms=400, refuses=Refusal.DECLINED)
"""Somebody who declines while it rings; at no number of the table."""

PEOPLE: Final[Mapping[str, Person]] = MappingProxyType(
    {
        "01": HUMAN,
        "02": MACHINE,
        "03": MACHINE_WITHOUT_BEEP,
        "04": LONG_MACHINE,
        "05": SLOW_HUMAN,
        "06": SILENT_HUMAN,
        "07": FAX,
        "08": BUSY,
        "09": NOBODY,
        "10": UNREACHABLE,
        "11": HANGS_UP,
        "12": BRIEF,
        "13": MENU,
        "14": DECLINES,
    }
)
"""By the last two digits of the number, or by a whole number of somebody's own."""

CALLER: Final = Person(
    name="caller",
    steps=(Listen(), Say("What are your opening hours?"), Listen(), Say("Thank you. Goodbye."), Listen(), HangUp()),
)
"""Somebody who rings us."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


def person_at(number: str, people: Mapping[str, Person] = PEOPLE) -> Person | None:
    """Who is at a number: by all of it, then by its last two digits, else a human; None for what is no number."""
    if not _E164.fullmatch(number):
        return None
    return people.get(number) or people.get(number[-2:]) or HUMAN
