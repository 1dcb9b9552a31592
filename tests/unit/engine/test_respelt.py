"""A voice that says some words as it is told, and tells when the written ones were said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np

from patter_cli.contracts.tts import Voiced, WordTimes, whole_clause
from patter_cli.engine.respelt import RespeltVoice, as_written


class Voice:
    """100 ms a word, each timed as it comes; hashable, as a recipe is."""

    rate_hz = 8000

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warmed = self.closed = self.stopped = 0

    async def warm(self) -> None:
        self.warmed += 1

    async def open(self) -> Voice:
        return self

    async def synthesize(self, text: str) -> AsyncIterator[Voiced]:
        self.said.append(text)
        try:
            for number, _ in enumerate(text.split(), 1):
                starts = tuple(range(0, number * 100, 100))
                yield WordTimes(starts, tuple(start + 90 for start in starts))
                yield np.full(800, 9000, np.int16)
        finally:
            self.stopped += 1

    async def aclose(self) -> None:
        self.closed += 1


def respelt(voice: Voice) -> RespeltVoice:
    return RespeltVoice(voice=voice, words=(("Siobhan", "shiv awn"), ("San Jose", "san ho zay")))


def test_the_voice_is_told_how_and_its_times_are_those_of_the_written_words() -> None:
    """Two spoken words for one, three for two; history is cut by what is written."""

    async def story() -> None:
        voice = Voice()
        recipe = respelt(voice)
        await recipe.warm()
        session = await recipe.open()
        samples, times = await whole_clause(session, "Hi Siobhan of San Jose!")
        assert voice.said == ["Hi shiv awn of san ho zay!"]
        assert times == WordTimes((0, 100, 300, 400, 500), (90, 290, 390, 490, 690))
        assert (recipe.rate_hz, len(samples)) == (8000, 7 * 800)
        await session.aclose()
        assert (voice.warmed, voice.closed) == (1, 1)

    asyncio.run(story())


def test_a_word_is_timed_once_all_it_is_said_with_is_there() -> None:
    """Half of a name has not been heard as the name."""
    assert as_written(WordTimes((0, 100), (90, 190)), [1, 2, 1]) == WordTimes((0,), (90,))
    assert as_written(WordTimes((), ()), [1]) == WordTimes((), ())


def test_stopping_it_stops_the_voice() -> None:
    """A barge-in closes the iterator: the other voice's work ends with it."""

    async def story() -> None:
        voice = Voice()
        pieces = (await respelt(voice).open()).synthesize("one two three")
        await anext(pieces)
        await pieces.aclose()  # type: ignore[attr-defined]
        assert voice.stopped == 1

    asyncio.run(story())


def test_two_that_say_the_same_are_the_same_recipe() -> None:
    """Lines voiced ahead of time are found again by it."""
    voice = Voice()
    assert {respelt(voice): 1}[respelt(voice)] == 1
