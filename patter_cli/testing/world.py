"""The virtual world around the machine: its time, how quick it is and what of it is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from heapq import heappop, heappush

from patter_cli.core import events as fact
from patter_cli.core.events import Event, Ms


class Fault(Enum):
    """What can be broken around the machine. Stock lines (CallPlan.lines) survive all but LINES_HANG."""

    HOOK_HANGS = "on_call_start never answers"
    EARS_HANG = "no transcript ever comes, partial or final"
    EARS_LATE = "finals come three seconds late, partials never"
    EARS_EMPTY = "every transcript is empty"
    EARS_FAIL = "recognition reports that it is gone for good"
    BRAIN_HANGS = "no first clause ever comes"
    BRAIN_FAILS = "the reply fails before its first clause"
    BRAIN_REFUSED = "the reply fails before its first clause, as every one will"
    BRAIN_EMPTY = "the reply has no words"
    BRAIN_BREAKS_OFF = "the reply fails after its first clause"
    BRAIN_STALLS = "nothing comes after the first clause, not even the end"
    JUDGE_HANGS = "a code guardrail never answers"
    VOICE_HANGS = "no clause is ever voiced"
    VOICE_FAILS = "every clause fails to be voiced"
    VOICE_EMPTY = "every clause is voiced as no sound at all"
    VOICE_STALLS = "a reply's second clause is never voiced"
    LINES_HANG = "not even the stock lines are voiced"
    NO_MARKS = "the carrier never returns a mark"
    NO_STOPS = "nobody says where playback stopped"
    NO_HANG_UP = "the carrier does not close the line when told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How quick the world is, in milliseconds; the defaults are those of the local speech engines."""

    onset_ms: int = 60
    """From a voice's start until the detector is sure of it; a shorter voice goes unnoticed."""
    hangover_ms: int = 200
    partial_ms: int = 200
    final_ms: int = 120
    hook_ms: int = 40
    first_clause_ms: int = 350
    next_clause_ms: int = 80
    judge_ms: int = 10
    voice_ms: int = 200
    """Until a clause's first sound; a stock line takes a tenth."""
    queue_ms: int = 0
    """How long a clause, but for a stock line, waits for a busy machine before; the voice tells that it does."""
    ms_per_char: int = 65
    """Both voices."""
    end_of_turn_ms: int = 100
    mark_ms: int = 40
    stop_ms: int = 20
    transfer_ms: int = 6000
    keys_ms: int = 600
    hang_up_ms: int = 150


class World:
    """Call time, and all that will happen in it. `tell` hands the machine an event now."""

    def __init__(self, tell: Callable[[Event], None], latency: Latency, faults: Iterable[Fault]) -> None:
        self.tell = tell
        self.latency = latency
        self.faults = set(faults)
        self.now: Ms = 0
        self._acts: list[tuple[Ms, int, Callable[[], None]]] = []
        self._scheduled = 0

    def at(self, at: Ms, act: Callable[[], None]) -> None:
        """Have something happen then, but not before now; at the same time, what was scheduled first."""
        self._scheduled += 1
        heappush(self._acts, (max(at, self.now), self._scheduled, act))

    def after(self, delay_ms: int, event: Event) -> None:
        self.at(self.now + delay_ms, lambda: self.tell(event))

    @property
    def idle(self) -> bool:
        """Nothing is going to happen."""
        return not self._acts

    def next(self, deadline: Ms | None) -> Ms | None:
        """When the next thing happens, the machine's deadline included; None if nothing will."""
        if not self._acts:
            return deadline
        return self._acts[0][0] if deadline is None else min(self._acts[0][0], deadline)

    def step(self, at: Ms) -> None:
        """Let the next thing happen, which does at `at`."""
        self.now = max(self.now, at)
        if self._acts and self._acts[0][0] <= at:
            heappop(self._acts)[2]()
        else:
            self.tell(fact.Tick())
