"""What is kept of a call: a journal line for everything that happens, what was measured, and the record at its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

from patter_cli.audio.jitter import JitterCounts
from patter_cli.core.commands import Command
from patter_cli.core.events import Event, Ms
from patter_cli.core.journal import Entry
from patter_cli.core.outcome import Outcome
from patter_cli.engine.context import CallContext


class Journal(Protocol):
    """Where a call's entries go, and from there to whoever looks on. Nothing here raises or blocks."""

    def write(self, entry: Entry) -> None:
        """Have the entry written, soon."""

    async def settle(self, within_s: float) -> None:
        """Wait until what was written so far is on disk, or for so long."""

    def close(self, record: Mapping[str, Any]) -> None:
        """The call is over; this is its record."""


class Measure(Protocol):
    """Sees every entry of one call."""

    def feed(self, entry: Entry) -> Mapping[str, Any] | None:
        """Take an entry; what on_metrics is told when a turn has been measured by it."""

    def cost(self) -> Mapping[str, Any]:
        """What the call costs so far, as JSON values."""


class CallRecorder:
    """One call's."""

    def __init__(self, call: CallContext, journal: Journal, measure: Measure) -> None:
        self._call = call
        self._journal = journal
        self._measure = measure
        self._metrics: list[Mapping[str, Any]] = []
        self.wall_time = time.time()
        """Unix time of the call's start."""
        self.outcome = Outcome.FAILED
        self.reason = "internal_error"

    def write(self, now: Ms, event: Event, commands: list[Command]) -> Mapping[str, Any] | None:
        """Keep what happened. Returns what on_metrics is told, when a turn has been measured by it."""
        entry = Entry(at=now, event=event, commands=tuple(commands))
        self._journal.write(entry)
        measured = self._measure.feed(entry)
        if measured is not None:
            self._metrics.append(measured)
        return measured

    @property
    def cost(self) -> dict[str, Any]:
        """So far."""
        return dict(self._measure.cost())

    def end_facts(self) -> dict[str, Any]:
        """What on_call_end is told beside the call's ids."""
        call = self._call
        return {
            "direction": call.info.direction,
            "duration": call.clock.now() / 1000,
            "outcome": self.outcome,
            "reason": self.reason,
            "history": call.told_history(),
            "transcript": "\n".join(f"{each.role}: {each.text}" for each in call.history),
            "metrics": [dict(each) for each in self._metrics],
            "cost": self.cost,
            "recording_path": None,
        }

    def close(self, counts: JitterCounts) -> None:
        """Write the record."""
        info = self._call.info
        self._journal.close(
            {
                "call_id": info.call_id,
                "agent": self._call.agent.name,
                "caller": info.caller,
                "callee": info.callee,
                "carrier": info.carrier,
                "carrier_call_id": info.carrier_call_id,
                "started_at": self.wall_time,
                **self.end_facts(),
                "line": {
                    "lost_ms": counts.lost_ms,
                    "reordered": counts.reordered,
                    "duplicated": counts.duplicated,
                    "late": counts.late,
                    "resyncs": counts.resyncs,
                    "dropped_events": self._call.mailbox.dropped,
                },
            }
        )
