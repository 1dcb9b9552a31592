"""The far end of a virtual call: it plays what it is sent in its own time, and knows every word of it.

The virtual voice writes into its sound what it says: each millisecond, eight bytes of mu-law, has the number of its
text and its place in it. So what was heard is read off the line, by whatever way the sound came there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from patter_cli.contracts.carrier.stream import DtmfIn, MarkIn, StreamMessage, StreamStopped
from patter_cli.core.playback import heard_prefix
from patter_cli.errors import CallRejected
from patter_cli.simulate.scenario import WrittenHuman
from patter_cli.simulate.virtual.world import MS_PER_CHAR, Trouble, World

BYTES_PER_MS: Final = 8
_SYNC: Final = 0xFF
MUSIC: Final = -1
"""In place of a text's number: sound that has no words."""
HUMAN_PAUSE_MS: Final = 500
"""From the caller's last word to the answer of a human."""
PAUSE_MS: Final = 60
"""Two stretches of sound with less between them are one to an ear."""


@dataclass(slots=True)
class Sound:
    """A stretch of one text that was audible, from start to end in call time. from_ms: where in the text it begins."""

    text: str
    number: int
    from_ms: int
    start: int
    end: int

    @property
    def played_ms(self) -> int:
        """How far into the text the ear was at its end."""
        return self.from_ms + self.end - self.start

    @property
    def words(self) -> str:
        """What was understood of the text up to its end."""
        return heard_prefix(self.text, self.played_ms, spoken_ms(self.text)).strip()


def spoken_ms(text: str) -> int:
    """How long a text takes to say."""
    return max(150, len(text) * MS_PER_CHAR)


class Stamps:
    """Texts as sound that says which text it is."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: list[str] = []

    def sound(self, text: str) -> bytes:
        """A text as mu-law, eight bytes a millisecond."""
        number = self._numbers.setdefault(text, len(self._texts))
        if number == len(self._texts):
            self._texts.append(text)
        at = np.arange(spoken_ms(text))
        coded = np.zeros((len(at), BYTES_PER_MS), np.uint8)
        coded[:, 0] = _SYNC
        for place in range(3):
            coded[:, 1 + place] = number >> (7 * place) & 0x7F
            coded[:, 4 + place] = at >> (7 * place) & 0x7F
        return coded.tobytes()

    def read(self, payload: bytes) -> tuple[int, int]:
        """(number of the text, ms into it) of a stretch's first byte; MUSIC where it is no voice of ours."""
        at = payload.find(_SYNC)
        stamp = payload[at + 1 : at + BYTES_PER_MS]
        if not 0 <= at < BYTES_PER_MS or len(stamp) < BYTES_PER_MS - 1 or max(stamp) > 0x7F:
            return MUSIC, 0
        number = stamp[0] | stamp[1] << 7 | stamp[2] << 14
        into_ms = stamp[3] | stamp[4] << 7 | stamp[5] << 14
        return (number, into_ms - (at > 0)) if number < len(self._texts) else (MUSIC, 0)

    def text(self, number: int) -> str:
        return "" if number == MUSIC else self._texts[number]


