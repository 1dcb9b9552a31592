"""Text to speech: what the engine relies on from any voice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.contracts.provider import Provider


@dataclass(frozen=True, slots=True)
class WordTimes:
    """When the first words of a clause are spoken, as far as the voice knows: history is cut by it, to the word.

    starts_ms, ends_ms: from the clause's first sample, one each for every word of the text from its first on. Words are
    what blanks separate; one that is not spoken has its start for its end.
    """

    starts_ms: tuple[int, ...]
    ends_ms: tuple[int, ...]


Voiced: TypeAlias = Samples | WordTimes
"""What comes out of a voice."""


class TtsSession(Protocol):
    """One call's voice."""

    def synthesize(self, text: str) -> AsyncIterator[Voiced]:
        """Speak one clause: int16 samples at the recipe's `rate_hz`, in pieces, the first as early as possible.

        A voice that knows them yields WordTimes too, beside the samples and each time with all it knows by then.
        Closing the iterator (`aclose`) or cancelling its consumer stops the work promptly. Failures are raised
        as ProviderError. Text without anything to pronounce yields nothing.
        """

    async def aclose(self) -> None:
        """Let go of everything, at once; twice is fine."""


@runtime_checkable
class QueuedVoice(Protocol):
    """What a session has beside the above whose work waits for this machine's processors, behind other calls' work."""

    @property
    def at_work(self) -> bool:
        """Whether what was asked for waits or is being made: that is slow, and not dead."""

    def needed_in(self, ahead_ms: int) -> None:
        """What is asked for next follows so much sound that is still to be played."""


class TextToSpeech(Provider, Protocol):
    """A recipe: frozen, shared by all calls, holds no socket."""

    @property
    def rate_hz(self) -> int:
        """The rate of the samples it makes."""

    async def warm(self) -> None:
        """Load what loads once per process. Cheap the second time."""

    async def open(self) -> TtsSession:
        """Begin speaking for one call. Raises ProviderError, ConfigError."""


async def whole_clause(session: TtsSession, text: str) -> tuple[Samples, WordTimes]:
    """Speak a clause to its end: all samples, and the times of the words the voice knows. Raises ProviderError."""
    pieces: list[Samples] = [np.zeros(0, np.int16)]
    times = WordTimes((), ())
    async for each in session.synthesize(text):
        if isinstance(each, WordTimes):
            times = each
        else:
            pieces.append(each)
    return np.concatenate(pieces), times
