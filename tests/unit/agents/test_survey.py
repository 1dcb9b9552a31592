"""The survey: what counts as a number, that every answer is kept at once, and that nobody is pressed."""

from __future__ import annotations

import pytest

from tests.unit.agents.rehearse import Talk

RATINGS = [
    ("Four.", 4),
    ("I would say four.", 4),
    ("A four.", 4),
    ("Or?", 4),
    ("I would say, too.", 2),
    ("Four out of five.", 4),
    ("Definitely a five!", 5),
    ("At three, I think,", 3),
    ("One.", 1),
    ("5", 5),
    ("[DTMF: 3]", 3),
]


def answers(talk: Talk) -> list[tuple[str, object]]:
    return [(line["question"], line["answer"]) for line in talk.lines_kept]


@pytest.mark.parametrize(("said", "number"), RATINGS)
def test_a_number_is_a_number(said: str, number: int) -> None:
    """By voice, also as short words are often misheard, or by key; it is said back and written down at once."""
    talk = Talk("survey")
    reply = talk.say(said)
    assert reply.lower().startswith(["", "one", "two", "three", "four", "five"][number])
    assert "How welcome" in reply
    assert answers(talk) == [("satisfied", number)]


@pytest.mark.parametrize(
    "said", ["[DTMF: 9]", "Ten.", "Zero", "[DTMF: 0]", "It was nice.", "Three or four.", "[DTMF: 44]"]
)
def test_anything_else_is_asked_again(said: str) -> None:
    """Politely, with the way to answer, and nothing is written down."""
    talk = Talk("survey")
    reply = talk.say(said)
    assert "I'm sorry, I didn't get that. Please say a number from one to five" in reply
    assert reply.endswith("How satisfied were you with your visit, from one to five?")
    assert not answers(talk)


def test_three_answers_end_the_call() -> None:
    """Two numbers, one in their own words; then thanks and goodbye."""
    talk = Talk("survey")
    assert "one thing" in talk.say("Four.", "[DTMF: 5]")
    assert not talk.done
    reply = talk.say("There was no time to stop and ask.")
    assert reply.endswith("Thank you very much for your time. Goodbye!")
    assert answers(talk) == [("satisfied", 4), ("welcome", 5), ("better", "There was no time to stop and ask.")]
    assert talk.done == ["ended"]


def test_what_is_said_over_its_goodbye_changes_nothing() -> None:
    """The last answer stays what it was, and the call still ends."""
    talk = Talk("survey")
    assert talk.say("Four.", "Five.", "The coffee.", "Okay, thanks.") == "Thank you. Goodbye!"
    assert answers(talk)[-1] == ("better", "The coffee.")
    assert talk.done == ["ended", "ended"]


def test_a_number_can_be_corrected() -> None:
    """ "No, I said five" changes the answer before, and goes on where they were."""
    talk = Talk("survey")
    assert "Five, thank you. How welcome" in talk.say("Four.", "No, I said five.")
    assert answers(talk) == [("satisfied", 4), ("satisfied", 5)]


@pytest.mark.parametrize("said", ["Could you repeat the question?", "Pardon?", "Sorry, what was the question?"])
def test_a_question_is_repeated(said: str) -> None:
    """The one that is open."""
    assert Talk("survey").say("Three.", said) == "Of course. How welcome did we make you feel, from one to five?"


def test_a_question_can_be_left_out() -> None:
    """By asking to, or by three answers that are none; nothing is written down for it."""
    talk = Talk("survey")
    assert "How welcome" in talk.say("I'd rather not say.")
    assert "Never mind. And what is the one thing" in talk.say("Hm.", "Well.", "Hm.")
    talk.say("I don't know.")
    assert not answers(talk)
    assert talk.done == ["ended"]


@pytest.mark.parametrize("said", ["I have no time now.", "Stop calling me.", "Goodbye.", "I'm not interested."])
def test_who_does_not_want_to_is_let_go(said: str) -> None:
    """With thanks, and with the answers they gave."""
    talk = Talk("survey")
    assert "thank you all the same" in talk.say("Two, I said two.", said)
    assert answers(talk) == [("satisfied", 2)]
    assert talk.done == ["ended"]
