"""What signal processing computes in: doubles at the scale of int16, and their spectra."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from patter_cli.audio.frame import Samples

Signal: TypeAlias = npt.NDArray[np.float64]
"""Linear samples or powers, float64, in steps of an int16 sample."""

Spectrum: TypeAlias = npt.NDArray[np.complex128]
"""Bins 0..size/2 of a real signal."""


def to_samples(signal: Signal) -> Samples:
    """Round to int16, clipped at its ends."""
    return np.clip(np.rint(signal), -32768, 32767).astype(np.int16)


def power(spectrum: Spectrum) -> Signal:
    """Squared magnitudes."""
    squares: Signal = spectrum.real**2 + spectrum.imag**2
    return squares


def fast_size(least: int) -> int:
    """The next even transform size with no prime factor above 5."""
    size = least + least % 2
    while _has_large_factor(size):
        size += 2
    return size


def _has_large_factor(size: int) -> bool:
    for factor in (2, 3, 5):
        while size % factor == 0:
            size //= factor
    return size > 1
