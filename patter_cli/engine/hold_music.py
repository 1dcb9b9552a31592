"""What a caller hears while somebody else is told about them: soft music of our own, until it is stopped."""

from __future__ import annotations

import asyncio
from typing import Final

from patter_cli.audio.tone import hold_music
from patter_cli.audio.wire import WireCodec
from patter_cli.engine.outbound import OutboundPath

LOOP_MS: Final = 8000
"""All four chords once."""
LEVEL_DB: Final = -30.0
"""Of its loudest, full scale 0: well below a voice."""
MUSIC: Final = 0
"""In place of a reply's number; those begin with 1."""


class HoldMusic:
    """One call's."""

    def __init__(self, wire: WireCodec, outbound: OutboundPath) -> None:
        self._wire = wire
        self._outbound = outbound
        self._timer: asyncio.TimerHandle | None = None
        self._sound = b""

    def start(self) -> None:
        """Begin, unless it plays."""
        if self._timer is None:
            self._sound = self._sound or self._wire.encode(hold_music(LOOP_MS, self._wire.rate_hz, level_db=LEVEL_DB))
            self._play()

    def stop(self) -> None:
        """The line is silent at once. Nothing happens where there is no music."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._outbound.clear()

    def _play(self) -> None:
        self._outbound.play(MUSIC, 0, self._sound)
        self._timer = asyncio.get_running_loop().call_later(LOOP_MS / 1000, self._play)
