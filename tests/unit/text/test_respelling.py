"""Words given to a voice as they sound, and which written word each spoken one belongs to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.text.respelling import Respelling

WORDS = Respelling(
    [("Nguyen", "win"), ("sql", "sequel"), ("Reading", "redding"), ("San José", "san ho zay"), ("Siobhan", "shiv awn")]
)


@pytest.mark.parametrize(
    ("written", "spoken", "counts"),
    [
        ("Hello Mr. Nguyen!", "Hello Mr. win!", [1, 1, 1]),
        ("NGUYEN and Nguyen's car", "win and win's car", [1, 1, 1, 1]),
        ("My SQL, your Sql", "My sequel, your sequel", [1, 1, 1, 1]),
        ("Reading, not reading", "redding, not reading", [1, 1, 1]),
        ("Nguyens and MySQL stay", "Nguyens and MySQL stay", [1, 1, 1, 1]),
        ("to San José, please", "to san ho zay, please", [1, 1, 2, 1]),
        ("to San Jose\u0301 now", "to san ho zay now", [1, 1, 2, 1]),
        ("Siobhan (Siobhan)  there", "shiv awn (shiv awn)  there", [2, 2, 1]),
        ("", "", []),
    ],
)
def test_whole_words_are_respelt(written: str, spoken: str, counts: list[int]) -> None:
    """Whatever their case where they are given in small letters; parts of words and other words stay."""
    assert WORDS.respell(written) == (spoken, counts)


def test_what_stands_in_is_not_respelt_again() -> None:
    """Two words may change places."""
    assert Respelling([("one", "two"), ("two", "one")]).respell("one two")[0] == "two one"


def test_the_longest_word_is_taken() -> None:
    """A phrase goes before the words in it."""
    assert (
        Respelling([("St", "saint"), ("St Ives", "sent ives")]).respell("St Ives, St Mary")[0]
        == "sent ives, saint Mary"
    )


@given(st.lists(st.sampled_from(["Nguyen", "San José", "SQL", "a", "x-y", "Siobhan's", "San", "—"]), max_size=9))
def test_the_counts_add_up(words: list[str]) -> None:
    """One for each written word, all of the spoken ones shared out."""
    text = " ".join(words)
    spoken, counts = WORDS.respell(text)
    assert len(counts) == len(text.split())
    assert sum(counts) == len(spoken.split())
    assert min(counts, default=0) >= 0
