"""The ledger of what was ordered, sent and heard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.core.playback import MS_PER_CHAR, PlaybackLedger, heard_prefix


def ledger(*texts: str, voiced_ms: int | None = 1000) -> PlaybackLedger:
    """Clauses ordered at 0; voiced if voiced_ms is given."""
    made = PlaybackLedger()
    for text in texts:
        made.order(text, 0)
        made.spans[-1].voiced_ms = voiced_ms
    return made


def test_a_mark_confirms_what_came_before_it() -> None:
    """Marks are in order, so a later one stands for those that were lost."""
    made = ledger("One.", "Two.", "Three.")
    made.confirm(1)
    assert made.heard_text() == "One. Two."
    assert not made.settled


def test_where_playback_stopped_is_how_much_was_heard() -> None:
    """Whole clauses before it, whole words of it, and a second, shorter answer takes nothing back."""
    made = ledger("One.", "Two three four five.")
    made.stopped(1, 500)
    made.stopped(1, 100)
    assert made.heard_text() == "One. Two three"
    made.stopped(2, 0)
    assert made.heard_text() == "One. Two three four five."
    made.stopped(-1, 100)
    assert made.settled


def test_a_clause_that_was_played_to_its_end_is_heard() -> None:
    """Nothing is left of it when playback goes on."""
    made = ledger("One.")
    made.stopped(0, 1000)
    assert made.settled
    assert made.remaining_ms(0) == 0


def test_the_clock_stands_in_for_marks() -> None:
    """Clauses follow each other without a gap; what has not started was not heard."""
    made = ledger("One two.", "Three four.", "Five.")
    assert made.expected_end() is None
    made.spans[0].started_at = 1000
    assert made.expected_end() == 4000
    assert made.remaining_ms(3900) == 100
    made.spans[1].started_at = 1800  # handed over ahead of time, as the line is kept fed
    made.assume_played(2200)
    assert made.heard_text() == "One two. Three"
    made.assume_played(2700)
    assert made.heard_text() == "One two. Three four."
    made.assume_played(9000)
    assert made.heard_text() == "One two. Three four."


def test_an_unvoiced_clause_has_no_known_end() -> None:
    """Its length is guessed for what was heard, and only for that."""
    made = ledger("One two three.", voiced_ms=None)
    made.spans[0].started_at = 0
    assert made.expected_end() is None
    assert made.remaining_ms(10) is None
    assert made.sounds_until() == len("One two three.") * MS_PER_CHAR
    made.assume_played(60_000)
    assert made.heard_text() == "One two three."
    assert not made.settled


def test_a_resumed_clause_has_its_time_again() -> None:
    """The clock goes on a little before the break, and later clauses have not begun."""
    made = ledger("One.", "Two.", "Three.")
    made.spans[0].confirmed = True
    made.spans[1].started_at = 1000
    made.spans[2].started_at = 2000
    made.spans[1].heard_ms = 600
    made.resumed(5000, 200)
    assert made.expected_end() == 5000 + 600 + 1000
    assert made.waiting_since() == 5000


def test_a_failed_clause_is_no_part_of_what_was_heard() -> None:
    """It neither blocks the reply's end nor enters the history, and a filler is no answer."""
    made = ledger("One.", "Two.")
    made.spans[0].failed = True
    made.spans[1].filler = True
    made.confirm(1)
    assert (made.heard_text(), made.settled, made.answered) == ("Two.", True, False)
    made.assume_played(9)
    assert made.get(2) is None


@given(st.text(max_size=60), st.integers(-10, 9000), st.integers(-10, 9000))
def test_heard_words_are_the_first_words(text: str, heard_ms: int, duration_ms: int) -> None:
    """What is heard of a text is a prefix of its words, and all of it only at its end."""
    words, heard = text.split(), heard_prefix(text, heard_ms, duration_ms).split()
    assert heard == words[: len(heard)]
    if 0 < duration_ms <= heard_ms:
        assert heard == words


SPANS = st.lists(st.tuples(st.integers(-100, 2500), st.integers(-100, 2500)), max_size=10)


@given(st.integers(0, 2000), st.integers(0, 2000), SPANS)
def test_more_time_is_never_fewer_words(first_ms: int, more_ms: int, spans: list[tuple[int, int]]) -> None:
    """AudioSink only grows, whatever times a voice gives for its words."""
    text = "We open at nine and close at ten."
    before, after = heard_prefix(text, first_ms, 2000, spans), heard_prefix(text, first_ms + more_ms, 2000, spans)
    assert text.startswith(after)
    assert after.startswith(before)


@pytest.mark.parametrize(
    ("heard_ms", "words"),
    [(0, ""), (133, ""), (134, "One"), (1066, "One"), (1067, "One moment,"), (1466, "One moment,"), (2000, None)],
)
def test_a_word_counts_once_most_of_it_was_heard(heard_ms: int, words: str | None) -> None:
    """Where the voice knows when it says each word, the pauses between them do not matter."""
    text, spans = "One moment, please.", [(0, 200), (800, 1200), (1200, 1600)]
    assert heard_prefix(text, heard_ms, 2000, spans) == (text if words is None else words)


def test_words_without_a_time_follow_those_with_one() -> None:
    """A voice that is still at work has told the first words only: the rest share what is left."""
    text, spans = "One two aaaa bbbb", [(0, 400), (400, 1000)]
    assert heard_prefix(text, 799, 2000, spans) == "One"
    assert heard_prefix(text, 1100, 2000, spans) == "One two"
    assert heard_prefix(text, 1300, 2000, spans) == "One two aaaa"
    assert heard_prefix(text, 1900, 2000, spans) == "One two aaaa bbbb"


def test_more_times_than_words_are_left_over() -> None:
    """A voice that counts otherwise than we do does no harm."""
    assert heard_prefix("One two", 900, 1000, [(0, 100), (100, 200), (200, 300)]) == "One two"


def test_the_history_is_cut_by_the_times_of_the_words() -> None:
    """A clause that was broken off keeps the words whose time had come, not those its letters would allow."""
    made = ledger("Well, yes of course.")
    made.spans[0].voiced_ms = 2000
    made.spans[0].word_spans = ((0, 200), (1700, 1800), (1800, 1850), (1850, 1950))
    made.stopped(0, 1500)
    assert made.heard_text() == "Well,"
