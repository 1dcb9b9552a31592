"""WebRTC's echo canceller (AEC3), run from the library inside the livekit package: the extra `aec`.

It wants frames of 10 ms, what was played before what came in, and finds the delay itself. What is left over of a frame
that is no multiple of 10 ms is passed on as it is: a carrier sends 20.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.wire import LineAudio
from patter_cli.errors import InputError, MissingExtra
from patter_cli.extras import install_command

log = logging.getLogger(__name__)

PIECE_MS = 10


class EchoCanceller:
    """One call's canceller; keeps contracts.echo.EchoCanceller. 0.4 MB, and 22 MB once for the library."""

    def __init__(self, rate_hz: int = 8000) -> None:
        """The first of a process loads the library: 0.1-0.3 s. Raises MissingExtra, InputError for an odd rate."""
        if rate_hz not in (8000, 16000):
            raise InputError(f"the echo canceller works at 8000 or 16000 Hz, not {rate_hz}")
        self._rtc = _library()
        self._module: Any = self._rtc.AudioProcessingModule(echo_cancellation=True)
        self._rate_hz = rate_hz
        self._piece = rate_hz * PIECE_MS // 1000

    @property
    def trusted(self) -> bool:
        """Always: it is careful by itself until it has learned."""
        return True

    @property
    def heavy(self) -> bool:
        """Until it has failed."""
        return self._module is not None

    def passes(self, near: LineAudio, sounds: bool, played: Callable[[int], Samples]) -> bool:
        """Never: what was played before may still come back."""
        return False

    def process(self, near: Samples, far: Samples) -> Samples:
        """See contracts/echo.py."""
        if self._module is None or near.shape != far.shape:
            return near
        out = near.copy()
        try:
            for at in range(0, len(near) - self._piece + 1, self._piece):
                end = at + self._piece
                self._module.process_reverse_stream(self._frame(far[at:end]))
                frame = self._frame(near[at:end])
                self._module.process_stream(frame)
                out[at:end] = np.frombuffer(frame.data, np.int16)
        except RuntimeError:
            log.exception("WebRTC's echo canceller failed; this call goes on without it")
            self._module = None
            return near
        return out

    def _frame(self, samples: Samples) -> Any:
        return self._rtc.AudioFrame(bytearray(samples.tobytes()), self._rate_hz, 1, self._piece)


def _library() -> Any:
    try:
        from livekit import rtc
    except ImportError as error:
        raise MissingExtra("WebRTC's echo canceller needs the package livekit", hint=install_command("aec")) from error
    return rtc
