"""Times of day with their halves and zones, spans of time, and ratios that look like times."""

from __future__ import annotations

import pytest

from patter_cli.text.pronounce import pronounceable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("9 a.m. PST", "nine A M P S T"),
        ("5 p.m. GMT on Monday", "five P M G M T on Monday"),
        ("at 5PM EST.", "at five P M E S T."),
        ("8 a.m. Please", "eight A M. Please"),
        ("10:30 a.m. Eastern", "ten thirty A M Eastern"),
        ("9 p.m. Pacific time", "nine P M Pacific time"),
        ("at 7 p.m. Central European Time", "at seven P M Central European Time"),
        ("at 9 a.m. Monday", "at nine A M Monday"),
        ("17:00 CET", "five P M C E T"),
        ("9:30-10", "nine thirty to ten"),
        ("9am-10", "nine A M to ten"),
        ("10 a.m.–2 p.m.", "ten A M to two P M."),
        ("2-4pm", "two to four P M"),
        ("7:30:15 PM", "seven thirty P M and fifteen seconds"),
        ("0:05:09", "twelve oh five and nine seconds"),
        ("00:30", "twelve thirty A M"),
        ("24:00", "midnight"),
        ("12:30 am", "twelve thirty A M"),
        ("2h 5m 10s", "two hours five minutes ten seconds"),
        ("1d 12h", "one day twelve hours"),
        ("10m 5s", "ten minutes five seconds"),
        ("2h15", "two hours fifteen"),
        ("at 9h30 am", "at nine thirty A M"),
        ("30s", "thirty seconds"),
        ("in 90s", "in ninety seconds"),
        ("24/7", "twenty-four seven"),
        ("a 3:2 ratio", "a three to two ratio"),
        ("odds of 5:1", "odds of five to one"),
        ("1:100", "one to one hundred"),
        ("4:3", "four to three"),
    ],
)
def test_it_is_said_as_people_say_it(written: str, said: str) -> None:
    """Nothing of a time is left out."""
    assert pronounceable(written) == said
