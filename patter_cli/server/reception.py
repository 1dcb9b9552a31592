"""Reception: what becomes of a call that waits at a carrier. It gets a ticket for its stream, or is declined."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from patter_cli.callers import WITHHELD, Callers
from patter_cli.contracts.carrier.carrier import AnswerPlan, AnswersByCommand, Carrier
from patter_cli.contracts.carrier.direct import DirectCarrier
from patter_cli.contracts.carrier.stream import StreamStarted
from patter_cli.core.outcome import Direction, TransferOutcome
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import BadSignature, CallRejected, NoRoom, PatterError, UnknownAgent
from patter_cli.observe.interrupted import InterruptedCall
from patter_cli.server.addresses import Addresses
from patter_cli.server.awaited_streams import AwaitedStreams
from patter_cli.server.calls import REMEMBERED, CallRegistry
from patter_cli.server.dialler import Dialler
from patter_cli.server.spending import DailySpending
from patter_cli.server.tickets import CallTicket, check, new_ticket, resume_ticket, sign, stream_ticket

log = logging.getLogger("patter.server")

NOBODY: Final = "Sorry, nobody can be reached at this number. Goodbye."
"""What the caller of a number hears that leads to no agent."""
FRESH_S: Final = 600
"""A call of a killed process of which nothing was heard for longer is over."""
LATE_S: Final = 60.0
"""So long may the carrier's word that a stream broke off come after we have found out ourselves."""


class Unwelcome(CallRejected):
    """Somebody calls who may not, or not so often."""


