"""What is kept of a call: a journal line for everything that happens, what was measured, and the record at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol, TypeAlias

from patter_cli.audio.jitter import JitterCounts
from patter_cli.call_result import CallResult
from patter_cli.core.carrier_events import RecordingReady
from patter_cli.core.commands import Command
from patter_cli.core.conversation import Message
from patter_cli.core.events import CallConnected, Event, Ms
from patter_cli.core.journal import Entry
from patter_cli.core.outcome import Outcome
from patter_cli.engine.budget import Budget
from patter_cli.engine.context import CallContext
from patter_cli.engine.sound import CallSound


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

    def spent_usd(self, *running: Event) -> float:
        """What of that is known, with these uses, which go on, as if they ended now."""


Left: TypeAlias = Callable[[tuple[Message, ...]], None]
"""Is told what was said on a call, once it is over."""


def nobody_asks(said: tuple[Message, ...]) -> None:
    """A call that does not go on as another one."""


def recording_facts(event: RecordingReady) -> dict[str, Any]:
    """The carrier's recording, as a call's record has it."""
    return {"recording_id": event.recording_id, "url": event.url, "duration_ms": event.duration_ms}


SOUND_S = 2.0
"""How long the end of a call waits for a disk that its recording is written to."""
NO_LINE = JitterCounts(reordered=0, duplicated=0, late=0, lost_ms=0, resyncs=0)


class CallRecorder:
    """One call's."""

    def __init__(
        self,
        call: CallContext,
        journal: Journal,
        measure: Measure,
        left: Left = nobody_asks,
        sound: CallSound | None = None,
    ) -> None:
        """sound: the call's recording; None: there is none."""
        self._sound = sound
        self._left = left
        self._call = call
        self._journal = journal
        self._measure = measure
        self._budget = Budget(call)
        self._metrics: list[Mapping[str, Any]] = []
        self.wall_time = time.time()
        """Unix time of the call's start."""
        self.outcome = Outcome.FAILED
        self.reason = "internal_error"
        self.answered_by = ""
        """What the far end of an outbound call was taken for last."""
        self._connected_at: Ms | None = None
        self._recording: dict[str, Any] | None = None

    def write(self, now: Ms, event: Event, commands: list[Command]) -> Mapping[str, Any] | None:
        """Keep what happened. Returns what on_metrics is told, when a turn has been measured by it."""
        if isinstance(event, CallConnected) and self._connected_at is None:
            self._connected_at = now
        if isinstance(event, RecordingReady):
            self._recording = recording_facts(event)
        entry = Entry(at=now, event=event, commands=tuple(commands))
        self._journal.write(entry)
        if self._sound is not None:
            self._sound.feed(entry)
        measured = self._measure.feed(entry)
        if measured is not None:
            self._metrics.append(measured)
        self._watch_cost(now)
        return measured

    def _watch_cost(self, now: Ms) -> None:
        """Have the machine know when most of what the call may cost is spent."""
        max_usd, since = self._call.agent.max_usd, self._connected_at
        if max_usd is not None and since is not None and not self._call.machine.ended:
            usd = self._measure.spent_usd(*self._budget.running(since, now))
            self._budget.look(max_usd, usd, all_known=self._measure.cost()["usd"] is not None)

    @property
    def cost(self) -> dict[str, Any]:
        """So far."""
        return dict(self._measure.cost())

    async def finished_facts(self) -> dict[str, Any]:
        """What on_call_end is told, once the recording it is told of is whole; a disk that hangs is not waited for."""
        if self._sound is not None:
            await self._sound.finish(SOUND_S)
        return self.end_facts()

    @property
    def _sound_path(self) -> str | None:
        path = None if self._sound is None else self._sound.path
        return None if path is None else str(path)

    def end_facts(self) -> dict[str, Any]:
        """What on_call_end is told beside the call's ids."""
        call, history = self._call, self._call.told_history()
        return {
            "direction": call.info.direction,
            "carrier": call.info.carrier,
            "custom_params": dict(call.info.parameters),
            "agent": call.agent.name,
            "duration": self._duration_s(),
            "outcome": self.outcome,
            "reason": self.reason,
            "history": history,
            "transcript": history,
            "metrics": [dict(each) for each in self._metrics],
            "cost": self.cost,
            "recording_path": self._sound_path,
        }

    def result(self) -> CallResult:
        """The same for whoever made the call."""
        info = self._call.info
        return CallResult(
            call_id=info.call_id,
            carrier_call_id=info.carrier_call_id,
            agent=self._call.agent.name,
            caller=info.caller,
            callee=info.callee,
            outcome=self.outcome,
            reason=self.reason,
            answered_by=self.answered_by,
            duration=self._duration_s(),
            history=tuple(self._call.told_history()),
        )

    def _duration_s(self) -> float:
        """From the line on: ringing is no part of a call, and costs nothing."""
        return 0.0 if self._connected_at is None else (self._call.clock.now() - self._connected_at) / 1000

    def close(self, counts: JitterCounts | None) -> None:
        """Write the record. counts: what the line did to us; None where there never was one."""
        info = self._call.info
        if self._sound is not None:
            self._sound.close()
        self._left(self._call.history)
        line = counts or NO_LINE
        peaks = None if self._sound is None else self._sound.peaks
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
                "recording": self._recording,
                **({} if peaks is None else {"peaks": asdict(peaks)}),
                "line": {
                    "lost_ms": line.lost_ms,
                    "reordered": line.reordered,
                    "duplicated": line.duplicated,
                    "late": line.late,
                    "resyncs": line.resyncs,
                    "dropped_events": self._call.mailbox.dropped,
                },
            }
        )
