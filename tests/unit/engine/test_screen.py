"""Our own ear on a call: verdicts and beeps reach the mailbox, after what they rest on, and once."""

from __future__ import annotations

import asyncio

import numpy as np

from patter_cli.audio.wire import LineAudio
from patter_cli.core.answering import HELLO_MS, PLAIN_MS
from patter_cli.core.carrier_events import BeepHeard, MachineDetected
from patter_cli.core.events import Event, SpeechEnded, SpeechStarted, TranscriptFinal, TranscriptPartial
from patter_cli.core.outcome import AnsweredBy, VerdictSource
from patter_cli.engine.clock import CallClock
from patter_cli.engine.screen import ScreeningEar
from tests.unit.engine.conftest import virtually

RATE_HZ = 8000


class Rig:
    """An ear, call time, and what was posted when."""

    def __init__(self) -> None:
        self.clock = CallClock(asyncio.get_running_loop())
        self.posted: list[tuple[int, Event]] = []
        self.ear = ScreeningEar(post=self.take, clock=self.clock, line_rate_hz=RATE_HZ)

    def take(self, event: Event) -> None:
        self.posted.append((self.clock.now(), event))

    @property
    def events(self) -> list[Event]:
        return [event for _, event in self.posted]

    async def hear(self, samples: np.ndarray) -> None:
        """The line brings this, in frames of 20 ms."""
        for at in range(0, len(samples), 160):
            await asyncio.sleep(0.02)
            self.ear.push(LineAudio(samples[at : at + 160].astype(np.int16)))


def beep(ms: int) -> np.ndarray:
    return 8000 * np.sin(2 * np.pi * 1000 * np.arange(ms * 8) / RATE_HZ)


def test_a_human_is_posted_once_the_silence_is_long_enough() -> None:
    """Time alone brings the verdict, with its reason; later words and tones add nothing."""

    async def story() -> None:
        rig = Rig()
        await rig.hear(np.zeros(8000))
        told = [SpeechStarted(at_ms=200), SpeechEnded(at_ms=800), TranscriptFinal(segment=0, text="Hello?")]
        for event in told:
            rig.ear.post(event)
        await asyncio.sleep(2)
        assert rig.events[:3] == told
        ((at, verdict),) = rig.posted[3:]
        assert isinstance(verdict, MachineDetected)
        assert (verdict.answered_by, verdict.source) == (AnsweredBy.HUMAN, VerdictSource.OWN)
        assert "a hello" in verdict.raw
        assert abs(at - (800 + HELLO_MS)) <= 2
        await rig.hear(np.concatenate([beep(400), np.zeros(8000)]))
        rig.ear.post(TranscriptFinal(segment=1, text="Leave a message after the tone."))
        assert len(rig.posted) == 5

    virtually(story())


def test_a_machine_is_posted_while_it_speaks_and_its_beep_after_it() -> None:
    """The verdict follows the words it rests on; the beep comes a quarter of a second after its end."""

    async def story() -> None:
        rig = Rig()
        rig.ear.post(SpeechStarted(at_ms=0))
        words = TranscriptPartial(segment=0, text="You've reached Bob, leave a message after")
        rig.ear.post(words)
        kinds = [type(each) for each in rig.events]
        assert kinds == [SpeechStarted, TranscriptPartial, MachineDetected]
        rig.ear.post(SpeechEnded(at_ms=0))
        await rig.hear(np.concatenate([np.zeros(1600), beep(400), np.zeros(8000)]))
        at, heard = rig.posted[-1]
        assert isinstance(heard, BeepHeard)
        assert heard.source is VerdictSource.OWN
        assert 600 < at < 600 + 350
        assert [type(each) for each in rig.events].count(BeepHeard) == 1

    virtually(story())


def test_a_beep_that_begins_just_before_the_verdict_is_waited_for() -> None:
    """A short tape, and a tone that is not over when the silence is long enough for a human."""

    async def story() -> None:
        rig = Rig()
        rig.ear.post(SpeechStarted(at_ms=0))
        rig.ear.post(SpeechEnded(at_ms=0))
        rig.ear.post(TranscriptFinal(segment=0, text="Bob Carter."))
        await rig.hear(np.concatenate([np.zeros((PLAIN_MS - 150) * 8), beep(900), np.zeros(8000)]))
        assert [type(each) for each in rig.events[3:]] == [BeepHeard]

    virtually(story())


def test_silence_posts_nothing() -> None:
    """Who says nothing is somebody unknown."""

    async def story() -> None:
        rig = Rig()
        await rig.hear(np.zeros(160_000))
        await asyncio.sleep(30)
        assert rig.posted == []

    virtually(story())
