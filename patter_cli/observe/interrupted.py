"""Calls that a killed process left open get the record they lack.

A live call holds a lock on its journal, which the operating system takes back when the process dies, however it dies.
So a call without a record whose journal can be locked belongs to nobody any more. Its journal is replayed, the line
is taken to have closed at the last moment that is known, and what the machine says of it is the record.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from patter_cli.contracts.store import CallStore
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested, RecordingReady
from patter_cli.core.conversation import Message
from patter_cli.core.journal import Entry, parse_entry
from patter_cli.core.machine import TurnMachine
from patter_cli.core.outcome import Direction, Outcome
from patter_cli.engine.record import recording_facts
from patter_cli.errors import InputError, PatterError, reason
from patter_cli.observe.cost import LIST_PRICES
from patter_cli.observe.metrics import CallMeasure
from patter_cli.observe.prices import PriceTable

log = logging.getLogger(__name__)


def said_in(store: CallStore, call_id: str) -> tuple[Message, ...]:
    """What was said in a call that broke off, as far as its journal is whole; () for one that is not kept.

    Never raises; replays the journal, so keep it off the loop.
    """
    machine, last = TurnMachine(), 0
    try:
        for entry in _entries(store.journal(call_id)):
            machine.handle(entry.event, entry.at)
            last = max(last, entry.at)
    except (OSError, PatterError) as error:
        log.warning("what was said in call %s cannot be read: %s", call_id, reason(error))
    machine.handle(fact.LineClosed(cause="process_killed"), last)
    return machine.history


def close_abandoned(store: CallStore, prices: PriceTable = LIST_PRICES) -> int:
    """Give every call that another, dead process left open its record: outcome "interrupted". Returns how many.

    A call of a process that still runs is left alone. Never raises; reads many files, so keep it off the loop.
    """
    closed = 0
    for call in store.abandoned():
        try:
            call.finish(_record(call.call_id, _entries(call.lines), prices))
            closed += 1
        except OSError as error:
            log.warning("the record of call %s cannot be written: %s", call.call_id, reason(error))
    if closed:
        log.warning("%d calls of a process that was killed were closed as interrupted", closed)
    return closed


def _entries(lines: Iterable[str]) -> Iterator[Entry]:
    """What is whole of a journal, up to where it was torn."""
    for line in lines:
        try:
            yield parse_entry(line)
        except InputError:
            return


def _record(call_id: str, entries: Iterable[Entry], prices: PriceTable) -> dict[str, Any]:
    machine, measure = TurnMachine(), CallMeasure(prices)
    metrics = []
    last = 0
    recording = None
    record: dict[str, Any] = {"call_id": call_id}
    for entry in entries:
        machine.handle(entry.event, entry.at)
        last = max(last, entry.at)
        if (measured := measure.feed(entry)) is not None:
            metrics.append(measured)
        first = entry.event
        if isinstance(first, RecordingReady):
            recording = recording_facts(first)
        if isinstance(first, fact.CallPrepared) and "agent" in record:
            record["agent"] = machine.plan.agent  # on_call_start may have chosen another
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
    if "agent" in record:
        used = fact.LineUsed(carrier=record["carrier"], direction=record["direction"], duration_ms=last)
        measure.feed(Entry(at=last, event=used, commands=()))
    history = [{"role": each.role, "text": each.text, "timestamp": each.timestamp} for each in machine.history]
    return record | {
        "duration": last / 1000,
        "outcome": Outcome.INTERRUPTED,
        "reason": "process_killed",
        "history": history,
        "transcript": history,
        "metrics": metrics,
        "cost": measure.cost(),
        "recording_path": None,
        "recording": recording,
    }
