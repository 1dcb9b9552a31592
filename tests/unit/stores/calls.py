"""Calls to be kept: their first line, their record, and a store full of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from patter_cli.contracts.store import CallStore
from patter_cli.core import events as fact
from patter_cli.core.journal import render_entry
from patter_cli.core.plan import CallPlan

STARTED = 1_750_000_000.0
DAY_S = 86_400.0
AGENTS = ("shop", "desk", "bank")
OUTCOMES = ("answered", "failed", "interrupted")


def first_line(call_id: str, started_at: float, *, agent: str = "shop", caller: str = "+15550100") -> str:
    """What a journal begins with."""
    connected = fact.CallConnected(
        call_id=call_id,
        caller=caller,
        callee="+15550199",
        direction="inbound",
        carrier="loopback",
        plan=CallPlan(agent=agent, system_prompt="You sell cars."),
        wall_time=started_at,
    )
    return render_entry(0, connected, [])


def record(call_id: str, started_at: float, **facts: Any) -> dict[str, Any]:
    """What a call leaves at its end."""
    return {
        "call_id": call_id,
        "agent": "shop",
        "caller": "+15550100",
        "callee": "+15550199",
        "carrier": "loopback",
        "direction": "inbound",
        "started_at": started_at,
        "duration": 12.5,
        "outcome": "answered",
        "reason": "caller_hung_up",
        "history": [
            {"role": "assistant", "text": "Hello.", "timestamp": started_at},
            {"role": "user", "text": "When do you open?", "timestamp": started_at + 3},
        ],
        "transcript": [{"role": "assistant", "text": "Hello.", "timestamp": started_at}],
        "metrics": [],
        "cost": None,
        "recording_path": None,
    } | facts


class Kept:
    """A call that is being kept."""

    def __init__(self, store: CallStore, call_id: str, started_at: float = STARTED) -> None:
        file = store.begin(call_id, started_at)
        assert file is not None
        self.file = file

    def write(self, line: str) -> None:
        self.file.append(f"{line}\n".encode())

    def end(self, facts: Mapping[str, Any]) -> None:
        self.file.finish(facts)
        self.file.close()

    def die(self) -> None:
        """As its process does: nothing more is written."""
        self.file.close()


def begin(store: CallStore, call_id: str, started_at: float = STARTED, **facts: str) -> Kept:
    """A call that has begun."""
    call = Kept(store, call_id, started_at)
    call.write(first_line(call_id, started_at, **facts))
    return call


def keep(store: CallStore, call_id: str, started_at: float = STARTED, **facts: Any) -> None:
    """A whole call."""
    begin(store, call_id, started_at).end(record(call_id, started_at, **facts))


def fill(store: CallStore, count: int = 30) -> list[str]:
    """Calls of some days, agents, outcomes and numbers; their ids, the youngest first."""
    for number in range(count):
        keep(
            store,
            f"LB{number:05}",
            STARTED + number * DAY_S / 4,
            agent=AGENTS[number % 3],
            outcome=OUTCOMES[number % 2],
            caller=f"+1555010{number % 10}",
            reason="ünï",
        )
    return [f"LB{number:05}" for number in reversed(range(count))]
