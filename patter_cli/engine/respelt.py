"""A voice that is given some words as they sound: what an agent's `pronounce` says, for any vendor's voice alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from patter_cli.audio.frame import AudioFormat
from patter_cli.contracts.provider import ConnectsAhead, OutOfPackages, Provider, awaited_work_s, name_of
from patter_cli.contracts.tts import (
    ContinuedVoice,
    QueuedVoice,
    SpeaksWire,
    TextToSpeech,
    TtsSession,
    Voiced,
    WordTimes,
)
from patter_cli.text.respelling import Respelling


@dataclass(frozen=True, slots=True, kw_only=True)
class RespeltVoice:
    """Another voice with its words respelt. words: (written, spoken) pairs."""

    voice: TextToSpeech
    words: tuple[tuple[str, str], ...]

    @property
    def rate_hz(self) -> int:
        """The other voice's."""
        return self.voice.rate_hz

    @property
    def provider(self) -> str:
        """The other voice's."""
        return name_of(self.voice)

    @property
    def key_variable(self) -> str:
        """The other voice's."""
        return self.voice.key_variable if isinstance(self.voice, Provider) else ""

    def check(self) -> None:
        """Raises ConfigError: the other voice's."""
        if isinstance(self.voice, Provider):
            self.voice.check()

    def check_packages(self) -> None:
        """Raises MissingExtra: the other voice's."""
        if isinstance(self.voice, OutOfPackages):
            self.voice.check_packages()

    async def warm(self) -> None:
        """Load what the other voice loads."""
        await self.voice.warm()

    async def awaited_work_s(self) -> float:
        """The other voice's; 0 if that is a vendor's."""
        return await awaited_work_s(self.voice)

    async def open(self) -> RespeltSession:
        """Begin speaking for one call."""
        return RespeltSession(await self.voice.open(), Respelling(self.words))

    @property
    def model(self) -> str:
        """The other voice's; "" if it does not say."""
        model = getattr(self.voice, "model", "")
        return model if isinstance(model, str) else ""

    @property
    def wire_formats(self) -> frozenset[AudioFormat]:
        """The other voice's."""
        return self.voice.wire_formats if isinstance(self.voice, SpeaksWire) else frozenset()

    async def connect_ahead(self, format: AudioFormat) -> None:
        """As the other voice does."""
        if isinstance(self.voice, ConnectsAhead):
            await self.voice.connect_ahead(format)

    def leave_ahead(self, format: AudioFormat) -> None:
        """As the other voice does."""
        if isinstance(self.voice, ConnectsAhead):
            self.voice.leave_ahead(format)

    async def open_on(self, format: AudioFormat) -> RespeltSession:
        """Begin speaking for one call, on a line that speaks this."""
        assert isinstance(self.voice, SpeaksWire)
        return RespeltSession(await self.voice.open_on(format), Respelling(self.words))


class RespeltSession:
    """One call's voice."""

    def __init__(self, session: TtsSession, respelling: Respelling) -> None:
        self._session = session
        self._respelling = respelling

    async def synthesize(self, text: str) -> AsyncIterator[Voiced]:
        """Speak one clause; the times of its words are those of the written ones."""
        said, counts = self._respelling.respell(text)
        pieces = self._session.synthesize(said)
        try:
            async for piece in pieces:
                yield as_written(piece, counts) if isinstance(piece, WordTimes) else piece
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()

    @property
    def at_work(self) -> bool:
        """The other voice's; one that never waits for this machine is not."""
        return isinstance(self._session, QueuedVoice) and self._session.at_work

    def needed_in(self, ahead_ms: int) -> None:
        """Told to the other voice, if it wants to know."""
        if isinstance(self._session, QueuedVoice):
            self._session.needed_in(ahead_ms)

    def continues(self, reply: int) -> None:
        """Told to the other voice, if it wants to know."""
        if isinstance(self._session, ContinuedVoice):
            self._session.continues(reply)

    async def aclose(self) -> None:
        """Let go of the other voice's session."""
        await self._session.aclose()


def as_written(times: WordTimes, counts: Sequence[int]) -> WordTimes:
    """The times of the written words, of those whose spoken ones are all known. counts: see `Respelling.respell`."""
    starts, ends = [], []
    first = end = 0
    for count in counts:
        if first + count > len(times.ends_ms):
            break
        start, end = (times.starts_ms[first], times.ends_ms[first + count - 1]) if count else (end, end)
        first += count
        starts.append(start)
        ends.append(end)
    return WordTimes(tuple(starts), tuple(ends))
