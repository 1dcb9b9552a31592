"""The recording's judge finds what it is for, and nothing in a clean voice."""

from __future__ import annotations

import numpy as np
import pytest

from patter_cli.audio.frame import Samples
from tests.bench.audio_check import excuse, listen

RATE_HZ = 8000


def voice() -> Samples:
    """Two words of a hum with soft slopes, half a second of silence around and between them."""
    time = np.arange(RATE_HZ) / RATE_HZ
    hum = 4000 * np.sin(2 * np.pi * 150 * time) + 1500 * np.sin(2 * np.pi * 450 * time)
    slope = np.minimum(1.0, np.minimum(time, time[::-1]) / 0.05)
    silence = np.zeros(RATE_HZ // 2)
    return np.concatenate([silence, hum * slope, silence, hum * slope, silence]).astype(np.int16)


def test_a_clean_voice_has_nothing_wrong() -> None:
    """Two words with a pause between them are two stretches and no fault."""
    heard = listen("agent", voice(), RATE_HZ)
    assert heard.wrong == []
    assert len(heard.levels_db) == 2


@pytest.mark.parametrize("length", [80, 160, 480])
def test_a_lost_frame_is_a_gap(length: int) -> None:
    """Digital silence torn into a word is found, with its place."""
    samples = voice()
    samples[8010 : 8010 + length] = 0
    ((at, long),) = listen("agent", samples, RATE_HZ).gaps
    assert at == pytest.approx(8010 / RATE_HZ, abs=0.001)
    assert long == pytest.approx(length / RATE_HZ, abs=0.001)


def test_a_pop_is_a_click() -> None:
    """One sample out of its curve is found."""
    samples = voice()
    samples[8000] += 9000
    ((at, _),) = listen("agent", samples, RATE_HZ).clicks
    assert at == pytest.approx(1.0, abs=0.002)


def test_a_word_cut_off_is_a_step_unless_the_caller_speaks() -> None:
    """A word that ends at full height is torn, but not when the caller took the floor."""
    samples = voice()
    samples[8011:14000] = 0
    heard = listen("agent", samples, RATE_HZ)
    assert heard.wrong
    caller = np.zeros_like(samples)
    caller[6000:9000] = voice()[6000:9000]
    excuse(heard, caller, RATE_HZ)
    assert heard.wrong == []
    assert heard.cut_off == pytest.approx([8011 / RATE_HZ], abs=0.001)


def test_level_clipping_and_offset() -> None:
    """Too soft, too loud and off its middle are each told."""
    soft = listen("agent", (voice() // 4).astype(np.int16), RATE_HZ)
    loud = listen("agent", np.clip(voice().astype(np.int32) * 12, -32768, 32767).astype(np.int16), RATE_HZ)
    off = listen("agent", (voice() + 200).astype(np.int16), RATE_HZ)
    assert any("level" in what for what in soft.wrong)
    assert loud.clipped > 0
    assert any("offset" in what for what in off.wrong)