class VirtualLine:
    """One call's far end: an AudioLine for the engine, a CallControl, and what the caller does."""

    def __init__(self, world: World, stamps: Stamps, humans: tuple[WrittenHuman, ...] = ()) -> None:
        self._world = world
        self._stamps = stamps
        self._humans = {each.number: each for each in humans}
        self._marks: list[tuple[str, asyncio.TimerHandle | None]] = []
        self.sounds: list[Sound] = []
        """What was audible or will be, in order."""
        self.cleared_ms = 0
        """When something was taken back last."""
        self.deliver: Callable[[StreamMessage], None] = lambda message: None
        """Takes what the caller's side sends."""
        self.ended_ms: int | None = None
        """Nothing is heard from here on."""
        self.human: WrittenHuman | None = None
        """Who has the caller, after a transfer."""
        self._lines: list[str] = []
        """What they have still to say, a line each time."""
        self.handed_ms: int | None = None
        """Since when they have."""
        self.rings: list[tuple[int, int]] = []
        """When somebody was rung for a transfer, from and to."""
        self.keys: list[tuple[int, str]] = []
        """What the agent pressed, and when."""
        self.pressed: list[int] = []
        """When the caller pressed a key."""

    @property
    def until(self) -> int:
        """When the last of what was sent is over."""
        return self.sounds[-1].end if self.sounds else 0

    def voiced_from(self, after_ms: float) -> int | None:
        """Since when there is sound that comes after a moment; None: there is none yet."""
        ends_later = (each for each in self.sounds if each.end > after_ms)
        return next((max(each.start, int(after_ms)) for each in ends_later), None)

    def voiced_for(self, after_ms: float, length_ms: int) -> int | None:
        """When so much has been heard since a moment, as far as is known."""
        left = length_ms
        for each in self.sounds:
            start = max(each.start, int(after_ms))
            if (length := each.end - start) <= 0:
                continue
            if length >= left:
                return start + left
            left -= length
        return None

    def heard(self, after_ms: float, now_ms: float) -> str:
        """The words that were heard from one moment to another, of texts that ended after the first."""
        told = []
        for each in self.sounds:
            if each.end > after_ms and each.start < now_ms:
                played_ms = each.from_ms + int(min(each.end, now_ms)) - each.start
                told.append(heard_prefix(each.text, played_ms, spoken_ms(each.text)).strip())
        return " ".join(filter(None, told))

    # --- what the engine sends -----------------------------------------------------------------------------------

    def media(self, payload: bytes) -> None:
        if self.ended_ms is not None or self.human is not None:
            return
        number, from_ms = self._stamps.read(payload)
        self._play(self._stamps.text(number), number, from_ms, len(payload) // BYTES_PER_MS)

    def mark(self, name: str) -> None:
        world = self._world
        if self.ended_ms is not None or self.human is not None:
            return
        late_ms = 2000 if Trouble.LATE_MARKS in world.broken else 0
        timer = None
        if Trouble.NO_MARKS not in world.broken:
            due = max(world.now, self.until) + world.pace.mark_ms + late_ms
            timer = world.at(due, partial(self._return_mark, name))
        self._marks.append((name, timer))

    def clear(self) -> None:
        now = self._world.now
        self.cleared_ms = now
        while self.sounds and self.sounds[-1].start >= now:
            self.sounds.pop()
        if self.sounds:
            self.sounds[-1].end = min(self.sounds[-1].end, now)
        marks, self._marks = self._marks, []
        for name, timer in marks:
            if timer is not None:
                timer.cancel()
                self._world.at(now, partial(self._send, MarkIn(name=name)))
        self._world.moved()

    def _return_mark(self, name: str) -> None:
        self._marks = [each for each in self._marks if each[0] != name]
        self._send(MarkIn(name=name))

    def _play(self, text: str, number: int, from_ms: int, length_ms: int) -> None:
        if length_ms <= 0:
            return  # a few samples: what is left of a clause that was resumed inside a millisecond
        start = max(self._world.now, self.until)
        last = self.sounds[-1] if self.sounds else None
        if last is not None and last.number == number and last.end == start and last.played_ms == from_ms:
            last.end += length_ms
        else:
            self.sounds.append(Sound(text, number, from_ms, start, start + length_ms))
        self._world.moved()

    # --- what the caller does ------------------------------------------------------------------------------------

    def press(self, digit: str) -> None:
        if self.ended_ms is None:
            self.pressed.append(self._world.now)
        self._send(DtmfIn(digit=digit))

    def said(self) -> None:
        """The caller has said something: a human who has them answers."""
        if self.human is not None:
            self._world.at(self._world.now + HUMAN_PAUSE_MS, self._next_line)

    def hang_up(self) -> None:
        """The caller, or the carrier, ends the call."""
        self.close()
        self._world.at(self._world.now, partial(self.deliver, StreamStopped()))

    def _send(self, message: StreamMessage) -> None:
        if self.ended_ms is None and self.human is None:
            self.deliver(message)

    def close(self) -> None:
        """Nothing more is heard."""
        if self.ended_ms is None:
            self.ended_ms = now = self._world.now
            self.sounds = [each for each in self.sounds if each.start < now]
            if self.sounds:
                self.sounds[-1].end = min(self.sounds[-1].end, now)
            self._world.moved()

    # --- what the carrier is asked -------------------------------------------------------------------------------

    async def hang_up_line(self) -> None:
        world = self._world
        await asyncio.sleep(world.pace.hang_up_ms / 1000)
        if Trouble.NO_HANG_UP in world.broken:
            raise CallRejected("the carrier is out of order")
        self.close()

    async def connect(self, number: str) -> None:
        """Raises CallRejected: nobody was named with this number, or they do not answer."""
        world, human = self._world, self._humans.get(number)
        self.rings.append((world.now, world.now + world.pace.transfer_ms))
        await asyncio.sleep(world.pace.transfer_ms / 1000)
        if human is None or human.refuses:
            raise CallRejected(human.refuses if human else "no such number")
        self.clear()
        self.human, self.handed_ms = human, world.now
        self._lines = list(human.says)
        self._next_line()
        world.moved()

    def _next_line(self) -> None:
        if self._lines and self.ended_ms is None:
            text = self._lines.pop(0)
            self._play(text, MUSIC, 0, spoken_ms(text))


class VirtualControl:
    """What the engine can ask of a virtual carrier."""

    def __init__(self, line: VirtualLine, world: World) -> None:
        self._line = line
        self._world = world

    async def hang_up(self) -> None:
        await self._line.hang_up_line()

    async def transfer(self, number: str) -> None:
        await self._line.connect(number)

    async def send_digits(self, digits: str) -> None:
        await asyncio.sleep(self._world.pace.keys_ms / 1000)
        self._line.keys.append((self._world.now, digits))

    async def start_recording(self) -> None:
        """Nothing is kept."""

    async def stop_recording(self) -> None:
        """Nothing is kept."""
