"""What can be asked of Asterisk about a live call: over AudioSocket, nothing but its end."""

from __future__ import annotations

from typing import NoReturn

from patter_cli.errors import CallRejected


class AsteriskControl:
    """One live call. The stream's last message hangs up, and it is sent when the call is over."""

    async def hang_up(self) -> None:
        """Nothing to ask of anybody."""

    async def transfer(self, number: str) -> None:
        """Raises CallRejected."""
        _refuse("connect a caller to somebody else", "do it in the dialplan, in the lines after AudioSocket()")

    async def send_digits(self, digits: str) -> None:
        """Raises CallRejected: Asterisk drops the call when it gets a key."""
        _refuse("press keys", "SendDTMF() in the dialplan can")

    async def start_recording(self) -> None:
        """Raises CallRejected."""
        _refuse("be told to record", "MixMonitor() in the dialplan can, before AudioSocket()")

    async def stop_recording(self) -> None:
        """Nothing is recorded for us."""


def _refuse(what: str, hint: str) -> NoReturn:
    raise CallRejected(f"Asterisk cannot {what} over AudioSocket", hint=hint)
