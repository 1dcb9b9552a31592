"""How a scripted engine tells that somebody speaks: by how loud it is, which is enough for the voices of tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from patter_cli.audio.frame import Samples

FRAME: Final = 160
"""20 ms at 8 kHz."""
QUIET_FRAMES: Final = 25
"""Of silence end a turn."""
LOUD: Final = 500
KEPT_FRAMES: Final = 10
"""Of silence before a voice that belong to it."""


class VoiceGate:
    """One caller's. Samples: int16 at 8 kHz, in pieces of any length."""

    def __init__(self) -> None:
        self._odd: Samples = np.zeros(0, np.int16)
        self._heard: list[Samples] = []
        self._voice = False
        self._quiet = 0

    def hear(self, samples: Samples) -> Iterator[Samples | None]:
        """None as soon as a voice begins, and all of it once it is over."""
        whole = np.concatenate([self._odd, samples])
        frames = len(whole) // FRAME
        self._odd = whole[frames * FRAME :]
        for frame in whole[: frames * FRAME].reshape(frames, FRAME):
            self._heard.append(frame)
            if int(np.abs(frame.astype(int)).max()) > LOUD:
                self._quiet = 0
                if not self._voice:
                    self._voice = True
                    yield None
            elif self._voice:
                self._quiet += 1
                if self._quiet >= QUIET_FRAMES:
                    self._voice, self._quiet = False, 0
                    said = np.concatenate(self._heard)
                    self._heard.clear()
                    yield said
            else:
                del self._heard[:-KEPT_FRAMES]
