"""Text to speech: what the engine relies on from any voice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from patter_cli.audio.frame import Samples


class TtsSession(Protocol):
    """One call's voice."""

    def synthesize(self, text: str) -> AsyncIterator[Samples]:
        """Speak one clause: int16 samples at the recipe's `rate_hz`, in pieces, the first as early as possible.

        Closing the iterator (`aclose`) or cancelling its consumer stops the work promptly. Failures are raised
        as ProviderError. Text without anything to pronounce yields nothing.
        """

    async def aclose(self) -> None:
        """Let go of everything, at once; twice is fine."""


class TextToSpeech(Protocol):
    """A recipe: frozen, shared by all calls, holds no socket."""

    @property
    def rate_hz(self) -> int:
        """The rate of the samples it makes."""

    async def warm(self) -> None:
        """Load what loads once per process. Cheap the second time."""

    async def open(self) -> TtsSession:
        """Begin speaking for one call."""
