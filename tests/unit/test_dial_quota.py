"""How often we ring: what counts, for how long, and among whom."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from patter_cli.destinations import DialRules, check
from patter_cli.dial_quota import DAY_S, MINUTE_S, DialLimits, DialQuota
from patter_cli.errors import BadSetting, DestinationRefused

NOW_S = 1_795_305_000.0
"""2026-11-21, 23:50 UTC: a day's file ends within the tests."""
ANNA, BEN = "+12025550142", "+12025550143"


def quota(folder: Path, **limits: int) -> DialQuota:
    given = {"number_a_minute": 100, "number_a_day": 100, "all_a_day": 100, **limits}
    return DialQuota(folder / "dialled", DialLimits(**given))


def test_a_number_is_not_rung_in_a_loop(tmp_path: Path) -> None:
    """Three times a minute by default; then it must wait, and another number need not."""
    usual = DialQuota(tmp_path / "dialled", DialLimits())
    for late_s in (0, 1, 2):
        usual.take(ANNA, NOW_S + late_s)
    with pytest.raises(DestinationRefused, match=r"3 times within a minute \(max_per_number_minute\)") as refused:
        usual.take(ANNA, NOW_S + 3)
    assert "[call]" in refused.value.hint
    usual.take(BEN, NOW_S + 3)
    usual.take(ANNA, NOW_S + MINUTE_S + 0.1)


def test_a_number_has_its_day(tmp_path: Path) -> None:
    """Twenty-four hours, over midnight: the calls of the evening count in the morning, and are forgotten by the next
    evening."""
    few = quota(tmp_path, number_a_day=2)
    few.take(ANNA, NOW_S)
    few.take(ANNA, NOW_S + 1200)  # the next day
    assert "2 times within a day" in few.refusal(ANNA, NOW_S + DAY_S - 1)
    assert few.refusal(ANNA, NOW_S + DAY_S + 1) == ""


def test_everybody_together_has_a_day(tmp_path: Path) -> None:
    """Whoever is rung: that is the bill."""
    few = quota(tmp_path, all_a_day=3)
    assert few.left(NOW_S) == 3
    for number in (ANNA, BEN, "+12025550144"):
        few.take(number, NOW_S)
    assert few.left(NOW_S) == 0
    with pytest.raises(DestinationRefused, match="3 calls were made within a day"):
        few.take("+12025550145", NOW_S)
    assert few.left(NOW_S + DAY_S + 1) == 3


def test_the_next_process_knows(tmp_path: Path) -> None:
    """Killed or not: what was rung is on disk before the carrier is asked, and those that run see each other's."""
    one, other = quota(tmp_path, number_a_day=2), quota(tmp_path, number_a_day=2)
    one.take(ANNA, NOW_S)
    other.take(ANNA, NOW_S)
    for each in (one, other, quota(tmp_path, number_a_day=2)):
        assert each.refusal(ANNA, NOW_S)


def test_two_processes_cannot_both_take_the_last_call(tmp_path: Path) -> None:
    """Forty at once, of whom ten may."""
    quotas = [quota(tmp_path, all_a_day=10) for _ in range(4)]

    def take(number: int) -> bool:
        try:
            quotas[number % 4].take(f"+120255501{number:02}", NOW_S)
        except DestinationRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(take, range(40))) == 10


def test_a_line_that_was_cut_off_counts_for_nothing(tmp_path: Path) -> None:
    """A full disk leaves half a line; what comes after it is read all the same."""
    few = quota(tmp_path, number_a_day=2)
    few.take(ANNA, NOW_S)
    (file,) = (tmp_path / "dialled").glob("*.txt")
    with file.open("a") as written:
        written.write("17953\nnonsense\n\n")
    few.take(ANNA, NOW_S)
    assert quota(tmp_path, number_a_day=2).refusal(ANNA, NOW_S)


def test_old_days_are_not_kept(tmp_path: Path) -> None:
    """Whom we rang is nobody's business for longer than it is needed; others cannot read it before."""
    for day in range(5):
        quota(tmp_path).take(ANNA, NOW_S + day * DAY_S)
    files = list((tmp_path / "dialled").glob("*.txt"))
    assert len(files) == 2
    assert {each.stat().st_mode & 0o077 for each in (*files, tmp_path / "dialled")} == {0}


def test_where_nothing_can_be_counted_nobody_is_rung(tmp_path: Path) -> None:
    """A file in the place of the folder."""
    (tmp_path / "dialled").write_text("")
    with pytest.raises(BadSetting, match="cannot be counted"):
        quota(tmp_path).take(ANNA, NOW_S)


def test_it_is_one_of_the_rules(tmp_path: Path) -> None:
    """Who asks whether a number may be rung is told, and nothing is counted by asking."""
    rules = DialRules(hours=None, quota=quota(tmp_path, number_a_day=1))
    for _ in range(3):
        check(ANNA, caller=BEN, rules=rules, now_s=NOW_S)
    assert rules.quota is not None
    rules.quota.take(ANNA, NOW_S)
    with pytest.raises(DestinationRefused, match="within a day"):
        check(ANNA, caller=BEN, rules=rules, now_s=NOW_S)
