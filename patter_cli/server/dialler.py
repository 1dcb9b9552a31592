"""Dialler: the calls that we make, from the wish for one to what became of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from patter_cli.call_result import CallResult
from patter_cli.contracts.carrier.carrier import Carrier, CarrierFact, OutboundCall
from patter_cli.contracts.carrier.control import CallControl, ConnectsCalls
from patter_cli.contracts.carrier.direct import DirectCarrier
from patter_cli.contracts.carrier.stream import StreamStarted
from patter_cli.core.events import Event
from patter_cli.core.outcome import Direction, TransferOutcome
from patter_cli.destinations import CallingHours, DialRules, read_allow
from patter_cli.destinations import check as check_destination
from patter_cli.engine.ready import CallTexts, ReadyAgent
from patter_cli.errors import BadSignature, CallRejected, InputError, UnknownAgent
from patter_cli.server.addresses import Addresses
from patter_cli.server.attended import RING_S, TALK_S, attend
from patter_cli.server.call_factory import CallFactory
from patter_cli.server.calls import Call, CallRegistry, Sender
from patter_cli.server.control_messages import PlaceCall
from patter_cli.server.dialled import DialledCall
from patter_cli.server.spending import DailySpending
from patter_cli.server.tickets import RESUME_S, CallTicket, check, new_ticket

log = logging.getLogger("patter.server")

RESULTS: Final = 10_000
"""Calls we made whose end is remembered for whoever asks."""
MARGIN_S: Final = 60
"""By how much the carrier's own limit on a call is longer than ours, which says goodbye."""


