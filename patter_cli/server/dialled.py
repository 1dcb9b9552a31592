"""A call that we make, as the server knows it: from the dial on, whether or not it ever gets a line."""

from __future__ import annotations

import asyncio
import logging

from patter_cli.call_result import CallResult
from patter_cli.contracts.carrier import carrier as told
from patter_cli.contracts.carrier.control import CallControl
from patter_cli.contracts.carrier.stream import StreamMessage
from patter_cli.core.carrier_events import Answered, CancelRequested, DialFailed
from patter_cli.core.events import Event
from patter_cli.core.outcome import Outcome
from patter_cli.engine.build import DialParts
from patter_cli.engine.line_parts import LineParts
from patter_cli.errors import CallRejected, PatterError
from patter_cli.server.carrier_facts import event_of
from patter_cli.server.tickets import CallTicket

log = logging.getLogger("patter.server")

_CUT_S = 0.3
_NOBODY = {
    told.CallEnd.BUSY: Outcome.BUSY,
    told.CallEnd.DECLINED: Outcome.BUSY,
    told.CallEnd.NO_ANSWER: Outcome.NO_ANSWER,
    told.CallEnd.CANCELED: Outcome.CANCELED,
    told.CallEnd.FAILED: Outcome.FAILED,
}


class DialledCall:
    """One call. Its session runs by itself; a media socket that brings its line joins it."""

    def __init__(self, ticket: CallTicket, parts: DialParts) -> None:
        self.ticket = ticket
        """As it was dialled with; the carrier's id is not in it."""
        self.began_s = asyncio.get_running_loop().time()
        """By the event loop's clock."""
        self.parts = parts
        self.line_up = asyncio.Event()
        """Somebody picked up and can be heard."""
        self.handed_over = asyncio.Event()
        """Whoever was told about a caller who waits has heard it all."""
        self.control: CallControl | None = None
        """What can be asked of the carrier, once there is a line."""
        self._hanging_up: asyncio.Task[None] | None = None
        self._session = parts.session
        self._dial = parts.dial
        self._task = asyncio.create_task(self._hold())

    @property
    def line(self) -> LineParts | None:
        return self._session.line

    @property
    def has_line(self) -> bool:
        return self.line is not None

    @property
    def over(self) -> bool:
        return self._task.done()

    async def named(self) -> str:
        """The carrier's id. Raises why there is none: CarrierError, or NotReachable where the carrier never said."""
        return await asyncio.shield(self._dial.placed)

    async def result(self) -> CallResult:
        """Wait for the end, and say what became of it. Never raises for what happened to the call."""
        await asyncio.wait({self._task})
        return self._session.result()

    def cancel(self) -> None:
        """Whoever asked for it no longer wants it."""
        self._session.on_fact(CancelRequested())

    def drop(self) -> None:
        """It is no longer wanted, and nothing more is to be said on it."""
        self.cancel()
        if self.control is not None:
            self._hanging_up = asyncio.create_task(self._hang_up(self.control))

    async def press(self, keys: str) -> None:
        """Press keys, once there is a line. Raises CarrierError."""
        assert self.control is not None
        await self.control.send_digits(keys)

    async def cut(self) -> None:
        """End it within a second: the carrier is told to stop ringing, and not waited for."""
        self.cancel()
        await asyncio.wait({self._task}, timeout=_CUT_S)
        self._session.on_closed("server_stopped")
        await asyncio.wait({self._task}, timeout=_CUT_S)
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=_CUT_S)

    # --- what the carrier tells ------------------------------------------------------------------------------------

    def report(self, fact: told.CarrierFact) -> bool:
        """The carrier reports something. False: that the line is over, which its socket has to be told of."""
        self._dial.named(fact.carrier_call_id)
        event = event_of(fact)
        if event is not None:
            self._session.on_fact(event)
        elif isinstance(fact, told.Completed) and not self.has_line:
            if fact.how in _NOBODY:
                self._session.on_fact(DialFailed(outcome=_NOBODY[fact.how], reason=fact.how.value))
            else:  # somebody picked up, and was gone before there was a line
                self._session.on_closed("carrier_stop")
        else:
            return False
        return True

    def picked_up(self, carrier_call_id: str) -> None:
        """The carrier asks what becomes of a call that was answered."""
        self._dial.named(carrier_call_id)
        self._session.on_fact(Answered())

    # --- the line, as a media socket's call --------------------------------------------------------------------------

    def take_line(self, line: LineParts, control: CallControl) -> None:
        """Raises CallRejected where the call is over, or has a line."""
        if self._session.over or self.has_line:
            raise CallRejected("the call is over")
        self._session.take_line(line)
        self.control = control
        self.line_up.set()

    def on_stream(self, message: StreamMessage) -> None:
        self._session.on_stream(message)

    def on_fact(self, event: Event) -> None:
        self._session.on_fact(event)

    def on_closed(self, cause: str) -> None:
        self._session.on_closed(cause)

    def begin_goodbye(self, reason: str) -> None:
        self._session.begin_goodbye(reason)

    async def run(self) -> None:
        """Wait for the end; cancelled, the call is cut off."""
        try:
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.wait({self._task})
            raise

    async def _hang_up(self, control: CallControl) -> None:
        try:
            await control.hang_up()
        except (PatterError, OSError) as error:
            log.warning("call %s was not hung up: %s", self.ticket.call_id, error)

    async def _hold(self) -> None:
        try:
            await self._session.run()
        except Exception:
            log.exception("call %s failed", self.ticket.call_id)
        finally:
            self._dial.close()
