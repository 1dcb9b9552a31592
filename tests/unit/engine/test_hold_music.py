"""A caller who waits hears music, again and again, and silence at once when it is no longer wanted."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from patter_cli.audio.frame import ULAW_8K
from patter_cli.audio.pacer import Pacer
from patter_cli.audio.tone import hold_music
from patter_cli.audio.wire import wire_codec
from patter_cli.engine.clock import CallClock
from patter_cli.engine.hold_music import LEVEL_DB, LOOP_MS, HoldMusic
from patter_cli.engine.outbound import OutboundPath


class Wire:
    """The caller's end."""

    closed = False

    def __init__(self) -> None:
        self.events: list[str] = []

    def media(self, payload: bytes) -> None:
        self.events.append("media")

    def mark(self, name: str) -> None:
        self.events.append("mark")

    def clear(self) -> None:
        self.events.append("clear")


async def test_it_begins_once_and_ends_at_once() -> None:
    """Twice asked for it plays once; stopped, the carrier forgets what it has; where there is none nothing is sent."""
    wire, told = Wire(), list[Any]()
    codec = wire_codec(ULAW_8K)
    outbound = OutboundPath(
        clock=CallClock(asyncio.get_running_loop()),
        line=wire,
        post=told.append,
        pacer=Pacer(bytes_per_ms=codec.bytes_per_ms),
    )
    music = HoldMusic(codec, outbound)
    music.stop()
    assert wire.events == []
    music.start()
    music.start()
    assert outbound.queued_ms <= LOOP_MS
    await asyncio.sleep(0.1)
    assert set(wire.events) == {"media"}
    music.stop()
    assert wire.events[-1] == "clear"
    sent = len(wire.events)
    await asyncio.sleep(0.1)
    assert len(wire.events) == sent
    assert outbound.queued_ms == 0


def test_it_is_soft() -> None:
    """Well below a voice, and never clipped: somebody may speak over it."""
    sound = hold_music(LOOP_MS, 8000, level_db=LEVEL_DB).astype(np.float64) / 32768
    assert np.abs(sound).max() < 0.15
    assert -60 < 20 * np.log10(np.sqrt((sound**2).mean())) < -30
