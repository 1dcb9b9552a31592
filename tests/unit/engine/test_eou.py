"""The end of a caller's turn: what the model is shown, when it is asked, and what is never posted."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.audio.frame import Samples
from patter_cli.audio.wire import LineAudio
from patter_cli.core.events import EndOfTurnPredicted, Event
from patter_cli.engine.eou import ANSWER_S, PRE_ROLL_MS, UNSHOWN_MS, EndOfTurnDetector
from patter_cli.errors import BadReply
from tests.unit.engine.conftest import virtually

RATE_HZ = 8000
UNSHOWN = UNSHOWN_MS * RATE_HZ // 1000


class Model:
    """Says that a turn is finished by half, after a while, and remembers what it was shown."""

    def __init__(self, *, rate_hz: int = RATE_HZ, window_ms: int = 1000, takes_s: float = 0.1) -> None:
        self.rate_hz = rate_hz
        self.window_ms = window_ms
        self.takes_s = takes_s
        self.failure: Exception | None = None
        self.shown: list[Samples] = []

    async def warm(self) -> None:
        """Nothing to load."""

    async def finished(self, samples: Samples) -> float:
        self.shown.append(samples)
        await asyncio.sleep(self.takes_s)
        if self.failure:
            raise self.failure
        return 0.5


class Rig:
    """An ear, its model, and what was posted."""

    def __init__(self, model: Model | None = None) -> None:
        self.model = model or Model()
        self.posted: list[Event] = []
        self.ear = EndOfTurnDetector(self.model, line_rate_hz=RATE_HZ, post=self.posted.append)

    def hear(self, first: int, count: int) -> None:
        """Samples that count up, in messages of 20 ms."""
        for at in range(first, first + count, 160):
            self.ear.push(LineAudio(np.arange(at, min(at + 160, first + count), dtype=np.int16)))


def test_the_model_is_shown_the_turn_with_what_came_just_before() -> None:
    """From the pre-roll of the first onset to shortly before the asking; a second onset does not cut it."""

    async def story() -> None:
        rig = Rig()
        rig.hear(0, 4000)
        rig.ear.speech_started(400)
        rig.hear(4000, 1600)
        rig.ear.speech_started(650)
        rig.hear(5600, 400)
        rig.ear.predict(3)
        await asyncio.sleep(1)
        assert rig.posted == [EndOfTurnPredicted(segment=3, probability=0.5)]
        first = (400 - PRE_ROLL_MS) * RATE_HZ // 1000
        np.testing.assert_array_equal(rig.model.shown[0], np.arange(first, 6000 - UNSHOWN))

    virtually(story())


def test_a_long_turn_keeps_its_end() -> None:
    """What is longer than the model's window loses its front, and memory does not grow."""

    async def story() -> None:
        rig = Rig()
        rig.ear.speech_started(0)
        rig.hear(0, 3 * RATE_HZ)
        rig.ear.predict(0)
        await asyncio.sleep(1)
        np.testing.assert_array_equal(rig.model.shown[0], np.arange(2 * RATE_HZ, 3 * RATE_HZ) - UNSHOWN)

    virtually(story())


@given(cuts=st.lists(st.integers(1, 20_000), min_size=1, max_size=6))
def test_how_the_line_is_cut_does_not_matter(cuts: list[int]) -> None:
    """Messages of any length, even longer than the window, leave the same end of the turn."""

    async def story() -> None:
        rig = Rig(Model(takes_s=0))
        rig.ear.speech_started(0)
        line = (np.arange(sum(cuts)) % 30_000).astype(np.int16)
        for piece in np.split(line, np.cumsum(cuts)[:-1]):
            rig.ear.push(LineAudio(piece))
        rig.ear.predict(0)
        await asyncio.sleep(1)
        np.testing.assert_array_equal(rig.model.shown[0], line[: max(0, len(line) - UNSHOWN)][-RATE_HZ:])

    virtually(story())


def test_the_model_hears_its_own_rate() -> None:
    """A model at 16 kHz gets twice the samples of an 8 kHz line."""

    async def story() -> None:
        rig = Rig(Model(rate_hz=16000))
        rig.ear.speech_started(0)
        rig.hear(0, 2000)
        rig.ear.predict(0)
        await asyncio.sleep(1)
        assert rig.model.shown[0].shape == (2 * (2000 - UNSHOWN),)
        assert rig.model.shown[0].dtype == np.int16

    virtually(story())


def test_the_next_turn_begins_anew() -> None:
    """After a commit the old turn is not shown again, and nobody is asked before there is a voice."""

    async def story() -> None:
        rig = Rig()
        rig.ear.predict(0)
        rig.ear.speech_started(0)
        rig.hear(0, 4000)
        rig.ear.commit()
        rig.ear.predict(1)
        rig.hear(4000, 4000)
        rig.ear.speech_started(900)
        rig.ear.predict(2)
        await asyncio.sleep(1)
        assert rig.posted == [EndOfTurnPredicted(segment=2, probability=0.5)]
        first = (900 - PRE_ROLL_MS) * RATE_HZ // 1000
        np.testing.assert_array_equal(rig.model.shown[0], np.arange(first, 8000 - UNSHOWN))

    virtually(story())


@pytest.mark.parametrize("overtake", ["speech_started", "commit", "close", "predict"])
def test_an_overtaken_question_is_not_answered(overtake: str) -> None:
    """A caller who talks on, a turn that is over, a call that ends and a newer question each silence the old one."""

    async def story() -> None:
        rig = Rig()
        rig.ear.speech_started(0)
        rig.hear(0, 4000)
        rig.ear.predict(7)
        await asyncio.sleep(0.05)
        match overtake:
            case "speech_started":
                rig.ear.speech_started(480)
            case "commit":
                rig.ear.commit()
            case "close":
                rig.ear.close()
            case "predict":
                rig.ear.predict(8)
        await asyncio.sleep(1)
        assert len(rig.model.shown) == 1 + (overtake == "predict")
        assert rig.posted == ([EndOfTurnPredicted(segment=8, probability=0.5)] if overtake == "predict" else [])

    virtually(story())


@pytest.mark.parametrize("failure", [BadReply("no", provider="x"), ValueError("a bug"), None])
def test_a_model_that_fails_or_is_slow_says_nothing(failure: Exception | None) -> None:
    """Whatever goes wrong is logged and not posted, and the next question is asked as if nothing had happened."""

    async def story() -> None:
        rig = Rig(Model(takes_s=0.1 if failure else ANSWER_S + 0.1))
        rig.model.failure = failure
        rig.ear.speech_started(0)
        rig.hear(0, 4000)
        rig.ear.predict(0)
        await asyncio.sleep(2)
        assert rig.posted == []
        rig.model.failure, rig.model.takes_s = None, 0.1
        rig.ear.predict(0)
        await asyncio.sleep(2)
        assert rig.posted == [EndOfTurnPredicted(segment=0, probability=0.5)]

    virtually(story())
