"""Our own voice out of the line: how much of it, what the caller loses, and what happens when nothing is there."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patter_cli.audio.delay import DelayFinder, best_match
from patter_cli.audio.echo import NlmsEchoCanceller
from patter_cli.audio.frame import Samples
from patter_cli.audio.signal import fast_size
from patter_cli.errors import InputError
from tests.bench.echo_scene import (
    Call,
    Scene,
    beside_caller_db,
    caller_gain_db,
    erle_db,
    make,
    other_room,
    run,
    spliced,
    unsteady,
)

pytestmark = pytest.mark.skipif(
    find_spec("moonshine_voice") is None, reason="needs recorded speech: pip install 'patter-cli[local]'"
)

READING = Scene(agent="two_cities")


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize(
    ("delay_ms", "level_db", "tail_ms"), [(20, -6, 10), (60, -10, 30), (120, -10, 60), (200, -20, 30), (300, -6, 60)]
)
def test_the_agents_voice_is_taken_out(rate_hz: int, delay_ms: int, level_db: int, tail_ms: int) -> None:
    """At least 15 dB of it after two seconds, near or far, loud or soft, in a dry room or a live one."""
    call = make(replace(READING, rate_hz=rate_hz, delay_ms=delay_ms, level_db=level_db, tail_ms=tail_ms))
    canceller = NlmsEchoCanceller(sample_rate=rate_hz)
    assert erle_db(call, run(canceller, call)) >= 15.0
    assert canceller.delay_ms == pytest.approx(delay_ms, abs=1.0)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize(("level_db", "caller_db"), [(-6, -6), (-10, 0), (-10, -12), (-20, 0)])
def test_a_caller_who_speaks_over_the_agent_is_not_hurt(rate_hz: int, level_db: int, caller_db: int) -> None:
    """The voice loses less than 1 dB, and there is less beside it than without us."""
    scene = replace(READING, rate_hz=rate_hz, level_db=level_db, seconds=11.0, caller="beckett", caller_db=caller_db)
    call = make(scene)
    out = run(NlmsEchoCanceller(sample_rate=rate_hz), call)
    assert abs(caller_gain_db(call, out)) < 1.0
    assert beside_caller_db(call, out) < beside_caller_db(call, call.near)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_without_an_echo_the_line_is_passed_on_bit_by_bit(rate_hz: int) -> None:
    """Two people who speak at once are no echo of each other."""
    call = make(replace(READING, rate_hz=rate_hz, seconds=15.0, level_db=-300, caller="beckett", caller_at_s=0.5))
    canceller = NlmsEchoCanceller(sample_rate=rate_hz)
    assert np.array_equal(run(canceller, call), call.near)
    assert canceller.delay_ms is None


def test_a_silent_agent_costs_the_caller_nothing() -> None:
    """Before anything was played, and again once the last of it has died away."""
    call = make(replace(READING, seconds=9.0, caller="beckett", caller_at_s=6.0))
    far = call.far.copy()
    far[4 * 8000 :] = 0
    echo = call.echo.copy()
    echo[5 * 8000 :] = 0
    quiet = Call(call.scene, far, echo, call.caller, call.noise)
    out = run(NlmsEchoCanceller(sample_rate=8000), quiet)
    assert erle_db(quiet, out, 2.0, 4.0) >= 15.0
    assert np.array_equal(out[int(5.5 * 8000) :], quiet.near[int(5.5 * 8000) :])


@pytest.mark.parametrize(
    "then",
    [
        replace(READING, delay_ms=200.0),
        replace(READING, delay_ms=60.0),
        replace(READING, delay_ms=123.0),
        replace(READING, level_db=-4.0),
        other_room(READING),
    ],
)
def test_an_echo_that_changes_is_found_again(then: Scene) -> None:
    """Another delay, another level, another room: two seconds later it is as before."""
    first, then = replace(READING, seconds=10.0), replace(then, seconds=10.0)
    call = spliced(make(first), make(then), 5.0)
    canceller = NlmsEchoCanceller(sample_rate=8000)
    out = run(canceller, call)
    assert erle_db(call, out, 2.0, 5.0) >= 15.0
    assert erle_db(call, out, 7.0) >= 15.0
    assert canceller.delay_ms == pytest.approx(then.delay_ms, abs=1.0)


def test_a_carrier_that_begins_late_now_and_then_does_not_undo_it() -> None:
    """Each stretch up to 10 ms later than the last: what is left of the echo is still a tenth, over the whole call."""
    call = unsteady(replace(READING, seconds=20.0), 10.0, 3.5)
    assert erle_db(call, run(NlmsEchoCanceller(sample_rate=8000), call)) >= 10.0


def test_frames_of_any_length_give_about_the_same() -> None:
    """A carrier may send 10 ms or 60 at once."""
    call = make(READING)
    for frame_ms in (10, 60):
        assert erle_db(call, run(NlmsEchoCanceller(sample_rate=8000), call, frame_ms)) >= 15.0


def test_a_longer_filter_reaches_further_into_the_room() -> None:
    """The taps are the room's length: with a quarter of them less of a long tail is taken out."""
    call = make(replace(READING, agent="two_cities", tail_ms=60, level_db=-6))

    def left(taps: int) -> float:
        return erle_db(call, run(NlmsEchoCanceller(sample_rate=8000, filter_taps=taps), call))

    assert left(512) > left(64) + 3.0


