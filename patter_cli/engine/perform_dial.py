"""A call that we make, up to its line: the carrier is asked to ring somebody, and to stop it again."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from patter_cli.contracts.carrier.carrier import CallHandle, Carrier, OutboundCall
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import CallPlaced, DialFailed, DialRequested
from patter_cli.core.commands import Command
from patter_cli.core.outcome import Outcome
from patter_cli.engine.context import CallContext
from patter_cli.engine.perform_carrier import HANG_UP_S
from patter_cli.errors import AnswerLost, CarrierError, ConfigError, NotReachable, PatterError

log = logging.getLogger(__name__)

PLACE_S = 18.0
"""For the carrier to take a call on; a little less than the machine waits."""


class DialPerformer:
    """One call's dial. It is asked for once: a request whose answer was lost may ring somebody all the same."""

    def __init__(self, call: CallContext, carrier: Carrier, request: OutboundCall) -> None:
        self._call = call
        self._carrier = carrier
        self._request = request
        self.placed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """The carrier's call id, or why there is none: whoever asked for the call waits for it."""
        self.placed.add_done_callback(_seen)

    def requested(self, wall_time: float) -> DialRequested:
        """The first fact of the call. wall_time: Unix time of its start."""
        info, ring_s = self._call.info, self._request.ring_timeout_s
        return DialRequested(
            call_id=info.call_id,
            caller=info.caller,
            callee=info.callee,
            carrier=info.carrier,
            parameters=dict(info.parameters),
            plan=self._call.agent.plan,
            ring_timeout_ms=None if ring_s is None else ring_s * 1000,
            wall_time=wall_time,
        )

    def named(self, carrier_call_id: str) -> None:
        """The carrier's name for the call is known: by its answer, or by a report that overtook it."""
        if not self._call.info.carrier_call_id:
            self._call.info = replace(self._call.info, carrier_call_id=carrier_call_id)
            self._call.post(CallPlaced(carrier_call_id=carrier_call_id))
            if not self.placed.done():
                self.placed.set_result(carrier_call_id)

    def perform(self, command: Command) -> bool:
        match command:
            case order.PlaceCall():
                self._call.spawn(self._place())
            case order.HangUp(reason=reason):
                # One that the carrier has not named yet is hung up once it has: the machine orders it again.
                if self._call.info.carrier_call_id:
                    self._call.spawn(self._hang_up(reason))
            case _:
                return False
        return True

    def close(self) -> None:
        """The call is over: whoever still waits for its name is told so."""
        if not self.placed.done():
            self.placed.set_exception(NotReachable("the carrier did not say whether it rings"))

    async def _place(self) -> None:
        try:
            async with asyncio.timeout(PLACE_S):
                carrier_call_id = await self._carrier.place(self._request)
        except (AnswerLost, TimeoutError, OSError) as error:
            self._nobody_knows(error)
        except (CarrierError, ConfigError) as error:  # the second before anything was sent
            log.warning("call %s was refused: %s", self._call.info.call_id, error)
            self._call.post(DialFailed(outcome=Outcome.FAILED, reason="rejected"))
            if not self.placed.done():
                self.placed.set_exception(error)
        except PatterError as error:
            self._nobody_knows(error)
        else:
            self.named(carrier_call_id)

    def _nobody_knows(self, error: Exception) -> None:
        """It may ring: the carrier's reports name it, or the machine's deadline says that nobody knows."""
        log.warning("call %s: nobody knows whether it rings: %s", self._call.info.call_id, error or "no answer")

    async def _hang_up(self, reason: str) -> None:
        handle = CallHandle(carrier_call_id=self._call.info.carrier_call_id)
        try:
            async with asyncio.timeout(HANG_UP_S):
                await self._carrier.control(handle).hang_up()
        except (CarrierError, TimeoutError, OSError) as error:
            log.warning("the carrier would not hang up: %s", error)
        self._call.post(fact.LineClosed(cause=reason))


def _seen(placed: asyncio.Future[str]) -> None:
    """Whoever asked may be gone; what went wrong is in the log and in the call's outcome."""
    if not placed.cancelled():
        placed.exception()
