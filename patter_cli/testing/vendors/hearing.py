"""A scripted recogniser: what all of them do with sound, whatever their messages are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.audio.wire import WireCodec, wire_codec
from patter_cli.testing.vendors.speech import PeerSocket, SpeechVendor, Trouble
from patter_cli.testing.vendors.tones import PeerEars, SpokenWord, ToneEars

EVERY_S = 0.1
"""Of sound between two interim answers."""

Ears = Callable[[int], PeerEars]


class HearingVendor(SpeechVendor):
    """One vendor. ears: makes one session's, for a rate in Hz."""

    def __init__(self, *, key: str = "", trouble: Trouble = Trouble.NONE, ears: Ears = ToneEars) -> None:
        super().__init__(key=key, trouble=trouble)
        self.ears = ears
        self.said: list[Any] = []
        """What sessions were told beside sound, in order."""
        self.sound_bytes = 0
        self.thinks_s = 0.0
        """Before it says what it has heard."""
        self.mute = False
        """It hears, and never says anything."""

    def ears_for(self, format: AudioFormat) -> tuple[PeerEars, WireCodec]:
        """One session's."""
        return self.ears(format.rate_hz), wire_codec(format)


def format_named(name: str, rate: str, names: Mapping[str, Encoding]) -> AudioFormat | None:
    """A format as a vendor calls it; None for one that it does not know."""
    encoding = names.get(name)
    if encoding is None or not rate.isdigit():
        return None
    return AudioFormat(encoding=encoding, rate_hz=int(rate))


class Session:
    """One socket's hearing: feeds the ears, and says when there is something to tell."""

    def __init__(self, peer: HearingVendor, socket: PeerSocket, format: AudioFormat) -> None:
        self.peer = peer
        self.socket = socket
        self.ears, self._codec = peer.ears_for(format)
        self._told_s = 0.0

    def hear(self, payload: bytes) -> bool:
        """Take sound. Returns whether an interim answer is due."""
        self.peer.sound_bytes += len(payload)
        self.ears.push(self._codec.decode(self._codec.whole(payload)))
        if self.ears.seconds - self._told_s < EVERY_S:
            return False
        self._told_s = self.ears.seconds
        return True

    async def send(self, message: Any) -> None:
        """Say something, unless this vendor has lost its tongue."""
        if not self.peer.mute:
            await self.socket.send(message)


def text_of(words: list[SpokenWord]) -> str:
    """As they are written."""
    return " ".join(each.text for each in words)


async def beat() -> None:
    """A vendor needs a moment."""
    await asyncio.sleep(0.005)
