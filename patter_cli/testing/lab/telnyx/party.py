"""A leg with its call, and how what happens to it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from patter_cli.testing.lab.call import By, Ending, LabCall
from patter_cli.testing.lab.server import CarrierLab
from patter_cli.testing.lab.telnyx.account import Account
from patter_cli.testing.lab.telnyx.bridge import Bridge
from patter_cli.testing.lab.telnyx.leg import HangUpCause, Leg
from patter_cli.testing.lab.telnyx.recordings import Recording
from patter_cli.testing.lab.telnyx.stream import MediaStream
from patter_cli.testing.lab.telnyx.webhooks import TIMEOUT_S, Address, Courier

_CAUSES: Final = {
    Ending.COMPLETED: HangUpCause.NORMAL,
    Ending.BUSY: HangUpCause.BUSY,
    Ending.DECLINED: HangUpCause.REJECTED,
    Ending.NO_ANSWER: HangUpCause.RING_TIMEOUT,
    Ending.CANCELED: HangUpCause.CANCELLED,
    Ending.FAILED: HangUpCause.UNSPECIFIED,
}


@dataclass(slots=True, kw_only=True, eq=False)
class Party:
    """A leg and all that goes on with it."""

    leg: Leg
    call: LabCall
    on_answer: list[Callable[[], None]] = field(default_factory=list)
    cause: HangUpCause | None = None
    """Where the ending alone does not say it."""
    taken: bool = False
    """Somebody has told the exchange to answer it."""
    sip_cause: str = ""
    """Where the cause alone does not say it."""
    stream: MediaStream | None = None
    streaming: asyncio.Task[None] | None = None
    """Opens, carries and ends the stream."""
    recording: Recording | None = None
    recording_format: str = "wav"
    speech: asyncio.Task[None] | None = None
    bridge: Bridge | None = None
    last: asyncio.Task[Any] | None = None
    """Delivers the last event."""

    def hung_up(self) -> dict[str, Any]:
        """The payload of its last event."""
        call = self.call
        assert call.ending is not None
        return self.leg.hung_up(self.cause or _CAUSES[call.ending], _source(call), self.sip_cause)


class Teller:
    """Tells a leg's webhook what happens to it."""

    def __init__(self, lab: CarrierLab, account: Account, courier: Courier) -> None:
        self._lab = lab
        self._account = account
        self._courier = courier

    def now_s(self) -> float:
        """Unix time."""
        return self._courier.now_s()

    def tell(self, party: Party, kind: str, payload: Mapping[str, Any] | None = None) -> None:
        """payload: all of it where it is another event's own; else what is added to that of the leg."""
        more = dict(payload or {})
        whole = more if "call_leg_id" in more else {**party.leg.about(), **more}
        event = self._courier.note(party.leg, kind, whole)
        application = self._account.applications.get(party.leg.connection_id, {})
        address = Address(
            url=party.leg.webhook_url,
            failover_url=application.get("webhook_event_failover_url") or "",
            timeout_s=application.get("webhook_timeout_secs") or TIMEOUT_S,
        )
        party.last = self._lab.report(lambda: self._courier.deliver(event, address), after=party.last)


def _source(call: LabCall) -> str:
    """Whose end of the call it was."""
    match call.ended_by:
        case By.PERSON:
            return "caller" if call.inbound else "callee"
        case By.AGENT:
            return "callee" if call.inbound else "caller"
    return "unknown"
