"""What becomes of Telnyx's calls: rung, answered, connected, over; and the events that tell of it.

dial      initiated - ring - answered - [stream] [detection] [recording] - hangup
arrive    initiated (parked) ......... answer -> answered - ... - hangup
                                       reject, no command, caller gone -> hangup
transfer  a second leg is dialled - answered - bridged, both - hangup of one is hangup of the other
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from patter_cli.testing.lab.call import By, Ending, LabCall, Stage
from patter_cli.testing.lab.people import UNREACHABLE, Person
from patter_cli.testing.lab.server import CarrierLab
from patter_cli.testing.lab.telnyx.account import Account
from patter_cli.testing.lab.telnyx.bridge import Bridge
from patter_cli.testing.lab.telnyx.detection import detect
from patter_cli.testing.lab.telnyx.faults import TelnyxFaults
from patter_cli.testing.lab.telnyx.leg import HangUpCause, Leg, LegState, StreamWanted
from patter_cli.testing.lab.telnyx.party import Party, Teller
from patter_cli.testing.lab.telnyx.sound import LegSound
from patter_cli.testing.lab.telnyx.webhooks import Courier

PATIENCE_S: Final = 60.0
"""How long somebody who rings waits for an answer."""
PAUSES_S: Final = {"w": 0.5, "W": 1.0}
"""Between keys."""
CHANNEL_LIMIT: Final = "403"
"""Source: Telnyx docs, concurrent call limits: 403, user channel limit exceeded, D1."""

_REJECTIONS: Final = {"USER_BUSY": HangUpCause.BUSY, "NOT_FOUND": HangUpCause.NOT_FOUND}


class LegExchange:
    """The legs of one lab. Does what the API orders."""

    def __init__(self, lab: CarrierLab, account: Account, courier: Courier, faults: TelnyxFaults) -> None:
        self._lab = lab
        self._account = account
        self._faults = faults
        self._teller = Teller(lab, account, courier)
        self._sound = LegSound(lab, account, self._teller, faults)
        self.parties: dict[str, Party] = {}
        """By call_control_id."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """The recordings' content, WAV, by recording id."""
        return self._sound.files

    # --- orders ------------------------------------------------------------------------------------------------------

    def dial(self, leg: Leg, stream: StreamWanted | None, record: Mapping[str, Any] | None) -> None:
        self._lab.spawn(self._ring(self._wanting(self._join(leg), stream, record)))

    def arrive(self, leg: Leg, person: Person) -> LabCall:
        """Somebody rings."""
        party = self._join(leg, person)
        self._lab.spawn(self._wait(party))
        return party.call

    def answer(self, leg: Leg, stream: StreamWanted | None, record: Mapping[str, Any] | None) -> None:
        party = self._of(leg)
        if not party.taken:
            party.taken = True
            self._lab.spawn(self._take(self._wanting(party, stream, record)))

    def reject(self, leg: Leg, cause: str) -> None:
        party = self._of(leg)
        party.cause = _REJECTIONS.get(cause, HangUpCause.REJECTED)
        party.call.end(Ending.BUSY, By.AGENT)

    def hang_up(self, leg: Leg) -> None:
        rung = leg.answered or leg.incoming
        party = self._of(leg)
        party.cause = None
        party.call.end(Ending.COMPLETED if rung else Ending.CANCELED, By.AGENT)

    def start_stream(self, leg: Leg, stream: StreamWanted) -> None:
        self._sound.start_stream(self._of(leg), stream)

    def stop_stream(self, leg: Leg) -> None:
        stream = self._of(leg).stream
        if stream is not None:
            stream.stop()

    def press(self, leg: Leg, digits: str) -> None:
        self._lab.spawn(self._press(self._of(leg), digits))

    def start_recording(self, leg: Leg, how: Mapping[str, Any]) -> None:
        self._sound.start_recording(self._of(leg), how)

    def stop_recording(self, leg: Leg) -> None:
        self._sound.finish_recording(self._of(leg))

    def hold_recording(self, leg: Leg, held: bool) -> None:
        self._sound.hold_recording(self._of(leg), held)

    def speak(self, leg: Leg, text: str) -> None:
        self._sound.speak(self._of(leg), text)

    def play(self, leg: Leg, url: str) -> None:
        self._sound.play(self._of(leg), url)

    def hush(self, leg: Leg) -> None:
        self._sound.hush(self._of(leg))

    def transfer(self, leg: Leg, target: Leg) -> None:
        party = self._join(target)
        party.on_answer.append(lambda: self.bridge(leg, target))
        self._lab.spawn(self._ring(party))

    def bridge(self, leg: Leg, other: Leg) -> None:
        one, two = self._of(leg), self._of(other)
        if not (one.call.live and one.call.line is not None and two.call.line is not None):
            two.call.end(Ending.COMPLETED, By.CARRIER)
            return
        for each in (one, two):
            if each.stream is not None:
                each.stream.detach()
        one.bridge = two.bridge = Bridge(one.call.line, two.call.line)
        leg.bridged_with, other.bridged_with = other.control_id, leg.control_id
        self._teller.tell(one, "call.bridged")
        self._teller.tell(two, "call.bridged")

    # --- a leg's life ------------------------------------------------------------------------------------------------

    def _of(self, leg: Leg) -> Party:
        return self.parties[leg.control_id]

    def _join(self, leg: Leg, person: Person | None = None) -> Party:
        there = person or self._lab.person_at(leg.callee) or UNREACHABLE
        ours, theirs = (leg.callee, leg.caller) if leg.incoming else (leg.caller, leg.callee)
        call = LabCall(
            call_id=leg.control_id,
            ours=ours,
            theirs=theirs,
            inbound=leg.incoming,
            person=there,
            voice=self._lab.voice,
            on_stage=self._on_stage,
        )
        self._lab.calls[leg.control_id] = call
        party = self.parties[leg.control_id] = Party(leg=leg, call=call)
        return party

    def _wanting(self, party: Party, stream: StreamWanted | None, record: Mapping[str, Any] | None) -> Party:
        """What is to begin with the answer."""
        if stream is not None:
            party.on_answer.append(lambda: self._sound.start_stream(party, stream))
        if record is not None:
            party.on_answer.append(lambda: self._sound.start_recording(party, record))
        return party

    async def _ring(self, party: Party) -> None:
        """Of a leg that we dial."""
        leg, call = party.leg, party.call
        if self._faults.queue_s:
            await asyncio.sleep(self._faults.queue_s)
        if call.live:
            self._teller.tell(party, "call.initiated", leg.initiated())
        others = sum(each.leg.alive and not each.leg.incoming for each in self.parties.values()) - 1
        if self._account.max_calls is not None and others >= self._account.max_calls:
            party.cause, party.sip_cause = HangUpCause.REJECTED, CHANNEL_LIMIT
            call.end(Ending.FAILED, By.CARRIER)
        if call.person is UNREACHABLE:
            party.cause = HangUpCause.NOT_FOUND
        if await call.ring(leg.ring_s) and call.line is not None and self._faults.detects_machines:
            taken_for = call.person.taken_for
            await detect(leg.detection, call.line, taken_for, lambda kind, more: self._teller.tell(party, kind, more))

    async def _wait(self, party: Party) -> None:
        """Of a leg that rings us."""
        preparing = asyncio.ensure_future(party.call.prepare())
        if self._faults.queue_s:
            await asyncio.sleep(self._faults.queue_s)
        self._teller.tell(party, "call.initiated", party.leg.initiated())
        patience_s = PATIENCE_S
        application = self._account.applications.get(party.leg.connection_id, {})
        if application.get("first_command_timeout"):
            patience_s = min(patience_s, application.get("first_command_timeout_secs") or PATIENCE_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(party.call.over.wait(), patience_s)
        await preparing
        if not party.taken:
            party.call.end(Ending.CANCELED, By.PERSON)

    async def _take(self, party: Party) -> None:
        party.call.connect(await party.call.prepare())

    def _on_stage(self, call: LabCall) -> None:
        party = self.parties[call.call_id]
        if call.stage is Stage.IN_PROGRESS:
            party.leg.state = LegState.ANSWERED
            party.leg.answered_s = self._teller.now_s()
            self._teller.tell(party, "call.answered", party.leg.has_answered())
            self._lab.spawn(self._limit(party))
            self._lab.spawn(self._press(party, party.leg.digits_on_answer))
            for each in party.on_answer:
                each()
        elif call.stage is Stage.OVER:
            self._over(party)

    async def _press(self, party: Party, digits: str) -> None:
        for digit in digits:
            if digit in PAUSES_S:
                await asyncio.sleep(PAUSES_S[digit])
            elif party.call.live and party.call.line is not None:
                party.call.line.press_for_agent(digit)

    async def _limit(self, party: Party) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(party.call.over.wait(), party.leg.limit_s)
        if party.call.live:
            party.cause = HangUpCause.TIME_LIMIT
            party.call.end(Ending.COMPLETED, By.CARRIER)

    def _over(self, party: Party) -> None:
        party.leg.state, party.leg.ended_s = LegState.ENDED, self._teller.now_s()
        if party.stream is not None:
            party.stream.stop()
        self._sound.finish_recording(party)
        self._unbridge(party)
        self._teller.tell(party, "call.hangup", party.hung_up())

    def _unbridge(self, party: Party) -> None:
        other = self.parties.get(party.leg.bridged_with)
        if party.bridge is None or other is None:
            return
        party.bridge.part()
        party.bridge = other.bridge = None
        party.leg.bridged_with = other.leg.bridged_with = ""
        if not other.leg.parks:
            other.call.end(Ending.COMPLETED, By.CARRIER)
        elif other.stream is not None:
            other.stream.attach()