def test_calls_do_not_share_anything() -> None:
    """The same call gives the same samples, whatever another canceller does meanwhile."""
    call = make(replace(READING, seconds=4.0))
    first, other = NlmsEchoCanceller(sample_rate=8000), NlmsEchoCanceller(sample_rate=8000)
    mixed = []
    for at in range(0, len(call.near) - 159, 160):
        mixed.append(first.process(call.near[at : at + 160], call.far[at : at + 160]))
        other.process(call.far[at : at + 160], call.near[at : at + 160])
    assert np.array_equal(np.concatenate(mixed), run(NlmsEchoCanceller(sample_rate=8000), call)[: len(mixed) * 160])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    sizes=st.lists(st.integers(0, 700), min_size=1, max_size=40),
    level=st.sampled_from([1, 100, 32767]),
    taps=st.sampled_from([16, 512]),
    step=st.sampled_from([0.1, 1.0]),
    rate_hz=st.sampled_from([8000, 16000]),
)
def test_whatever_comes_it_never_raises_and_keeps_shape_and_type(
    seed: int, sizes: list[int], level: int, taps: int, step: float, rate_hz: int
) -> None:
    """Noise at full scale, clicks, frames of any length and none."""
    rng = np.random.default_rng(seed)
    canceller = NlmsEchoCanceller(sample_rate=rate_hz, filter_taps=taps, step_size=step, warmup_step_size=1.0)
    past: Samples = np.zeros(500, np.int16)
    for size in sizes:
        far = np.clip(rng.standard_normal(size) * level, -32768, 32767).astype(np.int16)
        near = np.concatenate((past, far))[:size] // 2
        past = np.concatenate((past, far))[size:]
        with np.errstate(invalid="raise", divide="raise", over="raise"):
            out = canceller.process(near, far)
        assert out.dtype == np.int16
        assert out.shape == near.shape


def test_frames_that_do_not_fit_each_other_are_passed_on() -> None:
    """It is better to hear an echo than to lose a call."""
    canceller = NlmsEchoCanceller(sample_rate=8000)
    near = np.arange(160, dtype=np.int16)
    assert canceller.process(near, np.zeros(80, np.int16)) is near


