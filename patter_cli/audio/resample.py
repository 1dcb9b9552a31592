"""Change of sample rate: streaming, exact in length, the same to the bit however the input is cut.

Theory of operation. Output sample j sits at input time j * from / to; its value is a windowed sinc laid over
the input there. The phases of that sinc repeat after a whole number of samples on both sides, so a frame of
about 20 ms has one fixed matrix. Nearly all of that matrix is zero, so it is kept as a band: the outputs are cut
into groups, each with a small dense matrix over the stretch of input it touches.

The first output is aligned with the first input, and an output is given out as soon as all the input under its
sinc is there. So the stream runs `HALF_WIDTH` samples of the slower rate behind (2.5 ms at 8 kHz) and `flush`
brings the rest. A frame that is only partly there is computed with the very same matrices, and only the rows that
are ready are used: that is what makes every cutting of the input give the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np
import numpy.typing as npt

from patter_cli.audio.frame import FRAME_MS, FloatSamples, Samples
from patter_cli.errors import AudioFormatError

HALF_WIDTH = 20
"""Half the sinc's length in samples of the slower rate: 2.5 ms at 8 kHz, 1.25 ms at 16 kHz."""

STOPBAND_DB = 93.0
"""What the Kaiser window is made for. With HALF_WIDTH it passes 0..0.85 and stops 1.15.. of the slower Nyquist
frequency: the telephone band (to 3400 Hz) stays whole, and nothing comes back into it louder than -90 dB.
Source: tests/unit/audio/test_resample.py measures it."""

DESIGNS = 32
"""Pairs of rates whose matrix is kept. A line and its vendors have a few; a vendor's headers could name thousands."""
_LONGEST_PERIOD_MS = 100
"""Rates with less in common than this would need a matrix of many megabytes, and no telephone has them."""

_ONE_THREAD_CELLS = 9000
"""OpenBLAS wakes its threads for a matrix times a vector from 9216 cells on; waking them costs more than the
product. Source: OpenBLAS interface/gemv.c."""


class Resampler:
    """One stream's change of rate."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """Raises AudioFormatError for rates that are not positive or have no common period within 100 ms."""
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._band = _design(from_hz, to_hz) if from_hz != to_hz else None
        self._input: FloatSamples = np.zeros(0, np.float32)
        """History, then the frame that is being filled."""
        self._fill = 0
        """Inputs of this frame that are there."""
        self._done = 0
        """Outputs of this frame that were given out."""
        self._taken = 0
        self._given = 0
        self._begin()

    def process(self, samples: Samples) -> Samples:
        """Take the next input, of any length, and return the output that is ready.

        samples: int16, shape (n,), at from_hz. Returns int16, shape (m,), at to_hz; when the rates are equal,
        the very array that came in.
        """
        band = self._band
        if band is None:
            return samples
        self._taken += len(samples)
        pieces = []
        at = 0
        while at < len(samples):
            count = min(band.frame_in - self._fill, len(samples) - at)
            start = band.history + self._fill
            self._input[start : start + count] = samples[at : at + count]
            at += count
            self._fill += count
            pieces.append(self._ready(band))
            if self._fill == band.frame_in:
                self._input[: band.history] = self._input[band.frame_in :]
                self._fill = 0
                self._done = 0
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)

    def flush(self) -> Samples:
        """End the stream: what is still owed, so that n inputs have made round(n * to / from) outputs in all.

        The next `process` begins a new stream.
        """
        band = self._band
        if band is None:
            return np.zeros(0, np.int16)
        owed = (2 * self._taken * self.to_hz + self.from_hz) // (2 * self.from_hz) - self._given
        rest = self.process(np.zeros(band.lookahead + 1, np.int16))[:owed]
        self._begin()
        return rest

    def _begin(self) -> None:
        band = self._band
        if band is not None:
            self._input = np.zeros(band.history + band.frame_in, np.float32)
            self._done = band.lag_out
        self._fill = self._taken = self._given = 0

    def _ready(self, band: _Band) -> Samples:
        """The outputs of this frame that the input now covers and that have not been given out."""
        ready = int(np.searchsorted(band.needs, self._fill, side="right"))
        if ready <= self._done:
            return np.zeros(0, np.int16)
        windows = self._input.take(band.columns)
        frame: FloatSamples = np.matmul(band.weights, windows[:, :, np.newaxis]).reshape(-1)
        out = frame[self._done : ready]
        self._done = ready
        self._given += len(out)
        np.rint(out, out=out)
        np.clip(out, -32768.0, 32767.0, out=out)
        return out.astype(np.int16)


def resample_all(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """Resample a whole clip: start aligned, no delay, round(n * to / from) samples."""
    resampler = Resampler(from_hz, to_hz)
    return np.concatenate((resampler.process(samples), resampler.flush()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Band:
    """The matrix of one frame for a pair of rates; shared by all its streams, never written to."""

    frame_in: int
    """Input samples of a frame."""
    history: int
    """Input samples kept from before the frame."""
    lookahead: int
    """Input samples an output needs after its own place."""
    lag_out: int
    """How many outputs a frame gives that belong before its first input; the stream's first frame skips them."""
    needs: npt.NDArray[np.int64]
    """For each output of a frame, how many of the frame's inputs must be there. Rising."""
    columns: npt.NDArray[np.int64]
    """Shape (groups, width): where in history and frame each group's input lies."""
    weights: npt.NDArray[np.float32]
    """Shape (groups, outputs of a group, width)."""


