"""Announcement: something that is awaited before it is there, and that may fail instead."""

from __future__ import annotations

import asyncio


class Announcement:
    """A text that one part of a program waits for and another brings. For one event loop."""

    def __init__(self) -> None:
        self._future: asyncio.Future[str] | None = None

    @property
    def awaited(self) -> asyncio.Future[str]:
        """Await it for the text; it raises what kept it from coming. Needs a running loop."""
        if self._future is None:
            self._future = asyncio.get_running_loop().create_future()
        return self._future

    def renew(self) -> None:
        """What was told is over: whoever asks from now on waits for the next."""
        if self._future is not None and self._future.done():
            self._future = None

    def tell(self, text: str) -> None:
        """It is there. Once it was told, or has failed, this changes nothing."""
        if not self.awaited.done():  # or somebody has tired of waiting, which cancels it
            self.awaited.set_result(text)

    def fail(self, error: BaseException) -> None:
        """It will not come. Whoever does not wait for it is not warned about it: it is raised elsewhere too."""
        if not self.awaited.done():
            self.awaited.set_exception(error)
            self.awaited.exception()
