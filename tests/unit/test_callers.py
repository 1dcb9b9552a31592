"""Who may call us and how often, decided without a clock."""

from __future__ import annotations

import pytest

from patter_cli.callers import HOUR_S, REMEMBERED, STREAM_S, CallerRules, Callers, read_blocked

ANNA, BEN = "+12025550142", "+12025550143"


def calls(callers: Callers, caller: str, count: int, now_s: float = 0.0, live: list[str] | None = None) -> int:
    """How many of so many calls are let in, each with its stream at once."""
    let_in = 0
    for number in range(count):
        if not callers.refusal(caller, live or [], now_s):
            callers.let_in(caller, "acme", f"{caller}-{number}-{now_s}", now_s)
            callers.arrived("acme", f"{caller}-{number}-{now_s}")
            let_in += 1
    return let_in


def test_a_number_has_two_calls_at_once() -> None:
    """Those that are live, and those whose stream is on its way: of a hundred at once two come in."""
    callers = Callers(CallerRules())
    let_in = 0
    for number in range(100):
        if not callers.refusal(ANNA, [], 0.0):
            callers.let_in(ANNA, "acme", str(number), 0.0)
            let_in += 1
    assert let_in == 2
    assert "max_per_caller" in callers.refusal(ANNA, [], 1.0)
    assert callers.refusal(BEN, [ANNA, ANNA], 1.0) == ""
    callers.arrived("acme", "0")
    assert callers.refusal(ANNA, [ANNA], 1.0)
    assert callers.refusal(ANNA, [], 1.0) == ""


def test_a_stream_that_never_comes_is_forgotten() -> None:
    """Who hung up before it has no call here."""
    callers = Callers(CallerRules())
    callers.let_in(ANNA, "acme", "1", 0.0)
    callers.let_in(ANNA, "acme", "2", 0.0)
    assert callers.refusal(ANNA, [], STREAM_S - 1)
    assert callers.refusal(ANNA, [], STREAM_S + 1) == ""


def test_a_number_has_ten_calls_an_hour() -> None:
    """Counted back from now: an hour after the first there is room for one more."""
    callers = Callers(CallerRules())
    assert [calls(callers, ANNA, 3, minute * 60.0) for minute in range(5)] == [3, 3, 3, 1, 0]
    assert "max_per_caller_hour" in callers.refusal(ANNA, [], 299.0)
    assert calls(callers, ANNA, 9, HOUR_S + 1) == 3
    assert calls(callers, BEN, 1, HOUR_S + 1) == 1


def test_who_withholds_the_number_shares_one() -> None:
    """Or nobody who does could be counted."""
    callers = Callers(CallerRules(an_hour=3))
    assert calls(callers, "", 5) == 3
    assert "anonymous" in callers.refusal("", [], 1.0)


@pytest.mark.parametrize(
    ("caller", "blocked"),
    [(ANNA, True), (BEN, False), ("+447911123456", True), ("+4479", True), ("+447", False), ("", False)],
)
def test_blocked_numbers(caller: str, blocked: bool) -> None:
    """One by one, or all that begin alike."""
    rules = CallerRules(blocked=read_blocked([ANNA, " +4479* ", ""]))
    assert ("blocked" in Callers(rules).refusal(caller, [], 0.0)) is blocked
    assert Callers(CallerRules(blocked=read_blocked(["anonymous"]))).refusal("", [], 0.0)


@pytest.mark.parametrize("word", ["+1", "4155550123", "*", "+*", "+44*79", "+٤٤*", "nobody", "+14155550123\n*", "+0*"])
def test_what_cannot_be_blocked(word: str) -> None:
    """A typo would let in whom it is to keep out."""
    with pytest.raises(ValueError, match="beginnings"):
        read_blocked([word])


def test_what_is_remembered_has_an_end() -> None:
    """A crowd of numbers, each calling once, fills nothing."""
    callers = Callers(CallerRules())
    for number in range(REMEMBERED + 500):
        assert calls(callers, f"+1202{number:07}", 1) == 1
    assert len(callers._begun) == REMEMBERED
    callers.refusal(ANNA, [], HOUR_S + 1)
    assert len(callers._begun) == 0
