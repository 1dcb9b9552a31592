"""What recipes of recognisers over sockets have in common: which lines they serve, and how a session is opened."""

from __future__ import annotations

from patter_cli.audio.frame import AudioFormat
from patter_cli.providers.live_hearing import LiveSession
from patter_cli.providers.parked import leave, park, taken
from patter_cli.providers.speech_formats import LINE_FORMATS, LINEAR_16K
from patter_cli.providers.vendor import VendorRecipe


class LiveEars(VendorRecipe):
    """A recogniser over a socket."""

    __slots__ = ()

    @property
    def rate_hz(self) -> int:
        """16000, for lines whose own format it does not take."""
        return LINEAR_16K.rate_hz

    @property
    def speech_only(self) -> bool:
        """It hears pauses by itself, so it gets everything."""
        return False

    @property
    def wire_formats(self) -> frozenset[AudioFormat]:
        return LINE_FORMATS

    async def warm(self) -> None:
        """Nothing to load: a session is a connection of its own."""

    async def open(self) -> LiveSession:
        """Begin recognition for one call, with linear samples. Raises ProviderError, ConfigError."""
        return await self._opened(LINEAR_16K)

    async def open_on(self, format: AudioFormat) -> LiveSession:
        """The same for a line of this format."""
        kept = taken((self, format))
        return kept if isinstance(kept, LiveSession) else await self._opened(format)

    async def connect_ahead(self, format: AudioFormat) -> None:
        """Open a session for a call that is about to begin. Nothing is raised."""
        if format in self.wire_formats:
            await park((self, format), self._opened(format))

    def leave_ahead(self, format: AudioFormat) -> None:
        """The call for which one was opened has begun with another recipe."""
        leave((self, format))

    async def _opened(self, format: AudioFormat) -> LiveSession:
        """A session that is sent this format. Raises ProviderError, ConfigError."""
        raise NotImplementedError
