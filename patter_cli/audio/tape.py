"""The recording of a call; a full disk ends the recording, not the call."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path

from patter_cli.audio.frame import Samples
from patter_cli.audio.wav import WRITE_ELSEWHERE, StereoRecorder
from patter_cli.errors import InputError, reason


class Tape:
    """A stereo WAV: caller left, agent right. Places are samples from the start of the call."""

    def __init__(self, path: str | PathLike[str], rate_hz: int) -> None:
        """Raises InputError for a file that cannot be written."""
        there = Path(path).exists()
        try:
            self._recorder = StereoRecorder(path, rate_hz)
        except OSError as error:
            if not there:
                Path(path).unlink(missing_ok=True)
            raise InputError(f"cannot write {path}: {reason(error)}", hint=WRITE_ELSEWHERE) from error
        self._rate_hz = rate_hz
        self._end = 0
        """Where the call's sound ends, written or not."""
        self._why = ""

    @property
    def written_samples(self) -> int:
        """How much of the call is on the disk, from its start."""
        return self._recorder.written_samples

    @property
    def failed(self) -> str:
        """Why the recording is not whole, and how much of it is lost; "" if it is whole."""
        if not self._why:
            return ""
        lost, whole = self._end - self._recorder.written_samples, self._end
        return f"{self._why}; {lost / self._rate_hz:.1f} of {whole / self._rate_hz:.1f} s are lost"

    def caller(self, at: int, samples: Samples) -> None:
        self._end = max(self._end, at + len(samples))
        self._try(lambda: self._recorder.caller(at, samples))

    def agent(self, at: int, samples: Samples) -> None:
        self._end = max(self._end, at + len(samples))
        self._try(lambda: self._recorder.agent(at, samples))

    def cut_agent(self, at: int) -> None:
        """Of the agent nothing was heard from here on, as far as it was told of."""
        self._recorder.cut_agent(at)

    def close(self) -> None:
        """Write the rest. Twice is fine."""
        try:
            self._recorder.close()
        except OSError as error:
            self._why = reason(error)

    def _try(self, write: Callable[[], None]) -> None:
        if not self._why:
            try:
                write()
            except OSError as error:
                self._why = reason(error)
