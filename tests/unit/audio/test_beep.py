"""Single tones are found, and what only resembles them is not."""

from __future__ import annotations

import numpy as np
import pytest

from patter_cli.audio import tone
from patter_cli.audio.beep import CED_MS, SETTLE_MS, SHORTEST_LOW_MS, Tone, ToneDetector
from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw

RATES = (8000, 16_000)
BOTH = pytest.mark.parametrize("rate_hz", RATES)


def sine(hz: float, ms: int, rate_hz: int, *, level_db: float = -15.0) -> np.ndarray:
    """A tone with slopes of 5 ms."""
    seconds = np.arange(ms * rate_hz // 1000) / rate_hz
    slope = np.minimum(1.0, np.minimum(seconds, seconds[::-1]) / 0.005)
    return np.asarray(32767 * 10 ** (level_db / 20) * np.sin(2 * np.pi * hz * seconds) * slope)


def quiet(ms: int, rate_hz: int) -> np.ndarray:
    return np.zeros(ms * rate_hz // 1000)


def noise(count: int, level_db: float) -> np.ndarray:
    return np.asarray(np.random.default_rng(3).standard_normal(count) * 32768 * 10 ** (level_db / 20))


def buzz(ms: int, rate_hz: int, *, level_db: float) -> np.ndarray:
    """A voice of its kind: harmonics of a pitch that moves, in syllables."""
    seconds = np.arange(ms * rate_hz // 1000) / rate_hz
    phase = 2 * np.pi * np.cumsum(140 + 30 * np.sin(2 * np.pi * 1.7 * seconds)) / rate_hz
    voice = sum(np.sin(n * phase) / (1 + abs(n - 4)) for n in range(1, 20))
    voice = voice * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * seconds))
    return np.asarray(voice / np.sqrt(np.mean(voice**2)) * 32768 * 10 ** (level_db / 20))


def hear(*parts: np.ndarray, rate_hz: int, frame: int = 160) -> list[tuple[int, Tone]]:
    """The tones in these, on a telephone line, each with the ms at which it was told."""
    line = np.clip(np.rint(np.concatenate([*parts, quiet(600, rate_hz)])), -32768, 32767).astype(np.int16)
    if rate_hz == 8000:
        line = decode_ulaw(encode_ulaw(line))
    detector, found = ToneDetector(rate_hz), []
    for at in range(0, len(line), frame):
        found += [((at + frame) * 1000 // rate_hz, each) for each in detector.push(line[at : at + frame])]
    return found


@BOTH
@pytest.mark.parametrize("hz", [360, 440, 620, 700, 1000, 1100, 1400, 1633, 2000, 2490])
@pytest.mark.parametrize("ms", [80, 120, 200, 500, 1000, 2000])
def test_a_beep_is_found_shortly_after_its_end(hz: int, ms: int, rate_hz: int) -> None:
    """From 80 ms on, low ones from SHORTEST_LOW_MS on, over the noise of a line."""
    line = np.concatenate([quiet(300, rate_hz), sine(hz, ms, rate_hz), quiet(300, rate_hz)])
    found = hear(line + noise(len(line), -45), rate_hz=rate_hz)
    if hz < 500 and ms < SHORTEST_LOW_MS:
        assert found == []
        return
    ((told_ms, beep),) = found
    assert abs(beep.hz - hz) < 4
    assert abs(beep.length_ms - ms) <= 30
    assert abs(beep.start_ms - 300) <= 30
    assert 0 < told_ms - (300 + ms) <= SETTLE_MS + 60


@BOTH
def test_a_beep_over_speech_is_found(rate_hz: int) -> None:
    """As loud as the voice under it, if it lasts a little."""
    voice = buzz(3000, rate_hz, level_db=-22)
    assert hear(voice, rate_hz=rate_hz) == []
    voice[rate_hz : rate_hz + rate_hz * 6 // 10] += sine(1400, 600, rate_hz, level_db=-12)
    ((_, beep),) = hear(voice, rate_hz=rate_hz)
    assert abs(beep.hz - 1400) < 6


@BOTH
def test_other_sounds_of_the_telephone_are_no_beep(rate_hz: int) -> None:
    """Keys, ringing, busy, music to hold the line with, noise, and what goes on for ever."""
    sounds: list[Samples] = [
        tone.dtmf("0123456789*#ABCD", rate_hz),
        tone.dtmf("159D", rate_hz, tone_ms=500),
        tone.ringback(8000, rate_hz),
        tone.busy(3000, rate_hz),
        tone.hold_music(12_000, rate_hz, level_db=-12),
        tone.white_noise(4000, rate_hz, seed=1, level_db=-20),
        tone.pink_noise(4000, rate_hz, seed=2, level_db=-20),
        sine(425, 4000, rate_hz).astype(np.int16),
        (sine(350, 3000, rate_hz) + sine(440, 3000, rate_hz)).astype(np.int16),
        (sine(770, 300, rate_hz, level_db=-10) + sine(1336, 300, rate_hz, level_db=-17)).astype(np.int16),
    ]
    for sound in sounds:
        assert hear(sound.astype(np.float64), rate_hz=rate_hz) == []


@BOTH
def test_a_melody_is_no_beep(rate_hz: int) -> None:
    """Also not its first note, and not the three tones before "the number is not in service"."""
    notes = [each for hz in (523, 659, 784, 659, 523) for each in (sine(hz, 300, rate_hz), quiet(30, rate_hz))]
    assert hear(*notes, rate_hz=rate_hz) == []
    assert hear(*(sine(hz, 330, rate_hz) for hz in (950, 1400, 1800)), rate_hz=rate_hz) == []


@BOTH
def test_a_double_beep_is_one_signal(rate_hz: int) -> None:
    """Told after the second, so that nobody speaks into it."""
    one = sine(1000, 200, rate_hz)
    found = hear(quiet(200, rate_hz), one, quiet(120, rate_hz), one, rate_hz=rate_hz)
    assert len(found) == 1
    assert found[0][0] > 720


@BOTH
def test_a_lost_frame_does_not_make_two_of_a_beep(rate_hz: int) -> None:
    """A hole of 20 ms is the line's."""
    beep = sine(1000, 400, rate_hz)
    beep[rate_hz // 5 : rate_hz // 5 + rate_hz // 50] = 0
    ((_, found),) = hear(quiet(200, rate_hz), beep, rate_hz=rate_hz)
    assert abs(found.length_ms - 400) <= 60


@BOTH
def test_a_beep_full_of_holes_is_found(rate_hz: int) -> None:
    """A bad line loses two frames in a row, also where so little is left between that it is no beep by itself."""
    beep = sine(950, 1500, rate_hz)
    for at_ms in (60, 200, 330, 700, 1000):
        beep[at_ms * rate_hz // 1000 : (at_ms + 40) * rate_hz // 1000] = 0
    ((told_ms, found),) = hear(quiet(200, rate_hz), beep, rate_hz=rate_hz)
    assert abs(found.hz - 950) < 4
    assert 1700 < told_ms < 2050


@BOTH
def test_a_fax_that_answers_is_told_while_it_sounds(rate_hz: int) -> None:
    """Also with the reversals of phase that newer ones make; and once."""
    plain = sine(2100, 3000, rate_hz)
    turned = plain * np.where(np.arange(len(plain)) // (rate_hz * 45 // 100) % 2, -1.0, 1.0)
    for answer in (plain, turned):
        ((told_ms, fax),) = hear(answer, rate_hz=rate_hz)
        assert fax.answers_fax
        assert told_ms < CED_MS + 600


def test_a_short_beep_of_a_fax_s_pitch_is_a_beep() -> None:
    """What makes it a fax is how long it lasts."""
    ((_, beep),) = hear(sine(2100, 400, 8000), rate_hz=8000)
    assert not beep.answers_fax


@BOTH
def test_how_the_wire_is_cut_changes_nothing(rate_hz: int) -> None:
    """Frames of any length, one sample or all at once, give the same tones; silence and nothing give none."""
    parts = (quiet(100, rate_hz), sine(900, 300, rate_hz))
    whole = [each for _, each in hear(*parts, rate_hz=rate_hz)]
    for frame in (33, 160, 10_000_000):
        assert [each for _, each in hear(*parts, rate_hz=rate_hz, frame=frame)] == whole
    assert hear(rate_hz=rate_hz) == []
    assert ToneDetector(rate_hz).push(np.zeros(0, np.int16)) == []


def test_a_beep_too_soft_or_clipped() -> None:
    """One that is hardly there is none; one that is too loud for the line is still one."""
    assert hear(sine(1000, 400, 8000, level_db=-55), rate_hz=8000) == []
    assert len(hear(sine(1000, 400, 8000, level_db=6), rate_hz=8000)) == 1
