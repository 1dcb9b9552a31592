"""The most that calls may cost within a day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from patter_cli.contracts.store import CallQuery, CallRecord
from patter_cli.errors import CallRejected
from patter_cli.server.spending import DAY_S, DailySpending
from patter_cli.stores.nothing import NoStore
from patter_cli.stores.sqlite import SqliteStore

NOW = 1_800_000_000.0


def kept(folder: Path, *calls: tuple[float, object]) -> SqliteStore:
    """Calls that are over: when each began, and its cost as the record has it."""
    store = SqliteStore(folder)
    for number, (at_s, cost) in enumerate(calls):
        file = store.begin(f"C{number}", at_s)
        assert file is not None
        file.append(b"{}\n")
        file.finish(
            {"call_id": f"C{number}", "started_at": at_s, "duration": 60.0, "outcome": "answered", "cost": cost}
        )
        file.close()
    return store


def test_what_was_spent_before_a_restart_counts(tmp_path: Path) -> None:
    """The last 24 hours, and no more; a record whose cost nobody can read counts for nothing."""
    store = kept(
        tmp_path,
        (NOW - 2 * DAY_S, {"usd": 90.0, "known_usd": 90.0}),
        (NOW - 3600, {"usd": None, "known_usd": 1.5}),
        (NOW - 60, {"known_usd": 0.75, "usd": 0.75}),
        (NOW - 50, {"known_usd": "a lot"}),
        (NOW - 40, None),
    )
    spending = DailySpending(2.0)
    spending.load(store, NOW)
    assert spending.usd(NOW) == pytest.approx(2.25)
    with pytest.raises(CallRejected, match=r"cost \$2\.25, and \$2\.00 is the most") as refused:
        spending.check(NOW)
    assert "max_spend_per_day" in refused.value.hint
    spending.check(NOW + DAY_S - 1800)


def test_what_is_spent_meanwhile_counts() -> None:
    """A call by what it has cost so far, and for a day after its end."""
    spending, cost = DailySpending(1.0), [0.4]
    spending.load(NoStore(), NOW)
    spending.began("C1", lambda: cost[0])
    spending.check(NOW)
    cost[0] = 1.2
    with pytest.raises(CallRejected):
        spending.check(NOW)
    spending.ended("C1", NOW)
    spending.ended("C1", NOW)
    spending.ended("never", NOW)
    cost[0] = 5.0
    assert spending.usd(NOW + DAY_S - 1) == pytest.approx(1.2)
    spending.check(NOW + DAY_S)


def test_without_a_ceiling_nothing_is_looked_up(tmp_path: Path) -> None:
    """Whatever it costs."""
    spending = DailySpending(None)
    spending.load(kept(tmp_path, (NOW - 60, {"known_usd": 1e9, "usd": 1e9})), NOW)
    spending.check(NOW)


def test_a_store_that_cannot_be_read_stops_no_calls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and what is spent from now on counts."""
    kept(tmp_path, (NOW - 60, {"known_usd": 3.0, "usd": 3.0}))

    class Broken(SqliteStore):
        def export(self, query: CallQuery) -> Iterator[CallRecord]:
            raise OSError("the disk is gone")

    spending = DailySpending(2.0)
    spending.load(Broken(tmp_path), NOW)
    assert "cannot be read: the disk is gone" in caplog.text
    spending.check(NOW)


def test_two_processes_and_a_restart_share_it(tmp_path: Path) -> None:
    """Also what a call has cost that goes on elsewhere, or went on in a process that was killed; each counts once."""
    one, two = (DailySpending(2.0, tmp_path / "spent") for _ in range(2))
    cost = [0.5]
    one.began("C1", lambda: cost[0])
    two.check(NOW)
    assert two.usd(NOW) == 0.0
    one.note(NOW)
    assert two.usd(NOW) == pytest.approx(0.5)
    cost[0] = 0.505
    one.note(NOW)  # a little more is not worth a line
    assert two.usd(NOW) == pytest.approx(0.5)
    cost[0] = 1.5
    one.note(NOW + 5)
    two.began("C2", lambda: 0.6)
    two.ended("C2", NOW + 6)
    for each in (one, two, DailySpending(2.0, tmp_path / "spent")):  # the last is of a process that has just begun
        assert each.usd(NOW + 7) == pytest.approx(2.1)
        with pytest.raises(CallRejected):
            each.check(NOW + 7)
    one.ended("C1", NOW + 8)
    assert two.usd(NOW + 9) == pytest.approx(2.1)
    assert two.usd(NOW + DAY_S + 60) == 0.0


def test_what_is_in_the_store_and_in_the_folder_counts_once(tmp_path: Path) -> None:
    """The same call."""
    store = kept(tmp_path / "calls", (NOW - 60, {"known_usd": 0.75}))
    first = DailySpending(2.0, tmp_path / "spent")
    first.began("C0", lambda: 0.75)
    first.ended("C0", NOW)
    again = DailySpending(2.0, tmp_path / "spent")
    again.load(store, NOW)
    assert again.usd(NOW) == pytest.approx(0.75)


def test_a_folder_that_cannot_be_used_stops_no_calls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, and what this process spends counts; a torn or strange line is none."""
    (tmp_path / "file").write_text("")
    spending = DailySpending(1.0, tmp_path / "file" / "spent")
    for call_id in ("C1", "C2"):
        spending.began(call_id, lambda: 0.4)
        spending.ended(call_id, NOW)
    assert spending.usd(NOW) == pytest.approx(0.8)
    assert caplog.text.count("is not known") == 1
    other = DailySpending(1.0, tmp_path / "spent")
    other.began("C3", lambda: 0.3)
    other.ended("C3", NOW)
    (file,) = (tmp_path / "spent").iterdir()
    file.write_bytes(file.read_bytes() + b"x C4 9\n1 C5\n\xff\xfe\n" + f"{NOW:.0f} C6 9.".encode())
    assert DailySpending(1.0, tmp_path / "spent").usd(NOW) == pytest.approx(0.3)
