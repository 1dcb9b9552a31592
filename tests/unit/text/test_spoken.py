"""Days and times in all the spellings a recogniser has for them."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.text.spoken import find_day, find_name, find_phone_number, find_time, normal, say_day, say_time

MONDAY = dt.date(2031, 5, 5)


@pytest.mark.parametrize(
    ("heard", "plain"),
    [
        ("To-morrow, at three thirty p.m.!", "tomorrow at 3 30 pm"),
        ("Good-bye. It’s 3.30.", "goodbye it's 3:30"),
        ("Twenty-five, please.", "25 please"),
        ("The first one.", "the first"),
        ("[DTMF: 12]", "dtmf 12"),
    ],
)
def test_spellings_become_one(heard: str, plain: str) -> None:
    """Old spellings, number words and punctuation go the same way."""
    assert normal(heard) == plain


@pytest.mark.parametrize(
    ("heard", "time"),
    [
        ("3:30", "15:30"),
        ("three thirty", "15:30"),
        ("Half past three.", "15:30"),
        ("at three", "15:00"),
        ("3 o'clock", "15:00"),
        ("nine a.m.", "09:00"),
        ("10 AM", "10:00"),
        ("3.30pm", "15:30"),
        ("seven in the morning, 7 am", "07:00"),
        ("quarter to four", "15:45"),
        ("quarter to one", "12:45"),
        ("a quarter past nine", "09:15"),
        ("noon", "12:00"),
        ("12:30", "12:30"),
        ("12 am", "00:00"),
        ("16:30", "16:30"),
    ],
)
def test_a_time_is_heard_without_being_asked_for(heard: str, time: str) -> None:
    """What is plainly a time is one anywhere."""
    assert find_time(normal(heard), expected=False) == dt.time.fromisoformat(time)


@pytest.mark.parametrize(
    ("heard", "time"), [("Three.", "15:00"), ("To thirty.", "14:30"), ("for thirty", "16:30"), ("330", "15:30")]
)
def test_a_bare_number_is_a_time_only_when_expected(heard: str, time: str) -> None:
    """ "Three" may be anything, unless we just asked for a time."""
    assert find_time(normal(heard), expected=True) == dt.time.fromisoformat(time)
    assert find_time(normal(heard), expected=False) is None


@pytest.mark.parametrize("heard", ["", "25:00", "at 99", "9:75", "no time", "the number nine bus"])
def test_what_is_no_time_gives_none(heard: str) -> None:
    """Numbers that no clock shows are not taken for times."""
    assert find_time(normal(heard), expected=False) is None


@pytest.mark.parametrize(
    ("heard", "day", "rest"),
    [
        ("today at four", "2031-05-05", "at 4"),
        ("this afternoon", "2031-05-05", "afternoon"),
        ("To-morrow.", "2031-05-06", ""),
        ("the day after tomorrow", "2031-05-07", "the"),
        ("Wednesday, three", "2031-05-07", "3"),
        ("Monday", "2031-05-12", ""),
        ("the fifth", "2031-05-05", ""),
        ("on the fourth", "2031-06-04", "on"),
        ("the twelfth of June at ten", "2031-06-12", "the  at 10"),
        ("the thirtieth", "2031-05-30", ""),
        ("May twenty-first", "2031-05-21", ""),
        ("March 1st", "2032-03-01", ""),
        ("the first of June", "2031-06-01", "the"),
        ("the twenty second", "2031-05-22", ""),
        ("February 29", "2032-02-29", ""),
        ("2031-12-24", "2031-12-24", ""),
    ],
)
def test_a_day_is_found_and_taken_out(heard: str, day: str, rest: str) -> None:
    """A day and what is left of the sentence, so that its number is not taken for a time."""
    found, left = find_day(normal(heard), MONDAY)
    assert (found, left.strip()) == (dt.date.fromisoformat(day), rest)


@pytest.mark.parametrize(
    "heard", ["", "three", "the thirty-first of June", "at five may I come", "2031-02-30", "the first", "on the second"]
)
def test_what_is_no_day_gives_none(heard: str) -> None:
    """A day that no calendar has is none."""
    assert find_day(normal(heard), MONDAY)[0] is None


@pytest.mark.parametrize(
    ("heard", "name"),
    [
        ("My name is Anna Brown.", "Anna Brown"),
        ("my name's anna brown, please", "Anna Brown"),
        ("Hello, this is Jo O'Neil and I have a question.", "Jo O'Neil"),
        ("My name is Ronald McDonald I would like a cleaning", "Ronald McDonald I"),
    ],
)
def test_a_name_that_is_given_is_heard(heard: str, name: str) -> None:
    """ "My name is" counts anywhere."""
    assert find_name(heard, expected=False) == find_name(heard, expected=True) == name


@pytest.mark.parametrize(
    ("heard", "name"),
    [
        ("Anna Brown.", "Anna Brown"),
        ("Yes, it's Anna.", "Anna"),
        ("um, for anna brown please", "Anna Brown"),
        ("Mark Price", "Mark Price"),
        ("How much is it?", ""),
        ("No.", ""),
        ("", ""),
        ("We thought of coming on Friday", ""),
    ],
)
def test_a_bare_name_is_heard_only_when_expected(heard: str, name: str) -> None:
    """Two words are a name if we asked for one, unless they are plainly something else."""
    assert find_name(heard, expected=True) == name
    assert find_name(heard, expected=False) == ""


def test_phone_numbers_are_heard_in_digits_and_words() -> None:
    """Seven digits make a number; "oh" is a zero."""
    assert find_phone_number(normal("It's 555-019-8824.")) == "5550198824"
    assert find_phone_number(normal("two oh two, five five five, oh one four two")) == "2025550142"
    assert find_phone_number(normal("three thirty")) == ""


@given(st.times())
def test_a_spoken_time_is_heard_again(time: dt.time) -> None:
    """What we say on the half hour, we understand."""
    time = time.replace(minute=30 * (time.minute // 30), second=0, microsecond=0)
    heard = find_time(normal(say_time(time)), expected=False)
    assert heard is not None
    assert (heard.hour % 12, heard.minute) == (time.hour % 12, time.minute)


@pytest.mark.parametrize(
    ("time", "words"), [("16:05", "four oh five"), ("00:45", "twelve forty five"), ("13:20", "one twenty")]
)
def test_times_are_said_in_words(time: str, words: str) -> None:
    """Minutes are said the way clocks are read."""
    assert say_time(dt.time.fromisoformat(time)) == words


@given(st.integers(1, 27))
def test_a_spoken_day_is_heard_again(days: int) -> None:
    """What we say of the next weeks has the weekday and the date."""
    day = MONDAY + dt.timedelta(days=days)
    said = say_day(day, MONDAY)
    assert said.startswith(f"on {day:%A} the {day.day}")
    assert find_day(normal(said.partition("day ")[2]), MONDAY)[0] == day
    assert say_day(MONDAY, MONDAY) == "today"


@given(st.text(max_size=40))
def test_any_text_is_answered(text: str) -> None:
    """Garbage has no day and no time, and raises nothing."""
    plain = normal(text)
    find_day(plain, MONDAY)
    find_time(plain, expected=True)
