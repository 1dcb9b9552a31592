"""Change of rate: its length, its sound, and that the cutting of the input does not matter."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patter_cli.audio.resample import DESIGNS, HALF_WIDTH, Resampler, _design, resample_all
from patter_cli.errors import AudioFormatError

RATES = (8000, 16000, 22050, 24000, 44100, 48000)
PAIRS = list(permutations(RATES, 2))
LIVE_PAIRS = [(8000, 16000), (16000, 8000), (22050, 8000), (24000, 8000), (24000, 16000), (44100, 8000)]


def sine(hz: float, rate_hz: int, seconds: float = 0.5, peak: float = 16000.0) -> np.ndarray:
    """A tone, int16."""
    time = np.arange(int(rate_hz * seconds)) / rate_hz
    return np.rint(peak * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def middle(samples: np.ndarray) -> np.ndarray:
    """Without the quarter at each end, as float."""
    quarter = len(samples) // 4
    return samples[quarter:-quarter].astype(np.float64)


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_cutting_changes_nothing(from_hz: int, to_hz: int, data: st.DataObject) -> None:
    """However the input is cut, the output is the same to the bit, and its length exact."""
    count = data.draw(st.integers(0, from_hz // 10), label="count")
    samples = np.random.default_rng(count).integers(-32768, 32768, count).astype(np.int16)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=8), label="cuts"))
    resampler = Resampler(from_hz, to_hz)
    pieces = [resampler.process(piece) for piece in np.split(samples, cuts)]
    joined = np.concatenate([*pieces, resampler.flush()])
    assert len(joined) == (2 * count * to_hz + from_hz) // (2 * from_hz)
    assert np.array_equal(joined, resample_all(samples, from_hz, to_hz))


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_a_tone_keeps_its_place_and_level(from_hz: int, to_hz: int) -> None:
    """A tone comes out as the same tone, phase and all: better than 80 dB, which is what int16 allows here."""
    out = middle(resample_all(sine(1000, from_hz), from_hz, to_hz))
    ideal = middle(sine(1000, to_hz))
    error = out - ideal[: len(out)]
    assert np.mean(error**2) < np.mean(ideal**2) * 1e-8


@pytest.mark.parametrize(("from_hz", "to_hz"), [(a, b) for a, b in PAIRS if b < a])
def test_what_does_not_fit_is_gone(from_hz: int, to_hz: int) -> None:
    """Sound above the new rate's band is 90 dB down where it could fold back into the telephone's."""
    lowest = 0.575 * to_hz
    for hz in np.linspace(lowest, max(lowest, 0.49 * from_hz), 7) if lowest < 0.49 * from_hz else []:
        out = middle(resample_all(sine(float(hz), from_hz), from_hz, to_hz))
        assert _loudest_db(out) < -90


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (8000, 24000), (8000, 48000), (16000, 48000)])
def test_no_images(from_hz: int, to_hz: int) -> None:
    """Going up adds nothing above the old band: the mirror image of 3400 Hz is 90 dB down."""
    hz = 0.425 * from_hz
    out = middle(resample_all(sine(hz, from_hz), from_hz, to_hz))
    spectrum = _spectrum(out)
    frequencies = np.fft.rfftfreq(len(out), 1 / to_hz)
    image = spectrum[frequencies > 0.55 * from_hz].max()
    assert 20 * np.log10(image / 16000) < -90


@pytest.mark.parametrize(("from_hz", "to_hz"), LIVE_PAIRS)
def test_the_delay_is_short_and_frames_stay_frames(from_hz: int, to_hz: int) -> None:
    """The first 20 ms lack at most 2.5 ms (and a sample); every later frame is exactly 20 ms."""
    resampler = Resampler(from_hz, to_hz)
    frame = np.zeros(from_hz // 50, np.int16)
    lengths = [len(resampler.process(frame)) for _ in range(5)]
    assert lengths[1:] == [to_hz // 50] * 4
    assert to_hz // 50 - lengths[0] <= to_hz * HALF_WIDTH / min(from_hz, to_hz) + 1
    assert (to_hz // 50 - lengths[0]) / to_hz <= 0.0026


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_a_constant_stays(from_hz: int, to_hz: int) -> None:
    """A constant passes as it is: no phase of the filter is louder than another."""
    out = resample_all(np.full(from_hz // 5, 20000, np.int16), from_hz, to_hz)
    assert set(middle(out)) == {20000.0}


def test_loud_sound_clips() -> None:
    """A full-scale square wave overshoots; it is clipped, not wrapped round."""
    square = np.where(np.arange(800) // 8 % 2, 32767, -32768).astype(np.int16)
    out = resample_all(square, 8000, 16000).astype(np.int32)
    assert out.max() == 32767
    assert out.min() == -32768
    assert np.abs(np.diff(out)).max() < 65535


def test_the_same_rate_is_the_same_array() -> None:
    """Equal rates cost nothing: what comes in goes out."""
    samples = sine(440, 8000)
    resampler = Resampler(8000, 8000)
    assert resampler.process(samples) is samples
    assert len(resampler.flush()) == 0


def test_flush_begins_a_new_stream() -> None:
    """After a flush nothing of the old stream is heard in the new one."""
    resampler = Resampler(24000, 8000)
    resampler.process(sine(900, 24000))
    resampler.flush()
    again = np.concatenate([resampler.process(sine(440, 24000)), resampler.flush()])
    assert np.array_equal(again, resample_all(sine(440, 24000), 24000, 8000))


def test_streams_of_one_pair_do_not_mix() -> None:
    """Two calls share the filter's matrix and nothing else."""
    one, other = Resampler(16000, 8000), Resampler(16000, 8000)
    frames = np.split(sine(440, 16000, 0.2), 10)
    parts = []
    for frame in frames:
        parts.append(one.process(frame))
        other.process(-frame)
    assert np.array_equal(np.concatenate([*parts, one.flush()]), resample_all(sine(440, 16000, 0.2), 16000, 8000))


@pytest.mark.parametrize(("from_hz", "to_hz"), [(0, 8000), (8000, -1), (8000, 44101)])
def test_rates_that_make_no_sense(from_hz: int, to_hz: int) -> None:
    """Rates that are not positive, or would need an enormous matrix, are our bug and say so."""
    with pytest.raises(AudioFormatError):
        Resampler(from_hz, to_hz)


def test_old_sound_card_rates() -> None:
    """A rate like 11025 Hz, whose period with 8000 is 40 ms, works too."""
    assert len(resample_all(sine(440, 11025, 1.0), 11025, 8000)) == 8000


def _spectrum(samples: np.ndarray) -> np.ndarray:
    window = np.blackman(len(samples))
    return np.abs(np.fft.rfft(samples * window)) / window.sum() * 2


def _loudest_db(samples: np.ndarray) -> float:
    return float(20 * np.log10(max(_spectrum(samples).max(), 1e-9) / 16000))


def test_rates_that_strangers_name_fill_no_memory() -> None:
    """A vendor's headers may name another rate each time; streams that are under way keep what they have."""
    under_way = Resampler(24000, 8000)
    sound = np.full(4800, 1000, np.int16)
    before = under_way.process(sound)
    for more in range(1, 3 * DESIGNS):
        Resampler(8000 + 100 * more, 8000)
    assert _design.cache_info().currsize <= DESIGNS
    assert np.array_equal(np.concatenate([before, under_way.flush()]), resample_all(sound, 24000, 8000))
