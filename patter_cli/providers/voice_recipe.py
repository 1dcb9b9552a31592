"""What recipes of voices have in common: which lines they serve, and how a session is opened."""

from __future__ import annotations

from patter_cli.audio.frame import AudioFormat
from patter_cli.contracts.tts import TtsSession
from patter_cli.providers.live_voice import LiveVoice
from patter_cli.providers.parked import leave, park, taken
from patter_cli.providers.speech_formats import LINE_FORMATS, LINEAR_16K
from patter_cli.providers.spoken_http import HttpVoice
from patter_cli.providers.vendor import VendorRecipe


class LiveVoices(VendorRecipe):
    """A voice."""

    __slots__ = ()

    @property
    def rate_hz(self) -> int:
        """16000, for lines whose own format it does not make."""
        return LINEAR_16K.rate_hz

    @property
    def wire_formats(self) -> frozenset[AudioFormat]:
        return LINE_FORMATS

    async def warm(self) -> None:
        """Nothing to load: a session is a connection of its own."""

    async def open(self) -> TtsSession:
        """Begin speaking for one call. Raises ProviderError, ConfigError."""
        return await self._opened(LINEAR_16K, None)

    async def open_on(self, format: AudioFormat) -> TtsSession:
        """The same for a line of this format."""
        kept = taken((self, format))
        return kept if isinstance(kept, LiveVoice) else await self._opened(format, format)

    async def connect_ahead(self, format: AudioFormat) -> None:
        """Open a session for a call that is about to begin, where it has one. Nothing is raised."""
        if format in self.wire_formats:
            await park((self, format), self._opened(format, format))

    def leave_ahead(self, format: AudioFormat) -> None:
        """The call for which one was opened has begun with another recipe."""
        leave((self, format))

    async def _opened(self, asked: AudioFormat, out: AudioFormat | None) -> LiveVoice | HttpVoice:
        """asked: of the vendor; out: the line's, None for samples at rate_hz."""
        raise NotImplementedError
