"""Cancelling that begins by itself: which lines get it, what others keep, and whose voice it is meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from patter_cli.audio.auto_echo import KEPT_MS, OFTEN, REST_MS, SELDOM, TRAIL_MS, TRIAL_MS, UNSURE_MS, AutoEchoCanceller
from patter_cli.audio.echo_gate import HOP_MS
from patter_cli.audio.frame import Samples
from tests.bench.echo_scene import Fed, Scene, erle_db, make, run

speech = pytest.mark.skipif(find_spec("moonshine_voice") is None, reason="needs recorded speech: the extra `local`")
READING = Scene(agent="two_cities")


@speech
@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize(("delay_ms", "level_db"), [(60, -10), (120, -12), (240, -20), (300, -6), (180, -26)])
def test_an_echo_is_found_and_taken_out(rate_hz: int, delay_ms: int, level_db: int) -> None:
    """Its delay is told once, and two seconds later as little of it is left as if cancelling had been asked for."""
    call = make(replace(READING, rate_hz=rate_hz, delay_ms=delay_ms, level_db=level_db, seconds=9.0))
    found: list[int] = []
    out = run(AutoEchoCanceller(rate_hz, found.append), call)
    assert found == [pytest.approx(delay_ms, abs=2)]
    assert erle_db(call, out, 4.0, 9.0) >= 15.0


@speech
@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_without_an_echo_the_line_is_passed_on_bit_by_bit(rate_hz: int) -> None:
    """Somebody who speaks over us is no echo."""
    call = make(replace(READING, rate_hz=rate_hz, seconds=15.0, level_db=-300, caller="beckett", caller_at_s=0.5))
    found: list[int] = []
    assert np.array_equal(run(AutoEchoCanceller(rate_hz, found.append), call), call.near)
    assert found == []


class Searched:
    """A canceller that finds its echo after so many frames, if ever; it turns everything into ones."""

    made = 0

    def __init__(self, finds_after: int = 10**9) -> None:
        type(self).made += 1
        self.samples = 0
        self.finds_after = finds_after
        self.trusted = False

    @property
    def delay_ms(self) -> float | None:
        return 120.0 if self.samples >= self.finds_after * 160 else None

    def process(self, near: Samples, far: Samples) -> Samples:
        self.samples += len(near)
        return np.ones_like(near) if self.delay_ms is not None else near


VOICE, SILENCE = np.full(160, 900, np.int16), np.zeros(160, np.int16)
NOISE, FAINTER = np.full(160, 10, np.int16), np.full(160, 8, np.int16)
FRAME_MS = 20
LOOK = HOP_MS // FRAME_MS


def echoing(frames: int, *, seed: int = 0) -> Iterator[tuple[Samples, Samples]]:
    """A line that brings our voice at once, and nothing else: near and far, frame by frame."""
    rng = np.random.default_rng(seed)
    for _ in range(frames):
        far = rng.normal(0, 900, 160).astype(np.int16)
        yield far // 30, far


def talked_over(frames: int) -> Iterator[tuple[Samples, Samples]]:
    """A line that brings somebody else while we speak."""
    ours, theirs = echoing(frames), echoing(frames, seed=1)
    return ((near, far) for (_, far), (near, _) in zip(ours, theirs, strict=True))


def test_for_a_moment_nobody_knows_whose_voice_it_is() -> None:
    """A line that was silent is trusted; then not before so much of our voice, or its silence, has passed."""
    auto = AutoEchoCanceller(8000, lambda delay_ms: None, lambda rate_hz: Searched())
    line = Fed(auto)
    line.process(SILENCE, SILENCE)
    assert auto.trusted
    for _ in range(UNSURE_MS // FRAME_MS - 1):
        line.process(SILENCE, VOICE)
        assert not auto.trusted
    line.process(SILENCE, VOICE)
    assert auto.trusted


def test_our_silence_ends_the_doubt() -> None:
    """What comes when the last of our voice has died away is the caller's."""
    auto = AutoEchoCanceller(8000, lambda delay_ms: None, lambda rate_hz: Searched())
    line = Fed(auto)
    line.process(SILENCE, VOICE)
    for _ in range(TRAIL_MS // FRAME_MS):
        assert not auto.trusted
        line.process(SILENCE, SILENCE)
    assert auto.trusted


def test_once_found_the_canceller_says_what_is_trusted() -> None:
    """Its own judgement holds for the rest of the call."""
    searched = Searched(finds_after=5)
    found: list[int] = []
    auto = AutoEchoCanceller(8000, found.append, lambda rate_hz: searched)
    line = Fed(auto)
    for near, far in echoing(100):
        out = line.process(near, far)
    assert (found, auto.trusted, out.tolist()) == ([120], False, [1] * 160)
    searched.trusted = True
    assert auto.trusted


def test_a_search_in_vain_rests_and_is_taken_up_again() -> None:
    """A canceller is let go after a trial, and another made when so much of our voice has passed; silence counts as
    nothing."""
    Searched.made = 0
    auto = AutoEchoCanceller(8000, lambda delay_ms: None, lambda rate_hz: Searched())
    line = Fed(auto)
    for near, far in echoing(TRIAL_MS // FRAME_MS + 20):
        line.process(near, far)
    for _ in range(3 * REST_MS // FRAME_MS):
        line.process(NOISE, SILENCE)
        assert not auto.heavy
    assert Searched.made == 1
    for near, far in echoing(REST_MS // FRAME_MS + LOOK):
        line.process(near, far)
    assert Searched.made == 2


def test_somebody_who_speaks_over_us_starts_no_search() -> None:
    """A trial costs as much as a canceller: it is for what sounds like us."""
    Searched.made = 0
    auto = AutoEchoCanceller(8000, lambda delay_ms: None, lambda rate_hz: Searched())
    line = Fed(auto)
    for near, far in talked_over(1000):
        line.process(near, far)
    assert Searched.made == 0


def test_a_line_that_brings_next_to_nothing_is_not_searched() -> None:
    """Forty decibels below our voice nothing can be taken for anybody's; a trial is for when something comes."""
    Searched.made = 0
    auto = AutoEchoCanceller(8000, lambda delay_ms: None, lambda rate_hz: Searched())
    line = Fed(auto)
    for _, far in echoing(500):
        line.process(FAINTER, far)
    assert Searched.made == 0
    for near, far in echoing(LOOK):
        line.process(near, far)
    assert Searched.made == 1
    for _, far in echoing(500):
        line.process(FAINTER, far)
    for near, far in echoing(LOOK):
        line.process(near, far)
    assert Searched.made == 2


def test_short_replies_are_looked_at_as_well() -> None:
    """Also when looks have become rare: what several of them were without a look adds up."""
    Searched.made = 0
    line = Fed(AutoEchoCanceller(8000, lambda delay_ms: None, lambda rate_hz: Searched()))
    for near, far in talked_over((OFTEN + 1) * LOOK):
        line.process(near, far)
    for seed in range(2 * SELDOM):
        for near, far in echoing(LOOK + 3, seed=seed):
            line.process(near, far)
        for _ in range(2 * TRAIL_MS // FRAME_MS):
            line.process(SILENCE, SILENCE)
    assert Searched.made >= 1


def test_a_search_begins_with_what_was_played_before() -> None:
    """An echo comes up to half a second after our voice: the canceller is given that much of the past at once."""
    searched = Searched()
    auto = AutoEchoCanceller(8000, lambda delay_ms: None, lambda rate_hz: searched)
    line = Fed(auto)
    for _ in range(8 * LOOK):
        line.process(SILENCE, VOICE)
    for near, far in echoing(LOOK):
        assert not auto.heavy
        line.process(near, far)
    assert (auto.heavy, searched.samples) == (True, 0)
    line.process(NOISE, VOICE)
    assert searched.samples == KEPT_MS * 8 + 160
