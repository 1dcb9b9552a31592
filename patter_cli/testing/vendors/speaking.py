"""A scripted voice: what all of them do with text, whatever their messages are."""

from __future__ import annotations

from patter_cli.audio.frame import AudioFormat
from patter_cli.audio.wire import wire_codec
from patter_cli.testing.vendors.server import Pause, Step
from patter_cli.testing.vendors.speech import SpeechVendor, Trouble
from patter_cli.testing.vendors.tones import PeerVoice, SpokenWord, ToneVoice

PIECE_BYTES = 777
"""Of sound in a message: odd, so that samples are cut in half."""


class SpeakingVendor(SpeechVendor):
    """One vendor. texts: what it was asked to say, in order."""

    def __init__(self, *, key: str = "", trouble: Trouble = Trouble.NONE, voice: PeerVoice | None = None) -> None:
        super().__init__(key=key, trouble=trouble)
        self.voice = voice or ToneVoice()
        self.texts: list[str] = []
        self.heard: list[object] = []
        """Everything its sockets were told, parsed."""
        self.piece_bytes = PIECE_BYTES
        self.gap_s = 0.0
        """Between two pieces of sound."""

    def say(self, text: str, format: AudioFormat) -> tuple[bytes, list[SpokenWord]]:
        """A text as this vendor would send it."""
        self.texts.append(text)
        samples, words = self.voice.say(text, format.rate_hz)
        return wire_codec(format).encode(samples), words

    def breaths(self) -> list[list[str]]:
        """The texts of each context, in their order; of a vendor without them, each with what it was told before."""
        raise NotImplementedError

    def pieces(self, sound: bytes) -> list[bytes]:
        """Cut as the vendor cuts."""
        size = self.piece_bytes
        return [sound[at : at + size] for at in range(0, len(sound), size)]

    def steps(self, pieces: list[bytes]) -> tuple[Step, ...]:
        """A body in pieces."""
        if not self.gap_s:
            return tuple(pieces)
        return tuple(step for piece in pieces for step in (piece, Pause(self.gap_s)))


def grown(asked: list[tuple[str, str]]) -> list[list[str]]:
    """(what was said before, text), as breaths: one without anything before it begins another."""
    found: list[list[str]] = []
    for before, text in asked:
        if before and found and before == " ".join(found[-1]):
            found[-1].append(text)
        else:
            found.append([text])
    return found
