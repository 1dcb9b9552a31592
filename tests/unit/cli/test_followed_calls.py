"""Calls that another process makes for a command, as the command sees them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from patter_cli.cli import followed_calls
from patter_cli.cli.followed_calls import FollowedCalls
from patter_cli.core.carrier_events import Answered, DialRequested, Ringing
from patter_cli.core.commands import FinishCall
from patter_cli.core.events import LineClosed
from patter_cli.core.journal import Entry, render_entry
from patter_cli.core.outcome import Outcome
from patter_cli.core.plan import CallPlan
from patter_cli.stores.sqlite import SqliteStore
from tests.unit.stores.calls import STARTED, Kept, first_line


def dialled(call_id: str) -> str:
    event = DialRequested(
        call_id=call_id, caller="+12025550100", callee="+12025550101", carrier="lab",
        plan=CallPlan(agent="hum", system_prompt=""), ring_timeout_ms=25_000, wall_time=STARTED,
    )  # fmt: skip
    return render_entry(0, event, [])


def soon(found: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not found():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_call_is_seen_from_its_first_line_to_its_last(tmp_path: Path) -> None:
    """Though its id is known only once the carrier has it; calls of others are not shown, and not mixed in."""
    seen: list[tuple[str, Entry]] = []
    server = SqliteStore(tmp_path)
    with FollowedCalls(SqliteStore(tmp_path), lambda call_id, entry: seen.append((call_id, entry))) as followed:
        ours, theirs, inbound = (Kept(server, name) for name in ("LB1", "LB2", "LB3"))
        ours.write(dialled("LB1"))
        ours.write(render_entry(100, Ringing(), []))
        theirs.write(dialled("LB2"))
        inbound.write(first_line("LB3", STARTED))
        time.sleep(2 * followed_calls.LOOK_S)
        assert seen == []
        followed.want("LB1")
        ours.write(render_entry(900, Answered(), []))
        soon(lambda: len(seen) == 3)
        end = FinishCall(outcome=Outcome.ANSWERED, reason="caller")
        ours.write(render_entry(1500, LineClosed(cause="carrier_stop"), [end]))
    assert {call_id for call_id, _ in seen} == {"LB1"}
    assert [type(entry.event).__name__ for _, entry in seen] == ["DialRequested", "Ringing", "Answered", "LineClosed"]


def test_what_is_kept_elsewhere_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks at an empty screen and wonders; a line that cannot be read is passed over."""
    monkeypatch.setattr(followed_calls, "NOT_KEPT_S", 0.0)
    with FollowedCalls(SqliteStore(tmp_path)) as followed:
        call = Kept(SqliteStore(tmp_path), "LB2")
        call.write("no line of a journal")
        followed.want("LB1")
        time.sleep(3 * followed_calls.LOOK_S)
    assert capsys.readouterr().err == "the server keeps its calls elsewhere: its own screen shows them\n"
