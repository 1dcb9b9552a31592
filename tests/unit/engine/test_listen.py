"""Recognition for one call: what a session gets, what is owed, and what happens when it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from patter_cli.audio.frame import ULAW_8K, AudioFormat, Samples
from patter_cli.audio.wire import ULAW_8K_WIRE, LineAudio
from patter_cli.contracts.stt import EndOfTurn, Final, Partial, Recognised
from patter_cli.core.events import EndOfTurnPredicted, Event, ListenFailed, TranscriptFinal, TranscriptPartial
from patter_cli.engine.fallback import EARS
from patter_cli.engine.listen import FINAL_S, OPEN_S, PRE_ROLL_MS, REPLAY_MS, RING_MS, WORD_BEFORE_MS, Listener
from patter_cli.errors import MissingCredential, Unauthorized, Unavailable
from patter_cli.text.overlap import joined_at_overlap
from tests.unit.engine.conftest import virtually

FRAME = np.ones(160, np.int16)


class Session:
    """A session that answers when it is told to."""

    def __init__(self, *, answers: bool = True) -> None:
        self.samples = 0
        self.segment = 0
        self.finalized = 0
        self.answers = answers
        self.closed = False
        self.due: asyncio.Queue[Recognised | Exception] = asyncio.Queue()

    def push(self, samples: Samples) -> None:
        self.samples += len(samples)

    def finalize(self) -> None:
        self.finalized += 1
        if self.answers:
            self.due.put_nowait(Final(segment=self.segment, text=f"words {self.segment}"))

    def commit(self) -> None:
        self.segment += 1

    async def results(self) -> AsyncIterator[Recognised]:
        while True:
            result = await self.due.get()
            if isinstance(result, Exception):
                raise result
            yield result

    async def aclose(self) -> None:
        self.closed = True


class Ears:
    """A recipe that opens these sessions in turn; an exception is raised, None never opens."""

    rate_hz = 8000

    def __init__(self, *sessions: Session | Exception | None, speech_only: bool = True) -> None:
        self.sessions = list(sessions)
        self.speech_only = speech_only

    async def warm(self) -> None:
        pass

    async def open(self) -> Session:
        session = self.sessions.pop(0)
        if session is None:
            await asyncio.Event().wait()
        if isinstance(session, Exception):
            raise session
        assert session is not None
        return session


class Rig:
    """A listener at work and what it posted."""

    def __init__(
        self, *sessions: Session | Exception | None, speech_only: bool = True, others: Sequence[Ears] = ()
    ) -> None:
        """others: who listens when the first cannot."""
        self.events: list[Event] = []
        ears = Ears(*sessions, speech_only=speech_only)
        self.listener = Listener(ears, *others, line_rate_hz=8000, post=self.events.append)

    async def __aenter__(self) -> Rig:
        self.task = asyncio.create_task(self.listener.run())
        await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})

    def hear(self, ms: int) -> None:
        for _ in range(ms // 20):
            self.listener.push(LineAudio(FRAME))


def test_between_utterances_nothing_is_sent_and_an_utterance_has_its_pre_roll() -> None:
    """Recognition of a speech-only recipe gets the voice and a little of what came before it."""

    async def story() -> None:
        session = Session()
        async with Rig(session) as rig:
            rig.hear(2000)
            assert session.samples == 0
            rig.listener.speech_started(1900)
            assert session.samples == (2000 - 1900 + PRE_ROLL_MS) * 8
            rig.hear(400)
            rig.listener.speech_ended()
            rig.hear(1000)
            assert session.samples == (100 + PRE_ROLL_MS + 400) * 8

    virtually(story())


def test_the_pre_roll_of_the_next_utterance_does_not_repeat_the_last() -> None:
    """What was sent once is not sent again."""

    async def story() -> None:
        session = Session()
        async with Rig(session) as rig:
            rig.hear(1000)
            rig.listener.speech_started(900)
            rig.hear(200)
            rig.listener.speech_ended()
            before = session.samples
            rig.hear(100)
            rig.listener.speech_started(1250)
            assert session.samples - before == 100 * 8

    virtually(story())


def test_the_ring_is_bounded() -> None:
    """An onset far back gets what is still there."""

    async def story() -> None:
        session = Session()
        async with Rig(session) as rig:
            rig.hear(5000)
            rig.listener.speech_started(0)
            assert RING_MS * 8 <= session.samples <= (RING_MS + 20) * 8

    virtually(story())


def test_a_recipe_that_wants_everything_gets_everything() -> None:
    """Also what came while its session opened."""

    async def story() -> None:
        session = Session()
        rig = Rig(session, speech_only=False)
        rig.hear(100)
        async with rig:
            rig.hear(200)
            assert session.samples == 300 * 8

    virtually(story())


def test_results_come_with_the_segment_they_belong_to() -> None:
    """Partials and finals, before and after a commit."""

    async def story() -> None:
        session = Session()
        async with Rig(session) as rig:
            session.due.put_nowait(Partial(segment=0, text="wo"))
            rig.listener.finalize()
            rig.listener.commit()
            rig.listener.finalize()
            await asyncio.sleep(0.01)
            assert rig.events == [
                TranscriptPartial(segment=0, text="wo"),
                TranscriptFinal(segment=0, text="words 0"),
                TranscriptFinal(segment=1, text="words 1"),
            ]

    virtually(story())


@pytest.mark.parametrize("broken", [Unavailable("gone", provider="x"), ConnectionResetError("gone"), TimeoutError()])
def test_a_session_that_breaks_is_opened_again_and_counts_on(broken: Exception) -> None:
    """The new session answers what the broken one was asked, and its first segment is the call's present one."""

    async def story() -> None:
        first, second = Session(answers=False), Session()
        async with Rig(first, second) as rig:
            rig.listener.finalize()
            rig.listener.commit()
            rig.listener.finalize()
            rig.listener.finalize()
            first.due.put_nowait(broken)
            await asyncio.sleep(1)
            assert first.closed
            assert rig.events == [TranscriptFinal(segment=1, text="words 0")] * 3
            rig.listener.finalize()
            await asyncio.sleep(0.01)
            assert rig.events[3:] == [TranscriptFinal(segment=1, text="words 0")]


