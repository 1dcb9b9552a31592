"""A stored call explained: found, read, compared with those before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from patter_cli.cli.logs_query import resolve_call
from patter_cli.contracts.store import CallQuery, CallStore
from patter_cli.core.journal import read_entries
from patter_cli.errors import InputError
from patter_cli.observe.explain import ExplainedTurn, explain
from patter_cli.observe.waits import Wait, began_by

BEFORE = 10
"""Calls of the same agent that tell what is usual; each costs a record's reading."""
_MEASURED = {
    Wait.FIRST_WORDS: "llm_ms",
    Wait.CLAUSE: "clause_ms",
    Wait.SOUND: "tts_ms",
    Wait.HANDOVER: "handover_ms",
}
"""What of a wait is in a record's metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedCall:
    """unreadable: lines of the journal that are damaged; what follows the first of them is not explained."""

    call_id: str
    turns: tuple[ExplainedTurn, ...]
    unreadable: int


def explain_call(store: CallStore, written: str, turn: int | None) -> ExplainedCall:
    """Raises InputError for a call or a turn that there is not, StoreError."""
    call_id = resolve_call(store, written)
    entries, unreadable = read_entries(store.journal(call_id))
    if not entries:
        raise InputError(
            f"the journal of call {call_id} cannot be read, so nothing can be run again",
            hint=f"patter logs show {call_id} tells what its record has",
        )
    turns = explain(entries, turn=turn, before=_before(store, call_id, began_by(entries)))
    if turn is not None and not turns:
        there = [str(each.number) for each in explain(entries)]
        hint = f"none was; patter logs show {call_id} tells how it went"
        if there:
            hint = f"answered were {', '.join(there)}: patter explain {call_id} {there[0]}"
        raise InputError(f"call {call_id} has no turn {turn} that was answered aloud", hint=hint)
    return ExplainedCall(call_id=call_id, turns=tuple(turns), unreadable=unreadable)


def _before(store: CallStore, call_id: str, agent: str) -> Mapping[Wait, list[int]]:
    """What the agent's other calls waited for."""
    waits: dict[Wait, list[int]] = {each: [] for each in _MEASURED}
    others = (each for each in store.export(CallQuery(agent=agent, limit=BEFORE + 1)) if each.row.call_id != call_id)
    for record in islice(others, BEFORE):
        metrics = record.facts.get("metrics")
        for measured in metrics if isinstance(metrics, list) else ():
            for wait, name in _MEASURED.items():
                value = measured.get(name) if isinstance(measured, dict) else None
                if type(value) is int and value >= 0:
                    waits[wait].append(value)
    return waits
