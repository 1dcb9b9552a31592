"""The reminder: what it says of whom, what each answer leads to, and that it is written down."""

from __future__ import annotations

import pytest

from patter_cli.agent import fill
from tests.unit.agents.rehearse import Talk


def test_it_says_who_calls_and_why() -> None:
    """The greeting names the caller as automated, the person, the day, the time and all three choices."""
    agent = Talk("reminder").agent
    greeting = fill(agent.first_message, agent.variables)
    for words in ("Hello Anna Brown", "automated assistant of Bright Smile", "on Thursday at half past nine"):
        assert words in greeting
    assert all(f"press {key}" in greeting for key in ("one", "two", "three"))


CONFIRMED = ["Yes, I'll be there.", "Yeah.", "OK, that's fine.", "Sure", "[DTMF: 1]", "Yes, that is correct."]
CANCELLED = [
    ("I have to cancel it.", "Yes."),
    ("[DTMF: 2]", "[DTMF: 2]"),
    ("No.", "Cancel, yes please."),
    ("I can't come.", "Yes, cancel it."),
]
ANOTHER = [
    "[DTMF: 3]",
    "Could we find another time?",
    "I can't on Thursday, can we move it?",
    "I need a different day.",
]


@pytest.mark.parametrize("said", CONFIRMED)
def test_a_yes_confirms(said: str) -> None:
    """By voice or by key, it is thanked for, written down, and ends the call."""
    talk = Talk("reminder", name="Bo Lind", day="Monday", time="noon", caller="irrelevant")
    assert talk.say(said).startswith("Thank you, Bo Lind. We look forward to seeing you on Monday.")
    [line] = talk.lines_kept
    assert (line["name"], line["time"], line["outcome"]) == ("Bo Lind", "noon", "confirmed")
    assert "caller" not in line
    assert talk.done == ["ended"]


@pytest.mark.parametrize("turns", CANCELLED)
def test_a_cancellation_is_asked_for_twice(turns: tuple[str, str]) -> None:
    """The first time nothing has happened yet."""
    talk = Talk("reminder")
    assert "Shall I cancel" in talk.say(turns[0])
    assert not talk.lines_kept
    assert "is cancelled" in talk.say(turns[1])
    assert [each["outcome"] for each in talk.lines_kept] == ["cancelled"]
    assert talk.done == ["ended"]


@pytest.mark.parametrize("said", ["No, don't cancel it.", "Wait, no."])
def test_a_cancellation_can_be_taken_back(said: str) -> None:
    """Nothing is cancelled, and the choices are told again."""
    talk = Talk("reminder")
    assert "not cancelled" in talk.say("[DTMF: 2]", said)
    assert not talk.lines_kept
    assert not talk.done


@pytest.mark.parametrize("said", ANOTHER)
def test_another_time_takes_a_message(said: str) -> None:
    """Whatever they say next is kept for the front desk, word by word."""
    talk = Talk("reminder")
    assert "When would suit you" in talk.say(said)
    assert "call you back" in talk.say("Any day but Friday, after four.")
    [line] = talk.lines_kept
    assert (line["outcome"], line["said"]) == ("another time", "Any day but Friday, after four.")


def test_a_key_is_no_message() -> None:
    """Who presses one while a message is expected has changed their mind, and confirms."""
    talk = Talk("reminder")
    talk.say("[DTMF: 3]", "[DTMF: 1]")
    assert [each["outcome"] for each in talk.lines_kept] == ["confirmed"]


@pytest.mark.parametrize("said", ["Who is calling?", "What is this about?", "Are you a robot?", "Sorry, what time?"])
def test_questions_are_answered(said: str) -> None:
    """Who, why and when, as often as asked."""
    talk = Talk("reminder")
    reply = talk.say(said, said)
    assert "automated assistant" in reply
    assert "Thursday at half past nine" in reply
    assert not talk.done


def test_a_wrong_number_is_let_go() -> None:
    """It apologises, writes it down and hangs up."""
    talk = Talk("reminder")
    assert "sorry to have troubled you" in talk.say("You have the wrong number.")
    assert [each["outcome"] for each in talk.lines_kept] == ["wrong number"]
    assert talk.done == ["ended"]


def test_nobody_is_asked_for_ever() -> None:
    """After three answers that mean nothing to it, a person will see to it."""
    talk = Talk("reminder")
    assert "I didn't get that" in talk.say("The cat sat.", "On the mat.")
    assert "front desk will call you" in talk.say("All day.")
    assert [each["outcome"] for each in talk.lines_kept] == ["not understood"]
    assert talk.done == ["ended"]
