"""Roman numerals, and capitals that are none."""

from __future__ import annotations

import pytest

from patter_cli.text.pronounce import pronounceable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("King Charles III", "King Charles the third"),
        ("Pope Leo XIV", "Pope Leo the fourteenth"),
        ("George V", "George the fifth"),
        ("John XXIII", "John the twenty-third"),
        ("Act V, Scene II", "Act five, Scene two"),
        ("Chapter XI", "Chapter eleven"),
        ("World War I", "World War one"),
        ("Title IX", "Title nine"),
        ("Type II error", "Type two error"),
        ("Class I think", "Class I think"),
        ("Rocky III", "Rocky three"),
        ("Malcolm X", "Malcolm X"),
        ("iPhone X", "iPhone X"),
        ("size XL", "size X L"),
        ("I, too", "I, too"),
        ("an IV", "an I V"),
        ("Vitamin B", "Vitamin B"),
        ("Part of it", "Part of it"),
    ],
)
def test_it_is_said_as_people_say_it(written: str, said: str) -> None:
    """A numeral where its word says so; elsewhere letters."""
    assert pronounceable(written) == said
