"""Voice activity: a model that scores windows of many calls in one run."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from patter_cli.audio.frame import FloatSamples

VoiceState = npt.NDArray[np.float32]
"""What the model remembers of one call between two windows; opaque, made by `initial_state`."""


class VoiceModel(Protocol):
    """Scores windows for speech. One instance a process; `score` may run in any thread, one at a time."""

    @property
    def rate_hz(self) -> int:
        """The rate it listens at."""

    @property
    def window_samples(self) -> int:
        """How many new samples a window brings (256 at 8 kHz: 32 ms)."""

    def initial_state(self) -> VoiceState:
        """The state of a call that has not been heard yet."""

    def score(
        self, windows: FloatSamples, states: list[VoiceState]
    ) -> tuple[npt.NDArray[np.float32], list[VoiceState]]:
        """Score one window of each of n calls in one inference.

        windows: float32, shape (n, window_samples), -1..1. states: n states, not changed.
        Returns the probabilities of speech, shape (n,), and the n states to hand in next time.
        The result for a call does not depend on which other calls are in the batch.
        """
