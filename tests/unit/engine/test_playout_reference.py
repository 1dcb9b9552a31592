"""What the caller's phone plays and when: chunks, breaks, clears, and a memory that ends."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import ULAW_SILENCE, decode_ulaw, encode_ulaw
from patter_cli.audio.pacer import Pacer
from patter_cli.engine.clock import CallClock
from patter_cli.engine.outbound import OutboundPath
from patter_cli.engine.playout_reference import AHEAD_MS, PAST_MS, PlayoutReference
from tests.unit.engine.conftest import virtually


def wire(ms: int, seed: int = 0) -> bytes:
    """So much audio, none of it silent."""
    samples = np.random.default_rng(seed).integers(200, 8000, ms * 8)
    return encode_ulaw(samples.astype(np.int16))


def test_audio_lies_where_it_is_played() -> None:
    """As the phone plays it: after mu-law; zeros before and behind."""
    far = PlayoutReference()
    assert far.sent(wire(60), 100.0) == 160.0
    assert np.array_equal(far.read(800, 480), decode_ulaw(wire(60)))
    assert not far.read(0, 800).any()
    assert not far.read(1280, 800).any()


def test_chunks_of_one_breath_join_without_a_seam() -> None:
    """The end of one is the beginning of the next, at any fraction of a millisecond."""
    far = PlayoutReference()
    at = 33.3337
    for n in range(5):
        at = far.sent(wire(60, n), at)
    first = round(33.3337 * 8)
    assert np.array_equal(far.read(first, 2400), np.concatenate([decode_ulaw(wire(60, n)) for n in range(5)]))


def test_after_a_clear_the_reference_is_silence() -> None:
    """What had been played stays, what had not is gone, and the next audio lies where it is played."""
    far = PlayoutReference()
    far.sent(wire(200), 0.0)
    far.silence(120.0)
    assert far.read(0, 960).all()
    assert not far.read(960, 800).any()
    far.sent(wire(40, 1), 150.0)
    assert not far.read(960, 240).any()
    assert np.array_equal(far.read(1200, 320), decode_ulaw(wire(40, 1)))


def test_silence_is_told_as_such() -> None:
    """Before, between, behind and once it is forgotten: there is nothing to compare the line with."""
    far = PlayoutReference()
    far.sent(wire(60), 100.0)
    far.sent(wire(60), 200.0)
    far.sent(ULAW_SILENCE * 480, 260.0)
    sounding = [at for at in range(0, 400, 10) if far.sounds(at * 8, 160)]
    assert sounding == [*range(90, 160, 10), *range(190, 260, 10)]
    assert not far.sounds((320 + PAST_MS) * 8, 160)
    assert not far.sounds(100 * 8, 160)


def test_a_clear_of_a_silent_line_changes_nothing() -> None:
    """Nor does one before the call."""
    far = PlayoutReference()
    far.silence(-5.0)
    far.sent(wire(20), 0.0)
    far.silence(500.0)
    assert np.array_equal(far.read(0, 160), decode_ulaw(wire(20)))


def test_only_the_last_seconds_are_remembered() -> None:
    """A second of the past is always there, and an hour of talk takes no more room than two."""
    far = PlayoutReference()
    at = 0.0
    for n in range(100):
        at = far.sent(wire(60, n), at)
    newest = round(at * 8)
    assert far.read(newest - PAST_MS * 8, PAST_MS * 8).all()
    assert not far.read(0, 8000).any()


class Model:
    """The same with a whole call's memory."""

    def __init__(self) -> None:
        self.line: Samples = np.zeros(200_000, np.int16)
        self.end = 0

    def sent(self, payload: bytes, start_ms: float) -> None:
        start = max(round(start_ms * 8), self.end)
        self.end = start + len(payload)
        self.line[start : self.end] = decode_ulaw(payload)

    def silence(self, from_ms: float) -> None:
        cut = round(from_ms * 8)
        if cut < self.end:
            self.line[cut : self.end] = 0
            self.end = cut


@given(
    st.lists(st.tuples(st.sampled_from(["send", "send", "clear"]), st.floats(0, 900), st.integers(1, 200)), max_size=25)
)
def test_it_agrees_with_a_line_that_never_forgets(steps: list[tuple[str, float, int]]) -> None:
    """Whatever is sent and cleared, as long as nothing is sent further ahead than it may be."""
    far, model, now = PlayoutReference(), Model(), 0.0
    for n, (what, wait_ms, length) in enumerate(steps):
        now += wait_ms
        if what == "clear":
            far.silence(now)
            model.silence(now)
        elif model.end / 8 - now + length < AHEAD_MS:
            far.sent(wire(length, n), max(now, model.end / 8))
            model.sent(wire(length, n), max(now, model.end / 8))
        at = round(now * 8)
        start = max(0, at - PAST_MS * 8)
        assert np.array_equal(far.read(start, at + 4000 - start), model.line[start : at + 4000])
        for first in range(at - 800, at + 800, 160):  # frame by frame, as it is read
            assert np.array_equal(far.read(first, 160), model.line[first : first + 160]) or first < 0


class Wire:
    """A carrier's end that plays what it gets, by the rules of the line."""

    def __init__(self) -> None:
        self.clock = CallClock(asyncio.get_running_loop())
        self.model = Model()

    def media(self, payload: bytes) -> None:
        self.model.sent(payload, max(self.clock.now_ms(), self.model.end / 8))

    def mark(self, name: str) -> None:
        pass

    def clear(self) -> None:
        self.model.silence(self.clock.now_ms())


@pytest.mark.parametrize("stop", ["clear", "pause"])
def test_the_way_out_keeps_the_reference_true(stop: str) -> None:
    """Through a lead, a pause and a resume, or a clear and a new reply, it is what the line plays, to the sample."""

    async def tell() -> None:
        line, far = Wire(), PlayoutReference()
        path = OutboundPath(clock=line.clock, line=line, post=lambda event: None, pacer=Pacer(), far=far)
        checked = 0

        async def listen(seconds: float) -> None:
            nonlocal checked
            await asyncio.sleep(seconds)
            now = int(line.clock.now_ms() * 8)
            start = max(checked, now - PAST_MS * 8)
            assert np.array_equal(far.read(start, now - start), line.model.line[start:now])
            checked = now

        path.play(1, 0, wire(700))
        path.end_clause(1, 0)
        await listen(0.313)
        if stop == "pause":
            path.pause()
            await listen(0.4)
            path.resume()
        else:
            path.clear()
            await listen(0.4)
            path.play(2, 0, wire(300, 1))
            path.end_clause(2, 0)
        assert line.model.line[: int(0.3 * 8000)].all()
        assert not far.read(int(0.35 * 8000), int(0.3 * 8000)).any()
        for _ in range(4):
            await listen(0.211)
        assert line.model.line[int(0.72 * 8000) : int(0.9 * 8000)].all()

    virtually(tell())
