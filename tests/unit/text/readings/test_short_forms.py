"""Short forms of words, and words that only look like one."""

from __future__ import annotations

import pytest

from patter_cli.text.pronounce import pronounceable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Mr. & Mrs. Hall, Ms Li", "Mister and Missus Hall, Miz Li"),
        ("the Rev. Dr. King", "the Reverend Doctor King"),
        ("Lt. Gov. Smith", "Lieutenant Governor Smith"),
        ("Sen. Lee and Capt. Cook", "Senator Lee and Captain Cook"),
        ("St. Mary's St.", "Saint Mary's Street"),
        ("Park Ave. and Elm Dr", "Park Avenue and Elm Drive"),
        ("Mt Fuji, Ft. Worth", "Mount Fuji, Fort Worth"),
        ("no. of seats, No. 5, Nos. 1-3", "number of seats, number five, numbers one to three"),
        ("vol. 2, ch. 3, fig. 4, p.12", "volume two, chapter three, figure four, page twelve"),
        ("c. 1900", "circa nineteen hundred"),
        ("approx. 5, max. 10, min. 2", "approximately five, maximum ten, minimum two"),
        ("w/ milk, w/o sugar, c/o Lee", "with milk, without sugar, care of Lee"),
        ("Smith & Sons Co.", "Smith and Sons Company"),
        ("Ph.D. student", "P H D student"),
        ("My name is Max.", "My name is Max."),
        ("Ask a sales rep.", "Ask a sales rep."),
        ("No. We are closed.", "No. We are closed."),
        ("Vitamin C. 5 pills", "Vitamin C. five pills"),
        ("Ave Maria", "Ave Maria"),
        ("Well...and so on", "Well. and so on"),
    ],
)
def test_it_is_said_whole_where_it_is_short_for_something(written: str, said: str) -> None:
    """A name, an answer or a word of its own stays."""
    assert pronounceable(written) == said
