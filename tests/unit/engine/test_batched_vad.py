"""One detector for all calls: batched, in order for each, and nobody's trouble stops the others' ears."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import numpy as np
import numpy.typing as npt
import pytest

from patter_cli.audio.frame import FloatSamples, Samples
from patter_cli.audio.vad import VoiceEdge, VoiceStarted, VoiceStopped
from patter_cli.contracts.vad import VoiceState
from patter_cli.engine import batched_vad
from patter_cli.engine.batched_vad import BACKLOG, BatchedVad, VadStream

WINDOW = 256
VOICE: Samples = np.tile(np.array([16000, 16000, -16000, -16000], np.int16), WINDOW // 4)
NOISE: Samples = np.full(WINDOW, 1000, np.int16)
SILENCE: Samples = np.zeros(WINDOW, np.int16)
PHRASE = (*[VOICE] * 4, *[NOISE] * 8)
"""An utterance: its edges are at 0 and at 128 ms."""
EDGES: list[VoiceEdge] = [VoiceStarted(onset_ms=0), VoiceStopped(last_voiced_ms=128)]


class Model:
    """Loud is speech. A call's state is its number and how many windows of it were scored."""

    rate_hz = 8000
    window_samples = WINDOW

    def __init__(self) -> None:
        self.calls = 0
        self.batches: list[list[tuple[int, int]]] = []
        self.broken: Exception | None = None
        self.short = False

    def initial_state(self) -> VoiceState:
        self.calls += 1
        return np.array([self.calls, 0], np.float32)

    def score(
        self, windows: FloatSamples, states: list[VoiceState]
    ) -> tuple[npt.NDArray[np.float32], list[VoiceState]]:
        assert windows.shape == (len(states), WINDOW)
        self.batches.append([(int(state[0]), int(state[1])) for state in states])
        if self.broken is not None:
            raise self.broken
        after = [np.array([state[0], state[1] + 1], np.float32) for state in states]
        probabilities = np.where(windows.max(axis=1) > 0.4, np.float32(0.9), np.float32(0.1))
        return (probabilities[:-1] if self.short else probabilities), after


class Rig:
    """A room, its model, and every edge with the call it belongs to."""

    def __init__(self) -> None:
        self.model = Model()
        self.room = BatchedVad(self.model)
        self.edges: list[tuple[str, VoiceEdge]] = []

    def ear(self, name: str) -> VadStream:
        return self.room.listen(lambda edge: self.edges.append((name, edge)))

    def of(self, name: str) -> list[VoiceEdge]:
        return [edge for owner, edge in self.edges if owner == name]

    async def scored(self, *ears: VadStream) -> None:
        """Until nothing of these waits."""
        async with asyncio.timeout(5):
            while any(ear.queue for ear in ears):  # noqa: ASYNC110 (the room tells nobody)
                await asyncio.sleep(0.001)


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(batched_vad, "GATHER_S", 0.001)
    made = Rig()
    yield made
    made.room.close()


def push(ear: VadStream, *windows: Samples) -> None:
    for window in windows:
        ear.push(window)


async def test_an_utterance_has_two_edges(rig: Rig) -> None:
    """In media time, however late the room got round to it."""
    ear = rig.ear("a")
    push(ear, *PHRASE)
    await rig.scored(ear)
    assert rig.of("a") == EDGES


async def test_the_windows_of_several_calls_go_in_one_batch(rig: Rig) -> None:
    """One of each call at a time, and each call's own state comes back to it."""
    ears = [rig.ear(name) for name in "abc"]
    for ear in ears:
        push(ear, *PHRASE)
    await rig.scored(*ears)
    assert rig.model.batches == [[(1, n), (2, n), (3, n)] for n in range(len(PHRASE))]
    assert (rig.room.batches, rig.room.windows) == (len(PHRASE), 3 * len(PHRASE))
    assert rig.of("a") == rig.of("b") == rig.of("c") == EDGES


async def test_silence_needs_no_model_but_keeps_its_place(rig: Rig) -> None:
    """It is decided without one, in its turn."""
    ear = rig.ear("a")
    push(ear, SILENCE, SILENCE)
    await rig.scored(ear)
    assert rig.room.batches == 0
    push(ear, *[VOICE] * 4, *[SILENCE] * 8)
    await rig.scored(ear)
    assert rig.of("a") == [VoiceStarted(onset_ms=64), VoiceStopped(last_voiced_ms=192)]
    assert rig.room.windows == 4