def test_what_was_said_shortly_before_a_break_is_sent_again() -> None:
    """Two seconds of it at most, none of it of an earlier turn; what was understood before is kept, said once."""

    async def story() -> None:
        first, second, third = Session(answers=False), Session(answers=False), Session(answers=False)
        async with Rig(first, second, third, speech_only=False) as rig:
            rig.hear(3000)
            rig.listener.commit()
            rig.hear(1000)
            first.due.put_nowait(Unavailable("gone", provider="x"))
            await asyncio.sleep(0.5)
            assert second.samples == 1000 * 8
            second.due.put_nowait(Partial(segment=0, text="I want to book a"))
            rig.hear(3000)
            await asyncio.sleep(0.01)
            second.due.put_nowait(Unavailable("gone", provider="x"))
            await asyncio.sleep(0.5)
            assert third.samples == REPLAY_MS * 8
            third.due.put_nowait(Final(segment=0, text="to book a table."))
            await asyncio.sleep(0.01)
            assert rig.events[-1] == TranscriptFinal(segment=1, text="I want to book a table.")

    virtually(story())


def test_what_is_sent_again_begins_with_a_word_where_its_time_is_known() -> None:
    """No word is cut in half, and none that was understood is heard twice, whatever the next session makes of it."""

    async def story() -> None:
        first, second, third = Session(answers=False), Session(answers=False), Session(answers=False)
        async with Rig(first, second, third, speech_only=False) as rig:
            rig.hear(4000)
            words = "Ann and Ann and tables for two"
            starts = (0, 500, 1000, 1500, 1800, 2300, 2600)
            spans = tuple((start, start + 290) for start in starts)
            first.due.put_nowait(Partial(segment=0, text=words, spans=spans))
            await asyncio.sleep(0.01)
            first.due.put_nowait(Unavailable("gone", provider="x"))
            await asyncio.sleep(0.5)
            assert second.samples == (4000 - (1800 - WORD_BEFORE_MS)) * 8, "tables was being said two seconds ago"
            heard = (("tables", 100), ("for", 600), ("too", 900), ("people", 1300))
            spans = tuple((start, start + 290) for _, start in heard)
            second.due.put_nowait(Partial(segment=0, text=" ".join(word for word, _ in heard), spans=spans))
            await asyncio.sleep(0.01)
            assert rig.events[-1] == TranscriptPartial(segment=0, text="Ann and Ann and tables for too people")
            rig.hear(1000)
            second.due.put_nowait(Unavailable("gone", provider="x"))
            await asyncio.sleep(0.5)
            assert third.samples == (5000 - (3000 - WORD_BEFORE_MS)) * 8, "on the line, not of the second session"
            third.due.put_nowait(Final(segment=0, text="people at nine."))
            await asyncio.sleep(0.01)
            assert rig.events[-1] == TranscriptFinal(segment=0, text="Ann and Ann and tables for too people at nine.")

    virtually(story())


