"""The telephone's own sounds are what they should be."""

from collections.abc import Callable

import numpy as np
import pytest

from patter_cli.audio import tone
from patter_cli.audio.frame import Samples
from patter_cli.errors import InputError


def strongest_hz(samples: np.ndarray, rate_hz: int, count: int) -> list[int]:
    """The strongest frequencies, to the nearest 10 Hz, in order."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), rate_hz))
    found = []
    for _ in range(count):
        peak = int(np.argmax(spectrum))
        found.append(round(peak, -1))
        spectrum[max(0, peak - 25) : peak + 25] = 0
    return sorted(found)


@pytest.mark.parametrize(
    ("key", "pair"),
    [("1", [700, 1210]), ("5", [770, 1340]), ("#", [940, 1480]), ("D", [940, 1630]), ("0", [940, 1340])],
)
@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_keys(key: str, pair: list[int], rate_hz: int) -> None:
    """Each key is its row's and its column's tone, then a gap."""
    sound = tone.dtmf(key, rate_hz, tone_ms=200, gap_ms=50)
    assert len(sound) == rate_hz // 4
    assert strongest_hz(sound[: rate_hz // 5], rate_hz, 2) == pair
    assert not sound[rate_hz // 5 :].any()


@pytest.mark.parametrize("digits", ["x", "1 2", "a"])
def test_no_such_key(digits: str) -> None:
    """Anything that is not a key is refused."""
    with pytest.raises(InputError):
        tone.dtmf(digits, 8000)


def test_ringback_and_busy() -> None:
    """Ringback is two seconds in six, busy every other half second, each of two tones."""
    ring = tone.ringback(6000, 8000)
    assert strongest_hz(ring[:8000], 8000, 2) == [440, 480]
    assert ring[:16000].any()
    assert not ring[16000:].any()
    busy = tone.busy(1000, 8000)
    assert strongest_hz(busy[:4000], 8000, 2) == [480, 620]
    assert not busy[4000:].any()


@pytest.mark.parametrize("noise", [tone.white_noise, tone.pink_noise])
def test_noise_has_its_level_and_its_seed(noise: Callable[..., Samples]) -> None:
    """Noise has the level that was asked for, is the same for the same seed and another for another."""
    sound = noise(2000, 8000, seed=3, level_db=-30.0)
    level = 10 * np.log10(np.mean((sound / 32767.0) ** 2))
    assert abs(level + 30) < 0.1
    assert np.array_equal(sound, noise(2000, 8000, seed=3, level_db=-30.0))
    assert not np.array_equal(sound, noise(2000, 8000, seed=4, level_db=-30.0))
    assert len(noise(0, 8000, seed=1)) == 0


def test_pink_noise_falls() -> None:
    """Pink noise has as much in each octave: 3 dB less for the same width an octave up."""
    spectrum = np.abs(np.fft.rfft(tone.pink_noise(8000, 8000, seed=1, level_db=-10.0))) ** 2
    low, high = spectrum[8 * 200 : 8 * 400].sum(), spectrum[8 * 1600 : 8 * 3200].sum()
    assert abs(10 * np.log10(low / high)) < 0.7


def test_hold_music() -> None:
    """The music never stops, never clips, and has the length that was asked for."""
    music = tone.hold_music(9000, 8000)
    assert len(music) == 72000
    assert np.abs(music.astype(np.int32)).max() < 20000
    assert all(np.std(piece) > 100 for piece in np.split(music, 90))


def test_a_beep_is_one_tone() -> None:
    """As long, as high and as loud as it was wanted."""
    sound = tone.beep(1000, 400, 8000, level_db=-12)
    spectrum = np.abs(np.fft.rfft(sound.astype(float)))
    assert len(sound) == 3200
    assert spectrum.argmax() * 8000 / 3200 == 1000
    assert np.abs(sound.astype(int)).max() == pytest.approx(32767 * 10 ** (-12 / 20), rel=0.01)
