"""What is around a virtual call: how quick the vendors and the line are, and what of them is broken now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

MS_PER_CHAR = 65
"""How long both voices take for a character. Source: tests.bench.latency, Joe."""


class Trouble(StrEnum):
    """What can be broken in a virtual call, from a moment to another."""

    EARS_HANG = "ears hang"
    """Nothing is recognised any more: no partial, no final."""
    EARS_LATE = "ears are late"
    """Finals come three seconds late, partials never."""
    EARS_EMPTY = "ears hear nothing"
    """Every final is empty."""
    EARS_FAIL = "ears fail"
    """Each session breaks a second after it was opened, or asked."""
    VOICE_HANGS = "voice hangs"
    """No clause makes a sound."""
    VOICE_FAILS = "voice fails"
    """Each clause is refused."""
    VOICE_EMPTY = "voice is silent"
    """Each clause is voiced as no sound at all."""
    VOICE_STALLS = "voice stalls"
    """Each clause stops in its middle."""
    MODEL_HANGS = "model hangs"
    """No word of a reply comes."""
    MODEL_FAILS = "model fails"
    """Each request is refused."""
    MODEL_EMPTY = "model is silent"
    """Replies have no words."""
    MODEL_STALLS = "model stalls"
    """Nothing comes after a reply's first piece, not even its end."""
    MODEL_BREAKS_OFF = "model breaks off"
    """A reply fails after its first piece."""
    NO_MARKS = "no marks"
    """The carrier returns none."""
    LATE_MARKS = "late marks"
    """Two seconds after what they mark was heard."""
    NO_HANG_UP = "no hang-up"
    """The carrier does not close the line when it is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How quick the world is, in milliseconds; the defaults are those of the built-in speech."""

    onset_ms: int = 60
    """From a voice's start until the detector is sure of it; a shorter voice goes unnoticed."""
    hangover_ms: int = 200
    partial_ms: int = 200
    final_ms: int = 120
    model_ms: int = 300
    """To a model's first piece. The author's own code takes what it takes."""
    voice_ms: int = 200
    """To a clause's first sound."""
    voice_speed: int = 7
    """How much faster than it is heard a clause is made."""
    mark_ms: int = 40
    transfer_ms: int = 6000
    keys_ms: int = 600
    hang_up_ms: int = 150


class World:
    """One call's. Times are call time, ms."""

    def __init__(self, pace: Pace, broken: Iterable[Trouble] = ()) -> None:
        self.pace = pace
        self.broken = set(broken)
        self._loop = asyncio.get_running_loop()
        self._start_s = self._loop.time()
        self._waiting: list[_Waiter] = []

    @property
    def now(self) -> int:
        return int((self._loop.time() - self._start_s) * 1000 + 1e-3)

    def at(self, at_ms: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        """Have something happen then, in the order in which it was asked for."""
        return self._loop.call_at(self._start_s + at_ms / 1000, act)

    def moved(self) -> None:
        """Something happened that somebody may wait for."""
        for each in self._waiting:
            each.look()

    async def until(self, due: Callable[[], float | None]) -> None:
        """Wait for a moment. due: when it comes as far as is known now, ms; None: not by itself. Asked again whenever
        something has moved."""
        waiter = _Waiter(self, due)
        self._waiting.append(waiter)
        try:
            waiter.look()
            await waiter.over
        finally:
            self._waiting.remove(waiter)
            waiter.stop()


class _Waiter:
    """Somebody who waits for a moment that moves. A timer that rings too early is left: most moments move on."""

    def __init__(self, world: World, due: Callable[[], float | None]) -> None:
        self._world = world
        self._due = due
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def look(self) -> None:
        """Is it time?"""
        if self.over.done():
            return
        at_ms = self._due()
        if at_ms is None:
            return
        if at_ms <= self._world.now:
            self.over.set_result(None)
        elif self._timer is None or self._rings_at > at_ms:
            self.stop()
            self._rings_at = at_ms
            self._timer = self._world.at(at_ms, self._rung)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rung(self) -> None:
        self._timer = None
        self.look()
