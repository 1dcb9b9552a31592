"""The first look for our own voice on the line: what it sees, and what it lets go."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from patter_cli.audio.echo_gate import HOP_MS, LOOK_MS, EchoGate
from tests.bench.echo_gate import first_sight_ms, strangers
from tests.bench.echo_scene import Scene, make

pytestmark = pytest.mark.skipif(find_spec("moonshine_voice") is None, reason="needs recorded speech: the extra `local`")
READING = Scene(agent="two_cities", seconds=4.0)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize(
    ("delay_ms", "level_db", "within_ms"),
    [(60, -10, 480), (300, -6, 960), (240, -20, 1000), (180, -26, 1200), (120, -34, 1200)],
)
def test_an_echo_is_seen_soon(rate_hz: int, delay_ms: int, level_db: int, within_ms: int) -> None:
    """Loud or faint, at any delay of a telephone; the reader is silent for a moment at half a second."""
    call = make(replace(READING, rate_hz=rate_hz, delay_ms=delay_ms, level_db=level_db))
    seen = first_sight_ms(call)
    assert seen is not None
    assert seen <= within_ms


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_strangers_are_rarely_taken_for_us(rate_hz: int) -> None:
    """Somebody else's voice calls for a search in one of a hundred looks at most."""
    looks, alarms = strangers(rate_hz=rate_hz, seconds=8.0)
    assert looks > 300
    assert alarms <= looks * 0.01


def test_silence_is_no_echo() -> None:
    """Nor is a line that brings one and the same number."""
    far = np.random.default_rng(0).normal(0, 900, LOOK_MS * 8).astype(np.int16)
    for level in (0, 1, 500):
        assert not EchoGate(8000).look(np.full(HOP_MS * 8, level, np.int16), far)
        assert not EchoGate(8000).look(far[: HOP_MS * 8], np.full(LOOK_MS * 8, level, np.int16))


def test_what_was_seen_can_be_forgotten() -> None:
    """Then an echo that has gone raises no alarm any more."""
    rng = np.random.default_rng(0)
    far, other = (rng.normal(0, 900, LOOK_MS * 8).astype(np.int16) for _ in range(2))
    gate, hop = EchoGate(8000), HOP_MS * 8
    assert gate.look(far[-hop:] // 8, far)
    assert gate.look(other[-hop:], far)
    gate.forget()
    assert not gate.look(other[-hop:], far)
