"""What is kept of a call's sound, where somebody asked for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from patter_cli.audio.wav import mute, read_channel, write_wav
from patter_cli.core.journal import Entry
from patter_cli.observe.silenced import silenced
from patter_cli.text.redact import Redaction


@dataclass(slots=True, kw_only=True)
class Recordings:
    """out: what the agent was heard to say. stereo: the call, caller left, agent right. redaction: what is struck out
    of its words is silent."""

    out: Path | None = None
    stereo: Path | None = None
    redaction: Redaction = Redaction.OFF
    _entries: list[Entry] = field(default_factory=list)

    def feed(self, entry: Entry) -> None:
        """Take one journal entry: words that are struck out have their places there."""
        if self.redaction is not Redaction.OFF:
            self._entries.append(entry)

    def keep(self, recording: Path | None, tell: Callable[[str], None]) -> None:
        """Write what was asked for; a call that was never begun has nothing. recording: the stereo WAV of the call."""
        if recording is None or not recording.is_file():
            return
        if stretches := silenced(self._entries, self.redaction):
            mute(recording, [(each.side, each.begin_ms, each.end_ms) for each in stretches])
        if self.out is not None:
            samples, rate_hz = read_channel(recording, 1)
            voiced = np.flatnonzero(samples)
            write_wav(self.out, samples[voiced[0] : voiced[-1] + 1] if len(voiced) else samples, rate_hz)
            tell(f"wrote {self.out}")
        if self.stereo is not None:
            tell(f"wrote {self.stereo}: caller left, agent right")


def numbered(path: Path, number: int, of: int) -> Path:
    """Where one of several calls is recorded: call.wav -> call-3.wav."""
    return path if of == 1 else path.with_stem(f"{path.stem}-{number}")
