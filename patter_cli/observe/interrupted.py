"""Calls that a killed process left open get the record they lack.

A live call holds a lock on its journal, which the operating system takes back when the process dies, however it dies.
So a folder without a record whose journal can be locked belongs to nobody any more. Its journal is replayed, the line
is taken to have closed at the last moment that is known, and what the machine says of it is the record.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested
from patter_cli.core.journal import Entry, parse_entry
from patter_cli.core.machine import TurnMachine
from patter_cli.core.outcome import Direction, Outcome
from patter_cli.errors import InputError
from patter_cli.observe.metrics import measure_turns

log = logging.getLogger(__name__)


def hold(descriptor: int) -> None:
    """Lock a live call's journal for as long as this file is open. Never raises."""
    try:
        import fcntl
    except ImportError:  # Windows: nothing is ever taken for abandoned there
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        log.debug("a journal cannot be locked: %s", error)


def abandoned_calls(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The call folders below `folder` that no process holds and that have no record, each with the record it lacks.

    A folder stays locked while its pair is in the caller's hands. Folders that cannot be read are passed over.
    """
    try:
        import fcntl
    except ImportError:
        return
    for place in _without_record(folder):
        try:
            with (place / "journal.jsonl").open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not (place / "record.json").exists():
                    yield place, _record(place.name, list(_entries(file)))
        except OSError:
            continue  # it is held, or gone


def _without_record(folder: Path) -> Iterator[Path]:
    for day in _folders(folder):
        for place in _folders(day):
            if not (place / "record.json").exists():
                yield place


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.is_dir())
    except OSError:
        return []


def _entries(file: BinaryIO) -> Iterator[Entry]:
    """What is whole of a journal, up to where it was torn."""
    for line in file:
        try:
            yield parse_entry(line.decode("utf-8", "replace"))
        except InputError:
            return


def _record(call_id: str, entries: list[Entry]) -> dict[str, Any]:
    machine, measure = TurnMachine(), measure_turns()
    metrics = []
    last = 0
    record: dict[str, Any] = {"call_id": call_id}
    for entry in entries:
        machine.handle(entry.event, entry.at)
        last = max(last, entry.at)
        if (measured := measure(entry)) is not None:
            metrics.append(measured)
        first = entry.event
        if isinstance(first, fact.CallConnected | DialRequested) and "agent" not in record:
            record |= {
                "agent": first.plan.agent,
                "caller": first.caller,
                "callee": first.callee,
                "carrier": first.carrier,
                "carrier_call_id": first.carrier_call_id if isinstance(first, fact.CallConnected) else "",
                "started_at": first.wall_time,
                "direction": first.direction if isinstance(first, fact.CallConnected) else Direction.OUTBOUND,
            }
    machine.handle(fact.LineClosed(cause="process_killed"), last)
    history = [{"role": each.role, "text": each.text, "timestamp": each.timestamp} for each in machine.history]
    return record | {
        "duration": last / 1000,
        "outcome": Outcome.INTERRUPTED,
        "reason": "process_killed",
        "history": history,
        "transcript": "\n".join(f"{each['role']}: {each['text']}" for each in history),
        "metrics": metrics,
        "cost": None,
        "recording_path": None,
    }
