"""Keys that are pressed as sound: which two tones of a telephone's keypad stand in 20 ms of audio."""

from __future__ import annotations

from typing import Final

import numpy as np

from patter_cli.audio.frame import FRAME_MS, Samples

RATE_HZ: Final = 8000
_ROWS: Final = (697.0, 770.0, 852.0, 941.0)
_COLUMNS: Final = (1209.0, 1336.0, 1477.0, 1633.0)
_KEYS: Final = ("123A", "456B", "789C", "*0#D")
"""Source: ITU-T Q.23."""

_FRAME: Final = FRAME_MS * RATE_HZ // 1000
_QUIET_PEAK: Final = 700
_SHARE: Final = 0.7
"""Of a frame's energy, in the two strongest of the eight tones: speech never has so much there."""
_FRAMES: Final = 2
"""So many in a row are a key. Source: ITU-T Q.24, a tone of 40 ms is one."""
_PROBES: Final = np.exp(-2j * np.pi * np.outer((*_ROWS, *_COLUMNS), np.arange(_FRAME)) / RATE_HZ)


class KeyEar:
    """Hears keys, frame by frame."""

    def __init__(self) -> None:
        self._key = ""
        self._frames = 0

    def hear(self, frame: Samples) -> str:
        """The key that has just been made out, or "". frame: int16, 20 ms at 8 kHz, or less."""
        key = _key_in(frame)
        self._frames = self._frames + 1 if key and key == self._key else 1
        self._key = key
        return key if self._frames == _FRAMES and key else ""


def _key_in(frame: Samples) -> str:
    if len(frame) < _FRAME or int(np.abs(frame.astype(np.int32)).max()) < _QUIET_PEAK:
        return ""
    signal = frame[:_FRAME].astype(np.float64)
    powers = np.abs(_PROBES @ signal) ** 2
    row, column = int(powers[:4].argmax()), int(powers[4:].argmax())
    # A sine of amplitude a has n a^2 / 2 energy, and its probe n^2 a^2 / 4.
    share = 2.0 * (powers[row] + powers[4 + column]) / (_FRAME * float(signal @ signal))
    return _KEYS[row][column] if share >= _SHARE and min(powers[row], powers[4 + column]) * 16 > powers.max() else ""
