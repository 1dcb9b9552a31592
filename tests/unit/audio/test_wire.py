"""One codec a format: what goes on a wire comes back, silence is silence, and half a sample harms nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.audio.frame import L16_16K, ULAW_8K, AudioFormat, Encoding
from patter_cli.audio.wire import wire_codec

ALAW_8K = AudioFormat(encoding=Encoding.ALAW, rate_hz=8000)
L16_LE_16K = AudioFormat(encoding=Encoding.L16_LE, rate_hz=16000)
FORMATS = (ULAW_8K, ALAW_8K, L16_16K, L16_LE_16K)


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_every_encoding_has_a_codec_that_gives_back_what_it_took(format: AudioFormat) -> None:
    """To the bit where nothing is compressed, within the law's step where something is."""
    wire = wire_codec(format)
    samples = np.array([0, 1, -1, 300, -300, 12_345, -12_345, 32_000, -32_000], np.int16)
    back = wire.decode(wire.encode(samples)).astype(int)
    assert back.dtype.kind == "i"
    error = np.abs(back - samples)
    assert np.all(error <= (0 if format.encoding in (Encoding.L16, Encoding.L16_LE) else np.abs(samples) // 16 + 8))
    assert len(wire.encode(samples)) == len(samples) * len(wire.silence)
    assert wire.bytes_per_ms * 1000 == wire.rate_hz * len(wire.silence)
    assert np.abs(wire.decode(wire.silence * 160)).max() <= 8


def test_the_byte_order_is_the_formats() -> None:
    """A sample of 1 is 00 01 on one wire and 01 00 on the other: read the wrong way, it is noise."""
    one = np.array([1], np.int16)
    assert wire_codec(L16_16K).encode(one) == b"\x00\x01"
    assert wire_codec(L16_LE_16K).encode(one) == b"\x01\x00"
    assert wire_codec(L16_LE_16K).decode(b"\x00\x01")[0] == 256


@given(st.binary(max_size=401))
def test_any_payload_can_be_read(payload: bytes) -> None:
    """Of an odd number of bytes the last is left out; nothing raises."""
    for format in FORMATS:
        wire = wire_codec(format)
        whole = wire.whole(payload)
        assert payload.startswith(whole)
        assert len(payload) - len(whole) < len(wire.silence)
        assert len(wire.decode(whole)) == len(whole) // len(wire.silence)
