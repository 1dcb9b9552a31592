"""A stored call through the engine of today: its facts as they came, what was ordered then beside what is ordered now.

Theory of operation. The machine is pure, so the same facts at the same times lead the same machine to the same orders.
A machine that has changed shows it in one of two ways: to a fact it orders something else, or it would have acted
before the next fact came. For the second the run has a clock of its own: where a deadline of today's machine lies well
before the next fact, and nobody held the loop meanwhile, it is kept then.

What came after the first difference answered orders that are not given any more, so later differences may only follow
from it: the first is the one to look at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.commands import Command
from patter_cli.core.events import Event, Ms
from patter_cli.core.journal import Entry, plain_value
from patter_cli.core.machine import TurnMachine

LATE_MS = 150
"""So late a deadline may be kept without anybody saying that the loop was held: see engine.watchdog.TOLD_S."""
STEPS = 200
"""Deadlines between two facts; a call has one or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where the two differ. event: None for a deadline that only today's machine keeps."""

    at: Ms
    event: Event | None
    then: tuple[Command, ...]
    now: tuple[Command, ...]


@dataclass(slots=True, kw_only=True)
class ReplayedTurn:
    """A turn and where it differs. Number 0 is what came before the caller's first words. words: the caller's."""

    number: int
    words: str = ""
    moments: list[Moment] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What became of the run. turns: all of the call's. orders: how many were given then."""

    turns: tuple[ReplayedTurn, ...]
    orders: int

    @property
    def differing(self) -> tuple[ReplayedTurn, ...]:
        return tuple(each for each in self.turns if each.moments)

    @property
    def same(self) -> bool:
        return not self.differing

    def render(self) -> dict[str, Any]:
        """JSON values: {same, orders, turns: [{number, words, moments: [{at_ms, event, then, now}]}]}; event is null
        for a deadline of today's, then and now are lists of {order, and what it says}."""
        return {
            "same": self.same,
            "orders": self.orders,
            "turns": [
                {"number": turn.number, "words": turn.words, "moments": [_moment(each) for each in turn.moments]}
                for turn in self.turns
            ],
        }


def replay_call(entries: Sequence[Entry]) -> Replay:
    """Run a whole call again. entries: of its journal, from the first on."""
    machine = TurnMachine()
    held = [(each.event.from_ms, each.event.to_ms) for each in entries if isinstance(each.event, fact.LoopHeld)]
    turns, numbers = _turns(entries)
    for place, entry in enumerate(entries):
        moments = turns[numbers[place]].moments
        for _ in range(STEPS):
            due = machine.next_deadline()
            if due is None or _kept(due, held) + LATE_MS >= entry.at:
                break
            early = tuple(machine.handle(fact.Tick(), due + 1))
            if early:
                moments.append(Moment(at=due + 1, event=None, then=(), now=early))
        now = tuple(machine.handle(entry.event, entry.at))
        if now != entry.commands:
            moments.append(Moment(at=entry.at, event=entry.event, then=entry.commands, now=now))
    return Replay(turns=tuple(turns), orders=sum(len(each.commands) for each in entries))


def described(command: Command) -> str:
    """An order and what it says: `Speak reply 3, clause 1: "Hello."`."""
    facts = _facts(command)
    name = facts.pop("order")
    text = facts.pop("text", None)
    reply, clause = facts.pop("response_id", None), facts.pop("clause", None)
    parts = [] if reply is None else [f"reply {reply}"]
    parts += [] if clause is None else [f"clause {clause}"]
    parts += [f"{key} {value}" for key, value in facts.items() if value not in ("", None, False)]
    said = f'"{text}"' if text else ""
    return " ".join(filter(None, (name, ", ".join(parts) + (":" if said and parts else ""), said)))


def _kept(deadline: Ms, held: Iterable[tuple[Ms, Ms]]) -> Ms:
    """When a deadline could be kept at the earliest."""
    return next((ended for begun, ended in held if begun - LATE_MS <= deadline < ended), deadline)


def _turns(entries: Sequence[Entry]) -> tuple[list[ReplayedTurn], list[int]]:
    """The call's turns, and to which of them each entry belongs: a turn begins with the voice or the key that led to
    the caller's next words."""
    turns, numbers = [ReplayedTurn(number=0)], []
    begun: int | None = None
    for place, entry in enumerate(entries):
        numbers.append(len(turns) - 1)
        if begun is None and isinstance(entry.event, fact.SpeechStarted | fact.DtmfReceived):
            begun = place
        for command in entry.commands:
            if isinstance(command, order.ReportTranscript) and command.role == "user":
                turns.append(ReplayedTurn(number=len(turns), words=command.text))
                since = place if begun is None else begun
                numbers[since:] = [len(turns) - 1] * (len(numbers) - since)
                begun = None
    return turns, numbers


def _facts(value: Event | Command) -> dict[str, Any]:
    return {"order": type(value).__name__, **plain_value(value)}


def _moment(moment: Moment) -> dict[str, Any]:
    return {
        "at_ms": moment.at,
        "event": None if moment.event is None else type(moment.event).__name__,
        "then": [_facts(each) for each in moment.then],
        "now": [_facts(each) for each in moment.now],
    }
