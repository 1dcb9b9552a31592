"""What Telnyx's API has done to calls, whoever does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from patter_cli.testing.lab.telnyx.leg import Leg, StreamWanted


class Exchange(Protocol):
    """What the API has done to calls. An order returns at once; a leg's state is the exchange's to change."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """The recordings' content, WAV, by recording id."""

    def dial(self, leg: Leg, stream: StreamWanted | None, record: Mapping[str, Any] | None) -> None:
        """Ring somebody."""

    def answer(self, leg: Leg, stream: StreamWanted | None, record: Mapping[str, Any] | None) -> None:
        """An inbound call is taken."""

    def reject(self, leg: Leg, cause: str) -> None:
        """An inbound call is not."""

    def hang_up(self, leg: Leg) -> None:
        """A call is ended by whoever uses the API."""

    def start_stream(self, leg: Leg, stream: StreamWanted) -> None:
        """Open a media socket."""

    def stop_stream(self, leg: Leg) -> None:
        """Close it; the call goes on."""

    def press(self, leg: Leg, digits: str) -> None:
        """Have keys heard at the leg's far end."""

    def start_recording(self, leg: Leg, how: Mapping[str, Any]) -> None:
        """leg.recording_id is the new recording's."""

    def stop_recording(self, leg: Leg) -> None:
        """And have it told when it can be fetched."""

    def hold_recording(self, leg: Leg, held: bool) -> None:
        """What is said while it is held is silence in it; nothing happens where there is none."""

    def speak(self, leg: Leg, text: str) -> None:
        """In Telnyx's own voice."""

    def play(self, leg: Leg, url: str) -> None:
        """A recording of somebody's."""

    def hush(self, leg: Leg) -> None:
        """End what speaks or plays."""

    def transfer(self, leg: Leg, target: Leg) -> None:
        """Ring the target, and connect both when it answers."""

    def bridge(self, leg: Leg, other: Leg) -> None:
        """Connect two legs that are answered."""
