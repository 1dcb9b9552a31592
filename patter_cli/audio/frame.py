"""What a stretch of audio is: its samples, its rate, its encoding on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.int16]
"""Linear samples, int16, shape (n,), one channel. The rate travels beside them."""

FloatSamples: TypeAlias = npt.NDArray[np.float32]
"""Linear samples, float32, shape (n,), full scale -1..1."""

FRAME_MS = 20
"""What carriers send in one message. Source: Twilio Media Streams, Telnyx media streaming."""


class Encoding(Enum):
    """How samples are written on a telephone wire."""

    ULAW = "ulaw"
    ALAW = "alaw"
    L16 = "l16"
    """Two bytes a sample, the high one first. Source: RFC 3551, 4.5.11."""
    L16_LE = "l16-le"
    """The same, the low byte first: what some carriers send under the other's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """An encoding at a rate, one channel."""

    encoding: Encoding
    rate_hz: int

    @property
    def bytes_per_ms(self) -> int:
        """8 for mu-law at 8 kHz, 32 for L16 at 16 kHz."""
        width = 2 if self.encoding in (Encoding.L16, Encoding.L16_LE) else 1
        return self.rate_hz * width // 1000


ULAW_8K = AudioFormat(encoding=Encoding.ULAW, rate_hz=8000)
"""Twilio's only format and Telnyx's default."""

L16_16K = AudioFormat(encoding=Encoding.L16, rate_hz=16000)
"""Telnyx's wideband option."""
