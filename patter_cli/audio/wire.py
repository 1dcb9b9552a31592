"""How a stream's audio is written on its wire: one codec a format, made once a call from the stream's start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from patter_cli.audio.frame import ULAW_8K, AudioFormat, Encoding, Samples
from patter_cli.audio.g711 import (
    ALAW_SILENCE,
    ULAW_SILENCE,
    decode_alaw,
    decode_ulaw,
    encode_alaw,
    encode_ulaw,
)

Decode: TypeAlias = Callable[[bytes], Samples]


@dataclass(frozen=True, slots=True)
class WireCodec:
    """Samples to wire bytes and back, at the line's own rate."""

    format: AudioFormat
    decode: Decode
    """Whole samples as int16, shape (n,). Every byte is valid: never raises."""
    encode: Callable[[Samples], bytes]
    """int16, shape (n,), as wire bytes."""
    silence: bytes
    """The code of one silent sample; its length is a sample's."""

    @property
    def rate_hz(self) -> int:
        return self.format.rate_hz

    @property
    def bytes_per_ms(self) -> int:
        return self.format.bytes_per_ms

    def whole(self, payload: bytes) -> bytes:
        """Without the half sample that a careless sender may leave at the end: it would shift all that follows."""
        odd = len(payload) % len(self.silence)
        return payload[:-odd] if odd else payload


class LineAudio:
    """What a line brought: wire audio that becomes samples when somebody asks, or samples that something has changed.

    Most of a call nobody does: the caller is silent, and a window of that is judged together with those of other calls.
    """

    __slots__ = ("_samples", "coded", "count", "decode")

    def __init__(self, samples: Samples | None = None, *, coded: bytes = b"", wire: WireCodec | None = None) -> None:
        """samples: int16, shape (n,); or else coded, whole samples as they were on the wire."""
        self.coded = coded
        """Empty for samples that are not what was on the wire any more."""
        self._samples = samples
        self.decode = None if wire is None else wire.decode
        """Reads `coded`."""
        self.count = len(coded) // len(wire.silence) if wire is not None else len(self.samples)
        """Of samples."""

    @property
    def samples(self) -> Samples:
        """int16, shape (n,), at the line's rate; to be read only."""
        if self._samples is None:
            assert self.decode is not None
            self._samples = self.decode(self.coded)
        return self._samples


def joined(stretches: Sequence[LineAudio]) -> Samples:
    """The samples of stretches that follow each other, one at least; those that nobody has decoded stay so."""
    decode = stretches[-1].decode
    if decode is not None and all(each.coded for each in stretches):
        return decode(b"".join([each.coded for each in stretches]))
    return np.concatenate([each.samples for each in stretches])


def wire_codec(format: AudioFormat) -> WireCodec:
    """The codec of a format."""
    match format.encoding:
        case Encoding.ULAW:
            return WireCodec(format, decode_ulaw, encode_ulaw, ULAW_SILENCE)
        case Encoding.ALAW:
            return WireCodec(format, decode_alaw, encode_alaw, ALAW_SILENCE)
        case Encoding.L16:
            return WireCodec(format, _decode_big, _encode_big, b"\0\0")
        case Encoding.L16_LE:
            return WireCodec(format, _decode_little, _encode_little, b"\0\0")


def _decode_big(payload: bytes) -> Samples:
    return np.frombuffer(payload, ">i2").astype(np.int16)


def _encode_big(samples: Samples) -> bytes:
    return samples.astype(">i2").tobytes()


def _decode_little(payload: bytes) -> Samples:
    return np.frombuffer(payload, "<i2").astype(np.int16)


def _encode_little(samples: Samples) -> bytes:
    return samples.astype("<i2").tobytes()


ULAW_8K_WIRE = wire_codec(ULAW_8K)
"""What a telephone line speaks where nothing else is agreed."""
