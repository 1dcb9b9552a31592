"""Written words and the words a voice says for them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.contracts.tts import WordTimes
from patter_cli.providers.word_clock import WordClock, spoken_counts
from patter_cli.text.pronounce import pronounceable


def read(text: str) -> str:
    return pronounceable(text, is_word=lambda word: len(word) > 1)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("Thank you, goodbye.", [1, 1, 1]),
        ("It costs $5 million!", [1, 1, 2, 1]),
        ("At 3:30 — really?", [1, 2, 0, 1]),
        ("Dr. No, etc.", [1, 1, 2]),
        ("On March 5, 2026 then", [1, 1, 1, 3, 1]),
        ("", []),
    ],
)
def test_each_written_word_has_its_spoken_ones(text: str, counts: list[int]) -> None:
    """Also where a word is said otherwise for what stands beside it; their sum is what the voice says."""
    assert spoken_counts(text, read(text), read) == counts


@given(st.text(alphabet="abcX.,$5: -'7/%&\n", max_size=40))
def test_the_counts_add_up(text: str) -> None:
    """One count for each word, none below zero, together all that is said."""
    said = read(text)
    counts = spoken_counts(text, said, read)
    assert len(counts) == len(text.split())
    assert min(counts, default=0) >= 0
    assert sum(counts) == len(re.findall("[A-Za-z']+", said))


def test_a_word_is_timed_once_its_last_spoken_one_is_there() -> None:
    """A word that is not said takes no time; one that goes on in the next piece waits for it."""
    clock = WordClock([1, 0, 2, 1], 1000)
    clock.add([(10, 200), (250, 400)], 500)
    assert clock.times() == WordTimes((10, 200), (200, 200))
    clock.add([(20, 90), (100, 180)], 200)
    assert clock.times() == WordTimes((10, 200, 250, 600), (200, 200, 590, 680))
