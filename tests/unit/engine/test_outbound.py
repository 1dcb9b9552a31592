"""The way out: marks, generations, and where the ear was at a pause, a clear and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from patter_cli.audio.pacer import Pacer
from patter_cli.core.events import Event, MarkReached, PlaybackStopped, PlayoutStarted
from patter_cli.engine.clock import CallClock
from patter_cli.engine.outbound import CLAUSES, OutboundPath
from tests.unit.engine.conftest import virtually

LEAD_MS, CHUNK_MS, REWIND_MS = 200, 60, 200


class Rig:
    """An OutboundPath, what it sent and what it posted, with times."""

    def __init__(self) -> None:
        self.clock = CallClock(asyncio.get_running_loop())
        self.sent: list[tuple[int, str]] = []
        self.events: list[Event] = []
        pacer = Pacer(lead_ms=LEAD_MS, chunk_ms=CHUNK_MS, rewind_ms=REWIND_MS)
        self.path = OutboundPath(clock=self.clock, line=self, post=self.events.append, pacer=pacer)

    def media(self, payload: bytes) -> None:
        self._sent(f"audio {len(payload) // 8}")

    def mark(self, name: str) -> None:
        self._sent(f"mark {name}")

    def clear(self) -> None:
        self._sent("clear")

    def _sent(self, text: str) -> None:
        self.sent.append((self.clock.now(), text))

    def clause(self, response_id: int, clause: int, ms: int) -> None:
        """Queue a whole clause."""
        self.path.play(response_id, clause, b"\x10" * (ms * 8))
        assert self.path.end_clause(response_id, clause) == ms

    def audio_ms(self, since: int = 0) -> int:
        return sum(int(text.split()[1]) for _, text in self.sent[since:] if text.startswith("audio"))

    def marks(self, since: int = 0) -> list[str]:
        return [text.split()[1] for _, text in self.sent[since:] if text.startswith("mark")]


def story(work: Callable[[Rig], Awaitable[None]]) -> None:
    """Tell a story of one path in virtual time."""

    async def tell() -> None:
        await work(Rig())

    virtually(tell())


def test_audio_goes_out_a_little_ahead_of_playout_and_marks_close_clauses() -> None:
    """Never more than the lead and a chunk is at the carrier; each clause is reported when its first audio is."""

    async def work(rig: Rig) -> None:
        rig.clause(1, 0, 500)
        rig.clause(1, 1, 300)
        assert rig.events == [PlayoutStarted(response_id=1, clause=0)]
        for _ in range(60):
            await asyncio.sleep(0.02)
            assert rig.audio_ms() - rig.clock.now() <= LEAD_MS + CHUNK_MS
        assert rig.audio_ms() == 800
        assert rig.marks() == [f"{CLAUSES}.0", f"{CLAUSES + 1}.0"]
        assert rig.events == [PlayoutStarted(response_id=1, clause=0), PlayoutStarted(response_id=1, clause=1)]
        assert max(at for at, _ in rig.sent) <= 800

    story(work)


def test_a_mark_that_returns_is_a_clause_heard() -> None:
    """It stands for those before it too, and means nothing the second time."""

    async def work(rig: Rig) -> None:
        rig.clause(3, 0, 40)
        rig.clause(3, 1, 40)
        await asyncio.sleep(0.2)
        rig.events.clear()
        rig.path.mark_returned(rig.marks()[1])
        rig.path.mark_returned(rig.marks()[0])
        rig.path.mark_returned(rig.marks()[1])
        assert rig.events == [MarkReached(response_id=3, clause=1)]

    story(work)


@pytest.mark.parametrize(
    "name", ["", ".", "0", "x.0", "10000", "10000.1", "10000.", "99.0", "１００００.0", "-10000.0"]
)
def test_a_mark_that_is_not_ours_changes_nothing(name: str) -> None:
    """Whatever a carrier makes up."""

    async def work(rig: Rig) -> None:
        rig.clause(1, 0, 40)
        await asyncio.sleep(0.1)
        rig.events.clear()
        rig.path.mark_returned(name)
        assert rig.events == []

    story(work)


def test_a_clear_says_where_the_ear_was_and_its_marks_were_not_heard() -> None:
    """The position is in the clause that was audible; the marks that the clear returns are of an older generation."""

    async def work(rig: Rig) -> None:
        rig.clause(1, 0, 200)
        rig.clause(1, 1, 400)
        await asyncio.sleep(0.3)
        rig.path.clear()
        assert rig.sent[-1][1] == "clear"
        assert rig.events[-1] == PlaybackStopped(response_id=1, clause=1, played_ms=100)
        rig.events.clear()
        for mark in rig.marks():
            rig.path.mark_returned(mark)
        sent = len(rig.sent)
        await asyncio.sleep(1)
        assert rig.events == []
        assert len(rig.sent) == sent
        rig.clause(2, 0, 40)
        await asyncio.sleep(0.1)
        assert rig.marks(sent) == [f"{2 * CLAUSES}.1"]

    story(work)


def test_a_pause_keeps_what_was_not_heard_and_resume_goes_back_a_little() -> None:
    """The carrier is cleared once; on resuming all from just before the break is sent again, under new marks."""

    async def work(rig: Rig) -> None:
        rig.clause(1, 0, 600)
        rig.clause(1, 1, 100)
        await asyncio.sleep(0.4)
        rig.path.pause()
        assert rig.sent[-1][1] == "clear"
        assert rig.events[-1] == PlaybackStopped(response_id=1, clause=0, played_ms=400)
        paused = len(rig.sent)
        rig.events.clear()
        await asyncio.sleep(1)
        assert len(rig.sent) == paused
        rig.path.resume()
        assert rig.events == [PlayoutStarted(response_id=1, clause=0)]
        await asyncio.sleep(1)
        assert rig.audio_ms(paused) == 600 - (400 - REWIND_MS) + 100
        assert rig.marks(paused) == [f"{CLAUSES}.1", f"{CLAUSES + 1}.1"]
        rig.path.mark_returned(rig.marks(paused)[1])
        assert rig.events[1:] == [PlayoutStarted(response_id=1, clause=1), MarkReached(response_id=1, clause=1)]

    story(work)


def test_giving_up_what_was_paused_sends_no_second_clear() -> None:
    """The line is silent already, and the position was told with the pause."""

    async def work(rig: Rig) -> None:
        rig.clause(1, 0, 600)
        await asyncio.sleep(0.2)
        rig.path.pause()
        sent, events = len(rig.sent), len(rig.events)
        rig.path.clear()
        assert (len(rig.sent), len(rig.events)) == (sent, events)
        rig.clause(2, 0, 40)
        assert rig.audio_ms(sent) == 40

    story(work)


def test_clause_by_clause_synthesis_is_reported_once_a_clause() -> None:
    """Audio that comes in pieces belongs to the clause it came for."""

    async def work(rig: Rig) -> None:
        for _ in range(5):
            rig.path.play(1, 0, b"\x10" * 160)
            await asyncio.sleep(0.01)
        assert rig.path.end_clause(1, 0) == 100
        assert rig.path.pushed_ms(1, 0) == 100
        await asyncio.sleep(0.3)
        assert rig.audio_ms() == 100
        assert rig.events == [PlayoutStarted(response_id=1, clause=0)]

    story(work)


def test_the_end_of_the_line_tells_the_position_once() -> None:
    """After it nothing is sent, whatever is still pushed."""

    async def work(rig: Rig) -> None:
        rig.clause(1, 0, 600)
        await asyncio.sleep(0.25)
        rig.path.close()
        rig.path.close()
        assert rig.events[1:] == [PlaybackStopped(response_id=1, clause=0, played_ms=250, line_closed=True)]
        sent = len(rig.sent)
        rig.path.play(1, 1, b"\x10" * 800)
        rig.path.end_clause(1, 1)
        rig.path.pause()
        rig.path.resume()
        rig.path.clear()
        await asyncio.sleep(1)
        assert len(rig.sent) == sent
        assert len(rig.events) == 2

    story(work)


def test_silencing_a_silent_line_reports_nothing() -> None:
    """There was nothing to hear."""

    async def work(rig: Rig) -> None:
        rig.path.clear()
        assert rig.events == []

    story(work)


def test_a_pause_between_clauses_is_a_position_too() -> None:
    """Marks came back for the first, the second is in the ear, the third is not begun: all that is told."""

    async def work(rig: Rig) -> None:
        for clause in range(3):
            rig.clause(1, clause, 300)
        await asyncio.sleep(0.45)
        rig.path.mark_returned(rig.marks()[0])
        rig.path.pause()
        assert rig.events[-2:] == [
            MarkReached(response_id=1, clause=0),
            PlaybackStopped(response_id=1, clause=1, played_ms=150),
        ]
        rig.path.pause()
        rig.events.clear()
        rig.path.resume()
        await asyncio.sleep(1)
        assert rig.events == [PlayoutStarted(response_id=1, clause=1), PlayoutStarted(response_id=1, clause=2)]

    story(work)
