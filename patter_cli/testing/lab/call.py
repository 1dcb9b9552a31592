"""One call of the lab, whichever carrier makes it: queued, ringing, in progress, over. What the stages mean on a wire
is the carrier's business; it is told of each, in order.

    QUEUED --> RINGING --> IN_PROGRESS --> OVER
       |          |  busy, declined, no answer, failed  ^
       +----------+--------------------------------------+
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np

from patter_cli.audio import tone
from patter_cli.audio.frame import Samples
from patter_cli.testing.lab.line import RATE_HZ, Line
from patter_cli.testing.lab.people import (
    FAX_HZ,
    AwaitKey,
    HangUp,
    Listen,
    Pause,
    Person,
    Play,
    Press,
    Refusal,
    Say,
    Step,
    Tone,
)
from patter_cli.testing.lab.verdict import Sort

Voice: TypeAlias = Callable[[str], Awaitable[Samples]]
"""Text to speech: int16, shape (n,), 8 kHz."""

KEY_MS: Final = 200
MORE_MS: Final = 100
"""So much that waits to be played is more to be heard; two lines that are connected always have a frame or two."""


class Stage(StrEnum):
    """Where a call is."""

    QUEUED = "queued"
    RINGING = "ringing"
    IN_PROGRESS = "in progress"
    OVER = "over"


class Ending(StrEnum):
    """How it ended."""

    COMPLETED = "completed"
    BUSY = "busy"
    DECLINED = "declined"
    NO_ANSWER = "no answer"
    CANCELED = "canceled"
    FAILED = "failed"


_REFUSED: Final = {Refusal.BUSY: Ending.BUSY, Refusal.DECLINED: Ending.DECLINED, Refusal.FAILED: Ending.FAILED}


class By(StrEnum):
    """Who ended it."""

    PERSON = "person"
    CARRIER = "carrier"
    """Its limits, its error, or a document that came to its end."""
    AGENT = "agent"
    """Whoever uses the carrier: by its interface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A call came to another stage. at_s: by the event loop's clock."""

    stage: Stage
    at_s: float


