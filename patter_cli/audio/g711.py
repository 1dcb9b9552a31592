"""G.711, the telephone's eight bits a sample: mu-law and A-law by table, whole payloads at once.

The two tables for the way out have an entry for every sample there is, so each is made when it is first asked for: most
of what loads this encodes nothing, or one of the two.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from patter_cli.audio.frame import Samples

ULAW_SILENCE = b"\xff"
"""The mu-law code of zero."""

ALAW_SILENCE = b"\xd5"
"""The A-law code nearest to zero: A-law has no zero, this is +8."""

_ULAW_BIAS = 0x84
"""Added before the segment is found, in 16-bit units: 33 of the standard's 14-bit ones."""

_ULAW_CLIP = 32635
"""The largest magnitude that still fits with the bias added."""


def decode_ulaw(payload: bytes) -> Samples:
    """Expand mu-law bytes to linear samples.

    payload: n bytes, one sample each.
    Returns int16, shape (n,), peak 32124. Every byte is valid: never raises.
    Source: ITU-T G.711, mu-law.
    """
    # Not `take`: it lets the interpreter go to another thread each time, however short the payload.
    return _ULAW_DECODE[np.frombuffer(payload, np.uint8)]


def encode_ulaw(samples: Samples) -> bytes:
    """Compress linear samples to mu-law, one byte each, by the standard's decision values.

    samples: int16, shape (n,). Magnitudes above 32635 are clipped.
    Source: ITU-T G.711, mu-law.
    """
    return _ulaw_encode_table()[samples.view(np.uint16)].tobytes()


def decode_alaw(payload: bytes) -> Samples:
    """Expand A-law bytes to linear samples.

    payload: n bytes, one sample each.
    Returns int16, shape (n,), peak 32256. Every byte is valid: never raises.
    Source: ITU-T G.711, A-law.
    """
    return _ALAW_DECODE[np.frombuffer(payload, np.uint8)]


def encode_alaw(samples: Samples) -> bytes:
    """Compress linear samples to A-law, one byte each, by the standard's decision values.

    samples: int16, shape (n,).
    Source: ITU-T G.711, A-law.
    """
    return _alaw_encode_table()[samples.view(np.uint16)].tobytes()


def _ulaw_decode_table() -> Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + _ULAW_BIAS) << ((code & 0x70) >> 4)) - _ULAW_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


@cache
def _ulaw_encode_table() -> npt.NDArray[np.uint8]:
    linear = _every_sample()
    biased = np.minimum(np.abs(linear), _ULAW_CLIP) + _ULAW_BIAS
    segment = _floor_log2(biased) - 7
    step = (biased >> (segment + 3)) & 0x0F
    sign = np.where(linear < 0, 0x80, 0)
    code: npt.NDArray[np.int32] = ~(sign | segment << 4 | step) & 0xFF
    return code.astype(np.uint8)


def _alaw_decode_table() -> Samples:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment = (code & 0x70) >> 4
    step = (code & 0x0F) << 4
    magnitude = np.where(segment == 0, step + 8, (step + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


@cache
def _alaw_encode_table() -> npt.NDArray[np.uint8]:
    linear = _every_sample()
    # The lowest step is 0..15 above zero and -1..-16 below it: one's complement makes them alike.
    magnitude = np.where(linear < 0, ~linear, linear)
    segment = np.maximum(_floor_log2(np.maximum(magnitude, 1)) - 7, 0)
    step = (magnitude >> np.maximum(segment + 3, 4)) & 0x0F
    sign = np.where(linear < 0, 0, 0x80)
    code: npt.NDArray[np.int32] = (sign | segment << 4 | step) ^ 0x55
    return code.astype(np.uint8)


def _every_sample() -> npt.NDArray[np.int32]:
    """Every int16 as int32, in the order of its bits read as an unsigned number: the index of the tables."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _floor_log2(positive: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The place of the highest bit set. Exact: frexp splits a float64 without rounding."""
    return np.frexp(positive.astype(np.float64))[1].astype(np.int32) - 1


_ULAW_DECODE = _ulaw_decode_table()
_ALAW_DECODE = _alaw_decode_table()
