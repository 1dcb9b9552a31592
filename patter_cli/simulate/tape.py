"""The recording of a call on a line of our own; a full disk ends the recording, not the call."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike

from patter_cli.audio.frame import Samples
from patter_cli.audio.wav import WRITE_ELSEWHERE, StereoRecorder
from patter_cli.errors import InputError, reason


class Tape:
    """A stereo WAV: caller left, agent right. Places are samples from the start of the call."""

    def __init__(self, path: str | PathLike[str], rate_hz: int) -> None:
        """Raises InputError for a file that cannot be written."""
        try:
            self._recorder = StereoRecorder(path, rate_hz)
        except OSError as error:
            raise InputError(f"cannot write {path}: {reason(error)}", hint=WRITE_ELSEWHERE) from error
        self.failed = ""
        """Why the recording is not whole."""

    def caller(self, at: int, samples: Samples) -> None:
        self._try(lambda: self._recorder.caller(at, samples))

    def agent(self, at: int, samples: Samples) -> None:
        self._try(lambda: self._recorder.agent(at, samples))

    def close(self) -> None:
        """Write the rest. Twice is fine."""
        try:
            self._recorder.close()
        except OSError as error:
            self.failed = reason(error)

    def _try(self, write: Callable[[], None]) -> None:
        if not self.failed:
            try:
                write()
            except OSError as error:
                self.failed = reason(error)
