"""Dates, days, months and years in the orders people write them."""

from __future__ import annotations

import pytest

from patter_cli.text.pronounce import pronounceable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("11-21-2026", "November twenty-first, twenty twenty-six"),
        ("2026/3/4", "March fourth, twenty twenty-six"),
        ("21.11.2026", "November twenty-first, twenty twenty-six"),
        ("12/25/99", "December twenty-fifth, nineteen ninety-nine"),
        ("by 6/7", "by June seventh"),
        ("due 12/31", "due December thirty-first"),
        ("Mon 3/4", "Monday, March fourth"),
        ("11/21", "November twenty-first"),
        ("10/31", "October thirty-first"),
        ("5/8", "five eighths"),
        ("June 3-5", "June third to fifth"),
        ("5-7 May", "the fifth to seventh of May"),
        ("21st Nov 2026", "the twenty-first of November, twenty twenty-six"),
        ("Nov. 21st", "November twenty-first"),
        ("21-Nov-2026", "the twenty-first of November, twenty twenty-six"),
        ("Dec 24 - Jan 2", "December twenty-fourth to January second"),
        ("Apr-Jun 2026", "April to June twenty twenty-six"),
        ("in Mar.", "in March."),
        ("since Oct", "since October"),
        ("Jan called", "Jan called"),
        ("May I?", "May I?"),
        ("Mon/Wed/Fri", "Monday, Wednesday, Friday"),
        ("Tue-Thu", "Tuesday to Thursday"),
        ("mon-fri", "Monday to Friday"),
        ("Sat, Nov 7", "Saturday, November seventh"),
        ("open Sat & Sun", "open Saturday and Sunday"),
        ("Sun 9-5", "Sunday nine to five"),
        ("See you Sun. We do.", "See you Sunday. We do."),
        ("Sun is out", "Sun is out"),
        ("sat down", "sat down"),
        ("the '70s", "the seventies"),
        ("in his 40s", "in his forties"),
        ("mid-80s", "mid-eighties"),
        ("the 1800s", "the eighteen hundreds"),
        ("2019-23", "twenty nineteen to twenty-three"),
        ("1066", "one thousand sixty-six"),
        ("32/13/2026", "thirty-two slash thirteen slash twenty twenty-six"),
    ],
)
def test_it_is_said_as_people_say_it(written: str, said: str) -> None:
    """And the words that only look like a day or a month stay."""
    assert pronounceable(written) == said


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "on March fourth, twenty twenty-six"),
        ("en-US", "on March fourth, twenty twenty-six"),
        ("en_us", "on March fourth, twenty twenty-six"),
        ("en-GB", "on April third, twenty twenty-six"),
        ("en-AU", "on April third, twenty twenty-six"),
        ("it", "on April third, twenty twenty-six"),
        ("", "on April third, twenty twenty-six"),
    ],
)
def test_the_language_decides_which_number_is_the_month(language: str, said: str) -> None:
    """Where both could be; the year first is the same everywhere, and what is no month is the day."""
    for written in ("on 3/4/2026", "on 3-4-2026", "on 03.04.2026"):
        assert pronounceable(written, language=language) == said
    assert pronounceable("2026-03-04", language=language) == "March fourth, twenty twenty-six"
    assert pronounceable("21/11/2026", language=language) == "November twenty-first, twenty twenty-six"
    assert pronounceable("11/21/2026", language=language) == "November twenty-first, twenty twenty-six"


def test_a_day_and_a_month_alone_go_by_the_language_too() -> None:
    """12/25 is no fraction anybody uses; 5/8 is one, unless something says that it is a day."""
    assert pronounceable("10/31") == "October thirty-first"
    assert pronounceable("31/10", language="en-GB") == "October thirty-first"
    assert pronounceable("on 5/8", language="en-GB") == "on August fifth"
    assert pronounceable("Fri 5/8", language="en-US") == "Friday, May eighth"
    assert pronounceable("5/8", language="en-GB") == "five eighths"
    assert pronounceable("24/7", language="en-GB") == "twenty-four seven"
