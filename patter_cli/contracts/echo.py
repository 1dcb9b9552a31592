"""What may stand between the line and our ear: a canceller of our own echo, and any other filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from patter_cli.audio.frame import Samples
from patter_cli.audio.wire import LineAudio


class EchoCanceller(Protocol):
    """One call's canceller; it has state."""

    @property
    def trusted(self) -> bool:
        """Whether a voice in what it gave last may be taken for the caller's. False while it still learns."""

    @property
    def heavy(self) -> bool:
        """Whether the next frame will cost much more than a look at its level."""

    def passes(self, near: LineAudio, sounds: bool, played: Callable[[int], Samples]) -> bool:
        """Whether the next frame may go past it as it is; if not, `process` wants it.

        sounds: whether we are heard in that time. played: gives what of us was heard in the last n samples of time, up
        to the frame's end: int16, shape (n,).
        """

    def process(self, near: Samples, far: Samples) -> Samples:
        """Take our echo out of what the line brings.

        near: int16, shape (n,). far: the same n samples of time as they were played to the caller by our clock,
        zeros where nothing was; the echo comes a bulk delay of 0..500 ms later, which the canceller finds.
        Returns int16, shape (n,), without added delay. Never raises.
        """


class AudioFilter(Protocol):
    """Somebody else's noise or echo processing, before the voice detector and recognition."""

    def process(self, samples: Samples, rate_hz: int) -> Samples:
        """int16, shape (n,), to int16 of the same shape."""
