"""The shape of a recording: how loud each of its sides was, in a few hundred steps, for a page to draw."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike, fstat
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.wav import RATES_HZ, read_channels
from patter_cli.errors import InputError, reason

STEPS: Final = 500
"""About as many as a page has points for them."""
_LOUDEST: Final = 255
_PIECE: Final = 1 << 18
"""Samples of each side that are in memory at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WavePeaks:
    """tracks: of each side, of two at most, the loudest sample of each step, 0 to 255, as a root: what is quiet can be
    seen."""

    seconds: float
    tracks: tuple[tuple[int, ...], ...]


def peaks_of(path: str | PathLike[str], steps: int = STEPS) -> WavePeaks:
    """Of a WAV file, however long: what we write is read a piece at a time, an hour of it in 0.2 s.

    Raises InputError as `wav.read_wav`. Blocks.
    """
    try:
        with Path(path).open("rb") as file:
            if (found := _plain(file)) is not None:
                count, channels, rate_hz = found
                return _peaks(_pieces(file, count, channels), count, channels, rate_hz, steps)
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}", hint="name a WAV file that you can read") from error
    sides, rate_hz = read_channels(path)
    return _peaks(iter((sides,)), len(sides), sides.shape[1], rate_hz, steps)


def _plain(file: BinaryIO) -> tuple[int, int, int] | None:
    """(samples of each side, sides, rate) of 16-bit PCM, at whose first sample the file is then; None for another."""
    try:
        head = wave.open(file, "rb")  # noqa: SIM115 (closing it is not closing the file)
        channels, rate_hz = head.getnchannels(), head.getframerate()
        count = min(head.getnframes(), (fstat(file.fileno()).st_size - file.tell()) // (2 * channels))
        plain = head.getsampwidth() == 2 and count > 0 and rate_hz in RATES_HZ
    except (wave.Error, EOFError, ZeroDivisionError):
        return None
    return (count, channels, rate_hz) if plain else None


def _pieces(file: BinaryIO, count: int, channels: int) -> Iterator[Samples]:
    """int16, shape (n, channels)."""
    while count > 0:
        data = file.read(min(count, _PIECE) * 2 * channels)
        piece = np.frombuffer(data[: len(data) // (2 * channels) * 2 * channels], "<i2").reshape(-1, channels)
        if not len(piece):
            return
        count -= len(piece)
        yield piece


def _peaks(pieces: Iterator[Samples], count: int, channels: int, rate_hz: int, steps: int) -> WavePeaks:
    edges = np.linspace(0, count, min(steps, max(1, count)) + 1).astype(int)
    loudest = np.zeros((len(edges) - 1, min(2, channels)), np.int32)
    at = 0
    for piece in pieces:
        if not len(piece):
            continue
        first = int(np.searchsorted(edges, at, side="right")) - 1
        last = int(np.searchsorted(edges[:-1], at + len(piece), side="left"))
        cuts = np.maximum(edges[first:last] - at, 0)
        for side in range(loudest.shape[1]):
            high = np.maximum.reduceat(piece[:, side], cuts).astype(np.int32)
            low = np.minimum.reduceat(piece[:, side], cuts).astype(np.int32)
            there = loudest[first:last, side]
            np.maximum(there, np.maximum(high, -low), out=there)
        at += len(piece)
    scaled = np.round(np.sqrt(np.minimum(loudest / 32768, 1.0)) * _LOUDEST).astype(int)
    return WavePeaks(seconds=round(count / rate_hz, 3), tracks=tuple(tuple(each) for each in scaled.T.tolist()))
