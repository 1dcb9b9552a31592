"""Clauses as sound: in order, tried again, stopped, and ready beforehand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from patter_cli.contracts.tts import Voiced, WordTimes
from patter_cli.core.commands import Speak
from patter_cli.core.events import ClauseVoiced, Event, FirstAudio, SpeakFailed, VoiceLate, WordsTimed
from patter_cli.engine.fallback import OPEN_AFTER, PROBE_S, Breakers
from patter_cli.engine.speak import AHEAD_MS, CHUNK_S, Speaker, TtsCache
from patter_cli.errors import BadReply, ProviderError, TimedOut, Unauthorized, Unavailable
from tests.unit.engine.conftest import virtually

LOUD = np.full(800, 9000, np.int16)


class Voice:
    """100 ms a word; what is in `faults` happens to the next syntheses, after so many words of each."""

    rate_hz = 8000

    def __init__(self, *faults: tuple[int, Exception | None]) -> None:
        self.faults = list(faults)
        self.said: list[str] = []
        self.opened = self.closed = 0
        self.times: dict[str, WordTimes] = {}

    async def warm(self) -> None:
        pass

    async def open(self) -> Voice:
        self.opened += 1
        return self

    async def synthesize(self, text: str) -> AsyncIterator[Voiced]:
        self.said.append(text)
        if text in self.times:
            yield self.times[text]
        after, error = self.faults.pop(0) if self.faults else (999, None)
        for number, _ in enumerate(text.split()):
            if number == after:
                if error is None:
                    await asyncio.Event().wait()
                else:
                    raise error
            yield LOUD

    async def aclose(self) -> None:
        self.closed += 1


class Outbound:
    """The way out, as far as the speaker sees it."""

    def __init__(self) -> None:
        self.bytes: dict[tuple[int, int], int] = {}
        self.queued_ms = 0

    def pushed_ms(self, response_id: int, clause: int) -> int:
        return self.bytes.get((response_id, clause), 0) // 8

    def play(self, response_id: int, clause: int, payload: bytes) -> None:
        self.bytes[response_id, clause] = self.bytes.get((response_id, clause), 0) + len(payload)

    def end_clause(self, response_id: int, clause: int) -> int:
        return self.pushed_ms(response_id, clause)


class Rig:
    """A speaker at work."""

    def __init__(
        self,
        voice: Voice,
        phrasebook: TtsCache | None = None,
        *,
        others: Sequence[Voice] = (),
        breakers: Breakers | None = None,
    ) -> None:
        """others: who speaks when the first cannot. breakers: what other calls know."""
        self.events: list[Event] = []
        self.outbound = Outbound()
        self.speaker = Speaker(
            voice,
            *others,
            phrasebook=phrasebook or TtsCache(),
            outbound=self.outbound,  # type: ignore[arg-type]
            post=self.events.append,
            breakers=breakers,
        )

    async def __aenter__(self) -> Rig:
        self.task = asyncio.create_task(self.speaker.run())
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})

    def speak(self, *texts: str, response_id: int = 1) -> None:
        for number, text in enumerate(texts):
            self.speaker.speak(Speak(response_id=response_id, clause=number, text=text))


def test_clauses_are_voiced_in_order_and_measured() -> None:
    """First audio, then the length, for each; one session for the call, closed at its end."""

    async def story() -> None:
        voice = Voice()
        async with Rig(voice) as rig:
            rig.speak("one two", "three")
            await asyncio.sleep(1)
        assert rig.events == [
            FirstAudio(response_id=1, clause=0),
            ClauseVoiced(response_id=1, clause=0, duration_ms=200),
            FirstAudio(response_id=1, clause=1),
            ClauseVoiced(response_id=1, clause=1, duration_ms=100),
        ]
        assert (voice.opened, voice.closed) == (1, 1)

    virtually(story())


def test_what_the_voice_knows_of_its_words_is_told() -> None:
    """Also of a line made ahead of time, and without making sound of it."""

    async def story() -> None:
        voice, book = Voice(), TtsCache()
        voice.times = {"one two": WordTimes((0, 100), (90, 190)), "three": WordTimes((5,), (95,))}
        await book.prepare(voice, ["three"], language="en")
        async with Rig(voice, book) as rig:
            rig.speak("one two", "three")
            await asyncio.sleep(1)
        assert [each for each in rig.events if not isinstance(each, FirstAudio)] == [
            WordsTimed(response_id=1, clause=0, starts_ms=(0, 100), ends_ms=(90, 190)),
            ClauseVoiced(response_id=1, clause=0, duration_ms=200),
            WordsTimed(response_id=1, clause=1, starts_ms=(5,), ends_ms=(95,)),
            ClauseVoiced(response_id=1, clause=1, duration_ms=100),
        ]

    virtually(story())


@pytest.mark.parametrize(
    "error", [Unavailable("down", provider="x"), OSError("gone"), ZeroDivisionError("a bug"), None]
)
def test_a_clause_nobody_heard_of_is_tried_again_with_a_new_session(error: Exception | None) -> None:
    """Whatever went wrong, also hanging and a bug in an adapter."""

    async def story() -> None:
        voice = Voice((0, error))
        async with Rig(voice) as rig:
            rig.speak("one two")
            await asyncio.sleep(CHUNK_S * 3)
        assert rig.events[-1] == ClauseVoiced(response_id=1, clause=0, duration_ms=200)
        assert voice.said == ["one two"] * 2
        assert voice.opened == 2

    virtually(story())


def test_a_clause_that_was_audible_is_not_begun_again() -> None:
    """It failed where it stood; the next one is voiced all the same."""

    async def story() -> None:
        voice = Voice((1, Unavailable("down", provider="acme")))
        async with Rig(voice) as rig:
            rig.speak("one two three", "four")
            await asyncio.sleep(1)
        assert rig.events[1] == SpeakFailed(response_id=1, clause=0, provider="acme", message="down")
        assert rig.events[-1] == ClauseVoiced(response_id=1, clause=1, duration_ms=100)
        assert voice.said == ["one two three", "four"]

    virtually(story())


def test_a_voice_that_fails_twice_has_failed_the_clause() -> None:
    """And goes on to the next."""

    async def story() -> None:
        voice = Voice((0, ZeroDivisionError("a bug")), (0, Unavailable("down", provider="acme")))
        async with Rig(voice) as rig:
            rig.speak("one", "two")
            await asyncio.sleep(1)
        assert [type(event) for event in rig.events] == [SpeakFailed, FirstAudio, ClauseVoiced]

    virtually(story())


def test_cancelling_stops_the_clause_in_the_making_and_those_behind_it() -> None:
    """Of that reply only."""

    async def story() -> None:
        voice = Voice((1, None))
        async with Rig(voice) as rig:
            rig.speak("one two", "three")
            rig.speak("other", response_id=2)
            await asyncio.sleep(0.1)
            rig.speaker.cancel(1)
            rig.speaker.cancel(1)
            await asyncio.sleep(0.1)
        assert voice.said == ["one two", "other"]
        assert rig.events == [
            FirstAudio(response_id=1, clause=0),
            FirstAudio(response_id=2, clause=0),
            ClauseVoiced(response_id=2, clause=0, duration_ms=100),
        ]

    virtually(story())


def test_a_clause_without_sound_has_no_length() -> None:
    """And no first audio."""

    async def story() -> None:
        async with Rig(Voice()) as rig:
            rig.speak("")
            await asyncio.sleep(0.1)
        assert rig.events == [ClauseVoiced(response_id=1, clause=0, duration_ms=0)]

    virtually(story())


def test_a_fast_voice_does_not_run_far_ahead() -> None:
    """With seconds of audio waiting, the next clause waits too."""

    async def story() -> None:
        voice = Voice()
        async with Rig(voice) as rig:
            rig.outbound.queued_ms = AHEAD_MS + 2000
            rig.speak("one")
            await asyncio.sleep(1)
            assert voice.said == []
            rig.outbound.queued_ms = 0
            await asyncio.sleep(2)
            assert voice.said == ["one"]

    virtually(story())


def test_a_ready_line_needs_no_voice() -> None:
    """It was made once, clause by clause, and is the whole length at once."""

    async def story() -> None:
        voice = Voice()
        book = TtsCache()
        await book.prepare(voice, ["I am sorry. Say it again."], language="en")
        await book.prepare(voice, ["Say it again."], language="en")
        assert voice.said == ["I am sorry.", "Say it again."]
        async with Rig(voice, book) as rig:
            rig.speak("Say it again.")
            await asyncio.sleep(0.1)
        assert rig.events == [
            FirstAudio(response_id=1, clause=0),
            ClauseVoiced(response_id=1, clause=0, duration_ms=300),
        ]
        assert len(voice.said) == 2

    virtually(story())


def test_a_voice_that_never_answers_keeps_no_server_from_starting() -> None:
    """Preparing lines ends with an error of its own."""

    async def story() -> None:
        with pytest.raises(TimedOut):
            await TtsCache().prepare(Voice((0, None)), ["Hello."], language="en")
        fault = (0, Unavailable("down", provider="x"))
        with pytest.raises(ProviderError):
            await TtsCache().prepare(Voice(fault), ["Hello."], language="en")

    virtually(story())


@pytest.mark.parametrize(
    ("faults", "within_s"),
    [
        ([Unauthorized("key", provider="x")], 0.1),
        ([Unavailable("down", provider="x")] * 2, 0.3),
        ([None], CHUNK_S + 0.1),
        ([ZeroDivisionError("a bug")], 0.1),
        ([BadReply("noise", provider="x")], 0.1),
    ],
)
def test_another_voice_speaks_when_the_first_cannot(faults: Sequence[Exception | None], within_s: float) -> None:
    """The clause is said once, and the voice that said it stays: callers should not hear them change back and forth."""

    async def story() -> None:
        one, two = Voice(*((0, each) for each in faults)), Voice()
        async with Rig(one, others=[two]) as rig:
            rig.speak("one two", "three")
            await asyncio.sleep(within_s)
            assert [each for each in rig.events if isinstance(each, ClauseVoiced)] == [
                ClauseVoiced(response_id=1, clause=0, duration_ms=200),
                ClauseVoiced(response_id=1, clause=1, duration_ms=100),
            ]
        assert one.said == ["one two"] * len(faults)
        assert two.said == ["one two", "three"]
        assert (one.opened, two.opened) == (one.closed, two.closed)

    virtually(story())


def test_another_voice_does_not_begin_what_was_begun() -> None:
    """The first one broke off in the middle: that clause has failed."""

    async def story() -> None:
        one, two = Voice((1, Unavailable("down", provider="x"))), Voice()
        async with Rig(one, others=[two]) as rig:
            rig.speak("one two")
            await asyncio.sleep(1)
        assert isinstance(rig.events[-1], SpeakFailed)
        assert two.said == []

    virtually(story())


def test_lines_made_ahead_need_no_voice_at_all() -> None:
    """Also those that another voice has made, because the first was down at the start."""

    async def story() -> None:
        one, two, book = Voice((0, Unavailable("down", provider="x"))), Voice(), TtsCache()
        await book.prepare(two, ["Sorry."], language="en")
        async with Rig(one, book, others=[two]) as rig:
            rig.speak("Sorry.")
            await asyncio.sleep(0.1)
        assert rig.events[-1] == ClauseVoiced(response_id=1, clause=0, duration_ms=100)
        assert one.said == []

    virtually(story())


def test_a_voice_that_failed_other_calls_is_not_waited_for() -> None:
    """What one call has found out, the next one knows; it is tried again after a while."""

    async def story() -> None:
        breakers, two = Breakers(), Voice()
        one = Voice(*[(0, None)] * OPEN_AFTER)
        for _ in range(OPEN_AFTER):
            async with Rig(one, others=[two], breakers=breakers) as rig:
                rig.speak("one")
                await asyncio.sleep(CHUNK_S + 0.1)
        asked = len(one.said)
        async with Rig(one, others=[two], breakers=breakers) as rig:
            rig.speak("one")
            await asyncio.sleep(0.1)
            assert rig.events[-1] == ClauseVoiced(response_id=1, clause=0, duration_ms=100)
            assert len(one.said) == asked == OPEN_AFTER
        await asyncio.sleep(PROBE_S)
        async with Rig(one, others=[two], breakers=breakers) as rig:
            rig.speak("one")
            await asyncio.sleep(0.1)
        assert len(one.said) == asked + 1

    virtually(story())


class BusyVoice(Voice):
    """Its work waits for a processor for so long; dead: it stops working at it."""

    def __init__(self, wait_s: float, *, dead: bool = False) -> None:
        super().__init__()
        self.wait_s = wait_s
        self.at_work = False
        self.dead = dead
        self.ahead_ms: list[int] = []

    def needed_in(self, ahead_ms: int) -> None:
        self.ahead_ms.append(ahead_ms)

    async def open(self) -> BusyVoice:
        return self

    async def synthesize(self, text: str) -> AsyncIterator[Voiced]:
        self.said.append(text)
        self.at_work = not self.dead
        await asyncio.sleep(self.wait_s)
        self.at_work = False
        yield LOUD


@pytest.mark.parametrize("wait_s", [0.5, CHUNK_S + 0.5, 3 * CHUNK_S])
def test_a_voice_that_waits_for_this_machine_is_not_taken_for_dead(wait_s: float) -> None:
    """However long its queue is, the clause is asked for once and comes."""

    async def story() -> None:
        voice = BusyVoice(wait_s)
        async with Rig(voice) as rig:
            rig.speak("one")
            await asyncio.sleep(wait_s + 0.1)
        assert ClauseVoiced(response_id=1, clause=0, duration_ms=100) in rig.events
        assert voice.said == ["one"]

    virtually(story())


def test_one_that_is_not_at_work_is() -> None:
    """It has a queue, but nothing of ours is in it: after two tries the clause is given up."""

    async def story() -> None:
        voice = BusyVoice(60.0, dead=True)
        async with Rig(voice) as rig:
            rig.speak("one")
            await asyncio.sleep(2 * CHUNK_S + 1)
        assert [type(each) for each in rig.events] == [SpeakFailed]
        assert voice.said == ["one", "one"]

    virtually(story())


def test_a_voice_with_a_queue_is_told_when_its_sound_is_needed() -> None:
    """The first clause at once, another after what is queued already."""

    async def story() -> None:
        voice = BusyVoice(0.1)
        async with Rig(voice) as rig:
            rig.speak("one")
            await asyncio.sleep(0.2)
            rig.outbound.queued_ms = 2400
            rig.speak("two")
            await asyncio.sleep(0.2)
        assert voice.ahead_ms == [0, 2400]

    virtually(story())


def test_a_call_is_told_that_a_busy_voice_is_late_and_a_ready_line_overtakes_it() -> None:
    """The filler is heard first, then the clause; one that is not ready, or comes too late, makes no sound."""

    async def story() -> None:
        voice, cache = BusyVoice(0.0), TtsCache()
        await cache.prepare(voice, ["Moment."], language="en")
        voice.wait_s = 2.0
        async with Rig(voice, cache) as rig:
            rig.speak("one")
            await asyncio.sleep(1.6)
            assert rig.events == [VoiceLate(response_id=1, clause=0)] * 2
            rig.speaker.speak(Speak(response_id=1, clause=1, text="Unknown.", overtakes=True))
            rig.speaker.speak(Speak(response_id=1, clause=2, text="Moment.", overtakes=True))
            await asyncio.sleep(1)
            rig.speaker.speak(Speak(response_id=1, clause=3, text="Moment.", overtakes=True))
        lengths = [(each.clause, each.duration_ms) for each in rig.events if isinstance(each, ClauseVoiced)]
        assert lengths == [(1, 0), (2, 100), (0, 100), (3, 0)]

    virtually(story())
