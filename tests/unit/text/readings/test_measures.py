"""Numbers with their units, signs before them, ranges of them."""

from __future__ import annotations

import pytest

from patter_cli.text.pronounce import pronounceable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("2-3 lbs", "two to three pounds"),
        ("5mg-10mg", "five to ten milligrams"),
        ("20–30 km/h", "twenty to thirty kilometers per hour"),
        ("1.5-2 L/day", "one point five to two liters per day"),
        ("50-60 dB", "fifty to sixty decibels"),
        ("-5–0°C", "minus five to zero degrees Celsius"),
        ("−40 °F", "minus forty degrees Fahrenheit"),
        ("−0.5 %", "minus zero point five percent"),
        ("±2 cm", "plus or minus two centimeters"),
        (">= 30 min", "at least thirty minutes"),
        ("≤5 km", "at most five kilometers"),
        ("~2 hrs", "about two hours"),
        ("<1 mm", "less than one millimeter"),
        ("≈ 3 kg", "about three kilograms"),
        ("10 Ω", "ten ohms"),
        ("4.7 kΩ", "four point seven kilohms"),
        ("1 MΩ", "one megohm"),
        ("8-16 Ω", "eight to sixteen ohms"),
        ("a 10-km run", "a ten kilometer run"),
        ("a 5 kg bag", "a five kilogram bag"),
        ("3 m²", "three square meters"),
        ("10 sq. ft.", "ten square feet"),
        ("2 cu ft", "two cubic feet"),
        ("5 ft. 10 in. tall", "five feet ten inches tall"),
        ("6'1\"", "six foot one"),
        ("a 6' fence", "a six foot fence"),
        ('55" TV', "fifty-five inch T V"),
        ("3/4 mi", "three quarters mile"),
        ("1 1/2 lbs", "one and a half pounds"),
        ("0,5 l", "zero point five liters"),
        ("1,5 kg", "one point five kilograms"),
        ("2 fl oz", "two fluid ounces"),
        ("10 Mbit/s", "ten megabits per second"),
        ("5 MW and 5 mW", "five megawatts and five milliwatts"),
        ("8 Gb or 8 GB", "eight gigabits or eight gigabytes"),
        ("20°C/68°F", "twenty degrees Celsius slash sixty-eight degrees Fahrenheit"),
        ("98.6 degrees F", "ninety-eight point six degrees Fahrenheit"),
        ("100 MPH", "one hundred miles per hour"),
        ("3 m x 4 m", "three meters by four meters"),
        ("6 x 4 cm", "six by four centimeters"),
        ("12 in. wide", "twelve inches wide"),
    ],
)
def test_it_is_said_as_people_say_it(written: str, said: str) -> None:
    """The unit is said whole, in the singular where it stands before its noun."""
    assert pronounceable(written) == said
