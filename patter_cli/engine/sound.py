"""What takes a call's sound as it goes by, to be kept."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from patter_cli.audio.peaks import WavePeaks
from patter_cli.audio.wire import WireCodec
from patter_cli.core.events import Ms
from patter_cli.core.journal import Entry


class CallSound(Protocol):
    """One call's recording, for the call: nothing here blocks or raises. Places are samples of call time."""

    @property
    def path(self) -> Path | None:
        """Where it is, once something of it is written; None: there is none, or it could not be begun."""

    @property
    def peaks(self) -> WavePeaks | None:
        """Its shape, once it is whole; None before, and where it could not be had."""

    def begin(self, wire: WireCodec, now: Ms) -> None:
        """There is a line, which speaks this: the recording begins now."""

    def told(self) -> None:
        """Whoever is on the line has heard that it is recorded: the caller's side is kept from now on."""

    def caller(self, start: int, payload: bytes) -> None:
        """Wire audio of the caller's, and where it belongs."""

    def sent(self, payload: bytes, start_ms: float) -> float:
        """Wire audio of ours that plays from start_ms of call time on. Returns when it ends."""

    def silence(self, from_ms: float) -> None:
        """Nothing of ours is played from here on."""

    def feed(self, entry: Entry) -> None:
        """What happens on the call: what must not be kept of its words is known from that."""

    async def finish(self, within_s: float) -> None:
        """The line is gone: wait until all is written, for so long at most. Twice is fine."""

    def close(self) -> None:
        """The same for one who cannot wait."""
