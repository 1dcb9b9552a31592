"""What all calls of a process share, and how a media stream that has begun becomes a call of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from patter_cli.contracts.carrier.carrier import CallHandle, Carrier, OutboundCall
from patter_cli.contracts.carrier.control import ConnectsCalls
from patter_cli.contracts.carrier.stream import StreamStarted
from patter_cli.contracts.provider import awaited_work_s, name_of
from patter_cli.contracts.store import CallFile, CallStore
from patter_cli.contracts.vad import VoiceModel
from patter_cli.core.conversation import Message
from patter_cli.core.outcome import Direction, TransferOutcome
from patter_cli.core.phrases import phrases_in
from patter_cli.destinations import DialRules, transfer_refusal
from patter_cli.engine.batched_vad import BatchedVad
from patter_cli.engine.build import build_call, build_dialled_call, build_line
from patter_cli.engine.call import CallSession
from patter_cli.engine.perform_carrier import Attend
from patter_cli.engine.ready import CallInfo, ReadyAgent
from patter_cli.engine.speak import TtsCache
from patter_cli.errors import CallRejected, ProviderError, UnknownAgent
from patter_cli.observe.cost import LIST_PRICES
from patter_cli.observe.interrupted import InterruptedCall, close_abandoned, said_in
from patter_cli.observe.journal_writer import JournalWriter
from patter_cli.observe.metrics import CallMeasure
from patter_cli.observe.prices import PriceTable
from patter_cli.observe.recorder import SoundWriter, WrittenSound
from patter_cli.server.addresses import Addresses
from patter_cli.server.calls import Sender
from patter_cli.server.dialled import DialledCall
from patter_cli.server.ringing import Ringing
from patter_cli.server.spending import DailySpending
from patter_cli.server.tickets import CallTicket, resume_ticket
from patter_cli.server.warming import ready_or_down, warm_parts

DAY_S: Final = 86_400

log = logging.getLogger(__name__)

MAX_RECALLED: Final = 100
"""Calls that are to go on and whose stream has not started, nor ever will for some."""


class CallFactory:
    """Agents, carriers, the voice detector, ready lines and the store, from which calls are made."""

    def __init__(
        self,
        *,
        agents: Mapping[str, ReadyAgent],
        model: VoiceModel,
        store: CallStore,
        journals: JournalWriter,
        carriers: Mapping[str, Carrier],
        addresses: Addresses,
        records: bool = False,
        sounds: SoundWriter | None = None,
        prices: PriceTable = LIST_PRICES,
        rules: DialRules | None = None,
        spending: DailySpending | None = None,
    ) -> None:
        """records: the carrier is to record every call. sounds: what records them here; None: nothing does.
        prices: what calls cost.
        rules: whom callers may be put through to, as far as they hold for that. spending: told what calls cost."""
        self._prices = prices
        self._rules = rules or DialRules()
        self._spending = spending or DailySpending(None)
        self._refused: set[str] = set()
        """Why callers are not put through to somebody, as far as the log was told."""
        self._agents = agents
        self._room = BatchedVad(model)
        self._store = store
        self._journals = journals
        self._carriers = carriers
        self._addresses = addresses
        self._carrier_records = records
        self._sounds = sounds
        self._records = records or sounds is not None
        """Whoever is on the line has to be told."""
        self.attend: Callable[..., Awaitable[TransferOutcome]] | None = None
        """Makes transfers where whoever answers is told first, as Attend with the caller's ticket before it; None:
        nobody can be rung here."""
        self.interrupted: list[InterruptedCall] = []
        """The calls that a killed process had, until somebody sees to them."""
        self._phrasebook = TtsCache()
        self._own_lines: dict[str, TtsCache] = {}
        """The lines of calls that we make, by call id: their words are each call's own."""
        self._sessions: dict[str, tuple[CallSession, CallTicket]] = {}
        """The calls that go on, by id."""
        self._preparing: set[asyncio.Task[None]] = set()
        self._ringing = Ringing(time.monotonic)
        self._earlier: dict[str, tuple[Message, ...]] = {}
        """By call: what was said before it broke off, until it is opened."""
        self._left: OrderedDict[str, tuple[Message, ...]] = OrderedDict()
        """The same by the call that ended, as long as it may go on."""

    async def warm(self) -> None:
        """Load models and voices, and say every agent's greeting once. Raises PatterError.

        Calls that a killed process left open are closed before the first of ours begins.
        """
        await asyncio.to_thread(close_abandoned, self._store, self._prices, self.interrupted.append)
        await asyncio.to_thread(self._spending.load, self._store, time.time())
        for agent in self._agents.values():
            await self.warm_agent(agent)

    async def forget_old(self) -> None:
        """Delete, now and once a day, what was kept for as long as the settings say. Run it beside the calls."""
        while True:
            await asyncio.to_thread(self._store.expire, time.time())
            await asyncio.sleep(DAY_S)

    async def warm_agent(self, agent: ReadyAgent) -> None:
        """The same for one agent. A vendor that is down is told of and stops nothing. Raises PatterError."""
        await warm_parts(agent)
        if agent.plan.transfer_numbers:  # the numbering plans are large, and are loaded by the first look at them
            await asyncio.to_thread(self._transfers, agent.plan.transfer_numbers, "")
        if agent.plan.first_message:
            await ready_or_down(agent.name, name_of(agent.tts), self._prepare(agent, (self._greeting(agent),)))

    def _greeting(self, agent: ReadyAgent) -> str:
        """As it is said here."""
        plan = agent.plan
        return plan.lines.told_of_recording(plan.first_message) if self._records else plan.first_message

    def ring(self, agent: str) -> None:
        """A call for this agent is about to begin: what connections it needs are opened meanwhile."""
        self._ringing.ring(self._agents[agent])

    async def awaited_work_s(self) -> dict[str, float]:
        """By agent: what its caller waits for in a turn, in seconds of a core of this machine. After `warm`."""
        return {
            name: sum([await awaited_work_s(each) for each in (*agent.ears[:1], agent.tts, agent.end_of_turn)])
            for name, agent in self._agents.items()
        }

    async def prepare_lines(self) -> None:
        """Have the lines for trouble ready, so that they need no vendor. Slow; run it beside the calls."""
        for agent in self._agents.values():
            try:
                await self._prepare(agent, agent.plan.lines.texts())
                for language, spoken in agent.spoken.items():
                    if language != agent.plan.language:
                        lines = phrases_in(language).texts()
                        await self._phrasebook.prepare(spoken.voices[0], lines, language=language)
            except ProviderError as error:
                log.warning("the lines of %s cannot be prepared: %s", agent.name, error)
            except Exception:
                log.exception("the lines of %s cannot be prepared", agent.name)

    async def _prepare(self, agent: ReadyAgent, texts: tuple[str, ...], cache: TtsCache | None = None) -> None:
        """By the first of the agent's voices that can. Raises ProviderError: the last one's."""
        cache = self._phrasebook if cache is None else cache
        *others, last = (agent.tts, *agent.tts_fallbacks)
        for voice in others:
            try:
                return await cache.prepare(voice, texts, language=agent.plan.language)
            except ProviderError as error:
                log.warning("%s cannot prepare the lines of %s: %s", name_of(voice), agent.name, error)
        return await cache.prepare(last, texts, language=agent.plan.language)

    def dial(self, ticket: CallTicket, agent: ReadyAgent, request: OutboundCall) -> DialledCall:
        """Begin a call that we make. While it rings, its greeting and the message for a machine are voiced.

        agent: with the call's variables filled in. Raises what the store raises where it can keep no call; then nothing
        of this one is left.
        """
        file = self._store.begin(ticket.call_id, time.time())
        journal = self._journals.open(ticket.call_id, file)
        self._ringing.ring(agent)
        cache = self._own_lines[ticket.call_id] = TtsCache(behind=self._phrasebook)
        task = asyncio.create_task(self._prepare_own(agent, cache))
        self._preparing.add(task)
        task.add_done_callback(self._preparing.discard)
        parts = build_dialled_call(
            info=_info(ticket),
            agent=self._adapted(agent, self._carriers[ticket.carrier], ticket.caller),
            carrier=self._carriers[ticket.carrier],
            request=request,
            journal=journal,
            measure=self._measured(ticket.call_id),
            left=partial(self._leave, ticket.call_id),
            others=self._agents,
            sound=None if agent.plan.hands_over else self._sound(ticket.call_id, file),
        )
        self._sessions[ticket.call_id] = parts.session, ticket
        return DialledCall(ticket, parts)

    def forget(self, call_id: str) -> None:
        """A call that we made is over."""
        self._own_lines.pop(call_id, None)

    async def _prepare_own(self, agent: ReadyAgent, cache: TtsCache) -> None:
        texts = tuple(each for each in (self._greeting(agent), agent.plan.voicemail_message) if each.strip())
        try:
            if texts:
                await self._prepare(agent, texts, cache)
        except ProviderError as error:
            log.warning("the words of %s are not ready before somebody picks up: %s", agent.name, error)
        except Exception:
            log.exception("the words of %s are not ready before somebody picks up", agent.name)

    def join(self, call: DialledCall, ticket: CallTicket, started: StreamStarted, sender: Sender) -> DialledCall:
        """Give a call that we made its line. ticket: of the stream. Raises CallRejected where it is over."""
        control = self._carriers[ticket.carrier].control(self._handle(ticket, started, sender))
        call.take_line(
            build_line(
                call.parts.call,
                call.parts.author,
                format=started.format,
                line=sender,
                control=control,
                vad=self._room,
                cache=self._own_lines.get(ticket.call_id, self._phrasebook),
                attend=self._attend_for(ticket),
                handed_over=call.handed_over.set,
                sound=call.parts.sound,
                carrier_records=self._carrier_records,
            ),
            control,
        )
        return call

    async def recall(self, ticket: CallTicket) -> None:
        """Read what was said before, for a call that goes on, ahead of its opening."""
        if ticket.resumes:
            while len(self._earlier) >= MAX_RECALLED:
                del self._earlier[next(iter(self._earlier))]
            said = self._left.pop(ticket.resumes, None)
            if said is None:  # another process had it, or has it still
                said = await asyncio.to_thread(said_in, self._store, ticket.resumes)
            self._earlier[ticket.call_id] = said

    def _leave(self, call_id: str, said: tuple[Message, ...]) -> None:
        """A call is over, as far as we are concerned."""
        self._spending.ended(call_id, time.time())
        self._sessions.pop(call_id, None)
        self._left[call_id] = said
        if len(self._left) > MAX_RECALLED:
            self._left.popitem(last=False)

    def open(self, ticket: CallTicket, started: StreamStarted, sender: Sender) -> CallSession:
        """Begin the call that a ticket is for: who is on the phone is the ticket's word, never the stream's.

        Raises CallRejected for an agent or a carrier that is not served.
        """
        ready, carrier = self._agents.get(ticket.agent), self._carriers.get(ticket.carrier)
        if ready is None:
            raise UnknownAgent(f"no agent {ticket.agent[:64]!r} here", hint=f"served: {', '.join(self._agents)}")
        if carrier is None:
            raise CallRejected(f"no carrier {ticket.carrier[:64]!r} here", hint=f"known: {', '.join(self._carriers)}")
        file = self._store.begin(ticket.call_id, time.time())
        session = build_call(
            info=replace(
                _info(ticket),
                earlier=self._earlier.pop(ticket.call_id, ()),
                returned=TransferOutcome(ticket.returned) if ticket.returned else None,
            ),
            agent=self._adapted(ready, carrier, _ours(ticket)),
            format=started.format,
            line=sender,
            control=carrier.control(self._handle(ticket, started, sender)),
            vad=self._room,
            cache=self._phrasebook,
            journal=self._journals.open(ticket.call_id, file),
            measure=self._measured(ticket.call_id),
            left=partial(self._leave, ticket.call_id),
            attend=self._attend_for(ticket),
            others=self._agents,
            sound=self._sound(ticket.call_id, file),
            carrier_records=self._carrier_records,
        )
        self._sessions[ticket.call_id] = session, ticket
        return session

    def change(self, agent: ReadyAgent) -> None:
        """An agent was changed by its author: live calls of it go on with what it has become."""
        for session, ticket in tuple(self._sessions.values()):
            session.change(self._adapted(agent, self._carriers[ticket.carrier], _ours(ticket)))

    def _sound(self, call_id: str, file: CallFile | None) -> WrittenSound | None:
        """A call's own recording, where calls are recorded here and have a place for it."""
        path = None if file is None else file.sound
        return None if self._sounds is None or path is None else self._sounds.open(call_id, path)

    def _attend_for(self, ticket: CallTicket) -> Attend | None:
        return None if self.attend is None else partial(self.attend, ticket)

    def _measured(self, call_id: str) -> CallMeasure:
        """What measures a call from its beginning."""
        measure = CallMeasure(self._prices)
        self._spending.began(call_id, lambda: float(measure.cost()["known_usd"]))
        return measure

    def _transfers(self, numbers: tuple[str, ...], ours: str) -> tuple[str, ...]:
        """Those of the numbers that callers may be put through to. ours: the call's own number."""
        found = []
        for number in numbers:
            why = transfer_refusal(number, ours=ours, rules=self._rules)
            if not why:
                found.append(number)
            elif why not in self._refused:
                self._refused.add(why)
                log.warning("nobody is put through to %s: %s", number, why)
        return tuple(found)

    def _adapted(self, agent: ReadyAgent, carrier: Carrier, ours: str) -> ReadyAgent:
        """The agent for a call of this server and carrier, whatever on_call_start makes of it. ours: our number."""
        records = self._records and not agent.plan.hands_over
        connects = isinstance(carrier.control(CallHandle(carrier_call_id="")), ConnectsCalls)
        attends = self.attend is not None and connects and not agent.plan.hands_over
        numbers = agent.plan.transfer_numbers
        if not (records or attends or numbers):
            return agent
        reached = numbers if carrier.local else self._transfers(numbers, ours)
        return replace(
            agent,
            plan=replace(agent.plan, records=records, attends=attends, transfer_numbers=reached),
            revise=lambda overrides, parameters: self._adapted(agent.revise(overrides, parameters), carrier, ours),
        )

    def _handle(self, ticket: CallTicket, started: StreamStarted, sender: Sender) -> CallHandle:
        local = self._carriers[ticket.carrier].local
        again = None if local else resume_ticket(ticket, time.time())
        return CallHandle(
            carrier_call_id=ticket.carrier_call_id,
            stream_id=started.stream_id,
            line=sender,
            callback_url=self._addresses.callback_url(ticket.carrier, again) if again is not None else "",
            return_url=self._addresses.answer_url(ticket.carrier, again) if again is not None else "",
        )

    def close(self) -> None:
        self._ringing.close()
        for task in self._preparing:
            task.cancel()
        self._room.close()


def _ours(ticket: CallTicket) -> str:
    """The number of ours that a call is on."""
    return ticket.callee if ticket.direction is Direction.INBOUND else ticket.caller


def _info(ticket: CallTicket) -> CallInfo:
    return CallInfo(
        call_id=ticket.call_id,
        caller=ticket.caller,
        callee=ticket.callee,
        direction=ticket.direction,
        carrier=ticket.carrier,
        carrier_call_id=ticket.carrier_call_id,
        parameters=ticket.variables,
    )
