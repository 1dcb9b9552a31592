"""A server of ours on one of the lab's carriers, whichever it is: one agent, and people with the same questions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from patter_cli import Telnyx, Twilio, wiring
from patter_cli.audio.frame import Samples
from patter_cli.call_result import CallResult
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.contracts.store import CallQuery, CallRecord, CallRow, CallStore
from patter_cli.destinations import DialRules
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.server.control_messages import PlaceCall
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.testing.lab.call import LabCall
from patter_cli.testing.lab.faults import Faults
from patter_cli.testing.lab.people import Person, Play
from patter_cli.testing.lab.server import CarrierLab
from patter_cli.testing.lab.telnyx.faults import TelnyxFaults
from patter_cli.testing.lab.telnyx.lab import TelnyxLab
from patter_cli.testing.lab.twilio.lab import TwilioLab
from tests.e2e.conftest import LOUDNESS, Log, agent, letters_in, spoken, tone

Company: TypeAlias = Literal["twilio", "telnyx"]
COMPANIES: tuple[Company, ...] = ("twilio", "telnyx")
HOST = "phone.example"
OURS = "+12025550100"
FRONT_DESK = "+12125550150"
"""Whom callers may be put through to."""
HOURS, GOODBYE, WANTS_DESK = "What are your opening hours?", "Goodbye.", "Can you put me through?"
ANSWERS = {HOURS: "From nine until six."}


def voice(sentence: str, ms: int = 500) -> Play:
    """A caller's sentence; beside its tone there is another one, or it would pass for a machine's beep."""
    return Play(spoken(sentence, ms) + tone(330, ms, 5000))


def talk(seconds: float) -> Play:
    """Speech without words that anybody here knows: syllables of 40 ms."""
    return Play(np.concatenate([tone(1500 + 130 * (place * 7 % 11), 40) for place in range(round(seconds * 25))]))


async def mute(text: str) -> Samples:
    """The lab's own announcements: nobody here listens to their words."""
    return tone(300, 10 * len(text))


def reply(event: Any) -> str:
    """What the agent says."""
    if event.text == GOODBYE:
        event.end_call()
        return "Bye bye caller."
    if event.text == WANTS_DESK:
        event.transfer_call(FRONT_DESK)
        return "One moment."
    return ANSWERS.get(event.text, "Hm.")


def heard(call: LabCall) -> str:
    """What the person was told, letter by letter."""
    return letters_in(call.line.heard_audio()) if call.line is not None else ""


@dataclass(frozen=True, slots=True)
class Shop:
    """Our side and theirs."""

    service: Service
    lab: CarrierLab
    store: CallStore
    log: Log

    async def calls(self, to: str, person: Person, within_s: float = 70.0, **more: Any) -> tuple[CallResult, LabCall]:
        """Ring somebody, to the end of the call."""
        self.lab.people[to] = person
        dialled = self.service.dial(PlaceCall(to=to, from_number=OURS, agent="shop", **more))
        result = await asyncio.wait_for(dialled.result(), within_s)
        call = self.lab.calls[result.carrier_call_id]
        await asyncio.wait_for(call.over.wait(), 5.0)
        return result, call

    async def is_rung(self, person: Person, caller: str, within_s: float = 40.0) -> LabCall:
        """Somebody rings us, to the end of the call."""
        call = self.lab.ring(OURS, person, caller=caller)
        await asyncio.wait_for(call.over.wait(), within_s)
        return call

    async def record(self, number: str) -> CallRecord:
        """The one call with a number, either way, once it is finished."""
        rows: list[CallRow] = []
        for _ in range(250):
            rows = [each for each in self.store.list(CallQuery(limit=None)) if number in (each.caller, each.callee)]
            if len(rows) == 1 and rows[0].outcome is not None:
                kept = self.store.get(rows[0].call_id)
                assert kept is not None
                return kept
            await asyncio.sleep(0.02)
        raise AssertionError(f"{number}: no record but {rows}")


def _opened(company: Company, faults: dict[str, Any]) -> tuple[CarrierLab, Callable[[], Carrier]]:
    """A lab, and what makes our end of it once it and our server are up."""
    if company == "twilio":
        twilio = TwilioLab(voice=mute, faults=Faults(**faults))

        def to_twilio() -> Carrier:
            (number,) = twilio.numbers.values()
            number["voice_url"] = f"https://{HOST}/webhooks/twilio/voice"
            return Twilio(twilio.account_sid, twilio.auth_token, base_url=twilio.base_url)

        return twilio, to_twilio
    telnyx = TelnyxLab(voice=mute, faults=TelnyxFaults(**faults))

    def to_telnyx() -> Carrier:
        application = telnyx.account.applications[telnyx.connection_id]
        application["webhook_event_url"] = f"https://{HOST}/webhooks/telnyx/voice"
        return Telnyx(telnyx.api_key, telnyx.connection_id, telnyx.public_key, base_url=telnyx.base_url)

    return telnyx, to_telnyx


@asynccontextmanager
async def shop(
    company: Company,
    store: CallStore,
    *,
    answer: Callable[[Any], str] = reply,
    faults: dict[str, Any] | None = None,
    transfers: Sequence[str] = (FRONT_DESK,),
    ready: ReadyAgent | None = None,
    **settings: Any,
) -> AsyncIterator[Shop]:
    """A server with one agent, whose number leads to it. ready: another agent than
    that. settings: of the server."""
    lab, carrier = _opened(company, faults or {})
    log = Log()
    ready = ready or wiring.ready_agent(
        "shop", agent("Hello caller.", transfer_numbers=list(transfers)), Hooks(on_message=answer)
    )
    given = {"public_host": HOST, "rules": DialRules(hours=None), "drain_timeout_s": 0.0, "max_calls": 100, **settings}
    async with lab:
        service = wiring.service(
            {"shop": ready},
            ServiceSettings(port=0, **given),
            store=store,
            observers=(log,),
            voice=LOUDNESS,
            carried_by={company: carrier()},
        )
        await service.start()
        lab.reach[HOST] = service.port
        try:
            yield Shop(service, lab, store, log)
        finally:
            await service.cut()
            service.close()
