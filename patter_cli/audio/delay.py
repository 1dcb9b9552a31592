"""How late our own voice comes back: the bulk delay between what we played and what the line brings.

Theory of operation. Every HOP_MS the newest hop of the line (near) is correlated with the last half second of what was
played (far), all lags at once in the frequency domain. The cross-spectrum and both power spectra are averaged over
some ten hops, and their ratio, which is whitened so that a voice's pitch makes no ridge of its own, is turned back
into time. An echo stands there as a peak many times the rest:

    peak / rms of all lags:   5 two voices that have nothing to do with each other,   16-38 an echo at -6..-20 dB

What the caller says does not correlate with what we play and only raises the rest. A lag is believed when hops in
a row agree on it, few if the peak is strong, more if it is weak; one that is already believed is only left for a
peak that clearly beats it. Lags are exact to a sample at 8 kHz, so a filter that fits is moved along unchanged.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from patter_cli.audio.frame import FloatSamples
from patter_cli.audio.signal import Signal, fast_size

SEARCH_HZ = 8000
"""The rate we search at: a telephone's band."""
HOP_MS = 60
EDGE_MS = 10
"""How softly the pieces begin and end: cut square, any two voices would be alike in their cuts."""
REACH_MS = 512
"""The longest delay found."""
MEMORY = 0.86
"""How much of the average is kept at each hop: 0.4 s. Source: tests/bench/echo.py."""
DOUBT = 0.05
"""How much is kept at a doubt."""
AUDIBLE = 30.0
"""Below this rms, in steps of a sample, what we play is silence: -61 dB."""
CERTAIN = 22.0
"""A peak this many times the rms is believed at once."""
STRONG, STRONG_HOPS = 12.0, 2
WEAK, WEAK_HOPS = 10.0, 5
"""Others, and how many hops in a row must agree. Unrelated voices reach 19 in a single hop, 11 in two that agree and 9
in five, in 750 s of 30 pairs."""
FEW_HOPS = 4
"""So much of our voice must have been played: in less of it anything looks alike. Source: a line of babble, whose first
100 ms were "certainly" an echo of 10 ms."""
SAME_SAMPLES = 8
"""Hops agree when their peaks are this close: 1 ms, as far as the strongest reflections of a room lie apart."""
MOVED_SAMPLES = 2
BETTER = 1.4
"""A peak further away than MOVED_SAMPLES and BETTER times the height of the one believed moves the delay."""


class DelayFinder:
    """One call's search. 8 or 16 kHz; a search takes some 0.2 ms at 2.5 GHz, and is done every third frame."""

    def __init__(self, rate_hz: int) -> None:
        self._every = rate_hz // SEARCH_HZ
        self._hop = HOP_MS * SEARCH_HZ // 1000
        self._reach = REACH_MS * SEARCH_HZ // 1000
        self._size = fast_size(self._hop + self._reach)
        self._near = np.zeros(self._hop, np.float32)
        """The newest hop."""
        self._far = np.zeros(self._hop + self._reach, np.float32)
        self._near_edges = _soft_edges(len(self._near))
        self._far_edges = _soft_edges(len(self._far))
        self._fresh = 0
        bins = self._size // 2 + 1
        self._cross = np.zeros(bins, np.complex64)
        self._near_power = np.zeros(bins, np.float32)
        self._far_power = np.zeros(bins, np.float32)
        self._audible = 0
        """Hops searched, of our voice so far."""
        self._candidate = 0
        self._agreed = 0
        self._lag: int | None = None

    @property
    def samples(self) -> int | None:
        """The delay at the line's rate; None until an echo was found."""
        return None if self._lag is None else self._lag * self._every

    def push(self, near: Signal, far: Signal) -> bool:
        """Take the next samples of both, of the same length, at most a hop. Returns whether the delay changed."""
        if self._every > 1:
            even = len(near) // self._every * self._every
            near = near[:even].reshape(-1, self._every).mean(axis=1)
            far = far[:even].reshape(-1, self._every).mean(axis=1)
        count = len(near)
        if not count:
            return False
        self._near[:-count] = self._near[count:]
        self._near[-count:] = near
        self._far[:-count] = self._far[count:]
        self._far[-count:] = far
        self._fresh += count
        if self._fresh < self._hop:
            return False
        self._fresh = 0
        return self._search()

    def doubt(self) -> None:
        """The delay does not seem to be right any more: forget most of what it was found in."""
        for average in (self._cross, self._near_power, self._far_power):
            average *= DOUBT

    def _search(self) -> bool:
        if float(self._far @ self._far) < len(self._far) * AUDIBLE**2:
            return False
        near = np.fft.rfft(self._near * self._near_edges, self._size)
        far = np.fft.rfft(self._far * self._far_edges, self._size)
        for average in (self._cross, self._near_power, self._far_power):
            average *= MEMORY
        self._cross += far.conj() * near
        self._near_power += near.real**2 + near.imag**2
        self._far_power += far.real**2 + far.imag**2
        weight = np.sqrt(self._near_power * self._far_power)
        weight += 1e-3 * weight.mean() + 1e-9
        self._audible += 1
        if self._audible < FEW_HOPS:
            return False
        # The hop lies at the end of far's time and at the transform's beginning, so lags count from -reach on.
        peaks = np.abs(np.fft.irfft(self._cross / weight, self._size)[-self._reach :])
        return self._judge(peaks)

    def _judge(self, peaks: FloatSamples) -> bool:
        """Whether the highest peak is an echo, and in another place than before."""
        lag = int(peaks.argmax())
        strength = float(peaks[lag]) / (float(np.sqrt(peaks @ peaks / self._reach)) + 1e-12)
        if strength < WEAK:
            self._agreed = 0
            return False
        self._agreed = self._agreed + 1 if abs(lag - self._candidate) <= SAME_SAMPLES else 1
        self._candidate = lag
        if strength < CERTAIN and self._agreed < (STRONG_HOPS if strength >= STRONG else WEAK_HOPS):
            return False
        if self._lag is not None:
            believed = peaks[max(0, self._lag - MOVED_SAMPLES) : self._lag + MOVED_SAMPLES + 1].max()
            if peaks[lag] < BETTER * believed:
                return False
        moved = lag != self._lag
        self._lag = lag
        return moved


def best_match(line: Signal, estimate: Signal) -> tuple[int, float]:
    """Where in a longer estimate the line lies.

    line: shape (n,). estimate: shape (m,), m > n. Returns (its first sample there, their correlation -1..1).
    """
    total = np.concatenate(([0.0], np.cumsum(estimate * estimate)))
    powers = total[len(line) :] - total[: -len(line)]
    likeness = np.correlate(estimate, line, "valid") / np.sqrt(powers * float(line @ line) + 1.0)
    at = int(likeness.argmax())
    return at, float(likeness[at])


@cache
def _soft_edges(size: int) -> FloatSamples:
    """A window that is 1 but for its edges. Shared: do not write to it."""
    edge = EDGE_MS * SEARCH_HZ // 1000
    slope = np.sin(np.pi / 2 * (np.arange(edge) + 0.5) / edge) ** 2
    return np.concatenate((slope, np.ones(size - 2 * edge), slope[::-1])).astype(np.float32)
