"""A public address that somebody else leads to our port: a proxy, a router, a tunnel that runs already."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from patter_cli.errors import BadSetting


@dataclass(frozen=True, slots=True)
class FixedAddress:
    """host: as the carriers know it, without scheme and path. Raises BadSetting where there is none."""

    host: str

    def __post_init__(self) -> None:
        if not self.host:
            raise BadSetting("nobody said which address it is", hint="--webhook-url HOST, or WEBHOOK_URL=HOST")

    @property
    def name(self) -> str:
        return "fixed"

    @property
    def renewable(self) -> bool:
        return False

    async def open(self, port: int) -> OpenFixedAddress:
        """Nothing is to be opened."""
        return OpenFixedAddress(self.host)


class OpenFixedAddress:
    """It is there until we no longer look."""

    def __init__(self, host: str) -> None:
        self._host = host

    @property
    def host(self) -> str:
        return self._host

    @property
    def about(self) -> str:
        return "an address that somebody else leads here"

    async def lost(self) -> str:
        await asyncio.Event().wait()
        return ""

    async def aclose(self) -> None:
        """It is not ours to close."""
