"""The menu: where each key leads, in which order, and what happens to whoever presses something else."""

from __future__ import annotations

import pytest

from patter_cli.call_plan import plan_of
from patter_cli.core.plan import SystemPhrases
from patter_cli.testing import VirtualCall
from tests.unit.agents.rehearse import Talk

OPERATOR = "transferred +12025550143"
MAIN, TICKETS = "For opening hours, press 1.", "For prices, press 1."
KEYS = [
    ("1", "open from ten to six"),
    ("2", TICKETS),
    ("3", "Tram number four"),
    ("21", "twelve dollars"),
    ("22", "Groups of ten"),
    ("23", "Show us the receipt"),
    ("2*", MAIN),
    ("21*", TICKETS),
    ("21**", MAIN),
    ("213", "Show us the receipt"),
    ("1*", MAIN),
    ("*", MAIN),
    ("#", "Welcome to the Harbour Museum"),
    ("21#", "twelve dollars"),
    ("29", "not in this menu. For prices"),
    ("9", "not in this menu. For opening hours"),
    ("99#", "not in this menu"),
]


@pytest.mark.parametrize(("keys", "heard"), KEYS)
def test_keys_lead_there_one_by_one_or_in_one_go(keys: str, heard: str) -> None:
    """Pressed slowly, each is a turn; pressed quickly, they arrive together and lead to the same."""
    slow, quick = Talk("menu"), Talk("menu")
    assert heard in slow.say(*(f"[DTMF: {key}]" for key in keys))
    assert heard in quick.say(f"[DTMF: {keys}]")
    assert not slow.done


@pytest.mark.parametrize("turns", [("[DTMF: 0]",), ("[DTMF: 2]", "[DTMF: 0]"), ("[DTMF: 9]",) * 3, ("[DTMF: 999]",)])
def test_zero_and_three_wrong_keys_reach_the_operator(turns: tuple[str, ...]) -> None:
    """From any menu."""
    talk = Talk("menu")
    assert "connecting you to an operator" in talk.say(*turns)
    assert talk.done == [OPERATOR]


def test_after_an_operator_who_is_busy_the_menu_goes_on() -> None:
    """The caller is where they were; the operator is rung again only when asked for again."""
    talk = Talk("menu")
    talk.say("[DTMF: 2]", "[DTMF: 0]")
    assert "twelve dollars" in talk.say("[DTMF: 1]")
    assert talk.done == [OPERATOR]


def test_a_right_key_forgives_the_wrong_ones() -> None:
    """Only wrong keys in a row lead to the operator."""
    talk = Talk("menu")
    talk.say("[DTMF: 9]", "[DTMF: 9]", "[DTMF: 1]", "[DTMF: 9]", "[DTMF: 9]")
    assert not talk.done


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Tickets, please.", TICKETS),
        ("When are you open? What are your hours?", "open from ten to six"),
        ("How do I get to the museum?", "Tram number four"),
        ("Number one.", "open from ten to six"),
        ("A human, please.", "connecting you to an operator"),
        ("Could you say that again?", "Welcome to the Harbour Museum"),
        ("What's the weather?", "not in this menu. For opening hours"),
    ],
)
def test_who_speaks_is_understood_too(said: str, heard: str) -> None:
    """By what an option is called, or its number."""
    assert heard in Talk("menu").say(said)


def test_calls_are_kept_apart() -> None:
    """Two calls at once are in two places, and one that is over is forgotten."""
    talk = Talk("menu")
    talk.say("[DTMF: 2]")
    talk.loaded.hooks["on_call_end"](type("Event", (), {"call_id": "call"}))
    assert "open from ten to six" in talk.say("[DTMF: 1]")


def test_who_does_nothing_is_asked_twice_and_let_go() -> None:
    """Eight seconds of silence are a question; the third time it says goodbye."""
    agent = Talk("menu").agent
    call = VirtualCall(plan_of("menu", agent, {}, {}))
    call.run()
    lines = [text for role, text in call.transcript if role == "assistant"]
    assert lines[1:] == [SystemPhrases().still_there, SystemPhrases().still_there, SystemPhrases().idle_goodbye]
    assert call.outcome == ("answered", "idle")
