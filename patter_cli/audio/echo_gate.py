"""Whether a line may be bringing our own voice back: a first look, that costs a twentieth of a search.

Theory of operation. Every HOP_MS the newest hop of the line (near) is correlated with the three quarters of a second of
our voice (far) that lead up to it, all lags at once in the frequency domain. Only the phases count (the phase
transform): every frequency of the band has the same say, so a voice's pitch makes no ridge of its own, and what two
voices that have nothing to do with each other leave is noise, whose peaks are known. An echo stands at its lag, in
this hop and in the next:

    peak / rms of all lags:   4 two voices, 6.3 once in a hundred hops, 8 at most   15-30 an echo at -10..-34 dB

2 kHz of the band are enough. While the caller speaks over a weak echo it is not seen; it is as soon as they stop.
Source of the figures: tests/bench/echo_gate.py.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from patter_cli.audio.frame import FloatSamples, Samples
from patter_cli.audio.signal import fast_size

SEARCH_HZ = 4000
HOP_MS = 240
REACH_MS = 512
"""The longest delay seen."""
LOOK_MS = HOP_MS + REACH_MS
"""How much of far a look takes."""
EDGE_MS = 10
"""How softly the pieces begin and end: cut square, any two voices would be alike in their cuts."""
LOWEST_HZ = 250
"""A telephone brings nothing below it."""
MEMORY = 0.8
"""How much of the earlier hops is kept at each."""
SUSPICIOUS = 7.0
"""A peak this many times the rms is worth a search."""


class EchoGate:
    """One call's. 13 kB once it has looked."""

    def __init__(self, rate_hz: int) -> None:
        """rate_hz: 8000 or 16000."""
        self._every = rate_hz // SEARCH_HZ
        self._cross: npt.NDArray[np.complex64] | None = None

    def look(self, near: Samples, far: Samples) -> bool:
        """Whether there is reason to search.

        near: int16, the last HOP_MS of the line, which follow those of the last look. far: int16, the last LOOK_MS.
        """
        shape = _shape()
        line = _thinned(near, self._every)
        played = _thinned(far, self._every)
        cross = np.fft.rfft(line * shape.near_edges, shape.size)
        cross *= np.fft.rfft(played * shape.far_edges, shape.size).conj()
        cross *= shape.band / (np.abs(cross) + np.float32(1e-3))
        if self._cross is not None:
            self._cross *= np.float32(MEMORY)
            cross += self._cross
        self._cross = cross.astype(np.complex64, copy=False)
        # The hop lies at the end of far's time and at the transform's beginning, so lags count from -reach on.
        peaks = np.fft.irfft(cross, shape.size)[-shape.reach :]
        peaks *= peaks
        return float(peaks.max()) > SUSPICIOUS**2 * (float(peaks.mean()) + 1e-12)

    def forget(self) -> None:
        """What was seen so far does not count any more."""
        self._cross = None


def _thinned(samples: Samples, every: int) -> FloatSamples:
    """At SEARCH_HZ. What folds back into the band folds back of both alike."""
    out = samples[::every].astype(np.float32)
    for at in range(1, every):
        out += samples[at::every]
    return out


class _Shape:
    """What every look needs; shared, never written to."""

    def __init__(self) -> None:
        hop, reach = HOP_MS * SEARCH_HZ // 1000, REACH_MS * SEARCH_HZ // 1000
        self.reach = reach
        self.size = fast_size(hop + reach)
        self.near_edges = _soft_edges(hop)
        self.far_edges = _soft_edges(hop + reach)
        self.band = (np.fft.rfftfreq(self.size, 1 / SEARCH_HZ) > LOWEST_HZ).astype(np.float32)


@cache
def _shape() -> _Shape:
    return _Shape()


def _soft_edges(size: int) -> FloatSamples:
    """A window that is 1 but for its edges."""
    edge = EDGE_MS * SEARCH_HZ // 1000
    slope = np.sin(np.pi / 2 * (np.arange(edge) + 0.5) / edge) ** 2
    return np.concatenate((slope, np.ones(size - 2 * edge), slope[::-1])).astype(np.float32)