class LabCall:
    """One call between a number of ours and a person."""

    def __init__(
        self,
        *,
        call_id: str,
        ours: str,
        theirs: str,
        inbound: bool,
        person: Person,
        voice: Voice,
        on_stage: Callable[[LabCall], None] = lambda call: None,
    ) -> None:
        """ours, theirs: numbers. inbound: the person rings us. on_stage: told of each stage once it has begun."""
        self.call_id = call_id
        self.ours = ours
        self.theirs = theirs
        self.inbound = inbound
        self.person = person
        self.stage = Stage.QUEUED
        self.changes = [Change(stage=Stage.QUEUED, at_s=asyncio.get_running_loop().time())]
        self.ending: Ending | None = None
        self.ended_by: By | None = None
        self.unplayed_ms = 0.0
        """What was still to be played when it ended."""
        self.settled = asyncio.Event()
        """Somebody has picked up, or nobody will."""
        self.over = asyncio.Event()
        self.line: Line | None = None
        """From the answer on."""
        self._voice = voice
        self._on_stage = on_stage
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def live(self) -> bool:
        return self.stage is not Stage.OVER

    @property
    def duration_s(self) -> float:
        """From the answer to the end, or until now; 0 for a call that nobody answered."""
        answered_s = next((each.at_s for each in self.changes if each.stage is Stage.IN_PROGRESS), None)
        if answered_s is None:
            return 0.0
        last = self.changes[-1]
        return (last.at_s if last.stage is Stage.OVER else asyncio.get_running_loop().time()) - answered_s

    async def ring(self, timeout_s: float | None) -> bool:
        """Let it ring, until somebody picks up; then they begin to act. False: nobody did, or the call was ended.

        timeout_s: the carrier gives up then; None: never.
        """
        if not self.live:
            return False
        self._come_to(Stage.RINGING)
        sounds = asyncio.ensure_future(self._sounds())  # before they are wanted, or the hello would wait for its voice
        try:
            picks_up_ms = self.person.picks_up_ms
            waits_s = float("inf") if picks_up_ms is None else picks_up_ms / 1000.0
            if timeout_s is not None and timeout_s < waits_s:
                if not await self._over_within(timeout_s):
                    self.end(Ending.NO_ANSWER, By.CARRIER)
                return False
            if await self._over_within(None if picks_up_ms is None else waits_s):
                return False
            if self.person.refuses is not None:
                self.end(_REFUSED[self.person.refuses], By.CARRIER)
                return False
            self.connect(await sounds)
            return True
        finally:
            sounds.cancel()

    async def prepare(self) -> dict[int, Samples]:
        """Have everything that the person will say, for `connect`."""
        return await self._sounds()

    def connect(self, sounds: dict[int, Samples]) -> None:
        """Both sides are on the line. Nothing happens to a call that is over."""
        if not self.live:
            return
        self.line = Line()
        self._tasks.append(asyncio.create_task(self.line.run()))
        self._tasks.append(asyncio.create_task(self._act(self.line, sounds)))
        self._come_to(Stage.IN_PROGRESS)
        self.settled.set()

    def end(self, ending: Ending, by: By) -> None:
        """It is over; a call that is so already stays as it is."""
        if not self.live:
            return
        self.ending, self.ended_by = ending, by
        self.unplayed_ms = self.line.queued_ms if self.line is not None else 0.0
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        self._come_to(Stage.OVER)
        self.settled.set()
        self.over.set()

    async def limit(self, seconds: float) -> None:
        """End the call after so long."""
        if not await self._over_within(seconds):
            self.end(Ending.COMPLETED, By.CARRIER)

    async def _over_within(self, seconds: float | None) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds)
        return not self.live

    def _come_to(self, stage: Stage) -> None:
        self.stage = stage
        self.changes.append(Change(stage=stage, at_s=asyncio.get_running_loop().time()))
        self._on_stage(self)

    async def _sounds(self) -> dict[int, Samples]:
        """What each step sounds like, by its place."""
        return {place: await self._sound(step) for place, step in enumerate(self.person.steps)}

    async def _sound(self, step: Step) -> Samples:
        match step:
            case Say(text):
                return await self._voice(text)
            case Play(samples):
                return samples
            case Tone(hz=hz, ms=ms):
                return tone.beep(hz, ms, RATE_HZ)
            case _:
                return np.zeros(0, np.int16)

    async def _act(self, line: Line, sounds: dict[int, Samples]) -> None:
        """The person's script."""
        for place, step in enumerate(self.person.steps):
            match step:
                case Say() | Play():
                    await line.say(sounds[place])
                case Tone(hz=hz):
                    await line.say(sounds[place], Sort.FAX if hz == FAX_HZ else Sort.BEEP)
                case Pause(ms):
                    await line.until(lambda: False, ms)
                case Listen():
                    await _listen(line, step)
                case Press(digits):
                    for digit in digits:
                        line.press(digit)
                        await line.until(lambda: False, KEY_MS)
                case AwaitKey(within_ms=within_ms):
                    before = len(line.keys_heard)
                    await line.until(lambda before=before: len(line.keys_heard) > before, within_ms)  # type: ignore[misc]
                case HangUp():
                    self.end(Ending.COMPLETED, By.PERSON)
                    return


async def _listen(line: Line, step: Listen) -> None:
    began_ms = line.now_ms
    voiced_ms = line.ear.voiced_ms

    def settled() -> bool:
        spoke = line.ear.voiced_ms > voiced_ms
        last_ms = line.ear.last_voiced_ms
        if not spoke or last_ms is None:
            return line.now_ms - began_ms >= step.within_ms
        return line.queued_ms < MORE_MS and line.now_ms - last_ms >= step.quiet_ms

    await line.until(settled, step.longest_ms)
