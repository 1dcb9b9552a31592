"""End of utterance: what the engine relies on from a model that hears whether somebody has finished."""

from __future__ import annotations

from typing import Protocol

from patter_cli.audio.frame import Samples
from patter_cli.contracts.provider import Provider


class EndOfTurnModel(Provider, Protocol):
    """A recipe: frozen, shared by all calls."""

    @property
    def rate_hz(self) -> int:
        """The rate of the samples it wants."""

    @property
    def window_ms(self) -> int:
        """How much of the turn's end it looks at; more is cut off, less is fine."""

    async def warm(self) -> None:
        """Load what loads once per process. Cheap the second time. Raises MissingExtra."""

    async def finished(self, samples: Samples) -> float:
        """How likely the speaker has finished, 0..1, asked in the pause after a voice.

        samples: int16, shape (n,), mono at `rate_hz`, the turn so far up to now. Raises ProviderError.
        """
