"""Calls that were answered with a stream which has not come: nobody hears anything on them, so they are hung up.

Whether it came is asked of the ticket: it can be used once, so whoever gets to use it now knows that nobody has, in
this process or another, and that nobody will.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Final

from patter_cli.contracts.carrier.carrier import CallHandle, Carrier
from patter_cli.errors import PatterError
from patter_cli.server.tickets import LIFE_S, CallTicket, UsedTickets

log = logging.getLogger("patter.server")

STREAM_S: Final = 20.0
"""A carrier opens the stream within two seconds. Well under LIFE_S, after which a used ticket may be forgotten."""
assert STREAM_S < LIFE_S / 2


class AwaitedStreams:
    """What one server waits for."""

    def __init__(self, carriers: Mapping[str, Carrier], used: UsedTickets, *, wait_s: float = STREAM_S) -> None:
        self._carriers = carriers
        self._used = used
        self._wait_s = wait_s
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        """By carrier and the carrier's call id."""

    def expect(self, ticket: CallTicket) -> None:
        """The carrier has been given the address of this ticket's stream, in place of any earlier one of the call."""
        call = ticket.carrier, ticket.carrier_call_id
        if (earlier := self._tasks.get(call)) is not None:
            earlier.cancel()
        task = self._tasks[call] = asyncio.create_task(self._watch(ticket))

        def over(task: asyncio.Task[None]) -> None:
            if self._tasks.get(call) is task:
                del self._tasks[call]

        task.add_done_callback(over)

    def over(self, carrier: str, carrier_call_id: str) -> None:
        """The call has ended: its stream will not come, and nobody is left on it. One that is not awaited is fine."""
        if (task := self._tasks.get((carrier, carrier_call_id))) is not None:
            task.cancel()

    def close(self) -> None:
        """Wait for nothing any more. Twice is fine."""
        for task in list(self._tasks.values()):
            task.cancel()

    async def _watch(self, ticket: CallTicket) -> None:
        await asyncio.sleep(self._wait_s)
        try:
            now_s = time.time()
            if ticket.expires_at_s <= now_s:
                return  # this process stood still for a while: that its stream came may be forgotten by now
            if not await asyncio.to_thread(self._used.use, ticket, now_s):
                return
            log.error("call %s: %s opened no stream, so it is hung up", ticket.call_id, ticket.carrier)
            handle = CallHandle(carrier_call_id=ticket.carrier_call_id)
            await self._carriers[ticket.carrier].control(handle).hang_up()
        except (PatterError, OSError) as error:
            log.warning("call %s, which has no stream, was not hung up: %s", ticket.call_id, error)
        except Exception:
            log.exception("call %s, which has no stream, was not hung up", ticket.call_id)
