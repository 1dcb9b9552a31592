"""The far end of an outbound call: what the carrier makes of it, who picks up and when, and what it tells of them."""

from __future__ import annotations

from dataclasses import dataclass

from patter_cli.core import events as fact
from patter_cli.core.carrier_events import Answered, CallPlaced, DialFailed, Ringing
from patter_cli.core.events import Event
from patter_cli.core.outcome import Outcome
from patter_cli.testing.world import Fault, World


@dataclass(frozen=True, slots=True, kw_only=True)
class FarEnd:
    """Whom the call rings. Each time counts from the stage before it, in ms; None: that stage never comes."""

    placed_ms: int | None = 200
    rings_ms: int | None = 800
    answers_ms: int | None = 5000
    """From ringing, or from where it would ring; the carrier itself never gives up."""
    stream_ms: int | None = 150
    refuses: Outcome | None = None
    """Nobody picks up, and this is told when they would have."""
    tells: tuple[tuple[int, Event], ...] = ()
    """What else comes, each so long after the answer."""
    ring_timeout_ms: int | None = 25_000


class Exchange:
    """Carries an outbound call through its stages."""

    def __init__(self, world: World, far_end: FarEnd, connected: fact.CallConnected) -> None:
        self._world = world
        self._far_end = far_end
        self._connected = connected
        self._on = True
        """Nobody has hung up."""
        self.answered = False

    def place(self) -> None:
        """PlaceCall: what follows happens by itself."""
        far, world = self._far_end, self._world
        if far.placed_ms is None:
            return
        at = world.now + far.placed_ms
        self._tell(at, CallPlaced(carrier_call_id="virtual-1"))
        if far.rings_ms is not None:
            at += far.rings_ms
            self._tell(at, Ringing())
        if far.answers_ms is None:
            return
        at += far.answers_ms
        if far.refuses is not None:
            self._tell(at, DialFailed(outcome=far.refuses))
            return
        world.at(at, self._pick_up)
        if far.stream_ms is not None:
            self._tell(at + far.stream_ms, self._connected)
        for after_ms, event in far.tells:
            self._tell(at + after_ms, event)

    def hang_up(self) -> bool:
        """HangUp: whatever was to come does not come. False: there is a line, which is to close."""
        if self.answered:
            return False
        self._on = False
        if Fault.NO_HANG_UP not in self._world.faults:
            self._world.after(self._world.latency.hang_up_ms, DialFailed(outcome=Outcome.CANCELED))
        return True

    def _pick_up(self) -> None:
        if self._on:
            self.answered = True
            self._world.tell(Answered())

    def _tell(self, at: int, event: Event) -> None:
        self._world.at(at, lambda: self._world.tell(event) if self._on else None)