def test_a_recogniser_that_takes_the_line_s_own_bytes_gets_them() -> None:
    """Undecoded while nothing has changed them, encoded again where something has."""

    class WireSession(Session):
        payload = b""

        def push_wire(self, payload: bytes) -> None:
            self.payload += payload

    class WireEars(Ears):
        wire_formats = frozenset((ULAW_8K,))

        async def open_on(self, format: AudioFormat) -> WireSession:
            session = await self.open()
            assert isinstance(session, WireSession)
            return session

    async def story() -> None:
        session = WireSession()
        ears = WireEars(session, speech_only=False)
        listener = Listener(ears, line_rate_hz=8000, post=lambda event: None, wire=ULAW_8K_WIRE)
        task = asyncio.create_task(listener.run())
        await asyncio.sleep(0.01)
        listener.push(LineAudio(coded=b"\x7a" * 160, wire=ULAW_8K_WIRE))
        listener.push(LineAudio(np.zeros(160, np.int16)))
        assert session.payload == b"\x7a" * 160 + b"\xff" * 160
        assert session.samples == 0
        task.cancel()
        await asyncio.wait({task})

    virtually(story())


def test_what_the_vendor_thinks_of_the_turn_is_told() -> None:
    """In the call's own segments."""

    async def story() -> None:
        first, second = Session(), Session()
        async with Rig(first, second) as rig:
            rig.listener.commit()
            first.due.put_nowait(Unavailable("gone", provider="x"))
            await asyncio.sleep(0.5)
            second.due.put_nowait(EndOfTurn(segment=0, probability=1.0))
            await asyncio.sleep(0.01)
            assert rig.events == [EndOfTurnPredicted(segment=1, probability=1.0)]

    virtually(story())


def test_two_transcripts_that_overlap_are_one() -> None:
    """Words at the joint may be cut in half or understood otherwise; where nothing overlaps, one follows the other."""
    joined = joined_at_overlap
    assert joined("I want to book a", "ook a table") == "I want to book a table"
    assert joined("I want to book", "want to book a table") == "I want to book a table"
    assert joined("I want to look", "want to book a table") == "I want to book a table"
    assert joined("I want", "a table") == "I want a table"
    assert joined("", "a table") == "a table"
    assert joined("Two.", "") == "Two."


def test_what_is_asked_while_nothing_is_open_is_answered_by_the_next_session() -> None:
    """One final for each finalize, even if the session opens late; the voice meanwhile is not lost."""

    async def story() -> None:
        session = Session()
        async with Rig(Unavailable("not yet", provider="x"), session) as rig:
            rig.listener.speech_started(0)
            rig.hear(200)
            rig.listener.finalize()
            await asyncio.sleep(1)
            assert session.finalized == 1
            assert session.samples == 200 * 8
            assert rig.events == [TranscriptFinal(segment=0, text="words 0")]

    virtually(story())


@pytest.mark.parametrize("sessions", [[Unavailable("no", provider="x")] * 9, [None] * 9])
def test_ears_that_cannot_be_had_are_given_up_and_told_once(sessions: Sequence[Exception | None]) -> None:
    """After the last try, refused or timed out."""

    async def story() -> None:
        rig = Rig(*sessions)
        async with rig:
            await asyncio.wait({rig.task})
            assert [type(event) for event in rig.events] == [ListenFailed]
            assert asyncio.get_running_loop().time() <= (OPEN_S + 1) * EARS.tries

    virtually(story())


