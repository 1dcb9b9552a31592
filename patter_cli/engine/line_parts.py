"""What a call has once there is a line."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from patter_cli.core.events import Event, LineUsed, Ms
from patter_cli.engine.context import CallContext, Performer
from patter_cli.engine.converse import Converse
from patter_cli.engine.onlooking import Onlookers
from patter_cli.engine.perform_carrier import CarrierPerformer
from patter_cli.engine.perform_cascade import CascadePerformer
from patter_cli.engine.perform_media import MediaPerformer
from patter_cli.engine.ready import ReadyAgent
from patter_cli.engine.usage import session_used


@dataclass(frozen=True, slots=True, kw_only=True)
class LineParts:
    """One call's. engine: who hears and answers in place of the cascade, which then says lines of ours alone."""

    media: MediaPerformer
    cascade: CascadePerformer
    carrier: CarrierPerformer
    onlookers: Onlookers
    engine: Converse | None = None
    began_at: Ms
    """Since when there is a line, call time: what rang before costs nothing."""

    @property
    def performers(self) -> tuple[Performer, ...]:
        engine = () if self.engine is None else (self.engine,)
        return (self.cascade, self.media, self.carrier, *engine)

    def start(self, call: CallContext) -> list[asyncio.Task[None]]:
        """Begin listening and speaking. Returns what runs until it is cancelled."""
        workers = self.cascade.start()
        workers.append(call.guard("watch", call.watch_loop))
        if self.engine is not None:
            workers.append(call.guard("engine", self.engine.run))
        return workers

    def adopt(self, agent: ReadyAgent) -> None:
        """The call's agent has changed."""
        self.cascade.adopt(agent)
        if self.engine is not None and agent.engine is not None:
            self.engine.use(agent.engine)

    def used(self, call: CallContext, now: Ms) -> tuple[Event, ...]:
        """What the line and those who worked on it took, once it is over."""
        duration_ms, engine = now - self.began_at, call.agent.engine
        sessions = () if engine is None else (session_used(engine, duration_ms),)
        line = LineUsed(carrier=call.info.carrier, direction=call.info.direction, duration_ms=duration_ms)
        return (*self.cascade.used(), *sessions, line)

    def hang_up(self) -> None:
        """The conversation is over; nobody is heard any more. Twice is fine."""
        if self.engine is not None:
            self.engine.close()
        self.media.close()
        self.cascade.line_gone()
