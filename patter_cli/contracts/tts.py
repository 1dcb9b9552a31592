"""Text to speech: what the engine relies on from any voice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from patter_cli.audio.frame import AudioFormat, Samples
from patter_cli.contracts.provider import Provider


@dataclass(frozen=True, slots=True)
class WordTimes:
    """When the first words of a clause are spoken, as far as the voice knows: history is cut by it, to the word.

    starts_ms, ends_ms: from the clause's first sample, one each for every word of the text from its first on. Words are
    what blanks separate; one that is not spoken has its start for its end.
    """

    starts_ms: tuple[int, ...]
    ends_ms: tuple[int, ...]


Voiced: TypeAlias = Samples | bytes | WordTimes
"""What comes out of a voice; bytes are whole samples of the line's format, from sessions that were opened on it."""


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


@runtime_checkable
class ContinuedVoice(Protocol):
    """What a session has beside the above that speaks the clauses of a reply in one breath."""

    def continues(self, reply: int) -> None:
        """What is asked for next belongs to this reply."""


class TextToSpeech(Provider, Protocol):
    """A recipe: frozen, shared by all calls, holds no socket."""

    @property
    def rate_hz(self) -> int:
        """The rate of the samples it makes."""

    async def warm(self) -> None:
        """Load what loads once per process. Cheap the second time."""

    async def open(self) -> TtsSession:
        """Begin speaking for one call. Raises ProviderError, ConfigError."""


@runtime_checkable
class SpeaksWire(Protocol):
    """What a recipe has beside the above whose vendor makes what telephone lines speak: nothing is encoded after it."""

    @property
    def wire_formats(self) -> frozenset[AudioFormat]:
        """Those that it makes."""

    async def open_on(self, format: AudioFormat) -> TtsSession:
        """`open`, for a line of one of these formats; its sound comes as bytes."""


async def open_for(voice: TextToSpeech, format: AudioFormat) -> TtsSession:
    """A session for a line: in its own format where the vendor makes that. Raises ProviderError, ConfigError."""
    if isinstance(voice, SpeaksWire) and format in voice.wire_formats:
        return await voice.open_on(format)
    return await voice.open()


async def whole_clause(session: TtsSession, text: str) -> tuple[Samples, WordTimes]:
    """Speak a clause to its end: all samples, and the times of the words the voice knows. Of a session that was not
    opened on a line's format. Raises ProviderError."""
    pieces: list[Samples] = [np.zeros(0, np.int16)]
    times = WordTimes((), ())
    async for each in session.synthesize(text):
        if isinstance(each, WordTimes):
            times = each
        else:
            assert not isinstance(each, bytes)
            pieces.append(each)
    return np.concatenate(pieces), times
