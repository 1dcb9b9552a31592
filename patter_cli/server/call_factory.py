"""What all calls of a process share, and how a media stream that has begun becomes a call of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from patter_cli.contracts.carrier.carrier import CallHandle, Carrier
from patter_cli.contracts.carrier.stream import StreamCodec, StreamStarted
from patter_cli.contracts.provider import name_of
from patter_cli.contracts.store import CallStore
from patter_cli.contracts.vad import VoiceModel
from patter_cli.engine.batched_vad import BatchedVad
from patter_cli.engine.build import build_call
from patter_cli.engine.call import CallSession
from patter_cli.engine.ready import CallInfo, ReadyAgent
from patter_cli.engine.speak import TtsCache
from patter_cli.errors import CallRejected, ProviderError, UnknownAgent
from patter_cli.observe.interrupted import close_abandoned
from patter_cli.observe.journal_writer import JournalWriter
from patter_cli.observe.metrics import CallMeasure
from patter_cli.server.calls import Sender
from patter_cli.server.tickets import CallTicket

log = logging.getLogger(__name__)


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
    ) -> None:
        self._agents = agents
        self._room = BatchedVad(model)
        self._store = store
        self._journals = journals
        self._carriers = carriers
        self._phrasebook = TtsCache()

    async def warm(self) -> None:
        """Load models and voices, and say every agent's greeting once. Raises PatterError.

        Calls that a killed process left open are closed before the first of ours begins.
        """
        await asyncio.to_thread(close_abandoned, self._store)
        for agent in self._agents.values():
            ears, voices = (agent.stt, *agent.stt_fallbacks), (agent.tts, *agent.tts_fallbacks)
            await asyncio.gather(*(each.warm() for each in ears), *(each.warm() for each in voices))
            await asyncio.gather(*(each.warm() for each in agent.models))
            if agent.end_of_turn is not None:
                await agent.end_of_turn.warm()
            if agent.plan.first_message:
                await self._prepare(agent, (agent.plan.first_message,))

    async def prepare_lines(self) -> None:
        """Have the lines for trouble ready, so that they need no vendor. Slow; run it beside the calls."""
        for agent in self._agents.values():
            try:
                await self._prepare(agent, agent.plan.lines.texts())
            except ProviderError as error:
                log.warning("the lines of %s cannot be prepared: %s", agent.name, error)
            except Exception:
                log.exception("the lines of %s cannot be prepared", agent.name)

    async def _prepare(self, agent: ReadyAgent, texts: tuple[str, ...]) -> None:
        """By the first of the agent's voices that can. Raises ProviderError: the last one's."""
        *others, last = (agent.tts, *agent.tts_fallbacks)
        for voice in others:
            try:
                return await self._phrasebook.prepare(voice, texts, language=agent.plan.language)
            except ProviderError as error:
                log.warning("%s cannot prepare the lines of %s: %s", name_of(voice), agent.name, error)
        return await self._phrasebook.prepare(last, texts, language=agent.plan.language)

    def open(self, ticket: CallTicket, started: StreamStarted, codec: StreamCodec, sender: Sender) -> CallSession:
        """Begin the call that a ticket is for: who is on the phone is the ticket's word, never the stream's.

        Raises CallRejected for an agent or a carrier that is not served.
        """
        ready, carrier = self._agents.get(ticket.agent), self._carriers.get(ticket.carrier)
        if ready is None:
            raise UnknownAgent(f"no agent {ticket.agent[:64]!r} here", hint=f"served: {', '.join(self._agents)}")
        if carrier is None:
            raise CallRejected(f"no carrier {ticket.carrier[:64]!r} here", hint=f"known: {', '.join(self._carriers)}")
        handle = CallHandle(carrier_call_id=ticket.carrier_call_id, stream_id=started.stream_id, line=sender)
        return build_call(
            info=CallInfo(
                call_id=ticket.call_id,
                caller=ticket.caller,
                callee=ticket.callee,
                direction=ticket.direction,
                carrier=ticket.carrier,
                carrier_call_id=ticket.carrier_call_id,
                parameters=ticket.variables,
            ),
            agent=ready,
            format=started.format,
            codec=codec,
            line=sender,
            control=carrier.control(handle),
            vad=self._room,
            cache=self._phrasebook,
            journal=self._journals.open(ticket.call_id, self._store.begin(ticket.call_id, time.time())),
            measure=CallMeasure(),
        )

    def close(self) -> None:
        self._room.close()
