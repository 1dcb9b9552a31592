"""From samples to windows and from probabilities to edges."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.audio import tone
from patter_cli.audio.frame import FloatSamples
from patter_cli.audio.vad import VadPolicy, VoiceDetector, VoiceEdge, VoiceStarted, VoiceStopped, Window

SPEECH_LIKE = tone.hold_music(3000, 8000, level_db=-12.0)


def decide_all(probabilities: list[float], policy: VadPolicy | None = None) -> list[VoiceEdge]:
    """The edges that 32 ms windows with these probabilities make."""
    detector = VoiceDetector(policy)
    edges = [detector.decide(p, 32 * (n + 1)) for n, p in enumerate(probabilities)]
    return [edge for edge in edges if edge is not None]


def silent_share(windows: list[Window]) -> float:
    """How many of the windows need no inference, 0..1."""
    return sum(window.silent for window in windows) / len(windows)


def test_frames_become_windows() -> None:
    """20 ms frames are cut into windows of 32 ms that hold the same samples, and know when they end."""
    detector = VoiceDetector()
    samples = (np.arange(1600) * 20 - 16000).astype(np.int16)
    windows = [window for frame in np.split(samples, 10) for window in detector.windows(frame)]
    assert [window.end_ms for window in windows] == [32, 64, 96, 128, 160, 192]
    joined = np.concatenate([window.samples for window in windows])
    assert joined.dtype == np.float32
    assert np.array_equal(joined * 32768, samples[: len(joined)])


@given(st.lists(st.integers(0, 900), max_size=8))
def test_cutting_changes_nothing(cuts: list[int]) -> None:
    """However the stream is cut, the windows are the same."""
    samples = tone.pink_noise(250, 8000, seed=5)
    whole = VoiceDetector().windows(samples)
    detector = VoiceDetector()
    pieces = np.split(samples, sorted(cuts))
    cut = [window for piece in pieces for window in detector.windows(piece)]
    assert [(w.end_ms, w.silent) for w in cut] == [(w.end_ms, w.silent) for w in whole]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(cut, whole, strict=True))


def test_a_window_stays_as_it_was() -> None:
    """Windows wait for their batch: what comes after does not overwrite them."""
    detector = VoiceDetector()
    (first,) = detector.windows(np.full(256, 1000, np.int16))
    detector.windows(np.full(256, -1000, np.int16))
    assert (first.samples > 0).all()


def test_sixteen_kilohertz() -> None:
    """At another rate a window is still 32 ms."""
    detector = VoiceDetector(rate_hz=16000, window_samples=512)
    assert [w.end_ms for w in detector.windows(np.zeros(1100, np.int16))] == [32, 64]


def test_digital_silence_is_silent() -> None:
    """Zeros, and a line that wobbles by one step of mu-law, need no inference."""
    zeros = VoiceDetector().windows(np.zeros(8000, np.int16))
    wobble = VoiceDetector().windows(np.resize(np.array([0, 8, 0, -8], np.int16), 8000))
    assert silent_share(zeros) == silent_share(wobble) == 1.0


def test_comfort_noise_is_soon_silent() -> None:
    """A steady faint hiss becomes the line's floor within a few seconds."""
    windows = VoiceDetector().windows(tone.white_noise(20_000, 8000, seed=1, level_db=-62.0))
    assert silent_share(windows[-300:]) > 0.95


def test_loud_noise_is_left_to_the_model() -> None:
    """The floor never rises to where quiet speech lies: a loud steady noise is scored."""
    windows = VoiceDetector().windows(tone.white_noise(60_000, 8000, seed=1, level_db=-50.0))
    assert silent_share(windows) == 0.0


def test_speech_is_not_silent_after_a_long_talk() -> None:
    """A minute of sound without a pause does not lift the floor to its own level."""
    windows = VoiceDetector().windows(np.tile(SPEECH_LIKE, 20))
    assert silent_share(windows) < 0.01