class Reception:
    """One server's."""

    def __init__(
        self,
        *,
        agents: Mapping[str, ReadyAgent],
        numbers: Mapping[str, str],
        carriers: Mapping[str, Carrier],
        live: CallRegistry,
        dialler: Dialler,
        awaited: AwaitedStreams,
        addresses: Addresses,
        secret: bytes,
        callers: Callers,
        spending: DailySpending,
        clock_s: Callable[[], float],
        ring: Callable[[str], None],
    ) -> None:
        """agents: by name. numbers: which of them answers which number (E.164); {}: one agent answers every number.
        secret: signs tickets. clock_s: never goes back. ring: told of which agent a call is about to begin."""
        self._agents = agents
        self._numbers = numbers
        self._carriers = carriers
        self._live = live
        self._dialler = dialler
        self._awaited = awaited
        self._addresses = addresses
        self._secret = secret
        self._streams: OrderedDict[tuple[str, str], CallTicket] = OrderedDict()
        """The last ticket of each call, by carrier and the carrier's call id, where the carrier does not come back with
        one by itself when the stream breaks off."""
        self._spending = spending
        self._taken_up: dict[tuple[str, str], float] = {}
        """Calls that go on before the carrier has said that they broke off; until when it may say so."""
        self._callers = callers
        self._clock_s = clock_s
        self._ring = ring

    def decide(self, carrier: str, plan: AnswerPlan, dialled: str, *, rehearsed: bool = False) -> AnswerPlan:
        """Take a call that waits, with a ticket for its stream, or say why not. dialled: the ticket that we dialled it
        with, or that it is to be resumed with. rehearsed: the carrier has no such call, and is asked for nothing."""
        if plan.broken and self._live.was_passed_on(carrier, plan.carrier_call_id):
            return replace(plan, left_alone=True)  # we have closed the stream ourselves
        if plan.broken and self._clock_s() < self._taken_up.pop((carrier, plan.carrier_call_id), 0.0):
            return replace(plan, left_alone=True)  # it goes on already
        return self._decided(carrier, plan, dialled, rehearsed=rehearsed)

    def take_up(self, call: InterruptedCall) -> AnswerPlan | None:
        """A killed process had this call, and it may wait in silence: have it go on. None where the carrier sees to
        that, or it cannot be.

        A carrier that is given all of its answer at once comes back by itself. One that is told by commands posts once
        that the stream broke off, and most often to nobody: the process that would take it was not there.
        """
        key, carrier = (call.carrier, call.carrier_call_id), self._carriers.get(call.carrier)
        fresh = time.time() - call.last_at < FRESH_S
        if not (isinstance(carrier, AnswersByCommand) and call.carrier_call_id and fresh) or key in self._streams:
            return None
        ticket = new_ticket(
            carrier=call.carrier,
            carrier_call_id=call.carrier_call_id,
            direction=call.direction,
            caller=call.caller,
            callee=call.callee,
            agent=call.agent,
            variables=call.variables,
            now_s=time.time(),
        )
        # As if its stream's ticket had been made here.
        self._streams[key] = replace(ticket, call_id=call.call_id, resumes=call.call_id if call.went_on else "")
        self._taken_up[key] = self._clock_s() + LATE_S
        plan = AnswerPlan(
            carrier_call_id=call.carrier_call_id,
            caller=call.caller,
            callee=call.callee,
            direction=Direction.OUTBOUND,  # as far as there is nothing to pick up any more
            answered=True,
            broken="its stream",
        )
        return self._decided(call.carrier, plan, "")

    def _decided(self, carrier: str, plan: AnswerPlan, dialled: str, *, rehearsed: bool = False) -> AnswerPlan:
        try:
            ticket = self._ticket(carrier, plan, dialled)
            token = sign(ticket, self._secret)
            # Once: a stream that breaks off again is not there to be had. A transfer says nothing against it.
            again = None if ticket.resumes and not ticket.returned else resume_ticket(ticket, time.time())
            resume_url = self._addresses.answer_url(carrier, again) if again is not None else ""
        except UnknownAgent as error:
            log.warning("call %s of %s is declined: %s; %s", ascii(plan.carrier_call_id), carrier, error, error.hint)
            return replace(plan, words=NOBODY)
        except PatterError as error:
            log.warning("call %s of %s is declined: %s", ascii(plan.carrier_call_id), carrier, error)
            calls = plan.direction is Direction.INBOUND and not plan.answered and not plan.broken
            told = calls and isinstance(error, NoRoom | Unwelcome)
            return replace(plan, words=self._callers.rules.busy_message) if told else plan
        if isinstance(self._carriers[carrier], AnswersByCommand):
            if not rehearsed:
                self._awaited.expect(ticket)  # others go on with the rest of their answer
            self._streams[carrier, plan.carrier_call_id] = ticket
            if len(self._streams) > REMEMBERED:
                self._streams.popitem(last=False)
        stream_url = self._addresses.stream_url(carrier, token)
        return replace(plan, stream_url=stream_url, resume_url=resume_url, variables=ticket.variables)

    def take(self, carrier: DirectCarrier, started: StreamStarted) -> CallTicket:
        """The ticket of a call that came with no webhook before it, from a switch that counts its own callers, and need
        not know whom we have blocked. Raises BadSignature, CallRejected."""
        plan = carrier.incoming(started)
        if self._callers.rules.blocks(plan.caller):
            raise Unwelcome(f"{plan.caller or WITHHELD} is blocked")
        return self._incoming(carrier.name, plan, time.time())

    def _ticket(self, carrier: str, plan: AnswerPlan, dialled: str) -> CallTicket:
        """Raises BadSignature for what we have not dialled, UnknownAgent where nobody answers the number."""
        now_s = time.time()
        last = self._streams.get((carrier, plan.carrier_call_id)) if plan.broken else None
        if last is not None:
            if last.resumes:
                raise CallRejected("its stream has broken off before")
            return self._resumed(resume_ticket(last, now_s), plan, now_s)
        if plan.broken and not dialled:
            raise BadSignature("a stream that is not one of ours")
        if dialled:
            ours = check(dialled, self._secret, now_s)
            if ours.carrier != carrier:
                raise BadSignature("the call was dialled with another carrier")
            if ours.resumes:
                return self._resumed(ours, plan, now_s)
            if plan.broken:  # of a call that we made, in a process that is gone
                return self._resumed(resume_ticket(ours, now_s), plan, now_s)
            if not self._dialler.picked_up(ours.call_id, plan.carrier_call_id):
                self._live.check_room(ours.agent)
            return stream_ticket(ours, plan.carrier_call_id, now_s)
        if plan.returned is not None:
            raise BadSignature("a transfer that is not one of ours")
        inbound = [
            each.ticket.caller
            for each in self._live.calls
            if each.ticket.direction is Direction.INBOUND and not self._carriers[each.ticket.carrier].local
        ]
        if why := self._callers.refusal(plan.caller, inbound, self._clock_s()):
            raise Unwelcome(why)
        ticket = self._incoming(carrier, plan, now_s)
        self._callers.let_in(plan.caller, carrier, plan.carrier_call_id, self._clock_s())
        return ticket

    def _incoming(self, carrier: str, plan: AnswerPlan, now_s: float) -> CallTicket:
        """The ticket of a call that is a new one. Raises CallRejected where nobody answers the number, or no more."""
        agent = self._agent_for(plan.callee)
        self._live.check_room(agent)
        self._spending.check(time.time())
        self._live.check_vendors(self._agents[agent], rung=False)
        self._ring(agent)
        return new_ticket(
            carrier=carrier,
            carrier_call_id=plan.carrier_call_id,
            direction=plan.direction,
            caller=plan.caller,
            callee=plan.callee,
            agent=agent,
            variables=plan.variables,
            now_s=now_s,
        )

    def _resumed(self, ours: CallTicket, plan: AnswerPlan, now_s: float) -> CallTicket:
        """The ticket of a call that is on the line still, after its stream broke off or nobody took it over. Raises
        CallRejected if it has had its end: the carrier was asked to hang up, and has not; or they had their talk."""
        if plan.returned is TransferOutcome.CONNECTED:
            raise CallRejected("the caller was put through, and that is over")
        if plan.returned is not None:
            log.info("call %s comes back from a transfer: %s", ours.resumes, plan.returned)
        elif self._live.has_finished(ours.carrier, plan.carrier_call_id):
            raise CallRejected("it has come to its end here")
        else:
            log.warning("the stream of call %s broke off; it goes on", ours.resumes)
            self._live.cut_off(ours.carrier, plan.carrier_call_id)
        self._live.check_room(ours.agent)
        return new_ticket(
            carrier=ours.carrier,
            carrier_call_id=plan.carrier_call_id,
            direction=ours.direction,
            caller=ours.caller,
            callee=ours.callee,
            agent=ours.agent,
            variables=ours.variables,
            now_s=now_s,
            resumes=ours.resumes,
            returned=plan.returned or "",
        )

    def _agent_for(self, number: str) -> str:
        if number in self._numbers:
            return self._numbers[number]
        if not self._numbers and len(self._agents) == 1:
            return next(iter(self._agents))
        raise UnknownAgent(f"no agent answers {number[:32]!a}", hint="name one for it under [numbers]")
