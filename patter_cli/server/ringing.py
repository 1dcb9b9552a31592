"""While a phone rings, the connections that its call will need are opened: afterwards, each would be heard as a pause.

A connection that nobody uses is kept for a minute by us and for less by some vendors, and calls come when they come.
Ears and voices whose sessions are connections of their own open one for each call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from patter_cli.contracts.provider import ConnectsAhead, Provider, name_of
from patter_cli.engine.opened_ahead import FORMAT, opened_for
from patter_cli.engine.ready import ReadyAgent

log = logging.getLogger("patter.server")

AGAIN_S = 30.0
"""A connection that was opened so long ago is as good as new. Of what vendors keep open, the shortest is a minute."""


class Ringing:
    """One server's. clock_s: never goes back."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._opened_s: dict[str, float] = {}
        self._opening: set[asyncio.Task[None]] = set()

    def ring(self, agent: ReadyAgent) -> None:
        """A call for this agent is about to begin. Returns at once."""
        for each in opened_for(agent):
            if isinstance(each, ConnectsAhead):
                self._begin(each.connect_ahead(FORMAT))
        now_s = self._clock_s()
        if now_s - self._opened_s.get(agent.name, -AGAIN_S) < AGAIN_S:
            return
        self._opened_s[agent.name] = now_s
        self._begin(_open(agent))

    def _begin(self, opening: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(opening)
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def close(self) -> None:
        """Nobody rings any more."""
        for task in self._opening:
            task.cancel()


async def _open(agent: ReadyAgent) -> None:
    model, ears, voice = agent.models[:1], agent.stt, agent.tts
    parts: tuple[Provider, ...] = (*model, ears, voice)
    warming = [*(each.warm() for each in model), ears.warm(), voice.warm()]
    for each, done in zip(parts, await asyncio.gather(*warming, return_exceptions=True), strict=True):
        if isinstance(done, Exception):
            log.warning("no connection to %s ahead of a call: %r", name_of(each), done)
