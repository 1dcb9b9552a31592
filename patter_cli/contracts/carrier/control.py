"""What a carrier does with a live call when it is asked, beside the call's audio."""

from __future__ import annotations

from typing import Protocol


class CallControl(Protocol):
    """What we can ask the carrier to do with a live call, beside its audio."""

    async def hang_up(self) -> None:
        """End the call; a call that is over already is fine. Raises CarrierError."""

    async def transfer(self, number: str) -> None:
        """Connect the caller to an E.164 number; returns once the carrier has taken over. Raises CarrierError."""
