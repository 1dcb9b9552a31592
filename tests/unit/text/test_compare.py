"""How what was said and what was heard are compared."""

from __future__ import annotations

import pytest

from patter_cli.text.compare import modern_spelling, normalised_words, word_error_rate


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("To-morrow or to-night, to-day", "Tomorrow or tonight, today"),
        ("Good-bye. Good-by!", "Goodbye. Goodbye!"),
        ("any-one", "anyone"),
        ("five-to-nine", "five-to-nine"),
    ],
)
def test_old_spellings(old: str, new: str) -> None:
    """Spellings of a century ago are modernised, and nothing else."""
    assert modern_spelling(old) == new


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("9 a.m.", "nine AM"),
        ("3:30", "three thirty"),
        ("until 5.30 today", "until five thirty today"),
        ("555-0198", "five five five oh one nine eight"),
        ("120 people", "one hundred and twenty people"),
        ("U.S.A.", "usa"),
        ("Dr. Lee, OK?", "doctor lee okay"),
        ("Twenty-one to-morrow", "21 tomorrow"),
        ("$60", "sixty dollars"),
    ],
)
def test_two_ways_of_writing_compare_equal(one: str, other: str) -> None:
    """What sounds the same has the same words."""
    assert normalised_words(one) == normalised_words(other)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "rate"),
    [
        ("we are open", "We are open!", 0.0),
        ("we are open", "we open", 1 / 3),
        ("we are open", "we are wide open", 1 / 3),
        ("we are open", "you are closed", 2 / 3),
        ("we are open", "", 1.0),
        ("", "", 0.0),
        ("", "hello", 1.0),
    ],
)
def test_word_error_rate(reference: str, hypothesis: str, rate: float) -> None:
    """Deleted, inserted and replaced words count alike, for each word of the reference."""
    assert word_error_rate(reference, hypothesis) == pytest.approx(rate)
