"""PlacedCall: a call that a program has made, as the program holds it."""

from __future__ import annotations

from patter_cli.call_result import CallResult
from patter_cli.server.dialled import DialledCall


class PlacedCall:
    """A call that was made and goes on."""

    def __init__(self, call: DialledCall) -> None:
        self._call = call

    @property
    def call_id(self) -> str:
        return self._call.ticket.call_id

    async def result(self) -> CallResult:
        """Wait until it is over; always resolves."""
        return await self._call.result()

    def cancel(self) -> None:
        """It is no longer wanted: while it rings it is hung up, later it is said goodbye to."""
        self._call.cancel()
