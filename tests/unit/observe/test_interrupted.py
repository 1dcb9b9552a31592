"""Calls that a killed process left open: they get their record, and nobody else's call does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from patter_cli.core.events import CallPrepared, prepared
from patter_cli.core.journal import parse_entry, render_entry
from patter_cli.core.plan import CallPlan
from patter_cli.observe.interrupted import InterruptedCall, close_abandoned, said_in
from patter_cli.stores.nothing import NoStore
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing import FarEnd, VirtualCall

STARTED = 1_750_000_000.0
PLAN = CallPlan(agent="shop", system_prompt="", first_message="Hello, this is the shop. How can I help you today?")

HOLDER = """
import sys, time
from pathlib import Path
from patter_cli.stores.sqlite import SqliteStore
journal = SqliteStore(Path(sys.argv[1])).begin("LB1", 1_750_000_000.0)
journal.append(sys.stdin.buffer.read())
print("written", flush=True)
time.sleep(60)
"""


def lines(until_ms: int = 7000) -> list[str]:
    """The journal of a call in which one question was answered."""
    call = VirtualCall(PLAN, ["We open at nine. And we close at six, every day of the week."])
    call.says("When do you open?", at=4500)
    call.run_until(until_ms)
    return call.journal.splitlines()


def abandoned(folder: Path, written: list[str], torn: str = "") -> Path:
    """A call folder as a dead process leaves it."""
    file = SqliteStore(folder).begin("LB1", STARTED)
    file.append("".join(f"{line}\n" for line in written).encode())
    file.close()
    file.place.mkdir(exist_ok=True)
    with (file.place / "journal.jsonl").open("a") as journal:
        journal.write(torn)
    return file.place


def record(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "record.json").read_text())
    return found


def test_an_abandoned_call_is_interrupted(tmp_path: Path) -> None:
    """Outcome, who and when, the last time that is known, and the transcript with what was heard of the last reply."""
    place = abandoned(tmp_path, lines())
    assert close_abandoned(SqliteStore(tmp_path)) == 1
    told = record(place)
    assert (told["outcome"], told["reason"]) == ("interrupted", "process_killed")
    who = (told["call_id"], told["agent"], told["caller"], told["direction"])
    assert who == ("LB1", "shop", "+15550100", "inbound")
    assert 6 < told["duration"] <= 7
    texts = [(each["role"], each["text"]) for each in told["history"]]
    assert texts[:2] == [("assistant", PLAN.first_message), ("user", "When do you open?")]
    assert "We open at nine.".startswith(texts[2][1])
    assert told["transcript"] == told["history"]
    assert len(told["metrics"]) == 1
    (line,) = told["cost"]["legs"]
    assert (line["leg"], line["audio_ms"]) == ("telephony", round(told["duration"] * 1000))
    assert (place / "record.json").stat().st_mode & 0o777 == 0o600


def test_an_abandoned_call_is_whose_it_was_last(tmp_path: Path) -> None:
    """on_call_start may have given it to another agent."""
    entries = [parse_entry(each) for each in lines()]
    other = replace(PLAN, agent="orders")
    entries = [
        replace(each, event=prepared(PLAN, other)) if isinstance(each.event, CallPrepared) else each for each in entries
    ]
    place = abandoned(tmp_path, [render_entry(each.at, each.event, each.commands) for each in entries])
    assert close_abandoned(SqliteStore(tmp_path)) == 1
    assert record(place)["agent"] == "orders"


def test_a_call_that_was_still_ringing_is_interrupted_too(tmp_path: Path) -> None:
    """Its record says whom we rang, though there never was a line."""
    call = VirtualCall(PLAN, far_end=FarEnd())
    call.run_until(3000)
    told = record(abandoned_and_closed(tmp_path, call.journal.splitlines()))
    assert (told["outcome"], told["direction"], told["callee"]) == ("interrupted", "outbound", "+15550101")
    assert (told["history"], told["started_at"]) == ([], STARTED)


def abandoned_and_closed(folder: Path, written: list[str]) -> Path:
    place = abandoned(folder, written)
    close_abandoned(SqliteStore(folder))
    return place


def test_whoever_may_still_be_on_the_phone_is_told(tmp_path: Path) -> None:
    """Whose call it was, by the carrier's own name for it once there was a line, and when it was last live."""
    told: list[InterruptedCall] = []
    ringing, talking = VirtualCall(PLAN, far_end=FarEnd()), VirtualCall(PLAN)
    ringing.run_until(3000)
    talking.run_until(5000)
    for name, call in (("ringing", ringing), ("talking", talking)):
        place = abandoned(tmp_path / name, call.journal.splitlines())
        close_abandoned(SqliteStore(tmp_path / name), on_closed=told.append)
    rung, held = told
    assert (rung.carrier_call_id, rung.direction, rung.callee) == ("", "outbound", "+15550101")
    assert (held.call_id, held.agent, held.caller, held.direction) == ("LB1", "shop", "+15550100", "inbound")
    assert held.carrier_call_id == record(place)["carrier_call_id"]
    assert not held.went_on
    assert STARTED < held.last_at <= STARTED + 5


