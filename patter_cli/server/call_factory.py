"""The front desk: turns a media stream that has begun into a call with the right agent."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping

from patter_cli.contracts.carrier.control import CallControl
from patter_cli.contracts.carrier.stream import StreamCodec, StreamStarted
from patter_cli.contracts.vad import VoiceModel
from patter_cli.engine.batched_vad import BatchedVad
from patter_cli.engine.build import build_call
from patter_cli.engine.call import CallSession
from patter_cli.engine.ready import CallInfo, ReadyAgent
from patter_cli.engine.record import Observer
from patter_cli.engine.speak import TtsCache
from patter_cli.errors import CallRejected, ProviderError
from patter_cli.observe.metrics import measure_turns
from patter_cli.observe.store import CallStore
from patter_cli.server.calls import Sender

log = logging.getLogger(__name__)


class CallFactory:
    """What all calls of a process share: agents, the voice detector, ready lines, the store."""

    def __init__(
        self,
        *,
        agents: Mapping[str, ReadyAgent],
        model: VoiceModel,
        store: CallStore,
        control: Callable[[StreamStarted, Sender], CallControl],
        observers: tuple[Observer, ...] = (),
    ) -> None:
        """control: makes what can be asked of the carrier about one call."""
        self._agents = agents
        self._room = BatchedVad(model)
        self._store = store
        self._control = control
        self._observers = observers
        self._phrasebook = TtsCache()

    async def warm(self) -> None:
        """Load models and voices, and say every agent's greeting once. Raises PatterError.

        Calls that a killed process left open are closed before the first of ours begins.
        """
        await asyncio.to_thread(self._store.close_abandoned)
        for agent in self._agents.values():
            await asyncio.gather(agent.stt.warm(), agent.tts.warm(), *(model.warm() for model in agent.models))
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
        await self._phrasebook.prepare(agent.tts, texts, language=agent.plan.language)

    def open_call(self, agent: str, started: StreamStarted, codec: StreamCodec, sender: Sender) -> CallSession:
        """Begin a call on the loopback line. Raises CallRejected for an agent that is not served."""
        ready = self._agents.get(agent)
        if ready is None:
            raise CallRejected(f"no agent {agent[:64]!r} here", hint=f"served: {', '.join(self._agents)}")
        now = time.time()
        # The id names files and log lines, so it is ours, whatever the stream calls itself.
        call_id = f"LB{time.strftime('%Y%m%d%H%M%S', time.gmtime(now))}{secrets.token_hex(4)}"
        parameters = dict(started.parameters)
        return build_call(
            info=CallInfo(
                call_id=call_id,
                caller=parameters.pop("caller", "loopback"),
                callee=agent,
                direction="inbound",
                carrier="loopback",
                parameters=parameters,
            ),
            agent=ready,
            format=started.format,
            codec=codec,
            line=sender,
            control=self._control(started, sender),
            vad=self._room,
            cache=self._phrasebook,
            journal=self._store.open(call_id, now),
            measure=measure_turns(),
            observers=self._observers,
        )

    def close(self) -> None:
        self._room.close()
