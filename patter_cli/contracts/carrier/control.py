"""What a carrier does with a live call when it is asked, beside the call's audio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from patter_cli.contracts.carrier.stream import CarrierMessage


class CallControl(Protocol):
    """What we can ask the carrier to do with a live call, beside its audio."""

    async def hang_up(self) -> None:
        """End the call; a call that is over already is fine. Raises CarrierError."""

    async def transfer(self, number: str) -> None:
        """Connect the caller to an E.164 number; returns once the carrier has taken over. Raises CarrierError."""


class CallLine(Protocol):
    """The call's own stream, for a carrier that is asked over it."""

    def send(self, text: str) -> None:
        """Send one message of the wire. Never blocks and never raises."""

    def listen(self, hear: Callable[[CarrierMessage], bool]) -> None:
        """From now on `hear` gets what only this carrier's wire has; it returns whether that was waited for."""
