"""Named timers as plain data: the machine's only notion of later."""

from __future__ import annotations

from enum import Enum

from patter_cli.core.events import Ms


class Timer(Enum):
    """What can fall due."""

    DIAL = "dial"
    PREPARE = "prepare"
    ENDPOINT = "endpoint"
    TRANSCRIPT = "transcript"
    BARGE_IN = "barge_in"
    HOLD = "hold"
    VOICE = "voice"
    FILLER = "filler"
    GIVE_UP = "give_up"
    PLAYOUT = "playout"
    KEYS = "keys"
    IDLE = "idle"
    TIME_WARNING = "time_warning"
    MAX_DURATION = "max_duration"
    COST_WARNING = "cost_warning"
    GOODBYE = "goodbye"
    TRANSFER = "transfer"
    SCREENING = "screening"
    BEEP = "beep"
    STOP = "stop"


class Deadlines:
    """At most one deadline a timer; setting it again moves it."""

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at: dict[Timer, Ms] = {}

    def set(self, timer: Timer, at: Ms) -> None:
        self._at[timer] = at

    def hasten(self, timer: Timer, at: Ms) -> None:
        """Have it fall due no later than at, if it is running."""
        if timer in self._at:
            self._at[timer] = min(at, self._at[timer])

    def cancel(self, *timers: Timer) -> None:
        for timer in timers:
            self._at.pop(timer, None)

    def clear(self) -> None:
        self._at.clear()

    def running(self, timer: Timer) -> bool:
        return timer in self._at

    @property
    def waiting(self) -> frozenset[Timer]:
        return frozenset(self._at)

    def next(self) -> Ms | None:
        """When the earliest falls due; None if nothing is waited for."""
        return min(self._at.values()) if self._at else None

    def pop_due(self, now: Ms) -> Timer | None:
        """Take out the earliest that is due, ties in the order of Timer's names, or None."""
        at = self.next()
        if at is None or at > now:
            return None
        timer = min((t for t, due in self._at.items() if due == at), key=lambda t: t.value)
        del self._at[timer]
        return timer
