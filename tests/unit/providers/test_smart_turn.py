"""The end-of-turn model: what it is shown, what it says, and when something is missing."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from patter_cli.audio.frame import FloatSamples, Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.resample import resample_all
from patter_cli.errors import BadReply, MissingExtra
from patter_cli.providers import inference, smart_turn
from patter_cli.providers.smart_turn import RATE_HZ, SmartTurn, log_mel

needs_model = pytest.mark.skipif(
    find_spec("pipecat") is None or find_spec("onnxruntime") is None, reason=f"needs {smart_turn.INSTALL}"
)


def package_features() -> Callable[[FloatSamples], FloatSamples]:
    """The package's own spectrogram, out of its file: importing the package would need thirty others."""
    path = inference.asset("pipecat", "audio/turn/smart_turn/_whisper_features.py")
    spec = spec_from_file_location("whisper_features", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    features: Callable[[FloatSamples], FloatSamples] = module.compute_whisper_log_mel_features
    return features


@needs_model
@pytest.mark.parametrize("length", [0, 1, 399, 16_000, 128_000, 200_001])
@pytest.mark.parametrize("level", [3, 3000, 30_000])
def test_the_model_sees_what_its_package_would_show_it(length: int, level: int) -> None:
    """Ours and the package's log-mel agree to a ten-thousandth for turns short and long, soft and clipped."""
    noise = np.random.default_rng(length).standard_normal(length) * level
    samples = np.clip(noise + level * np.sin(np.arange(length) * 0.1), -32768, 32767).astype(np.int16)
    window = np.zeros(128_000, np.float32)
    heard = samples[-128_000:]
    window[128_000 - len(heard) :] = heard.astype(np.float32) / 32768
    ours = log_mel(samples)
    assert ours.shape == (80, 800)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, package_features()(window), atol=1e-4)


def spoken(name: str) -> Samples:
    """Human speech from the recogniser's package, as the telephone brings it, at 16 kHz."""
    spec = find_spec("moonshine_voice")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        pytest.skip("needs [local]")
    from patter_cli.audio.wav import read_wav

    samples, rate_hz = read_wav(Path(folders[0], "assets", name))
    return resample_all(decode_ulaw(encode_ulaw(resample_all(samples, rate_hz, 8000))), 8000, RATE_HZ)


@needs_model
async def test_a_finished_phrase_is_told_from_one_cut_short() -> None:
    """A reader's last phrase, whole and broken off inside its words, on the telephone."""
    clip = spoken("beckett.wav")
    pause = np.zeros(RATE_HZ // 4, np.int16)
    whole = np.concatenate((clip[int(6.6 * RATE_HZ) : int(8.9 * RATE_HZ)], pause))
    cut = np.concatenate((clip[int(6.6 * RATE_HZ) : int(8.45 * RATE_HZ)], pause))
    model = SmartTurn()
    await model.warm()
    finished, unfinished = await asyncio.gather(model.finished(whole), model.finished(cut))
    assert 0 <= unfinished < 0.5 < finished <= 1


@needs_model
async def test_anything_may_be_asked_about() -> None:
    """No sound at all, silence and more than the window all get a probability; only the window counts."""
    model = SmartTurn()
    noise = (np.random.default_rng(0).standard_normal(9 * RATE_HZ) * 1000).astype(np.int16)
    for samples in (noise[:0], np.zeros(RATE_HZ, np.int16), noise):
        assert 0 <= await model.finished(samples) <= 1
    assert await model.finished(noise) == await model.finished(noise[-8 * RATE_HZ :])


def test_importing_it_loads_nothing_heavy() -> None:
    """Neither the package nor onnxruntime is loaded before somebody warms the model."""
    program = (
        "import sys; from patter_cli.providers.smart_turn import SmartTurn; SmartTurn().window_ms\n"
        "print([name for name in ('pipecat', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which the model has not been loaded."""
    monkeypatch.setattr(smart_turn, "_SESSION", inference.Once(smart_turn._load))


@pytest.mark.usefixtures("unloaded")
async def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the weights the error carries the command that installs them."""
    monkeypatch.setattr(inference, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pipecat") as error:
        await SmartTurn().warm()
    assert error.value.hint == f"{sys.executable} -m pip install --no-deps pipecat-ai==1.14.0"


@needs_model
@pytest.mark.usefixtures("unloaded")
async def test_a_missing_runtime_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without onnxruntime the error carries the command that installs it."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # what makes an import fail
    with pytest.raises(MissingExtra, match="onnxruntime"):
        await SmartTurn().finished(np.zeros(0, np.int16))


@pytest.mark.usefixtures("unloaded")
async def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that is not the one this version was made with is not loaded."""
    other = tmp_path / "smart-turn-v3.2-cpu.onnx"
    other.write_bytes(b"not the model")
    assert hashlib.sha256(b"not the model").hexdigest() != smart_turn.MODEL_SHA256
    monkeypatch.setattr(inference, "asset", lambda package, path: other)
    with pytest.raises(MissingExtra, match=r"smart-turn-v3\.2-cpu\.onnx"):
        await SmartTurn().warm()


@pytest.mark.parametrize("answer", [float("nan"), 1.5, RuntimeError("no such input")])
async def test_an_answer_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """A model that does not run, or whose answer is no probability, is a bad reply and nothing else."""

    class Session:
        def run(self, _outputs: Any, _inputs: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return [np.array([[answer]], np.float32)]

    monkeypatch.setattr(smart_turn, "_SESSION", inference.Once(Session))
    with pytest.raises(BadReply) as error:
        await SmartTurn().finished(np.zeros(0, np.int16))
    assert error.value.provider == "smart_turn"
