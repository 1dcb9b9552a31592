"""How much silence ends a turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.core.endpointing import Silence, endpoint_delay, endpoint_rule
from patter_cli.core.plan import TurnTiming

PACE = TurnTiming()


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("", PACE.endpoint_ms),
        ("...", PACE.endpoint_ms),
        ("I would like a table", PACE.endpoint_ms),
        ("A table for two, please.", PACE.endpoint_ms),
        ("What time do you open?", PACE.endpoint_complete_ms),
        ("You open?", PACE.endpoint_ms),
        ("Yes.", PACE.endpoint_complete_ms),
        ("no thanks", PACE.endpoint_complete_ms),
        ("Okay, thank you.", PACE.endpoint_complete_ms),
        ("I want a table and", PACE.endpoint_unfinished_ms),
        ("um", PACE.endpoint_unfinished_ms),
        ("On Sunday,", PACE.endpoint_ms),
        ("So what time do you open?", PACE.endpoint_complete_ms),
        ("So I thought...", PACE.endpoint_unfinished_ms),
    ],
)
def test_words_decide_how_long_we_wait(text: str, delay: int) -> None:
    """Finished questions and short answers end sooner, open sentences later."""
    assert endpoint_delay(text, PACE) == delay


@pytest.mark.parametrize(
    "text", ["Hello.", "Sorry,", "Hi", "Good morning.", "Excuse me,", "Oh, sorry.", "Hello?", "Hello. Hello. Hello."]
)
def test_a_first_word_alone_opens_a_sentence(text: str) -> None:
    """A greeting or an apology and nothing else is not the caller's turn yet."""
    assert endpoint_delay(text, PACE) == PACE.endpoint_unfinished_ms


@pytest.mark.parametrize("text", ["Sorry?", "Hello, do you open today?", "Hello, this is Anna.", "Sorry, I can't."])
def test_a_first_word_with_more_behind_it_does_not(text: str) -> None:
    """What follows the first word decides; "sorry?" alone is a question."""
    assert endpoint_delay(text, PACE) < PACE.endpoint_unfinished_ms


@pytest.mark.parametrize("text", ["Let me see.", "Just a second.", "Hold on.", "I would like to know it.", "I mean"])
def test_a_stalling_phrase_asks_for_time(text: str) -> None:
    """Who says this last is looking for words, whatever the full stop says."""
    assert endpoint_delay(text, PACE) == PACE.endpoint_unfinished_ms


@pytest.mark.parametrize(
    ("text", "open_"),
    [
        ("I can come on Monday or.", True),
        ("Could you tell me when?", True),
        ("What is it for?", False),
        ("I need the invoice for.", True),
        ("Yes, I do.", False),
        ("We can.", False),
        ("I already know that.", False),
        ("I will call you.", False),
        ("Since when?", False),
        ("I think so.", False),
        ("That's all I need.", False),
        ("Let's do that then.", False),
        ("I came home and then", True),
        ("What I want is", True),
    ],
)
def test_a_last_word_that_joins_says_more_will_come(text: str, open_: bool) -> None:
    """The recogniser's marks do not outweigh a conjunction; a preposition may end a question, a verb an answer."""
    assert (endpoint_delay(text, PACE) == PACE.endpoint_unfinished_ms) is open_


@pytest.mark.parametrize(
    ("text", "open_"),
    [
        ("my number is 555 01", True),
        ("it is 5550 one nine", True),
        ("My number is five, five, five.", True),
        ("It is 555-019.", True),
        ("The order number is 42.", True),
        ("My card ends in three, eight", True),
        ("my number is 5550199123", False),
        ("five five five, zero one nine, eight eight two four", False),
        ("room 12", False),
        ("at half past five", False),
    ],
)
def test_half_a_telephone_number_asks_for_the_rest(text: str, open_: bool) -> None:
    """Digits said one by one, or written in groups, are open until there are enough for a telephone number."""
    assert (endpoint_delay(text, PACE) == PACE.endpoint_unfinished_ms) is open_


@given(st.text())
def test_any_text_gets_one_of_the_three_waits(text: str) -> None:
    """Whatever recognition writes, the wait is one of the plan's."""
    assert endpoint_delay(text, PACE) in (PACE.endpoint_complete_ms, PACE.endpoint_ms, PACE.endpoint_unfinished_ms)


@pytest.mark.parametrize(
    ("text", "silence", "words"),
    [
        ("I want to book a table and", Silence.UNFINISHED, "and"),
        ("So five five five", Silence.UNFINISHED, "so five five five"),
        ("Let me see.", Silence.UNFINISHED, "let me see"),
        ("Could you tell me when?", Silence.UNFINISHED, "when"),
        ("Good morning.", Silence.UNFINISHED, "good morning"),
        ("When do you open?", Silence.COMPLETE, "when do you open"),
        ("Yes.", Silence.COMPLETE, "yes"),
        ("That's all I need.", Silence.PLAIN, "all i need"),
        ("", Silence.PLAIN, ""),
    ],
)
def test_a_rule_names_its_words(text: str, silence: Silence, words: str) -> None:
    """Whoever asks why a turn ended late is told by which of the caller's words."""
    rule = endpoint_rule(text)
    assert (rule.silence, rule.words) == (silence, words)
    assert rule.delay(PACE) == endpoint_delay(text, PACE)
    assert rule.why
