"""Telnyx on this machine: its API, its webhooks, its streams, and people at the other end.

    async with TelnyxLab(reach={"voice.example.com": port}) as lab:
        carrier = Telnyx(lab.api_key, lab.connection_id, lab.public_key, base_url=lab.base_url)
        call = lab.ring(lab.number, CALLER)

Nothing in it is shared with the adapter: it is written from Telnyx's own documents, and judged by Telnyx's own client.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from patter_cli.testing.lab.call import By, Ending, LabCall, Voice
from patter_cli.testing.lab.http import LabReply, LabRequest
from patter_cli.testing.lab.people import Person
from patter_cli.testing.lab.server import CarrierLab
from patter_cli.testing.lab.telnyx.account import Account, SigningKey
from patter_cli.testing.lab.telnyx.exchange import LegExchange
from patter_cli.testing.lab.telnyx.faults import TelnyxFaults
from patter_cli.testing.lab.telnyx.leg import Leg, LegState
from patter_cli.testing.lab.telnyx.rest import TelnyxApi, Trouble
from patter_cli.testing.lab.telnyx.stream import MediaStream
from patter_cli.testing.lab.telnyx.webhooks import NO_REPLY, Courier, Event

APPLICATION: Final = "1494404757140276705"
NUMBER: Final = "+12025550100"
_GOOD_DAY: Final = TelnyxFaults()


class TelnyxLab(CarrierLab):
    """An account at Telnyx with one Call Control Application and one number."""

    def __init__(
        self,
        *,
        webhook_url: str = "",
        number: str = NUMBER,
        reach: Mapping[str, int] | None = None,
        people: Mapping[str, Person] | None = None,
        voice: Voice | None = None,
        faults: TelnyxFaults = _GOOD_DAY,
        account: Account | None = None,
    ) -> None:
        """webhook_url: the application's; "": none is set, so that a dial must bring its own. account: in place of the
        one with one application and one number. The rest is as for every lab."""
        super().__init__(reach=reach, people=people, voice=voice, faults=faults)
        self.account = account or Account()
        if account is None:
            self.account.add_application(APPLICATION, webhook_url or "https://nobody.example/")
            self.account.add_number(number, APPLICATION)
        self.number = number
        impostor = SigningKey(sha256(faults.signs_with.encode()).digest()) if faults.signs_with else None
        self.courier = Courier(self._send, lambda: impostor or self.account.signing_key, time.time)
        self.exchange = LegExchange(self, self.account, self.courier, faults)
        self.api = TelnyxApi(self.account, self.exchange, time.time)

    @property
    def base_url(self) -> str:
        return f"{super().base_url}/v2"

    @property
    def api_key(self) -> str:
        return self.account.api_key

    @property
    def connection_id(self) -> str:
        """The first application's."""
        return next(iter(self.account.applications))

    @property
    def public_key(self) -> str:
        """What verifies its webhooks, in base64."""
        return self.account.signing_key.public

    @property
    def files(self) -> Mapping[str, bytes]:
        """The recordings' content, WAV, by recording id."""
        return self.exchange.files

    def leg(self, call: LabCall) -> Leg:
        """What the API knows of a call."""
        return self.api.legs[call.call_id]

    def stream(self, call: LabCall) -> MediaStream | None:
        """The call's media stream, while it is open."""
        return self.exchange.parties[call.call_id].stream

    def events(self, call: LabCall) -> list[Event]:
        """All that happened to a call, in order, delivered or not."""
        return [event for control_id, event in self.courier.events if control_id == call.call_id]

    async def told(self) -> None:
        """Returns when everything that has happened by now was delivered, or given up."""
        parties = self.exchange.parties.values()
        closing = {each.streaming for each in parties if each.streaming is not None and not each.leg.alive}
        if closing:
            await asyncio.wait(closing)
        last = {each.last for each in parties if each.last is not None}
        if last:
            await asyncio.wait(last)

    def trouble(self, what: str, *troubles: Trouble) -> None:
        """Have the next requests for something go wrong, one after the other. what: a command's verb, or "/calls"."""
        self.api.trouble(what, *troubles)

    async def answer(self, request: LabRequest) -> LabReply:
        return self.api.handle(request, too_many=self.too_many)

    def ring(self, number: str, person: Person, *, caller: str = "+12025550199") -> LabCall:
        row = self.account.number(number)
        connection_id = row["connection_id"] if row is not None else ""
        application: dict[str, Any] = self.account.applications.get(connection_id, {})
        leg = Leg(
            caller=caller,
            callee=number,
            connection_id=connection_id,
            webhook_url=application.get("webhook_event_url", ""),
            started_s=time.time(),
            incoming=True,
            state=LegState.PARKED,
        )
        self.api.legs[leg.control_id] = leg
        call = self.exchange.arrive(leg, person)
        if not leg.webhook_url:
            self.warn(f"{number} is on no application with a webhook: nobody is told that it rings")
            call.end(Ending.FAILED, By.CARRIER)
        return call

    async def _send(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        posted = await self.post(url, headers, body)
        return posted.status or NO_REPLY
