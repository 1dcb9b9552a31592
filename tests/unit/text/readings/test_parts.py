"""Fractions, ratios, scores, sizes and powers."""

from __future__ import annotations

import pytest

from patter_cli.text.pronounce import pronounceable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1/8", "one eighth"),
        ("2/5", "two fifths"),
        ("7/8 inch", "seven eighths inch"),
        ("3 1/3", "three and a third"),
        ("4-5/8 inch", "four and five eighths inch"),
        ("2⅛", "two and an eighth"),
        ("⅝", "five eighths"),
        ("11/16", "eleven sixteenths"),
        ("3/3", "three out of three"),
        ("4/5 stars", "four out of five stars"),
        ("3.5/5", "three point five out of five"),
        ("130/85", "one hundred thirty over eighty-five"),
        ("90/90", "ninety ninety"),
        ("1:1", "one to one"),
        ("21:9", "twenty-one to nine"),
        ("2-1", "two to one"),
        ("50-50", "fifty fifty"),
        ("1-2-3", "one, two, three"),
        ("3x4", "three by four"),
        ("2x2x2", "two by two by two"),
        ("5 x 6", "five times six"),
        ("3× a week", "three times a week"),
        ("10^-3", "ten to the power of minus three"),
        ("2^10", "two to the power of ten"),
        ("x³", "x cubed"),
        ("5 km/day", "five kilometers per day"),
        ("3 meals/day", "three meals per day"),
        ("/year", "per year"),
        ("40 mph/h", "forty miles per hour per hour"),
    ],
)
def test_it_is_said_as_people_say_it(written: str, said: str) -> None:
    """Two numbers become the one thing that they say."""
    assert pronounceable(written) == said
