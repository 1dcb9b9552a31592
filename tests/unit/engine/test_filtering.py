"""Somebody else's filter: it is asked, it is heard, and it cannot harm a call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from patter_cli.audio.frame import Samples
from patter_cli.engine.filtering import SLOW_MS, GuardedFilter, filter_for_call, is_audio_filter

FRAME = np.arange(160, dtype=np.int16)


class Half:
    """Turns everything down."""

    def process(self, samples: Samples, rate_hz: int) -> Samples:
        return samples // 2


class Watch:
    """A clock that the filter itself moves on."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


def test_what_the_filter_gives_back_is_heard() -> None:
    """Frame by frame, with the line's rate."""
    rates = []

    class Noting(Half):
        def process(self, samples: Samples, rate_hz: int) -> Samples:
            rates.append(rate_hz)
            return super().process(samples, rate_hz)

    guarded = GuardedFilter(Noting(), rate_hz=8000, seconds=lambda: 0.0)
    assert np.array_equal(guarded.process(FRAME), FRAME // 2)
    assert rates == [8000]
    assert not guarded.bypassed


def raising(samples: Samples) -> Any:
    raise ValueError("no such frame")


@pytest.mark.parametrize(
    "wrong",
    [
        raising,
        lambda samples: None,
        lambda samples: samples[:-1],
        lambda samples: samples.astype(np.float32),
        lambda samples: samples[None],
        lambda samples: samples.tolist(),
        lambda samples: samples.tobytes(),
    ],
)
def test_a_filter_that_misbehaves_is_left_out_and_named_once(
    wrong: Callable[[Samples], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The frame in question and all after it are heard as they came."""

    class Wrong:
        asked = 0

        def process(self, samples: Samples, rate_hz: int) -> Any:
            self.asked += 1
            return wrong(samples)

    inner = Wrong()
    guarded = GuardedFilter(inner, rate_hz=8000, seconds=lambda: 0.0)
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            assert np.array_equal(guarded.process(FRAME), FRAME)
    assert inner.asked == 1
    assert guarded.bypassed
    assert len(caplog.records) == 1
    assert "audio_filter" in caplog.text


def test_a_filter_that_spoils_its_argument_and_then_raises_spoils_nothing() -> None:
    """It gets a copy."""

    class Vandal:
        def process(self, samples: Samples, rate_hz: int) -> Samples:
            samples[:] = 0
            raise RuntimeError

    assert np.array_equal(GuardedFilter(Vandal(), rate_hz=8000, seconds=lambda: 0.0).process(FRAME), np.arange(160))


def test_a_filter_may_give_back_the_same_buffer_every_time() -> None:
    """Recognition keeps what it got."""

    class Reusing:
        buffer = np.zeros(160, np.int16)

        def process(self, samples: Samples, rate_hz: int) -> Samples:
            self.buffer[:] = samples
            return self.buffer

    guarded = GuardedFilter(Reusing(), rate_hz=8000, seconds=lambda: 0.0)
    first = guarded.process(FRAME)
    guarded.process(FRAME * 2)
    assert np.array_equal(first, FRAME)


@pytest.mark.parametrize(("takes_ms", "frames"), [(SLOW_MS * 2, 1), (25.0, 5)])
def test_a_slow_filter_is_left_out(takes_ms: float, frames: int, caplog: pytest.LogCaptureFixture) -> None:
    """After one long stall, or after some frames that take longer than they last."""
    watch = Watch()

    class Slow(Half):
        def process(self, samples: Samples, rate_hz: int) -> Samples:
            watch.at_s += takes_ms / 1000
            return super().process(samples, rate_hz)

    guarded = GuardedFilter(Slow(), rate_hz=8000, seconds=watch)
    with caplog.at_level(logging.ERROR):
        for _ in range(frames):
            assert not guarded.bypassed
            guarded.process(FRAME)
    assert guarded.bypassed
    assert np.array_equal(guarded.process(FRAME), FRAME)
    assert "slow" in caplog.text


def test_a_filter_that_stalls_a_little_now_and_then_stays() -> None:
    """What a frame takes too long is made up for by those that are quick."""
    watch = Watch()

    class Uneven(Half):
        asked = 0

        def process(self, samples: Samples, rate_hz: int) -> Samples:
            self.asked += 1
            watch.at_s += 0.045 if self.asked % 10 == 0 else 0.001
            return super().process(samples, rate_hz)

    guarded = GuardedFilter(Uneven(), rate_hz=8000, seconds=watch)
    for _ in range(200):
        guarded.process(FRAME)
    assert not guarded.bypassed


def test_a_class_or_a_function_gives_each_call_its_own() -> None:
    """An object is shared."""
    made = []

    def make() -> Half:
        made.append(Half())
        return made[-1]

    for each in (Half, Half(), make):
        guarded = filter_for_call(each, rate_hz=8000)
        assert guarded is not None
        assert np.array_equal(guarded.process(FRAME), FRAME // 2)
    filter_for_call(make, rate_hz=8000)
    assert len(made) == 2
    assert filter_for_call(None, rate_hz=8000) is None


def unmakable() -> Any:
    raise OSError("no model file")


@pytest.mark.parametrize("wrong", [unmakable, int, lambda: None, "noise"])
def test_what_cannot_be_made_is_left_out(wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The call goes on without it, and the log says so."""
    with caplog.at_level(logging.ERROR):
        assert filter_for_call(wrong, rate_hz=8000) is None
    assert "audio_filter" in caplog.text


def test_what_can_be_a_filter_is_known_before_the_first_call() -> None:
    """An object with process, a class, a function; nothing else."""
    assert is_audio_filter(Half())
    assert is_audio_filter(Half)
    assert is_audio_filter(lambda: Half())
    assert not is_audio_filter("noise")
    assert not is_audio_filter(3)
