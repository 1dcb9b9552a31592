"""What is kept of a call: a journal line for everything that happens, what was measured, and the record at its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from patter_cli.audio.jitter import JitterCounts
from patter_cli.core.commands import Command
from patter_cli.core.events import Event, Ms
from patter_cli.core.journal import Entry, render_entry
from patter_cli.core.outcome import Outcome
from patter_cli.engine.context import CallContext

log = logging.getLogger(__name__)


class Journal(Protocol):
    """Where a call's lines go. Neither method raises or blocks for longer than a disk write."""

    def write(self, line: str) -> None:
        """Have the line on disk when this returns."""

    def close(self, summary: Mapping[str, Any]) -> None:
        """The call is over; the summary is its record."""


Observer: TypeAlias = Callable[[str, Entry], None]
"""(call_id, entry): sees every journal entry after it is on disk. Must be quick; what it raises is logged."""

Measure: TypeAlias = Callable[[Entry], Mapping[str, Any] | None]
"""Sees every entry of one call; gives what on_metrics is told when a turn has been measured."""


class CallRecorder:
    """One call's."""

    def __init__(
        self, call: CallContext, journal: Journal, measure: Measure, observers: tuple[Observer, ...] = ()
    ) -> None:
        self._call = call
        self._journal = journal
        self._measure = measure
        self._observers = observers
        self._metrics: list[Mapping[str, Any]] = []
        self.wall_time = time.time()
        """Unix time of the call's start."""
        self.outcome = Outcome.FAILED
        self.reason = "internal_error"

    def write(self, now: Ms, event: Event, commands: list[Command]) -> Mapping[str, Any] | None:
        """Keep what happened. Returns what on_metrics is told, when a turn has been measured by it."""
        self._journal.write(render_entry(now, event, commands))
        entry = Entry(at=now, event=event, commands=tuple(commands))
        measured = self._measure(entry)
        if measured is not None:
            self._metrics.append(measured)
        for observer in self._observers:
            try:
                observer(self._call.info.call_id, entry)
            except Exception:
                log.exception("an observer of call %s raised", self._call.info.call_id)
        return measured

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
            "cost": None,
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
