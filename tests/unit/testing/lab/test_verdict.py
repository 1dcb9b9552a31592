"""What the lab's carrier makes of whoever picks up."""

from __future__ import annotations

import pytest

from patter_cli.testing.lab.people import TakenFor
from patter_cli.testing.lab.verdict import GreetingEnd, Sort, Sounded, Thresholds, greeting_end, who

USUAL = Thresholds()


def speech(*spans: tuple[int, int]) -> list[Sounded]:
    return [Sounded(sort=Sort.SPEECH, start_ms=start, end_ms=end) for start, end in spans]


def beep(start: int, end: int, sort: Sort = Sort.BEEP) -> Sounded:
    return Sounded(sort=sort, start_ms=start, end_ms=end)


@pytest.mark.parametrize(
    ("sounds", "before", "at", "expected"),
    [
        (speech((400, 900)), 2099, 2100, TakenFor.HUMAN),
        (speech((400, 8000)), 2800, 2801, TakenFor.MACHINE),
        (speech((400, 900), (1500, 4000)), 2800, 2801, TakenFor.MACHINE),
        (speech((400, 900), (3000, 9000)), 2099, 2100, TakenFor.HUMAN),
        ([*speech((400, 900)), beep(1500, 1900)], 1899, 1900, TakenFor.MACHINE),
        ([beep(300, 3300, Sort.FAX)], 1299, 1300, TakenFor.FAX),
        ([], 4999, 5000, TakenFor.UNKNOWN),
    ],
)
def test_who_it_is(sounds: list[Sounded], before: int, at: int, expected: TakenFor) -> None:
    """By what was heard, and not a moment sooner."""
    assert who(sounds, before, USUAL) is None
    assert who(sounds, at, USUAL) is expected


def test_a_carrier_may_be_wrong() -> None:
    """Then it says so when it would have said the other thing."""
    hello = speech((400, 900))
    assert who(hello, 2000, USUAL, TakenFor.MACHINE) is None
    assert who(hello, 2200, USUAL, TakenFor.MACHINE) is TakenFor.MACHINE


def test_how_a_greeting_ends() -> None:
    """With a beep, with a silence, or not in time."""
    greeting = speech((500, 6000))
    assert greeting_end(greeting, 7199, USUAL) is None
    assert greeting_end(greeting, 7200, USUAL) is GreetingEnd.SILENCE
    assert greeting_end([*greeting, beep(6700, 7100)], 7099, USUAL) is None
    assert greeting_end([*greeting, beep(6700, 7100)], 7100, USUAL) is GreetingEnd.BEEP
    assert greeting_end(speech((500, 60_000)), 30_000, USUAL) is GreetingEnd.UNKNOWN
