"""Calls that a killed process left open get the record they lack.

A live call holds a lock on its journal, which the operating system takes back when the process dies, however it dies.
So a call without a record whose journal can be locked belongs to nobody any more. Its journal is replayed, the line
is taken to have closed at the last moment that is known, and what the machine says of it is the record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from patter_cli.contracts.store import AbandonedCall, CallStore
from patter_cli.core import commands as order
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

KILLED: Final = "process_killed"
"""Why the line of such a call closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptedCall:
    """A call that a process left open when it was killed; whoever was on the phone may be there still."""

    call_id: str
    agent: str
    carrier: str
    carrier_call_id: str
    """"" for one that nobody had picked up."""
    caller: str
    callee: str
    direction: Direction
    variables: Mapping[str, str]
    """What it brought along."""
    went_on: bool
    """It had broken off before, and went on."""
    last_at: float
    """When it was last known to be live, Unix seconds."""


def nobody_waits(call: InterruptedCall) -> None:
    """For whoever only wants the records."""


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
    machine.handle(fact.LineClosed(cause=KILLED), last)
    return machine.history


def with_its_end(lines: Iterable[str]) -> Iterator[Entry]:
    """The entries of a journal that broke off, and those that close it: the line is gone, and it was used until then.

    Replays the journal, so keep it off the loop.
    """
    machine, last = TurnMachine(), 0
    carrier: tuple[str, Direction] | None = None
    for entry in _entries(lines):
        machine.handle(entry.event, entry.at)
        last = max(last, entry.at)
        if carrier is None and isinstance(entry.event, fact.CallConnected):
            carrier = entry.event.carrier, entry.event.direction
        elif carrier is None and isinstance(entry.event, DialRequested):
            carrier = entry.event.carrier, Direction.OUTBOUND
        yield entry
    if carrier is not None:
        gone = fact.LineClosed(cause=KILLED)
        commands = tuple(_interrupted(each) for each in machine.handle(gone, last))
        yield Entry(at=last, event=gone, commands=commands)
        used = fact.LineUsed(carrier=carrier[0], direction=carrier[1], duration_ms=last)
        yield Entry(at=last, event=used, commands=())


def _interrupted(command: order.Command) -> order.Command:
    """As the record says it."""
    over = isinstance(command, order.FinishCall)
    return order.FinishCall(outcome=Outcome.INTERRUPTED, reason=KILLED) if over else command


def close_abandoned(
    store: CallStore,
    prices: PriceTable = LIST_PRICES,
    on_closed: Callable[[InterruptedCall], None] = nobody_waits,
) -> int:
    """Give every call that another, dead process left open its record: outcome "interrupted". Returns how many.

    on_closed: told of each of which it is known whose it was.

    A call of a process that still runs is left alone. Never raises; reads many files, so keep it off the loop.
    """
    closed = 0
    for call in store.abandoned():
        try:
            entries = list(_entries(call.lines))
            call.finish(_record(call, entries, prices))
            closed += 1
            if (known := _whose(call.call_id, entries)) is not None:
                on_closed(known)
        except OSError as error:
            log.warning("the record of call %s cannot be written: %s", call.call_id, reason(error))
    if closed:
        log.warning("calls that were live when their process was killed, now closed as interrupted: %d", closed)
    return closed


def _entries(lines: Iterable[str]) -> Iterator[Entry]:
    """What is whole of a journal, up to where it was torn."""
    for line in lines:
        try:
            yield parse_entry(line)
        except InputError:
            return


def _whose(call_id: str, entries: list[Entry]) -> InterruptedCall | None:
    """None for a journal that was torn before it said so."""
    begun = [each.event for each in entries if isinstance(each.event, fact.CallConnected | DialRequested)]
    if not begun:
        return None
    first, last = begun[0], begun[-1]
    connected = last if isinstance(last, fact.CallConnected) else None
    return InterruptedCall(
        call_id=call_id,
        agent=first.plan.agent,
        carrier=first.carrier,
        carrier_call_id=connected.carrier_call_id if connected is not None else "",
        caller=first.caller,
        callee=first.callee,
        direction=first.direction if isinstance(first, fact.CallConnected) else Direction.OUTBOUND,
        variables=first.parameters,
        went_on=connected is not None and bool(connected.earlier),
        last_at=first.wall_time + max(each.at for each in entries) / 1000,
    )


def _record(call: AbandonedCall, entries: Iterable[Entry], prices: PriceTable) -> dict[str, Any]:
    machine, measure = TurnMachine(), CallMeasure(prices)
    metrics = []
    last = 0
    recording = None
    record: dict[str, Any] = {"call_id": call.call_id}
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
        elif isinstance(first, fact.CallConnected):
            record["carrier_call_id"] = first.carrier_call_id  # of a call that we made
    machine.handle(fact.LineClosed(cause=KILLED), last)
    if "agent" in record:
        used = fact.LineUsed(carrier=record["carrier"], direction=record["direction"], duration_ms=last)
        measure.feed(Entry(at=last, event=used, commands=()))
    history = [{"role": each.role, "text": each.text, "timestamp": each.timestamp} for each in machine.history]
    return record | {
        "duration": last / 1000,
        "outcome": Outcome.INTERRUPTED,
        "reason": KILLED,
        "history": history,
        "transcript": history,
        "metrics": metrics,
        "cost": measure.cost(),
        "recording_path": None if call.sound is None else str(call.sound),
        "recording": recording,
    }