async def test_a_closed_ear_is_left_out(rig: Rig) -> None:
    """It hears nothing more, and does not keep the others waiting."""
    gone, stays = rig.ear("gone"), rig.ear("stays")
    push(gone, *PHRASE)
    push(stays, *PHRASE)
    gone.close()
    await rig.scored(stays)
    assert rig.of("gone") == []
    assert rig.of("stays") == EDGES
    assert all(call == 2 for batch in rig.model.batches for call, _ in batch)


async def test_an_ear_closed_while_its_window_is_scored_hears_nothing(rig: Rig) -> None:
    """The answer comes back to a call that is over."""
    gone, stays = rig.ear("gone"), rig.ear("stays")
    push(gone, *PHRASE)
    push(stays, *PHRASE)
    async with asyncio.timeout(5):
        while not rig.model.batches:  # noqa: ASYNC110 (the room tells nobody)
            await asyncio.sleep(0)
    gone.close()
    await rig.scored(stays)
    assert rig.of("gone") == []
    assert rig.of("stays") == EDGES


async def test_a_backlog_is_bounded_and_counted(rig: Rig) -> None:
    """A call that brings more than can be scored loses windows, not memory, and its times stay true."""
    ear = rig.ear("a")
    push(ear, *[NOISE] * (BACKLOG + 10))
    assert len(ear.queue) == BACKLOG
    assert ear.skipped == 10
    await rig.scored(ear)
    push(ear, *PHRASE)
    await rig.scored(ear)
    assert rig.of("a")[0] == VoiceStarted(onset_ms=(BACKLOG + 10) * 32)


@pytest.mark.parametrize("short", [False, True], ids=["raises", "answers for too few"])
async def test_a_model_that_fails_is_silence_and_not_the_end(
    rig: Rig, caplog: pytest.LogCaptureFixture, short: bool
) -> None:
    """Who was speaking has stopped, it is logged once for a failure that lasts, and afterwards all hear again."""
    first, second = rig.ear("first"), rig.ear("second")
    push(first, *[VOICE] * 4)
    await rig.scored(first)
    with caplog.at_level(logging.ERROR):
        rig.model.short, rig.model.broken = short, None if short else RuntimeError("out of memory")
        push(first, *[VOICE] * 12)
        push(second, *[VOICE] * 12)
        await rig.scored(first, second)
        assert len(caplog.records) == 1
        assert rig.of("first") == EDGES
        assert rig.of("second") == []
        rig.model.short, rig.model.broken = False, None
        push(second, *[SILENCE] * 60)  # what nobody could judge was the loudest thing on the line
        push(second, *PHRASE)
        await rig.scored(second)
        assert rig.of("second") == [VoiceStarted(onset_ms=2304), VoiceStopped(last_voiced_ms=2432)]
        rig.model.broken = RuntimeError("again")
        push(second, VOICE)
        await rig.scored(second)
    assert len(caplog.records) == 2


async def test_a_call_that_breaks_on_its_edge_breaks_alone(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """The others in its batch, and its own next windows, are heard as if nothing were."""

    def break_down(edge: VoiceEdge) -> None:
        rig.edges.append(("broken", edge))
        raise RuntimeError("a bug of ours")

    broken, stays = rig.room.listen(break_down), rig.ear("stays")
    with caplog.at_level(logging.ERROR):
        push(broken, *PHRASE)
        push(stays, *PHRASE)
        await rig.scored(broken, stays)
    assert rig.of("broken") == rig.of("stays") == EDGES
    assert len(caplog.records) == 2


async def test_a_closed_room_takes_windows_and_does_nothing(rig: Rig) -> None:
    """A call may outlive the server's room by a frame."""
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    ear = rig.ear("a")
    push(ear, VOICE)
    rig.room.close()
    push(ear, *PHRASE)
    await asyncio.sleep(0.005)
    assert rig.of("a") == []
    assert reported == []


async def test_what_is_masked_is_not_scored(rig: Rig) -> None:
    """A voice in it opens nothing; the same voice after it does, in its place."""
    ear = rig.ear("a")
    for _ in range(5):
        ear.push(VOICE, masked=True)
    await rig.scored(ear)
    assert rig.room.windows == 0
    push(ear, *[VOICE] * 4, *[SILENCE] * 8)
    await rig.scored(ear)
    assert rig.room.windows == 4
