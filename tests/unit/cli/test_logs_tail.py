"""patter logs tail: what happens on calls is printed as it happens, whoever holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from patter_cli.cli.logs_tail import Tail, tail
from patter_cli.core.plan import CallPlan
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing import VirtualCall
from tests.unit.stores.calls import STARTED, Kept, keep, record

PLAN = CallPlan(agent="shop", system_prompt="", first_message="Hello, this is the shop.")


def lines() -> list[str]:
    call = VirtualCall(PLAN, ["Call +15550100199, we open at nine."])
    call.says("When do you open?", at=4500)
    call.run()
    return call.journal.splitlines()


def printed(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def follow(folder: Path, **flags: Any) -> Tail:
    """By a store of its own, as a command does."""
    return Tail(SqliteStore(folder), **{"agent": None, "masked": False, "as_json": True} | flags)


def test_a_call_is_followed_as_it_grows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Line by line, a half one not before it is whole; calls that were over before are left alone."""
    keep(SqliteStore(tmp_path), "LB0", STARTED)
    followed = follow(tmp_path)
    written = lines()
    call = Kept(SqliteStore(tmp_path), "LB1")
    call.write(written[0])
    followed.look()
    (started,) = printed(capsys)
    assert (started["what"], started["agent"], started["call_id"]) == ("started", "shop", "LB1")
    call.file.append(written[1][:20].encode())
    followed.look()
    assert printed(capsys) == []
    call.write(written[1][20:])
    for line in written[2:]:
        call.write(line)
    call.end(record("LB1", STARTED))
    followed.look()
    told = printed(capsys)
    assert [each["what"] for each in told if each["what"] != "ringing"][-1] == "ended"
    assert [each["text"] for each in told if each["what"] == "said"][:2] == [PLAN.first_message, "When do you open?"]
    assert [each["total_ms"] > 0 for each in told if each["what"] == "waited"] == [True]
    assert all(each["time"] > STARTED for each in told)
    assert followed.look() == 0


def test_it_goes_on_with_the_next_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that is killed leaves its call open; the one after it has calls of its own."""
    followed = follow(tmp_path / "calls")
    for name in ("LB1", "LB2"):
        call = Kept(SqliteStore(tmp_path / "calls"), name)
        for line in lines()[:12]:
            call.write(line)
        call.die()
        followed.look()
    assert {each["call_id"] for each in printed(capsys)} == {"LB1", "LB2"}


def test_a_live_call_is_not_told_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What happened before is taken in silently, so that what follows makes sense."""
    written = lines()
    call = Kept(SqliteStore(tmp_path), "LB1")
    for line in written[:-3]:
        call.write(line)
    followed = follow(tmp_path, as_json=False)
    assert capsys.readouterr().out == ""
    for line in written[-3:]:
        call.write(line)
    followed.look()
    assert "call over after" in capsys.readouterr().out


def test_what_is_wanted_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One agent's calls; numbers struck out; what is damaged or deleted is passed over."""
    others, masked = follow(tmp_path, agent="desk"), follow(tmp_path, masked=True)
    call = Kept(SqliteStore(tmp_path), "LB1")
    call.write("\x00 no line of ours")
    for line in lines():
        call.write(line)
    others.look()
    assert printed(capsys) == []
    masked.look()
    out = capsys.readouterr().out
    assert "Call ***, we open at nine." in out
    assert "0100199" not in out
    call.die()
    for each in tmp_path.glob("calls/*/LB1/*"):
        each.unlink()
    assert masked.look() == 0


def test_it_looks_until_it_is_ended(tmp_path: Path) -> None:
    """Also where there is no folder yet."""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tail(SqliteStore(tmp_path / "none"), agent=None, masked=False, as_json=True, wait=wait)
    assert len(waits) == 3
