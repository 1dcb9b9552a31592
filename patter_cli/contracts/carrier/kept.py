"""Recordings that a carrier keeps, fetched and deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from patter_cli.contracts.carrier.carrier import CarrierRecording


@runtime_checkable
class KeepsRecordings(Protocol):
    """A carrier whose recordings can be fetched, and deleted at the carrier."""

    async def fetch_recording(self, recording: CarrierRecording, write: Callable[[bytes], object]) -> None:
        """Hand its WAV over, piece by piece, both sides in it where the carrier has them. Raises CarrierError for one
        that cannot be fetched, or not whole; what `write` raises."""

    async def delete_recording(self, recording_id: str) -> None:
        """It is gone at the carrier then; one that was gone before is fine. Raises CarrierError."""
