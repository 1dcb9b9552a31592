"""What a carrier does with a live call when it is asked, beside the call's audio."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from patter_cli.contracts.carrier.stream import CarrierMessage
from patter_cli.errors import CallRejected

_TARGET: Final = re.compile(r"(\+[1-9][0-9]{6,14})(?:;ext=([0-9*#w]{1,32}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferTarget:
    """Whom a caller is put through to. number: E.164. extension: keys that are pressed once somebody has answered."""

    number: str
    extension: str = ""


def transfer_target(text: str) -> TransferTarget:
    """Read "+12025550142" or "+12025550142;ext=12" (RFC 3966). Raises CallRejected."""
    read = _TARGET.fullmatch(text)
    if read is None:
        raise CallRejected(f"{text[:64]!a} is no number that can be dialled", hint="write it as +15550100002")
    return TransferTarget(number=read[1], extension=read[2] or "")


class CallControl(Protocol):
    """What we can ask the carrier to do with a live call. Everything raises CarrierError when it is refused."""

    async def hang_up(self) -> None:
        """End the call; a call that is over already is fine."""

    async def transfer(self, number: str) -> None:
        """Connect the caller to what `transfer_target` reads; returns once the carrier has taken over.

        A carrier that tells elsewhere who answered (TransferConnected, TransferEnded) waits for that, and is cancelled.
        """

    async def send_digits(self, digits: str) -> None:
        """Press keys: 0-9, *, #, and w for a pause of half a second."""

    async def start_recording(self) -> None:
        """Have the carrier record both sides from now on; a recording that runs already is fine."""

    async def stop_recording(self) -> None:
        """Record no more; a call that is not recorded is fine."""


@runtime_checkable
class PausesRecording(Protocol):
    """For a control whose recordings can hold and go on; any other's is stopped, and another one begun."""

    async def pause_recording(self) -> None:
        """Nothing is recorded from its return on; the recording's time goes on. Raises CarrierError."""

    async def resume_recording(self) -> None:
        """It goes on. Raises CarrierError."""


@runtime_checkable
class ConnectsCalls(Protocol):
    """For a control that can connect its caller with another call of ours, which is up."""

    async def connect(self, carrier_call_id: str) -> None:
        """Let the two talk; both leave their streams. carrier_call_id: the other's. Raises CarrierError."""


@runtime_checkable
class LeavesLine(Protocol):
    """For a control whose transfers take the caller off our stream; who was not put through comes back on another."""

    @property
    def leaves_line(self) -> bool:
        """Whether they do."""


class CallLine(Protocol):
    """The call's own stream, for a carrier that is asked over it."""

    def send(self, text: str) -> None:
        """Send one message of the wire. Never blocks and never raises."""

    def listen(self, hear: Callable[[CarrierMessage], bool]) -> None:
        """From now on `hear` gets what only this carrier's wire has; it returns whether that was waited for."""