def test_a_session_that_worked_has_all_its_tries_again() -> None:
    """Breaks that are far between do not add up."""

    async def story() -> None:
        sessions = [Session() for _ in range(8)]
        async with Rig(*sessions) as rig:
            for session in sessions[:-1]:
                rig.listener.finalize()
                await asyncio.sleep(0.01)
                session.due.put_nowait(Unavailable("gone", provider="x"))
                await asyncio.sleep(2)
            assert not any(isinstance(event, ListenFailed) for event in rig.events)

    virtually(story())


def test_even_without_ears_a_finalize_is_answered() -> None:
    """What was owed when they were given up, and what is asked later: with an empty final, at once."""

    async def story() -> None:
        rig = Rig(*[Unavailable("no", provider="x")] * EARS.tries)
        rig.listener.finalize()
        async with rig:
            await asyncio.wait({rig.task})
            rig.listener.commit()
            rig.listener.finalize()
            rig.hear(5000)
        assert rig.events == [
            TranscriptFinal(segment=0, text=""),
            ListenFailed(provider="x", message="no"),
            TranscriptFinal(segment=1, text=""),
        ]

    virtually(story())


@pytest.mark.parametrize(
    ("sessions", "within_s"),
    [
        ([Unauthorized("key", provider="x")], 0.1),
        ([MissingCredential("no key")], 0.1),
        ([Unavailable("down", provider="x")] * EARS.tries, 1.5),
        ([None], OPEN_S + 0.1),
        ([ZeroDivisionError("a bug")], 0.1),
    ],
)
def test_somebody_else_listens_when_the_first_cannot(sessions: Sequence[Exception | None], within_s: float) -> None:
    """At once if nothing helps, and with what the caller has said meanwhile."""

    async def story() -> None:
        session = Session()
        async with Rig(*sessions, others=[Ears(session)]) as rig:
            rig.listener.speech_started(0)
            rig.hear(200)
            await asyncio.sleep(within_s)
            rig.listener.finalize()
            await asyncio.sleep(0.01)
            assert session.samples == 200 * 8
            assert rig.events[-1] == TranscriptFinal(segment=0, text="words 0")

    virtually(story())


def test_another_rate_and_another_gate() -> None:
    """Who stands in may want all the sound, at its own rate; the first one wanted speech at 8 kHz."""

    async def story() -> None:
        session = Session()
        other = Ears(session, speech_only=False)
        other.rate_hz = 16000
        async with Rig(Unauthorized("key", provider="x"), others=[other]) as rig:
            rig.hear(1000)
            assert session.samples == pytest.approx(16000, abs=400)

    virtually(story())


def test_ears_that_owe_an_answer_for_too_long_are_replaced() -> None:
    """The machine gets its final, and the next turn is heard by the other, which stays."""

    async def story() -> None:
        mute, sessions = Session(answers=False), [Session(), Session()]
        other = Ears(*sessions)
        async with Rig(mute, others=[other]) as rig:
            rig.listener.finalize()
            await asyncio.sleep(FINAL_S + 0.1)
            assert mute.closed
            assert rig.events == [TranscriptFinal(segment=0, text="")]
            rig.listener.commit()
            rig.listener.finalize()
            await asyncio.sleep(60)
            assert rig.events[1:] == [TranscriptFinal(segment=1, text="words 1")]
            sessions[0].due.put_nowait(Unavailable("gone", provider="x"))
            await asyncio.sleep(1)
            assert other.sessions == [], "the same one is asked for another session"

    virtually(story())


def test_a_slow_recogniser_that_is_alone_is_waited_for() -> None:
    """Nobody could take its place."""

    async def story() -> None:
        slow = Session(answers=False)
        async with Rig(slow) as rig:
            rig.listener.finalize()
            await asyncio.sleep(FINAL_S * 3)
            slow.due.put_nowait(Final(segment=0, text="at last"))
            await asyncio.sleep(0.01)
            assert rig.events == [TranscriptFinal(segment=0, text="at last")]

    virtually(story())


def test_when_all_have_failed_the_call_is_told_once() -> None:
    """With the last one's name."""

    async def story() -> None:
        refused = Unauthorized("key", provider="second")
        rig = Rig(Unauthorized("key", provider="first"), others=[Ears(refused)])
        async with rig:
            await asyncio.wait({rig.task})
        assert rig.events == [ListenFailed(provider="second", message="key")]

    virtually(story())
