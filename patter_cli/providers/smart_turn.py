"""Smart Turn v3.2: hears from the voice itself whether somebody has finished, BSD-2-Clause, no key, no network.

Theory of operation. The model is the encoder of a small speech recogniser with one output. It looks at the last 8 s
of a turn as a log-mel spectrogram, 80 bands by 800 steps of 10 ms, and says how likely it is that the speaker is done:
melody, drawl and the sounds a sentence ends with, not the words. A shorter turn is put at the end of the window, with
silence before it. The model is of use in a pause only, so it is asked once a pause, never frame by frame.

Its weights come inside the pipecat-ai package, which is found but never imported: nothing else of it is used, and it
may be installed without the thirty packages it asks for.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from patter_cli.audio.frame import FloatSamples, Samples
from patter_cli.contracts.provider import Keyless
from patter_cli.errors import BadReply, MissingExtra
from patter_cli.providers.inference import POOL, Once, check_packages, core_time_s, onnx_session, verified
from patter_cli.providers.pool import Rank

RATE_HZ = 16000
WINDOW_MS = 8000
"""What the model was trained on; there is no other length."""

MODEL_SHA256 = "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"
"""Of smart-turn-v3.2-cpu.onnx in pipecat-ai 1.14.0."""

INSTALL = f"{shlex.quote(sys.executable)} -m pip install --no-deps pipecat-ai==1.14.0"
"""The command that brings the model; onnxruntime is that of the other local models."""

_MODEL_PATH = "audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
PACKAGE = "pipecat"
FILES = {_MODEL_PATH: MODEL_SHA256}
"""What of the package is used, with its SHA-256."""

_WINDOW_SAMPLES = RATE_HZ * WINDOW_MS // 1000
_HOP_SAMPLES = RATE_HZ // 100
_FFT_SAMPLES = 400
_BANDS = 80
_LEAST_POWER = 1e-10
_LEAST_VARIANCE = 1e-7
_DYNAMIC_RANGE = 8.0
"""Powers of ten below the loudest cell; what is quieter counts as that. Source, with the constants above: the
feature extractor of Whisper, whose encoder this is."""


@dataclass(frozen=True, slots=True)
class SmartTurn(Keyless):
    """The end-of-turn model. All calls share it; nothing to set."""

    @property
    def provider(self) -> str:
        """Always "smart-turn"."""
        return "smart-turn"

    @property
    def rate_hz(self) -> int:
        """16000."""
        return RATE_HZ

    @property
    def window_ms(self) -> int:
        """8000."""
        return WINDOW_MS

    def check_packages(self) -> None:
        """Raises MissingExtra."""
        with _as_its_own():
            check_packages("pipecat")
        check_packages("onnxruntime")

    async def warm(self) -> None:
        """Load the model: 0.15 s, once. Raises MissingExtra."""
        await _SESSION.warm()

    async def awaited_work_s(self) -> float:
        """Of one question to the model. It is asked in the pause, so some of it costs nobody anything."""
        await self.warm()
        await _QUESTION_S.warm()
        return _QUESTION_S.get()

    async def finished(self, samples: Samples) -> float:
        """How likely the speaker has finished, 0..1, after about 0.1 s of one core; see contracts/eou.py.

        Raises MissingExtra, or BadReply when the model does not run or gives no probability.
        """
        await self.warm()
        # The pause goes on meanwhile, but once it is over the caller waits for this.
        return await asyncio.wrap_future(POOL.submit(lambda: _probability(samples), Rank.AWAITED))


def log_mel(samples: Samples) -> FloatSamples:
    """The model's view of the last 8 s.

    samples: int16, shape (n,), 16 kHz, the end of the turn last; fewer than 8 s get silence in front.
    Returns float32, shape (80, 800), about -1..1: the log power in 80 bands of 0-8000 Hz at every 10 ms.
    """
    window = np.zeros(_WINDOW_SAMPLES, np.float32)
    heard = samples[-_WINDOW_SAMPLES:]
    window[_WINDOW_SAMPLES - len(heard) :] = heard / np.float32(32768)
    window -= window.mean()
    window /= np.sqrt(window.var() + np.float32(_LEAST_VARIANCE))
    padded = np.pad(window, _FFT_SAMPLES // 2, mode="reflect")
    # One step of 10 ms more would look past the end.
    steps = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[:-1:_HOP_SAMPLES]
    spectrum = np.fft.rfft(steps * _HANN, axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    bands = np.log10(np.maximum(_FILTERS @ power.T, np.float32(_LEAST_POWER)))
    bands = np.maximum(bands, bands.max() - np.float32(_DYNAMIC_RANGE))
    scaled: FloatSamples = (bands + np.float32(4)) / np.float32(4)
    return scaled


def _probability(samples: Samples) -> float:
    """Ask the model. Runs in a thread of the pool."""
    try:
        (answer,) = _SESSION.get().run(None, {"input_features": log_mel(samples)[np.newaxis]})
    except Exception as error:  # onnxruntime raises classes of its own
        raise BadReply(f"the end-of-turn model does not run: {error}", provider="smart_turn") from error
    probability = float(np.ravel(answer)[0])
    if not 0.0 <= probability <= 1.0:
        raise BadReply(f"the end-of-turn model said {probability}", provider="smart_turn")
    return probability


def _load() -> Any:
    with _as_its_own():
        model = verified(PACKAGE, _MODEL_PATH, MODEL_SHA256)
    return onnx_session(model)


@contextmanager
def _as_its_own() -> Iterator[None]:
    """The hint of what it raises otherwise names the extra of the other models."""
    try:
        yield
    except MissingExtra as error:
        raise MissingExtra(f"the end-of-turn model is not there: {error}", hint=INSTALL) from error


def _mel_filters() -> FloatSamples:
    """Triangles of equal area, evenly spaced in mel, shape (80, 201)."""
    top = _mel(np.array(RATE_HZ / 2))
    corners = _hertz(np.linspace(0.0, float(top), _BANDS + 2))
    bins = np.linspace(0.0, RATE_HZ / 2, _FFT_SAMPLES // 2 + 1)
    triangles = [
        np.interp(bins, corners[band : band + 3], [0.0, 1.0, 0.0]) * 2.0 / (corners[band + 2] - corners[band])
        for band in range(_BANDS)
    ]
    return np.array(triangles, np.float32)


def _mel(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Slaney's scale: straight to 1 kHz, which is 15 mel, logarithmic above."""
    return np.where(hertz < 1000.0, hertz * 0.015, 15.0 + np.log(np.maximum(hertz, 1000.0) / 1000.0) / _STEP)


def _hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mel < 15.0, mel / 0.015, 1000.0 * np.exp((mel - 15.0) * _STEP))


_STEP = np.log(6.4) / 27.0
_HANN = np.hanning(_FFT_SAMPLES + 1)[:-1].astype(np.float32)
_FILTERS = _mel_filters()
_SESSION = Once(_load)
_QUESTION_S: Once[float] = Once(lambda: core_time_s(lambda: _probability(np.zeros(RATE_HZ, np.int16)), times=2))