@pytest.mark.parametrize(
    "wrong",
    [
        {"sample_rate": 44100},
        {"filter_taps": 0},
        {"step_size": 0.0},
        {"warmup_step_size": 1.5},
        {"leakage": 0.0},
        {"double_talk_rho": 2.0},
        {"warmup_seconds": -1.0},
        {"warmup_seconds": float("nan")},
    ],
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    """At once, by name."""
    with pytest.raises(InputError):
        NlmsEchoCanceller(**wrong)  # type: ignore[arg-type]


@given(lag=st.integers(0, 4000), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_finder_knows_the_delay_to_the_sample(lag: int, seed: int) -> None:
    """From nothing to half a second, of any signal."""
    rng = np.random.default_rng(seed)
    far = rng.standard_normal(16000) * 1000
    near = np.concatenate((np.zeros(lag), far))[:16000] * 0.3 + rng.standard_normal(16000) * 100
    finder = DelayFinder(8000)
    for at in range(0, 16000, 160):
        finder.push(near[at : at + 160], far[at : at + 160])
    assert finder.samples == lag


def test_the_finder_finds_nothing_in_silence() -> None:
    """Neither while nothing is played nor on a dead line."""
    rng = np.random.default_rng(1)
    loud, silent = rng.standard_normal(8000) * 1000, np.zeros(8000)
    for near, far in ((loud, silent), (silent, loud), (silent, silent)):
        finder = DelayFinder(8000)
        assert not any(finder.push(near[at : at + 160], far[at : at + 160]) for at in range(0, 8000, 160))


def test_a_match_is_where_the_line_lies_in_the_estimate() -> None:
    """Whatever its level."""
    estimate = np.random.default_rng(2).standard_normal(500)
    at, likeness = best_match(estimate[123:323] * 7, estimate)
    assert at == 123
    assert likeness == pytest.approx(1.0, abs=1e-2)


@given(st.integers(1, 10_000))
def test_transforms_are_of_even_sizes_that_are_quick(least: int) -> None:
    """No smaller than asked for, and no prime factor above 5."""
    size = fast_size(least)
    assert size >= least
    assert size % 2 == 0
    for factor in (2, 3, 5):
        while size % factor == 0:
            size //= factor
    assert size == 1


def test_a_voice_is_not_taken_for_the_callers_before_our_own_is_known() -> None:
    """During our first two seconds, not while we are silent, and again for a moment after the echo has moved."""
    rate_hz, second = 8000, np.full(8000, 500, np.int16)
    canceller = NlmsEchoCanceller(sample_rate=rate_hz)
    quiet = np.zeros(rate_hz, np.int16)
    canceller.process(quiet, quiet)
    assert canceller.trusted
    canceller.process(quiet, second)
    assert not canceller.trusted
    canceller.process(quiet, quiet)
    assert canceller.trusted, "no echo comes a second after we fell silent"
    canceller.process(np.concatenate([quiet, quiet]), np.concatenate([second, second]))
    assert canceller.trusted


def test_a_caller_who_answers_right_away_is_heard_once_the_delay_is_known() -> None:
    """Not the longest echo there could be is waited for, but ours."""
    call = make(replace(READING, delay_ms=60, seconds=1.5))
    canceller = NlmsEchoCanceller(sample_rate=8000)
    run(canceller, call)
    assert canceller.delay_ms is not None
    assert not canceller.trusted
    quiet = np.zeros(160, np.int16)
    for _ in range(15):  # 300 ms
        canceller.process(quiet, quiet)
    assert canceller.trusted


def test_a_caller_louder_than_our_echo_is_heard_while_the_echo_is_lost() -> None:
    """A room that changes costs our trust in what is left of us, but not the caller 12 dB above that: within 0.3 s."""
    alone = replace(READING, level_db=-12, seconds=7.0)
    doubted_ms = []
    for scene in (alone, replace(alone, caller="beckett", caller_at_s=5.1)):
        call = spliced(make(scene), make(replace(other_room(scene), delay_ms=180)), 5.0)
        canceller, trusted = NlmsEchoCanceller(sample_rate=8000), []
        for at in range(0, len(call.near) - 159, 160):
            canceller.process(call.near[at : at + 160], call.far[at : at + 160])
            trusted.append(canceller.trusted)
        assert all(trusted[200:250]), "the room is known before it changes"
        doubted_ms.append(20 * trusted[250:].count(False))
    assert doubted_ms[0] >= 400
    assert doubted_ms[1] <= 340


def test_a_frame_that_was_lost_teaches_nothing() -> None:
    """Silence in place of what did not come is passed on as silence, and the room stays known."""
    call = make(replace(READING, level_db=-12, seconds=8.0))
    lost = np.random.default_rng(3).random(len(call.near) // 160) < 0.08
    lost[:150] = False
    canceller, out = NlmsEchoCanceller(sample_rate=8000), []
    for number, near in enumerate(call.near.reshape(-1, 160)):
        heard = np.zeros(160, np.int16) if lost[number] else near
        out.append(canceller.process(heard, call.far[number * 160 : (number + 1) * 160]))
        assert lost[number] <= (not out[-1].any())
    there = np.repeat(~lost, 160)
    part = there & (np.arange(len(there)) > 4 * 8000)
    left, was = (float(np.mean(each[part].astype(np.float64) ** 2)) for each in (np.concatenate(out), call.near))
    assert 10 * np.log10(was / left) > 15.0


@pytest.mark.parametrize(("pause_ms", "loud", "doubted_ms"), [(600, False, 520), (240, False, 0), (600, True, 120)])
def test_an_utterance_that_has_just_begun_may_come_back_in_another_place(
    pause_ms: int, loud: bool, doubted_ms: int
) -> None:
    """What is left of it is no voice, for the echo's delay and 400 ms. A short pause of ours is no new beginning, and a
    caller well above our echo is heard at once: here they begin 120 ms after us."""
    call = make(replace(READING, level_db=-12, seconds=6.0))
    canceller = NlmsEchoCanceller(sample_rate=8000)
    frames = len(call.near) // 160
    pairs = [(call.near[at : at + 160], call.far[at : at + 160]) for at in range(0, 160 * frames, 160)]
    for near, far in pairs:
        canceller.process(near, far)
    quiet = np.zeros(160, np.int16)
    for _ in range(pause_ms // 20):
        canceller.process(quiet, quiet)
    assert canceller.trusted
    trusted = []
    for number, (near, far) in enumerate(pairs[100:140]):
        echo = near if number >= 6 else quiet
        caller = np.random.default_rng(number).integers(-12000, 12000, 160) if loud and number >= 6 else quiet
        canceller.process((echo + caller).clip(-32000, 32000).astype(np.int16), far)
        trusted.append(canceller.trusted)
    assert 20 * trusted.count(False) == pytest.approx(doubted_ms, abs=20)


@pytest.mark.parametrize("moved", [0, 2, -2, 8, -16, 40, -120])
def test_an_utterance_that_comes_back_a_little_beside_is_ours_within_a_moment(moved: int) -> None:
    """A quarter of a millisecond or fifteen, earlier or later than the last one: a quarter of a second later nothing of
    us is left that a voice could be read into, and the room that was known is not learned anew."""
    call = make(replace(READING, delay_ms=120, level_db=-12, tail_ms=60, seconds=6.0))
    canceller = NlmsEchoCanceller(sample_rate=8000)
    canceller.process(call.near, call.far)
    canceller.process(np.zeros(8000, np.int16), np.zeros(8000, np.int16))
    later = np.roll(call.near, moved)
    near, out = later[8000:20000], np.zeros(12000, np.int16)
    for at in range(0, 12000, 160):
        out[at : at + 160] = canceller.process(later[8000 + at : 8160 + at], call.far[8000 + at : 8160 + at])
    was, left = (float(np.mean(each[4000:].astype(np.float64) ** 2)) for each in (near, out))
    assert 10 * np.log10(was / left) > 15.0
