"""The ring between the sound card's clock and the line's, and what is said when there is no sound card."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.audio.frame import Samples
from patter_cli.errors import ConfigError, MissingExtra
from patter_cli.extras import install_command
from patter_cli.simulate.microphone import Microphone, SampleRing, has_microphone


def numbered(count: int, first: int = 1) -> Samples:
    return np.arange(first, first + count, dtype=np.int16)


def test_nothing_comes_out_before_enough_has_gathered() -> None:
    """The first samples wait for company; once it flows, the last one comes out too."""
    ring = SampleRing(gather=100, keep=1000)
    ring.push(numbered(99))
    assert not ring.pull(50).any()
    ring.push(numbered(1, 100))
    assert ring.pull(50).tolist() == [*range(1, 51)]
    assert ring.pull(50).tolist() == [*range(51, 101)]


def test_a_ring_that_ran_dry_gathers_again() -> None:
    """One gap instead of many: after an underrun it waits as at the start."""
    ring = SampleRing(gather=100, keep=1000)
    ring.push(numbered(100))
    assert ring.pull(120).tolist() == [*range(1, 101), *[0] * 20]
    ring.push(numbered(99))
    assert not ring.pull(10).any()
    ring.push(numbered(1, 100))
    assert ring.pull(10).tolist() == [*range(1, 11)]


def test_the_oldest_samples_make_room() -> None:
    """Delay is bounded: what waits longest goes first, and is counted."""
    ring = SampleRing(gather=10, keep=100)
    ring.push(numbered(80))
    ring.push(numbered(80, 81))
    assert len(ring) == 100
    assert ring.dropped == 60
    assert ring.pull(100).tolist() == [*range(61, 161)]


def test_clear_forgets() -> None:
    """After a barge-in nothing old is heard, and new audio gathers first."""
    ring = SampleRing(gather=10, keep=100)
    ring.push(numbered(50))
    ring.pull(10)
    ring.clear()
    assert len(ring) == 0
    ring.push(numbered(9))
    assert not ring.pull(5).any()


def test_what_comes_out_may_be_written_to() -> None:
    """The taker mixes into it, so it is never a view of what was put in."""
    ring = SampleRing(gather=1, keep=100)
    pushed = numbered(50)
    ring.push(pushed)
    ring.pull(50)[:] = 0
    assert pushed.tolist() == [*range(1, 51)]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=60), st.integers(0, 40), st.integers(60, 200))
def test_samples_come_out_in_order_and_none_is_made_up(steps: list[tuple[bool, int]], gather: int, keep: int) -> None:
    """What comes out is what went in, in order, without what was counted as dropped, and silence."""
    ring = SampleRing(gather=gather, keep=keep)
    pushed = 0
    out: list[int] = []
    for pushes, count in steps:
        if pushes:
            ring.push(numbered(count, pushed + 1))
            pushed += count
        else:
            pulled = ring.pull(count)
            assert len(pulled) == count
            out += [sample for sample in pulled.tolist() if sample]
        assert len(ring) <= keep
    assert out == sorted(set(out))
    assert len(out) + ring.dropped + len(ring) == pushed


async def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The microphone is an extra."""
    monkeypatch.setitem(sys.modules, "miniaudio", None)
    assert not has_microphone()
    with pytest.raises(MissingExtra) as raised:
        async with Microphone():
            pass
    assert raised.value.hint == install_command("mic")


class CardlessSound(ModuleType):
    """miniaudio on a machine without a sound card: a device is listed all the same, and none can be opened."""

    class MiniaudioError(Exception):
        pass

    class SampleFormat:
        SIGNED16 = 2

    class Devices:
        backend = "ALSA"

        def get_captures(self) -> list[str]:
            return ["Discard all samples"]

        get_playbacks = get_captures

    class CaptureDevice:
        def __init__(self, **sizes: object) -> None:
            raise CardlessSound.MiniaudioError("failed to init device", -401)

    PlaybackDevice = CaptureDevice


async def test_a_device_that_cannot_be_opened_is_no_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    """`patter simulate AGENT` on a terminal then plays its scenario, and `patter doctor` says that there is none."""
    monkeypatch.setitem(sys.modules, "miniaudio", CardlessSound("miniaudio"))
    assert not has_microphone()
    with pytest.raises(ConfigError, match="no microphone"):
        async with Microphone():
            pass
