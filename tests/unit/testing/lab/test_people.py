"""Who is at the lab's numbers, and that they may be rung."""

from __future__ import annotations

import pytest

from patter_cli.destinations import DialRules, check, read_allow
from patter_cli.testing.lab import people
from patter_cli.testing.lab.people import HUMAN, MACHINE, PEOPLE, Person, person_at


@pytest.mark.parametrize("ending", PEOPLE)
def test_everybody_in_the_table_may_be_rung(ending: str) -> None:
    """From a number of the United States, at an ordinary one that is kept for examples; whatever the hour."""
    rules = DialRules(hours=None)
    assert check(f"+120255501{ending}", caller="+12025550100", rules=rules, now_s=0).country == "US"
    wide = DialRules(hours=None, allow=read_allow(["unassigned"]))
    assert check(f"+155501000{ending}", caller="+15550100099", rules=wide, now_s=0)


def test_the_last_two_digits_say_who_is_there() -> None:
    """In every area; a number of one's own comes first, and the rest are humans."""
    mine = Person(name="mine")
    assert person_at("+12025550102") is person_at("+15550100002") is person_at("+442079460002") is MACHINE
    assert person_at("+12025550177") is HUMAN
    assert person_at("+12025550102", {**PEOPLE, "+12025550102": mine}) is mine


@pytest.mark.parametrize("number", ["", "12025550102", "+1 202 555 0102", "+0", "anonymous", "+1202555010٢"])
def test_what_is_no_number_has_nobody(number: str) -> None:
    """As a carrier has it."""
    assert person_at(number) is None


def test_the_table_is_told() -> None:
    """Each of its numbers has a line in what the module says of itself."""
    told = [line.split()[0] for line in (people.__doc__ or "").splitlines() if line.startswith("    ")]
    assert told == list(PEOPLE)
