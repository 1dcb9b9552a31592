"""What a carrier does with a live call when it is asked, beside the call's audio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from patter_cli.contracts.carrier.stream import CarrierMessage


class CallControl(Protocol):
    """What we can ask the carrier to do with a live call. Everything raises CarrierError when it is refused."""

    async def hang_up(self) -> None:
        """End the call; a call that is over already is fine."""

    async def transfer(self, number: str) -> None:
        """Connect the caller to an E.164 number; returns once the carrier has taken over.

        A carrier that tells elsewhere who answered (TransferConnected, TransferEnded) waits for that, and is cancelled.
        """

    async def send_digits(self, digits: str) -> None:
        """Press keys: 0-9, *, #, and w for a pause of half a second."""

    async def start_recording(self) -> None:
        """Have the carrier record both sides from now on; a recording that runs already is fine."""

    async def stop_recording(self) -> None:
        """Record no more; a call that is not recorded is fine."""


class CallLine(Protocol):
    """The call's own stream, for a carrier that is asked over it."""

    def send(self, text: str) -> None:
        """Send one message of the wire. Never blocks and never raises."""

    def listen(self, hear: Callable[[CarrierMessage], bool]) -> None:
        """From now on `hear` gets what only this carrier's wire has; it returns whether that was waited for."""
