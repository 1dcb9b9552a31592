"""Cancelling that begins by itself: which lines get it, what others keep, and whose voice it is meanwhile."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from patter_cli.audio.auto_echo import KEPT_MS, REST_MS, TRAIL_MS, TRIAL_MS, UNSURE_MS, AutoEchoCanceller
from patter_cli.audio.frame import Samples
from tests.bench.echo_scene import Scene, erle_db, make, run

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
        self.frames = 0
        self.finds_after = finds_after
        self.trusted = False

    @property
    def delay_ms(self) -> float | None:
        return 120.0 if self.frames >= self.finds_after else None

    def process(self, near: Samples, far: Samples) -> Samples:
        self.frames += 1
        return np.ones_like(near) if self.delay_ms is not None else near


VOICE, SILENCE = np.full(160, 900, np.int16), np.zeros(160, np.int16)
NOISE, FAINTER = np.full(160, 10, np.int16), np.full(160, 8, np.int16)
FRAME_MS = 20


def test_for_a_moment_nobody_knows_whose_voice_it_is() -> None:
    """A line that was silent is trusted; then not before so much of our voice, or its silence, has passed."""
    auto = AutoEchoCanceller(8000, lambda delay_ms: None, lambda rate_hz: Searched())
    auto.process(SILENCE, SILENCE)
    assert auto.trusted
    for _ in range(UNSURE_MS // FRAME_MS - 1):
        auto.process(SILENCE, VOICE)
        assert not auto.trusted
    auto.process(SILENCE, VOICE)
    assert auto.trusted


def test_our_silence_ends_the_doubt() -> None:
    """What comes when the last of our voice has died away is the caller's."""
    auto = AutoEchoCanceller(8000, lambda delay_ms: None, lambda rate_hz: Searched())
    auto.process(SILENCE, VOICE)
    for _ in range(TRAIL_MS // FRAME_MS):
        assert not auto.trusted
        auto.process(SILENCE, SILENCE)
    assert auto.trusted


def test_once_found_the_canceller_says_what_is_trusted() -> None:
    """Its own judgement holds for the rest of the call."""
    searched = Searched(finds_after=5)
    found: list[int] = []
    auto = AutoEchoCanceller(8000, found.append, lambda rate_hz: searched)
    for _ in range(100):
        out = auto.process(NOISE, VOICE)
    assert (found, auto.trusted, out.tolist()) == ([120], False, [1] * 160)
    searched.trusted = True
    assert auto.trusted


def test_a_search_in_vain_rests_and_is_taken_up_again() -> None:
    """A canceller is let go after a trial, and another made when so much of our voice has passed; silence counts as
    nothing."""
    Searched.made = 0
    auto = AutoEchoCanceller(8000, lambda delay_ms: None, lambda rate_hz: Searched())
    for _ in range(TRIAL_MS // FRAME_MS + 10):
        auto.process(NOISE, VOICE)
    for _ in range(3 * REST_MS // FRAME_MS):
        auto.process(NOISE, SILENCE)
    assert Searched.made == 1
    for _ in range(REST_MS // FRAME_MS):
        auto.process(NOISE, VOICE)
    assert Searched.made == 2


def test_a_line_that_brings_next_to_nothing_is_not_searched() -> None:
    """Forty decibels below our voice nothing can be taken for anybody's; a trial is for when something comes."""
    Searched.made = 0
    auto = AutoEchoCanceller(8000, lambda delay_ms: None, lambda rate_hz: Searched())
    for _ in range(500):
        auto.process(FAINTER, VOICE)
    assert Searched.made == 0
    auto.process(NOISE, VOICE)
    assert Searched.made == 1
    for _ in range(500):
        auto.process(FAINTER, VOICE)
    auto.process(NOISE, VOICE)
    assert Searched.made == 2


def test_a_search_begins_with_what_was_played_before() -> None:
    """An echo comes up to half a second after our voice: the canceller is given that much of the past at once."""
    searched = Searched()
    auto = AutoEchoCanceller(8000, lambda delay_ms: None, lambda rate_hz: searched)
    for _ in range(100):
        auto.process(SILENCE, VOICE)
    auto.process(NOISE, VOICE)
    assert (auto.heavy, searched.frames) == (True, 0)
    auto.process(NOISE, VOICE)
    assert searched.frames == KEPT_MS // FRAME_MS + 1
