"""G.711 against the standard, code by code."""

from collections.abc import Callable

import numpy as np
import pytest

from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import (
    ALAW_SILENCE,
    ULAW_SILENCE,
    decode_alaw,
    decode_ulaw,
    encode_alaw,
    encode_ulaw,
)

Encode = Callable[[Samples], bytes]
Decode = Callable[[bytes], Samples]
EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)


@pytest.mark.parametrize(
    ("code", "sample"),
    [(0x00, -32124), (0x80, 32124), (0xFF, 0), (0x7F, 0), (0xFE, 8), (0x7E, -8), (0xF0, 120), (0xEF, 132)],
)
def test_ulaw_vectors(code: int, sample: int) -> None:
    """Known codes of mu-law decode to the values of the standard's table, in 16 bits."""
    assert decode_ulaw(bytes([code]))[0] == sample


@pytest.mark.parametrize(
    ("code", "sample"),
    [(0x55, -8), (0xD5, 8), (0xAA, 32256), (0x2A, -32256), (0xD4, 24), (0xC5, 264), (0x80, 5504)],
)
def test_alaw_vectors(code: int, sample: int) -> None:
    """Known codes of A-law decode to the values of the standard's table, in 16 bits."""
    assert decode_alaw(bytes([code]))[0] == sample


def test_every_ulaw_code_comes_back() -> None:
    """Decoding and encoding gives each code back, but for minus zero, which becomes zero."""
    expected = EVERY_CODE.replace(b"\x7f", b"\xff")
    assert encode_ulaw(decode_ulaw(EVERY_CODE)) == expected


def test_every_alaw_code_comes_back() -> None:
    """Decoding and encoding gives each A-law code back: it has no zero at all."""
    assert encode_alaw(decode_alaw(EVERY_CODE)) == EVERY_CODE


def test_ulaw_decides_as_the_standard_says() -> None:
    """Every sample there is gets the code between whose decision values its magnitude lies."""
    decisions = [4 * ((16 + step) * 2 ** (segment + 1) - 33) for segment in range(8) for step in range(16)]
    magnitude = np.abs(EVERY_SAMPLE.astype(np.int32))
    steps = np.searchsorted(decisions, magnitude, side="right") - 1
    expected = np.where(EVERY_SAMPLE < 0, 0x7F - steps, 0xFF - steps)
    assert encode_ulaw(EVERY_SAMPLE) == expected.astype(np.uint8).tobytes()


def test_alaw_decides_as_the_standard_says() -> None:
    """Every sample there is gets the code between whose decision values its magnitude lies."""
    decisions = [16 * step for step in range(16)]
    decisions += [16 * (16 + step) * 2 ** (segment - 1) for segment in range(1, 8) for step in range(16)]
    linear = EVERY_SAMPLE.astype(np.int32)
    steps = np.searchsorted(decisions, np.where(linear < 0, -linear - 1, linear), side="right") - 1
    expected = np.where(linear < 0, steps ^ 0x55, steps ^ 0xD5)
    assert encode_alaw(EVERY_SAMPLE) == expected.astype(np.uint8).tobytes()


@pytest.mark.parametrize(("encode", "decode"), [(encode_ulaw, decode_ulaw), (encode_alaw, decode_alaw)])
def test_the_error_stays_small(encode: Encode, decode: Decode) -> None:
    """A sample that fits comes back within a sixteenth of its size, or a few steps of the lowest segment."""
    samples = EVERY_SAMPLE[np.abs(EVERY_SAMPLE.astype(np.int32)) < 32000].astype(np.int32)
    error = np.abs(decode(encode(samples.astype(np.int16))).astype(np.int32) - samples)
    assert np.all(error <= np.maximum(np.abs(samples) / 16, 16))


def test_ulaw_is_odd() -> None:
    """A sample and its negative sound alike: the codes differ in the sign bit only."""
    positive = np.arange(4, 32768, dtype=np.int16)
    up, down = encode_ulaw(positive), encode_ulaw(-positive)
    assert all(a ^ b == 0x80 for a, b in zip(up, down, strict=True))


def test_silence() -> None:
    """The silent bytes are what a zero encodes to."""
    zero = np.zeros(1, np.int16)
    assert encode_ulaw(zero) == ULAW_SILENCE == b"\xff"
    assert encode_alaw(zero) == ALAW_SILENCE


def test_nothing_becomes_nothing() -> None:
    """An empty payload is fine in both directions."""
    assert len(decode_ulaw(b"")) == len(decode_alaw(b"")) == 0
    assert encode_ulaw(np.zeros(0, np.int16)) == encode_alaw(np.zeros(0, np.int16)) == b""


def test_every_second_sample() -> None:
    """A view that is not contiguous encodes like its copy."""
    view = EVERY_SAMPLE[::2]
    assert encode_ulaw(view) == encode_ulaw(view.copy())