def test_speech_begins_and_ends() -> None:
    """Three voiced windows begin speech, dated to the first; 192 ms of silence end it, dated to the last."""
    edges = decide_all([0.1, 0.1, 0.7, 0.7, 0.7, 0.7, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert edges == [VoiceStarted(onset_ms=64), VoiceStopped(last_voiced_ms=192)]


def test_the_onset_is_where_the_rise_begins() -> None:
    """A window on its way up, above the lower threshold, belongs to the speech it leads to."""
    assert decide_all([0.1, 0.55, 0.7, 0.7, 0.7]) == [VoiceStarted(onset_ms=32)]


def test_no_doubt_needs_two_windows() -> None:
    """Two windows without doubt begin speech a window sooner."""
    assert decide_all([0.1, 0.95, 0.95]) == [VoiceStarted(onset_ms=32)]
    assert decide_all([0.1, 0.95, 0.2, 0.95]) == [VoiceStarted(onset_ms=32)]


@pytest.mark.parametrize(
    "probabilities",
    [
        [0.95, 0.1, 0.1] * 20,
        [0.7, 0.7, 0.1] * 20,
        [0.55] * 60,
        [0.89, 0.2] * 30,
    ],
)
def test_clicks_and_doubts_are_not_speech(probabilities: list[float]) -> None:
    """A click, a short blip, a long maybe: no edge."""
    assert decide_all(probabilities) == []


def test_a_pause_inside_a_word_is_not_the_end() -> None:
    """Five silent windows are a breath; doubt goes on as speech."""
    probabilities = [0.9] * 5 + [0.1] * 5 + [0.9] * 3 + [0.55] * 10 + [0.9]
    assert decide_all(probabilities) == [VoiceStarted(onset_ms=0)]


def test_the_state_can_be_asked() -> None:
    """Between the edges the detector knows that somebody speaks, and until when it heard them."""
    detector = VoiceDetector()
    for n in range(3):
        assert not detector.speaking
        detector.decide(0.95 if n else 0.0, 32 * (n + 1))
    assert detector.speaking
    assert detector.last_voiced_ms == 96


@given(st.lists(st.floats(0, 1), max_size=200))
def test_edges_take_turns(probabilities: list[float]) -> None:
    """Whatever the model says: started and stopped alternate, and their times never go back."""
    edges = decide_all(probabilities)
    assert [isinstance(edge, VoiceStarted) for edge in edges] == [n % 2 == 0 for n in range(len(edges))]
    times = [e.onset_ms if isinstance(e, VoiceStarted) else e.last_voiced_ms for e in edges]
    assert all(a <= b for a, b in pairwise(times))
    stops = [e.last_voiced_ms for e in edges if isinstance(e, VoiceStopped)]
    starts = [e.onset_ms for e in edges if isinstance(e, VoiceStarted)]
    assert all(start < stop for start, stop in zip(starts, stops, strict=False))


def voiced(detector: VoiceDetector, sound: FloatSamples) -> VoiceStopped:
    """Half a second of background, half a second of this in it, background again; how the voice was."""
    noise = np.random.default_rng(3).normal(0, 0.01, 8000)
    noise[2000 : 2000 + len(sound)] += sound
    stopped: list[VoiceEdge] = []
    for window in detector.windows((noise * 32767).astype(np.int16)):
        edge = detector.decide(0.95 if 250 < window.end_ms <= 750 else 0.0, window.end_ms)
        stopped += [edge] if isinstance(edge, VoiceStopped) else []
    (only,) = stopped
    assert isinstance(only, VoiceStopped)
    return only


def test_a_hum_is_told_from_words() -> None:
    """A murmur at 200 Hz is hummed however loud it is; a little of a consonant makes it words."""
    time = np.arange(4000) / 8000
    murmur = (0.3 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    consonant = murmur.copy()
    consonant[1000:1500] += 0.08 * np.sin(2 * np.pi * 2500 * time[:500])
    assert voiced(VoiceDetector(), murmur).hummed
    assert not voiced(VoiceDetector(), consonant).hummed


def test_each_voice_is_judged_by_its_own_sound() -> None:
    """Words before it do not make a hum words."""
    time = np.arange(4000) / 8000
    detector = VoiceDetector()
    words = voiced(detector, (0.2 * np.sin(2 * np.pi * 2500 * time)).astype(np.float32))
    noise = np.random.default_rng(4).normal(0, 0.01, 16000)
    noise[8000:12000] += 0.3 * np.sin(2 * np.pi * 200 * time)
    edges = [
        detector.decide(0.95 if 2000 < window.end_ms <= 2500 else 0.0, window.end_ms)
        for window in detector.windows((noise * 32767).astype(np.int16))
    ]
    assert not words.hummed
    assert [edge.hummed for edge in edges if isinstance(edge, VoiceStopped)] == [True]


def test_a_voice_no_louder_than_what_surrounds_the_caller_is_not_theirs() -> None:
    """The next table talks all the time; somebody who speaks up over it is heard, from their first window on."""
    rng = np.random.default_rng(7)
    detector = VoiceDetector()

    def hear(level: float, probability: float, count: int) -> list[VoiceEdge]:
        edges = []
        for _ in range(count):
            sound = (rng.standard_normal(256) * level).astype(np.int16)
            for window in detector.windows(sound):
                edge = detector.decide(0.0 if window.silent else probability, window.end_ms)
                if edge is not None:
                    edges.append(edge)
        return edges

    assert hear(260, 0.1, 60) == []
    assert hear(300, 0.95, 30) == []
    assert [type(each) for each in hear(1500, 0.95, 5)] == [VoiceStarted]


def test_lost_frames_are_no_silence_around_the_caller() -> None:
    """A line that loses a frame in ten is not taken for a quiet one with a voice on it."""
    rng = np.random.default_rng(8)
    detector = VoiceDetector()
    edges = []
    for number in range(400):
        lost = number % 10 == 0
        sound = np.zeros(256, np.int16) if lost else (rng.standard_normal(256) * 300).astype(np.int16)
        for window in detector.windows(sound):
            talk = 0.95 if number > 100 and not window.silent else 0.0
            edges.append(detector.decide(talk, window.end_ms))
    assert not any(edges)


@pytest.mark.parametrize("lost", [5, 8, 12])
def test_a_line_that_freezes_is_no_silence_that_a_full_cafe_stands_out_of(lost: int) -> None:
    """A third of a second in which nothing comes, in a café whose voices the model takes for a caller's."""
    rng = np.random.default_rng(8)
    detector, edges = VoiceDetector(), []
    for number in range(300):
        gone = 200 <= number < 200 + lost
        sound = np.zeros(256, np.int16) if gone else (rng.standard_normal(256) * 300).astype(np.int16)
        for window in detector.windows(sound):
            edges.append(detector.decide(0.95 if number > 205 and not window.silent else 0.0, window.end_ms))
    assert not any(edges)


@pytest.mark.parametrize("first_db", [-42.0, -50.0, -57.0])
def test_a_call_that_begins_in_a_full_cafe_begins_with_nobody(first_db: float) -> None:
    """However quiet the first moment was by chance; and a caller who speaks at once is heard."""

    def hear(voice_db: float | None) -> int:
        rng, detector, begun = np.random.default_rng(5), VoiceDetector(), 0
        for number in range(60):
            level_db = first_db if number < 2 else -42.0 if voice_db is None or number < 6 else voice_db
            sound = (rng.standard_normal(256) * 32768 * 10 ** (level_db / 20)).astype(np.int16)
            for window in detector.windows(sound):
                begun += isinstance(detector.decide(0.0 if window.silent else 0.95, window.end_ms), VoiceStarted)
        return begun

    assert hear(None) == 0
    assert hear(-26.0) == 1


def begun(babble_db: float, voice_db: float, *, masked_windows: int) -> list[VoiceEdge]:
    """The edges of a second of a voice after so much masked babble, and a little that is not masked."""
    rng = np.random.default_rng(9)
    detector, edges = VoiceDetector(), []
    for number in range(masked_windows + 4 + 30):
        level_db = babble_db if number < masked_windows + 4 else voice_db
        sound = (rng.standard_normal(256) * 32768 * 10 ** (level_db / 20)).astype(np.int16)
        for window in detector.windows(sound, masked=number < masked_windows):
            # The model takes other people's talk for a voice, too.
            edges.append(detector.decide(0.0 if window.silent else 0.95, window.end_ms))
    return [edge for edge in edges if edge is not None]


def test_a_masked_stretch_is_no_silence_that_a_full_cafe_stands_out_of() -> None:
    """While nothing may be taken for the caller, what the line brings is learned all the same."""
    assert begun(-42.0, -42.0, masked_windows=80) == []
    assert begun(-42.0, -35.0, masked_windows=80) == []


@pytest.mark.parametrize("above_db", [11.0, 16.0, 25.0])
def test_a_caller_well_above_the_cafe_is_heard_after_it(above_db: float) -> None:
    """Eleven dB are enough: the loudest window of a caller whose average is six above it."""
    (edge,) = begun(-42.0, -42.0 + above_db, masked_windows=80)
    assert isinstance(edge, VoiceStarted)


def test_a_masked_window_needs_no_model_and_ends_a_voice() -> None:
    """Whatever sounds in it: the part of a window that is masked masks all of it."""
    detector = VoiceDetector()
    loud = np.full(128, 8000, np.int16)
    assert detector.windows(loud, masked=True) == []
    (window,) = detector.windows(loud)
    assert window.silent
    (window,) = detector.windows(np.concatenate((loud, loud)))
    assert not window.silent
