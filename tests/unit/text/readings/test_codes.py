"""Figures that name something, and figures beside them that do count."""

from __future__ import annotations

import pytest

from patter_cli.text.pronounce import pronounceable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Call 112!", "Call one one two!"),
        ("please dial 988 now", "please dial nine eight eight now"),
        ("text 741741", "text seven four one seven four one"),
        ("call 911 or 999", "call nine one one or nine nine nine"),
        ("We have 911 cars", "We have nine hundred eleven cars"),
        ("call 20 people", "call twenty people"),
        ("dial 0", "dial zero"),
        ("card ending in 0042", "card ending in zero zero four two"),
        ("Visa ending 1111", "Visa ending one one one one"),
        ("last 4 digits: 9000", "last four digits: nine zero zero zero"),
        ("PIN: 0420", "PIN: zero four two zero"),
        ("the CVV is 123", "the C V V is one two three"),
        ("zip 10001-1234", "zip one zero zero zero one, one two three four"),
        ("account number 20", "account number two zero"),
        ("your account 2000", "your account two zero zero zero"),
        ("booking 12 seats", "booking twelve seats"),
        ("the ticket 100 dollars", "the ticket one hundred dollars"),
        ("order #A-77", "order number A seventy-seven"),
        ("#12 and #13", "number twelve and number thirteen"),
        ("Room 1005", "Room ten oh five"),
        ("flight 370", "flight three seventy"),
        ("Hwy 66", "Highway sixty-six"),
        ("bus 205", "bus two oh five"),
        ("1234 Elm Street", "twelve thirty-four Elm Street"),
        ("350 5th Ave", "three fifty fifth Avenue"),
        ("Boston, MA 02139", "Boston, MA zero two one three nine"),
        ("4111-1111-1111-1111", "four one one one, one one one one, one one one one, one one one one"),
        ("+442079460958", "plus four four two zero seven nine four six zero nine five eight"),
        ("1 (800) 555-0100", "one, eight zero zero, five five five, zero one zero zero"),
        ("1-800-FLOWERS", "one, eight zero zero, FLOWERS"),
        ("(555)123-4567 ext. 9", "five five five, one two three, four five six seven extension nine"),
        ("8005550100", "eight zero zero, five five five, zero one zero zero"),
        ("2024-2026", "twenty twenty-four to twenty twenty-six"),
        ("1000-2000 people", "one thousand to two thousand people"),
        ("7500000 views", "seven million five hundred thousand views"),
        ("12345678", "one two three four five six seven eight"),
        ("600000", "six hundred thousand"),
        ("the one ending in 4242", "the one ending in four two four two"),
        ("your pin is 2020", "your pin is two zero two zero"),
        ("seat 14L, gate 4-J", "seat fourteen L, gate four J"),
        ("The sale ends in 20 minutes.", "The sale ends in twenty minutes."),
        ("a year ending in 2026", "a year ending in twenty twenty-six"),
        ("confirmation 24 hours before", "confirmation twenty-four hours before"),
        ("pin 20 photos", "pin twenty photos"),
        ("call 500 or more", "call five hundred or more"),
        ("order 200 chairs", "order two hundred chairs"),
        ("PHP 8.2", "P H P eight point two"),
    ],
)
def test_it_is_said_as_people_say_it(written: str, said: str) -> None:
    """Names digit by digit or in pairs, counts as numbers."""
    assert pronounceable(written) == said
