"""The built-in line: no carrier behind it, the socket is all there is."""

from __future__ import annotations

from patter_cli.errors import CallRejected


class LoopbackControl:
    """What can be asked of a line without a carrier. The socket closes when the call is over, and that hangs up."""

    async def hang_up(self) -> None:
        """Nothing to ask of anybody."""

    async def transfer(self, number: str) -> None:
        """Raises CallRejected: there is nobody on this line to connect to."""
        raise CallRejected(f"the loopback line cannot reach {number}")
