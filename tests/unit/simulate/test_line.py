"""A bad line, the same each time: echo, noise, loss and delay, each where and as much as its quality says."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from patter_cli.audio.frame import Samples
from patter_cli.errors import InputError
from patter_cli.simulate.line import BAD, CLEAN, QUALITIES, LineFilter, LineFrame, LineQuality
from patter_cli.simulate.noise import LOOP_S, NoiseKind, noise_loop

RATE_HZ = 8000
FRAME = 160


def voice(frames: int, seed: int = 7) -> Samples:
    """Something loud."""
    return (np.random.default_rng(seed).standard_normal(frames * FRAME) * 3000).astype(np.int16)


def carried(
    quality: LineQuality, *, frames: int = 500, seed: int = 0, near: Samples | None = None, far: Samples | None = None
) -> list[LineFrame]:
    """What arrives of a call, in the caller's order."""
    line = LineFilter(quality, seed)
    arrived = []
    for at in range(0, frames * FRAME, FRAME):
        if far is not None:
            line.hear(at, far[at : at + FRAME])
        arrived.append(line.process(None if near is None else near[at : at + FRAME]))
    return [each for each in arrived if each is not None]


def sound(frames: list[LineFrame]) -> Samples:
    return np.concatenate([each.samples for each in frames])


def level_db(samples: Samples) -> float:
    """Rms against full scale."""
    return float(20 * np.log10(np.sqrt(np.mean(samples.astype(float) ** 2)) / 32768.0))


def test_a_clean_line_changes_nothing() -> None:
    """Every frame arrives when it has been spoken, as it was spoken."""
    near = voice(50)
    frames = carried(CLEAN, frames=50, near=near, far=voice(50, seed=8))
    assert np.array_equal(sound(frames), near)
    assert [each.arrives_ms for each in frames] == [20.0 * (number + 1) for number in range(50)]
    assert [each.at for each in frames] == [FRAME * number for number in range(50)]


@pytest.mark.parametrize("name", QUALITIES)
def test_a_seed_gives_one_line(name: str) -> None:
    """The same seed gives the same frames at the same moments, whoever asks."""
    first, second = (carried(QUALITIES[name], frames=200, seed=5, near=voice(200), far=voice(200)) for _ in range(2))
    assert [(each.at, each.arrives_ms) for each in first] == [(each.at, each.arrives_ms) for each in second]
    assert np.array_equal(sound(first), sound(second))


def test_another_seed_gives_another_line() -> None:
    """Noise and fate both change."""
    first, second = (carried(BAD, seed=seed) for seed in (1, 2))
    assert [each.at for each in first] != [each.at for each in second]
    assert not np.array_equal(first[0].samples, second[0].samples)


@pytest.mark.parametrize("delay_ms", [0, 20, 60, 125, 300])
def test_the_echo_comes_after_its_delay_at_its_level(delay_ms: int) -> None:
    """What the ear heard comes back so much later and so much quieter."""
    far = voice(500)
    echo = sound(carried(LineQuality(echo_db=-12.0, echo_delay_ms=delay_ms), far=far)).astype(float)
    lags = [float(np.dot(echo[lag:], far[: len(far) - lag].astype(float))) for lag in range(4000)]
    assert int(np.argmax(lags)) == delay_ms * 8
    assert level_db(echo[4000:].astype(np.int16)) - level_db(far) == pytest.approx(-12.0, abs=0.5)


def test_the_ear_may_hear_in_any_pieces() -> None:
    """The echo is the same when the ear is told early or in other lengths."""
    quality, far = LineQuality(echo_db=-6.0, echo_delay_ms=30), voice(100)
    line = LineFilter(quality)
    for at in range(0, len(far), 250):
        line.hear(at, far[at : at + 250])
    frames = [line.process(None) for _ in range(100)]
    assert np.array_equal(sound([each for each in frames if each]), sound(carried(quality, frames=100, far=far)))


@pytest.mark.parametrize("kind", NoiseKind)
def test_noise_has_its_level_and_no_seam(kind: NoiseKind) -> None:
    """So loud as asked, whatever it is, and it never clicks where its loop begins again."""
    quiet = LineQuality(noise_kind=kind, noise_db=-40.0)
    assert level_db(sound(carried(quiet, frames=LOOP_S * 50))) == pytest.approx(-40.0, abs=0.2)
    loop = noise_loop(kind, 3, RATE_HZ)
    steps = np.abs(np.diff(loop))
    assert abs(float(loop[0] - loop[-1])) <= float(steps.max())


def test_noise_and_echo_do_not_change_what_is_lost() -> None:
    """A comparison of two lines sees the same frames lost."""
    lossy = LineQuality(loss=0.1, jitter_ms=40)
    noisy = replace(lossy, noise_db=-30.0, echo_db=-10.0)
    assert [(a.at, a.arrives_ms) for a in carried(lossy)] == [(b.at, b.arrives_ms) for b in carried(noisy)]


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2, 0.6])
def test_so_many_frames_are_lost_in_short_runs(loss: float) -> None:
    """The share is as asked for, and runs are longer than chance would make them."""
    frames = 20_000
    arrived = {each.at // FRAME for each in carried(LineQuality(loss=loss), frames=frames)}
    lost = [number for number in range(frames) if number not in arrived]
    assert len(lost) / frames == pytest.approx(loss, rel=0.25)
    runs = sum(number - 1 in arrived | {-1} for number in lost)
    assert len(lost) / runs == pytest.approx(max(2.0, 1 / (1 - loss)), rel=0.2)


def test_a_dead_line_and_a_whole_one() -> None:
    """All is lost, or nothing."""
    assert carried(LineQuality(loss=1.0)) == []
    assert len(carried(LineQuality(loss=0.0))) == 500


def test_delays_stay_inside_their_limit_and_put_frames_out_of_order() -> None:
    """No frame is early or over the limit; some overtake, none by more than the limit."""
    frames = carried(LineQuality(jitter_ms=60), frames=2000)
    delays = [each.arrives_ms - (each.at / 8 + 20) for each in frames]
    assert min(delays) >= 0.0
    assert max(delays) <= 60.0
    arriving = sorted(frames, key=lambda each: each.arrives_ms)
    overtaken = [max(0, before.at - after.at) / 8 for before, after in pairwise(arriving)]
    assert sum(each > 0 for each in overtaken) > 20
    assert max(overtaken) <= 60.0


def test_what_is_too_loud_is_clipped() -> None:
    """Full scale is the end, not the beginning of the other side."""
    loud = np.full(FRAME, 30000, np.int16)
    (frame,) = carried(LineQuality(level_db=12.0), frames=1, near=loud)
    assert set(frame.samples) == {32767}
    assert set(loud) == {30000}


@pytest.mark.parametrize("wrong", [{"loss": 1.1}, {"jitter_ms": 61}, {"echo_delay_ms": 501}, {"loss": -0.1}])
def test_no_such_line(wrong: dict[str, float]) -> None:
    """A line out of range is refused when it is described."""
    with pytest.raises(InputError, match="no such line"):
        LineQuality(**wrong)
