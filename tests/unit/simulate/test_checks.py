"""One expectation against what there was, and what is said of one that does not hold."""

from __future__ import annotations

from typing import Any

import pytest

from patter_cli.simulate.checks import Check, alike, check_keys, check_tools, check_words, percentile
from patter_cli.simulate.difference import word_difference
from patter_cli.simulate.played import UsedTool
from patter_cli.simulate.written import WantedTool, WantedWords

HEARD = "We are open from nine until six, Monday to Friday."
BOOK = UsedTool(at_ms=10, name="book", arguments={"name": "Anna", "day": "Friday", "people": 4}, result="Booked.")
FIND = UsedTool(at_ms=20, name="find", arguments={})


@pytest.mark.parametrize(
    ("wanted", "passed"),
    [
        ({"says": ("nine until six",)}, True),
        ({"says": ("9 until 6", "monday to friday")}, True),
        ({"says": ("six until nine",)}, False),
        ({"exactly": ("we are open from nine until six monday to friday",)}, True),
        ({"exactly": ("something else", HEARD)}, True),
        ({"exactly": ("nine until six",)}, False),
        ({"matches": (r"open .* until (five|six)",)}, True),
        ({"matches": (r"^nine",)}, False),
        ({"never": ("sorry",)}, True),
        ({"never": ("until six",)}, False),
    ],
)
def test_words_are_expected_in_four_ways(wanted: dict[str, Any], passed: bool) -> None:
    """In a row, all of them, by a pattern, and not at all."""
    checks = list(check_words(WantedWords(**wanted), HEARD))
    assert all(each.passed for each in checks) is passed
    assert checks


def test_the_difference_is_shown_word_by_word() -> None:
    """Where what was heard comes nearest, with a few words around it; nothing where nothing is alike."""
    assert word_difference("open from nine until five thirty", HEARD) == (
        "we are open from nine until [-five thirty-] six monday to …"
    )
    assert word_difference("shall i book it", HEARD) == ""
    assert word_difference("from nine until six", HEARD) == "we are open from nine until six monday to friday"
    long = f"hello there my friend how are you {HEARD} goodbye and have a nice day"
    assert word_difference("from ten until six", long).startswith("… we are open from [-ten-] [+nine+]")
    assert word_difference("from ten until six", "") == ""


@pytest.mark.parametrize(
    ("wanted", "passed", "differs"),
    [
        (WantedTool(name="book"), True, ""),
        (WantedTool(name="book", arguments={"name": "anna", "people": 4}), True, ""),
        (WantedTool(name="book", arguments={"day": "Thursday"}), False, "day is 'Friday', not 'Thursday'"),
        (WantedTool(name="book", arguments={"phone": "1"}), False, "phone is not given"),
        (WantedTool(name="book", result="booked"), True, ""),
        (WantedTool(name="find", result="booked"), False, "it did not answer"),
        (WantedTool(name="book", times=1), True, ""),
        (WantedTool(name="book", times=2), False, "it was called once"),
        (WantedTool(name="book", times=0), False, "it was called once"),
        (WantedTool(name="cancel", times=0), True, ""),
        (WantedTool(name="cancel"), False, ""),
    ],
)
def test_tools_are_expected_with_their_arguments(wanted: WantedTool, passed: bool, differs: str) -> None:
    """Those that are named must fit; of a call that does not, the first that does not is told."""
    (check,) = check_tools([wanted], [BOOK, FIND])
    assert (check.passed, check.differs) == (passed, differs)


def test_of_tools_it_is_told_what_was_called() -> None:
    """The calls of that name, else all there were."""
    (check,) = check_tools([WantedTool(name="book", arguments={"day": "Monday"})], [BOOK, FIND])
    assert check.expected == "tool book(day='Monday')"
    assert check.heard == "book(name='Anna', day='Friday', people=4)"
    (other,) = check_tools([WantedTool(name="cancel")], [BOOK, FIND])
    assert other.heard == "book(name='Anna', day='Friday', people=4); find()"
    (none,) = check_tools([WantedTool(name="cancel", times=1)], [])
    assert (none.expected, none.heard) == ("tool cancel(), once", "no tool was called")


@pytest.mark.parametrize(
    ("wanted", "given", "same"),
    [
        ("Three o'clock", "three o'clock.", True),
        ("a", "b", False),
        ("日本", "日本", True),
        ("日本", "本日", False),
        (4, 4.0, True),
        (1, True, False),
        ([1, "a b"], [1, "A, B"], True),
        ([1], [1, 2], False),
        ({"x": {"y": 1}}, {"x": {"y": 1, "z": 2}}, True),
        ({"x": 1}, {}, False),
    ],
)
def test_arguments_are_compared_as_they_are_meant(wanted: Any, given: Any, same: bool) -> None:
    """Texts by their words, tables by what is wanted of them, everything else as it is."""
    assert alike(wanted, given) is same


def test_keys_are_compared_without_their_pauses() -> None:
    """In their order; none wanted, nothing checked."""
    assert list(check_keys("", "12")) == []
    assert next(check_keys("12#", "1w2#")).passed
    assert next(check_keys("12#", "")) == Check(
        key="keys", expected="keys 12#", heard="no key was pressed", passed=False
    )


def test_percentiles_are_waits_that_there_were() -> None:
    """The middle of an even number is the lower one."""
    assert [percentile([30, 10, 20, 40], share) for share in (0.0, 0.5, 0.75, 0.95, 1.0)] == [10, 20, 30, 40, 40]