@lru_cache(maxsize=DESIGNS)
def _design(from_hz: int, to_hz: int) -> _Band:
    common = gcd(from_hz, to_hz)
    if from_hz <= 0 or to_hz <= 0 or common * _LONGEST_PERIOD_MS < 1000:
        raise AudioFormatError(f"cannot resample {from_hz} Hz to {to_hz} Hz")
    periods = max(1, round(common * FRAME_MS / 1000))
    frame_in = from_hz // common * periods
    frame_out = to_hz // common * periods

    # The sinc in input samples: as it is when going up, stretched by the ratio when going down.
    stretch = max(1.0, from_hz / to_hz)
    lookahead = round(HALF_WIDTH * stretch)
    lag_out = -(-lookahead * frame_out // frame_in)
    places = (np.arange(frame_out) - lag_out) * frame_in  # in units of 1 / frame_out input samples
    first = places // frame_out - lookahead + 1  # first input under each output's sinc
    history = int(-first[0])
    taps = 2 * lookahead

    def width(size: int) -> int:
        starts = first[::size]
        ends = first[size - 1 :: size] + taps
        return int(np.max(ends - starts))

    sizes = [n for n in range(1, frame_out + 1) if frame_out % n == 0 and n * width(n) <= _ONE_THREAD_CELLS]
    # Large groups multiply many zeros, small ones call BLAS often; a call costs about 1500 multiplications.
    size = min(sizes, key=lambda n: frame_out // n * (n * width(n) + 1500))

    columns = history + np.minimum(first[::size], frame_in - width(size))[:, np.newaxis] + np.arange(width(size))
    inputs = (columns - history).reshape(frame_out // size, 1, width(size))
    distance = inputs - places.reshape(-1, size, 1) / frame_out
    inside = np.maximum(0.0, 1.0 - (distance / lookahead) ** 2)
    window = np.i0(0.1102 * (STOPBAND_DB - 8.7) * np.sqrt(inside)) * (inside > 0.0)
    weights = np.sinc(distance / stretch) * window
    weights /= weights.sum(axis=2, keepdims=True)  # every phase passes a constant as it is
    return _Band(
        frame_in=frame_in,
        history=history,
        lookahead=lookahead,
        lag_out=lag_out,
        needs=places // frame_out + lookahead + 1,
        columns=columns,
        weights=weights.astype(np.float32),
    )
