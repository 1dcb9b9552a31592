"""Conferences: rooms of an account in which calls hear each other, by name, from the second who enters on.

Whoever is in a room that has not begun hears what the document has for those who wait. From the beginning on each is
played the sum of what the others say; a room is over when the last leaves, or somebody whose leaving ends it.

    each one's 20 ms --> a queue at each of the others --> on the other's own 20 ms: their sum --> ear

Source: Twilio docs, TwiML <Conference>; errors 13230-13237, 16020.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np

from patter_cli.audio import tone
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.contracts.carrier.stream import MediaOut
from patter_cli.testing.lab.line import RATE_HZ, Source
from patter_cli.testing.lab.twilio.twiml import DocumentError, Verb

if TYPE_CHECKING:
    from patter_cli.testing.lab.twilio.lab import TwilioLab
    from patter_cli.testing.lab.twilio.session import TwilioCall

MAX_NAME_CHARS: Final = 128
MAX_PARTICIPANTS: Final = 250
FRAME: Final = RATE_HZ // 50
ROUND_S: Final = 0.5
"""What whoever waits hears takes so long at least: a webhook that has nothing for them is not asked on and on."""
LATE_FRAMES: Final = 3
"""So much of a voice waits for an ear whose 20 ms begin later; more is thrown away."""
_TRUTHS: Final = ("true", "false")
_TAKES: Final[Mapping[str, tuple[int, tuple[str, ...]]]] = {
    "muted": (13230, _TRUTHS),
    "endConferenceOnExit": (13231, _TRUTHS),
    "startConferenceOnEnter": (13232, _TRUTHS),
    "waitMethod": (13234, ("GET", "POST")),
    "beep": (13235, (*_TRUTHS, "onEnter", "onExit")),
}
"""What attributes take, and the warning for what they do not: then it is as if they were not there."""
_NOT_DONE: Final = ("record", "coach", "statusCallback", "recordingStatusCallback", "eventCallbackUrl")


class Participant:
    """A call in a room, which takes it for a media stream."""

    def __init__(self, session: TwilioCall, room: Conference, noun: Verb) -> None:
        self.session = session
        self.muted = noun.get("muted") == "true"
        self.starts = noun.get("startConferenceOnEnter", "true") == "true"
        self.ends = noun.get("endConferenceOnExit") == "true"
        self.beep = noun.get("beep", "true")
        self.label = noun.get("participantLabel")
        self.entered_s = time.time()
        self.out = asyncio.Event()
        """The room is over for them."""
        self.met = False
        """They were in it with somebody."""
        self._room = room
        self._source: Source | None = None
        self._waiting: dict[Participant | None, deque[bytes]] = {}
        """20 ms each, by who says it; None: a beep."""

    @property
    def in_room(self) -> bool:
        """They hear the others."""
        return self._source is not None

    def connect(self) -> None:
        """From now on they hear the others, and are heard."""
        assert self.session.call.line is not None
        self.met = True
        self._source = self.session.call.line.attach(self)

    def part(self) -> None:
        """From now on they do not."""
        if self._source is not None and self.session.call.line is not None:
            self.session.call.line.detach(self._source)
        self._source = None

    def hear(self, who: Participant, payload: bytes) -> None:
        """20 ms of somebody."""
        self._waiting.setdefault(who, deque(maxlen=LATE_FRAMES)).append(payload)

    def hear_beep(self) -> None:
        """That somebody comes or goes."""
        sound = encode_ulaw(tone.beep(500, 200, RATE_HZ))
        self._waiting[None] = deque(sound[at : at + FRAME] for at in range(0, len(sound), FRAME))

    # A stream's other end.

    def media(self, payload: bytes, at_ms: int) -> None:
        for other in self._room.others(self):
            if not self.muted:
                other.hear(self, payload)
        said = [queue.popleft() for queue in self._waiting.values() if queue]
        if said and self._source is not None and self.session.call.line is not None:
            self.session.call.line.take(self._source, MediaOut(said[0] if len(said) == 1 else _sum(said)))

    def mark(self, name: str) -> None:
        """Nothing here asks for one."""

    def key(self, digit: str) -> None:
        for other in self._room.others(self):
            if other.session.call.line is not None:
                other.session.call.line.press_for_agent(digit)


class Conference:
    """One room, from the first who enters to the last who leaves."""

    def __init__(self, sid: str, name: str) -> None:
        self.sid = sid
        self.name = name
        self.status = "init"
        self.created_s = time.time()
        self.why_ended = ""
        self.ended_by = ""
        """The call whose leaving ended it."""
        self.participants: list[Participant] = []

    def others(self, but: Participant) -> list[Participant]:
        """Who is in it, from the beginning on."""
        return [each for each in self.participants if each is not but and each.in_room]

    def enter(self, one: Participant) -> None:
        """It begins with the second, once there is somebody who may begin it."""
        self.participants.append(one)
        if self.status == "init" and len(self.participants) > 1 and any(each.starts for each in self.participants):
            self.status = "in-progress"
        if self.status != "in-progress":
            return
        for each in self.participants:
            if not each.in_room:
                each.connect()
        if one.beep in ("true", "onEnter"):
            self._beep(one)

    def leave(self, one: Participant, *, kicked: bool = False) -> None:
        """Twice is fine."""
        if one not in self.participants:
            return
        self.participants.remove(one)
        one.part()
        one.out.set()
        how = "kicked" if kicked else "left"
        if one.ends:
            self.end(f"participant-with-end-conference-on-exit-{how}", one.session.sid)
        elif not self.participants:
            self.end(f"last-participant-{how}", one.session.sid)
        elif one.beep in ("true", "onExit"):
            self._beep(one)

    def end(self, why: str, by: str = "") -> None:
        """All are out of it. by: the call whose leaving that was."""
        if self.status == "completed":
            return
        self.status, self.why_ended, self.ended_by = "completed", why, by
        for each in self.participants:
            each.part()
            each.out.set()
        self.participants.clear()

    def _beep(self, who: Participant) -> None:
        for each in self.others(who):
            each.hear_beep()


async def confer(
    session: TwilioCall, noun: Verb, limit_s: float, wait: Callable[[Verb], Awaitable[None]]
) -> list[tuple[str, str]]:
    """Be in a room, until it or that is over. wait: plays once what the noun has for who waits. Returns what a <Dial>'s
    action is told."""
    lab = session.lab
    noun = _read(lab, noun)
    entered = _enter(lab, session, noun)
    if entered is None:
        return [("DialCallStatus", "failed"), ("DialBridged", "false")]
    room, one = entered
    music = asyncio.create_task(_wait(lab, one, noun, wait))
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(one.out.wait(), limit_s)
    finally:
        music.cancel()
        room.leave(one)
    return [("DialCallStatus", "answered"), ("DialBridged", str(one.met).lower())]


async def _wait(lab: TwilioLab, one: Participant, noun: Verb, wait: Callable[[Verb], Awaitable[None]]) -> None:
    """Over and over until it begins; an empty waitUrl is silence."""
    if noun.attributes.get("waitUrl") == "":
        return
    try:
        while not one.met and one.session.call.live:
            await asyncio.gather(wait(noun), asyncio.sleep(ROUND_S))
    except DocumentError as error:
        lab.warn(str(error))


def _read(lab: TwilioLab, noun: Verb) -> Verb:
    """The noun with what Twilio makes of it."""
    kept = dict(noun.attributes)
    for name, (code, values) in _TAKES.items():
        if name in kept and kept[name] not in values:
            lab.warn(f"{code}: {name} of a <Conference> is one of {', '.join(values)}, not {kept.pop(name)!r}")
    if kept.get("waitUrl") and not kept["waitUrl"].startswith(("http://", "https://")):
        lab.warn(f"13233: waitUrl is an address or nothing, not {kept.pop('waitUrl')!r}")
    for name in _NOT_DONE:
        if name in kept:
            lab.warn(f"the lab does not do {name} of a <Conference>, and goes on")
    return Verb(noun.name, kept, noun.text)


def _enter(lab: TwilioLab, session: TwilioCall, noun: Verb) -> tuple[Conference, Participant] | None:
    """None: there is no such room, or it is full."""
    if not 1 <= len(noun.text) <= MAX_NAME_CHARS:
        lab.warn(f"13237: the name of a conference has 1 to {MAX_NAME_CHARS} characters")
        return None
    open_rooms = (each for each in lab.conferences.values() if each.status != "completed")
    room = next((each for each in open_rooms if each.name == noun.text), None)
    if room is None:
        room = Conference(lab.new_sid("CF"), noun.text)
        lab.conferences[room.sid] = room
    most = noun.get("maxParticipants")
    if len(room.participants) >= (int(most) if most.isascii() and most.isdecimal() else MAX_PARTICIPANTS):
        lab.warn("16020: the conference is full")
        return None
    one = Participant(session, room, noun)
    if one.label and one.label in [each.label for each in room.participants]:
        lab.warn(f"16025: somebody in the conference is {one.label!r} already")
        return None
    room.enter(one)
    return room, one


def _sum(payloads: list[bytes]) -> bytes:
    """What they sound like together: mu-law in and out, of one length."""
    sound = np.sum([decode_ulaw(each).astype(np.int32) for each in payloads], axis=0)
    return encode_ulaw(np.clip(sound, -32768, 32767).astype(np.int16))