class Dialler:
    """One server's."""

    def __init__(
        self,
        *,
        agents: Mapping[str, ReadyAgent],
        carriers: Mapping[str, Carrier],
        calls: CallFactory,
        live: CallRegistry,
        addresses: Addresses,
        secret: bytes,
        rules: DialRules,
        spending: DailySpending,
    ) -> None:
        """agents, carriers: by name. secret: signs tickets. rules: whom we may ring, whoever asks for it."""
        self._agents = agents
        self._carriers = carriers
        self._calls = calls
        self._live = live
        self._addresses = addresses
        self._secret = secret
        self._rules = rules
        self._spending = spending
        self._dialled: dict[str, DialledCall] = {}
        """By call id, from the dial to their end."""
        self._results: OrderedDict[str, CallResult] = OrderedDict()
        self._ending: set[asyncio.Task[None]] = set()

    async def place(self, wanted: PlaceCall) -> str:
        """Ring somebody for another process; returns our call id once the carrier has the call.

        Raises CallRejected, InputError, CarrierError, NotReachable.
        """
        call = self.dial(wanted)
        await call.named()
        return call.ticket.call_id

    def dial(self, wanted: PlaceCall, agent: ReadyAgent | None = None) -> DialledCall:
        """Begin to ring somebody. agent: who talks, in place of one that is served; what `wanted` says of its words
        holds all the same. Raises CallRejected, InputError."""
        ready, ticket, request = self.prepare(wanted, agent)
        self._live.check_room(ticket.agent)
        self._spending.check(time.time())
        self._live.check_vendors(ready, rung=True)
        if self._rules.quota is not None:
            self._rules.quota.take(wanted.to, time.time())
        return self._ring(ticket, ready, request)

    async def attend(
        self,
        caller: CallTicket,
        agent: ReadyAgent,
        control: CallControl,
        target: str,
        about: str,
        tell: Callable[[Event], None],
    ) -> TransferOutcome:
        """Put a caller through to somebody who is told first what it is about. Raises PatterError."""
        ours = caller.callee if caller.direction is Direction.INBOUND else caller.caller

        def ring_out(number: str, telling: ReadyAgent) -> DialledCall:
            if self._live.draining or not self._addresses.public_host:
                raise CallRejected("this server rings nobody any more")
            if self._rules.quota is not None:
                self._rules.quota.take(number, time.time())
            ticket, request = self._request(
                self._carriers[caller.carrier], number, ours, caller.agent, caller.variables, RING_S, telling
            )
            # The agent's own limit is one on its conversation, not on that of the two.
            request = replace(request, max_duration_s=TALK_S + MARGIN_S)
            call = self._ring(ticket, telling, request)  # the caller's place is both of theirs
            log.info("call %s: %s is asked to take it, in call %s", caller.call_id, number, ticket.call_id)
            return call

        async def connect(other: str) -> None:
            if not isinstance(control, ConnectsCalls):
                raise CallRejected("this carrier connects no calls")
            task = asyncio.current_task()
            assert task is not None
            self._ending.add(task)  # it may outlive the caller's call
            task.add_done_callback(self._ending.discard)
            await self._connect(caller, control, other)

        return await attend(target=target, about=about, agent=agent, connect=connect, ring_out=ring_out, tell=tell)

    async def _connect(self, caller: CallTicket, control: ConnectsCalls, other: str) -> None:
        both = caller.carrier_call_id, other
        for each in both:  # beforehand: their streams end, and that is no accident
            self._live.pass_on(caller.carrier, each)
        try:
            await control.connect(other)
        except BaseException:
            for each in both:
                self._live.take_back(caller.carrier, each)
            raise

    def _ring(self, ticket: CallTicket, ready: ReadyAgent, request: OutboundCall) -> DialledCall:
        call = self._calls.dial(ticket, ready, request)
        self._live.dial(call)
        self._dialled[ticket.call_id] = call
        task = asyncio.create_task(self._see_off(call))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return call

    def prepare(
        self, wanted: PlaceCall, agent: ReadyAgent | None = None
    ) -> tuple[ReadyAgent, CallTicket, OutboundCall]:
        """Everything that a dial needs, and nothing done yet: the agent of this call, its ticket, and what the carrier
        would be asked for. Raises CallRejected, InputError."""
        self._check_destination(wanted)
        ready = agent or self._agents.get(wanted.agent)
        if ready is None:
            raise UnknownAgent(f"no agent {wanted.agent[:64]!r} here", hint=f"served: {', '.join(self._agents)}")
        carrier = next((each for each in self._carriers.values() if not each.local), None)
        if carrier is None or not self._addresses.public_host:
            one_way = [each.name for each in self._carriers.values() if isinstance(each, DirectCarrier)]
            why = f": {' and '.join(one_way)} only brings calls here" if one_way else ""
            raise CallRejected(f"this server can ring nobody{why}", hint="that takes a carrier and a public address")
        texts = CallTexts(
            first_message=wanted.first_message,
            voicemail_message=wanted.voicemail_message,
            variables=wanted.variables,
            detects_machines=wanted.detects_machines or bool(wanted.voicemail_message.strip()),
        )
        ready = ready.for_call(texts)
        ticket, request = self._request(
            carrier, wanted.to, wanted.from_number, wanted.agent, wanted.variables, wanted.ring_timeout_s, ready
        )
        return ready, ticket, request

    def _request(
        self,
        carrier: Carrier,
        to: str,
        from_number: str,
        agent: str,
        variables: Mapping[str, str],
        ring_timeout_s: int | None,
        ready: ReadyAgent,
    ) -> tuple[CallTicket, OutboundCall]:
        ticket = new_ticket(
            carrier=carrier.name,
            carrier_call_id="",
            direction=Direction.OUTBOUND,
            caller=from_number,
            callee=to,
            agent=agent,
            variables=variables,
            now_s=time.time(),
            life_s=RESUME_S,
        )
        return ticket, OutboundCall(
            to=to,
            from_number=from_number,
            answer_url=self._addresses.answer_url(carrier.name, ticket),
            callback_url=self._addresses.callback_url(carrier.name, ticket),
            ring_timeout_s=ring_timeout_s,
            max_duration_s=ready.plan.pace.max_duration_ms // 1000 + MARGIN_S,
            transfer_s=TALK_S if ready.plan.transfer_numbers else 0,
            detects_machines=ready.plan.screens_machines,
        )

    def result(self, call_id: str) -> dict[str, Any] | None:
        """What became of a call that we made, JSON-able; None while it lasts. Raises InputError for one that is not
        known."""
        if call_id in self._dialled:
            return None
        if call_id not in self._results:
            raise InputError(f"no call {call_id[:64]!r} was made here", hint="patter logs list")
        return self._results[call_id].render()

    def cancel(self, call_id: str) -> None:
        """A call that we make is no longer wanted; one that is over is fine. Raises InputError as `result` does."""
        if self.result(call_id) is None:
            self._dialled[call_id].cancel()

    async def cut(self) -> None:
        """End at once what has no line: such calls are on no connection that the server could cut."""
        await asyncio.gather(*(call.cut() for call in list(self._dialled.values()) if not call.has_line))

    # --- what carriers tell ----------------------------------------------------------------------------------------

    def picked_up(self, call_id: str, carrier_call_id: str) -> bool:
        """A call with a ticket of ours was answered. False: it is not made here, but by another process of ours, or one
        that is gone. Raises CallRejected where it is over here."""
        call = self._dialled.get(call_id)
        if call is not None:
            call.picked_up(carrier_call_id)
        elif call_id in self._results:
            raise CallRejected("the call was given up before it was answered")
        return call is not None

    def report(self, carrier: str, reported: CarrierFact, dialled: str) -> bool:
        """Tell a call of ours what the carrier reports. dialled: the ticket it was dialled with, or "". False: it is
        another's, or of a line that is over."""
        call = self._of(carrier, dialled)
        return call is not None and call.report(reported)

    def take_line(self, ticket: CallTicket, started: StreamStarted, sender: Sender) -> Call | None:
        """Give a call of ours the line that a stream has brought; None if the stream is no such call's. Raises
        CallRejected where that call is over."""
        call = self._dialled.get(ticket.call_id)
        return self._calls.join(call, ticket, started, sender) if call is not None else None

    # --- the rest --------------------------------------------------------------------------------------------------

    def _of(self, carrier: str, dialled: str) -> DialledCall | None:
        """The call of ours that a report is about: it may be here before the carrier's name for the call is."""
        if not dialled:
            return None
        with suppress(BadSignature):  # old reports are of calls that are over
            ticket = check(dialled, self._secret, time.time())
            if ticket.carrier == carrier:
                return self._dialled.get(ticket.call_id)
        return None

    async def _see_off(self, call: DialledCall) -> None:
        """Keep what became of a call that we made, and let go of it."""
        result, call_id = await call.result(), call.ticket.call_id
        self._results[call_id] = result
        if len(self._results) > RESULTS:
            self._results.popitem(last=False)
        del self._dialled[call_id]
        self._live.dialled(call_id)
        self._calls.forget(call_id)

    def _check_destination(self, wanted: PlaceCall) -> None:
        rules = self._rules
        try:
            allow = rules.allow | read_allow(wanted.allow)
            hours = CallingHours.parse(wanted.hours) if wanted.hours else rules.hours
        except ValueError as error:
            raise InputError("the rules for this call cannot be read", hint=f"they are {error}") from error
        rules = replace(rules, allow=allow, hours=hours)
        check_destination(wanted.to, caller=wanted.from_number, rules=rules, now_s=time.time())