def test_a_journal_that_names_nobody_tells_nobody(tmp_path: Path) -> None:
    """It is closed all the same."""
    told: list[InterruptedCall] = []
    abandoned(tmp_path, [], torn="{")
    assert close_abandoned(SqliteStore(tmp_path), on_closed=told.append) == 1
    assert told == []


def test_a_second_look_changes_nothing(tmp_path: Path) -> None:
    """A record is written once."""
    place = abandoned(tmp_path, lines())
    close_abandoned(SqliteStore(tmp_path))
    before = (place / "record.json").read_bytes()
    assert close_abandoned(SqliteStore(tmp_path)) == 0
    assert (place / "record.json").read_bytes() == before


@pytest.mark.parametrize("torn", ['{"v":1,"at":9', "\x00\x00\x00", '{"v":1}\n', "not json\n" + "x" * 5000])
def test_a_torn_journal_is_read_as_far_as_it_goes(tmp_path: Path, torn: str) -> None:
    """What a power cut leaves at the end costs nothing before it."""
    place = abandoned(tmp_path, lines(), torn)
    assert close_abandoned(SqliteStore(tmp_path)) == 1
    assert "When do you open?" in [each["text"] for each in record(place)["transcript"]]


def test_a_call_that_had_just_begun(tmp_path: Path) -> None:
    """Not one whole line: it is closed all the same, under its folder's name."""
    place = abandoned(tmp_path, [], '{"v":1,"at":0,"ev')
    (place / "journal.jsonl").touch()
    assert close_abandoned(SqliteStore(tmp_path)) == 1
    assert (record(place)["call_id"], record(place)["duration"]) == ("LB1", 0.0)


def test_our_own_live_call_is_left_alone(tmp_path: Path) -> None:
    """Also by a second store of this process; once it has ended it has its own record."""
    file = SqliteStore(tmp_path).begin("LB2", STARTED)
    file.append(f"{lines()[0]}\n".encode())
    assert close_abandoned(SqliteStore(tmp_path)) == 0
    file.finish({"outcome": "answered"})
    file.close()
    assert close_abandoned(SqliteStore(tmp_path)) == 0
    assert record(file.place) == {"outcome": "answered"}


def test_a_process_that_runs_keeps_its_call_and_one_that_was_killed_does_not(tmp_path: Path) -> None:
    """The same folder, before and after `kill -9` of another process."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write("\n".join(lines()))
        holder.stdin.close()
        assert holder.stdout.readline() == "written\n"
        assert close_abandoned(SqliteStore(tmp_path)) == 0
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert close_abandoned(SqliteStore(tmp_path)) == 1
    finally:
        holder.kill()
        holder.wait()


def test_nothing_to_look_at(tmp_path: Path) -> None:
    """No folder, no store, a file where a folder should be."""
    assert close_abandoned(NoStore()) == 0
    assert close_abandoned(SqliteStore(tmp_path / "none")) == 0
    (tmp_path / "calls").write_text("a file")
    assert close_abandoned(SqliteStore(tmp_path)) == 0


def test_a_full_disk_leaves_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that does not fit is no half record, and is tried again at the next start."""
    place = abandoned(tmp_path, lines())

    def full(old: str, new: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert close_abandoned(SqliteStore(tmp_path)) == 0
    assert [each.name for each in place.iterdir()] == ["journal.jsonl"]
    monkeypatch.undo()
    assert close_abandoned(SqliteStore(tmp_path)) == 1


def test_what_was_said_in_a_call_that_broke_off(tmp_path: Path) -> None:
    """As far as it was heard, for whoever goes on with it; nothing of a call that is not kept, or of a torn line."""
    abandoned(tmp_path, lines(9000), torn='{"v":1,"at":9100,"ev')
    said = said_in(SqliteStore(tmp_path), "LB1")
    assert [each.role for each in said] == ["assistant", "user", "assistant"]
    assert said[1].text == "When do you open?"
    assert said[2].text.startswith("We open at nine.")
    assert said_in(SqliteStore(tmp_path), "LB2") == ()
    assert said_in(NoStore(), "LB1") == ()
