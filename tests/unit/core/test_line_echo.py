"""A line that returns our own voice: whose words those are, and when a line is no longer heeded."""

from __future__ import annotations

import pytest

from patter_cli.core import commands as order
from patter_cli.core.events import EchoFound
from patter_cli.core.line_echo import SETTLING_MS, SOON_TIMES, repeats
from patter_cli.core.plan import CallPlan
from patter_cli.testing import VirtualCall

GREETING = "Thank you for calling Bright Smile Dental. This is the automated assistant. How can I help you today?"
PLAN = CallPlan(agent="dentist", system_prompt="", first_message=GREETING)
LONG = "We are open from Monday to Friday from nine until five, and on Saturday mornings from nine until one."


def echoing(answer: str = LONG) -> VirtualCall:
    """A call on a line whose echo was found in the greeting's first words."""
    call = VirtualCall(PLAN, [answer])
    call.run_until(600)
    call.tells(EchoFound(delay_ms=120))
    return call


def said(call: VirtualCall) -> list[str]:
    """What was taken for the caller's words."""
    return [each.text for each in call.machine.history if each.role == "user"]


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        ("Bright smile dental.", True),
        ("Thank you for calling bride smile.", True),
        ("This is the automated assistant.", True),
        ("How can I help you", True),
        ("How much is a cleaning?", False),
        ("I would like an appointment.", False),
        ("Stop.", False),
        ("", False),
        ("...", False),
        ("today help you", False),
    ],
)
def test_words_that_are_a_piece_of_ours(words: str, ours: bool) -> None:
    """Most of them, in our order; a recogniser misreads some of an echo."""
    assert repeats(words, GREETING) is ours


def test_the_greeting_is_not_cut_by_itself() -> None:
    """Our words come back over the greeting: it goes on to its end, and nobody has said anything."""
    call = echoing()
    call.says("Thank you for calling Bright Smile", at=1200, lasts_ms=700)  # held, we make no more of it
    call.run_until(12_000)
    assert call.machine.history[0].text == GREETING
    assert said(call) == []


def test_the_end_of_our_words_is_no_turn() -> None:
    """What comes back after we have finished is not answered."""
    call = echoing()
    call.run_until(2000)
    while call.machine.states[2].name != "IDLE":
        call.run_until(call.now + 20)
    call.says("How can I help you today?", at=call.now + 50, lasts_ms=900)
    call.run_until(call.now + 4000)
    assert said(call) == []


def test_a_caller_with_words_of_their_own_interrupts() -> None:
    """A line that returns us takes nothing from whoever speaks on it."""
    call = echoing()
    call.says("Wait, I need to cancel my appointment.", at=1500)
    call.run_until(8000)
    assert said(call) == ["Wait, I need to cancel my appointment."]
    assert call.machine.history[0].text != GREETING


def test_without_an_echo_nothing_is_ours() -> None:
    """Whoever repeats us on a clean line is somebody."""
    call = VirtualCall(PLAN, [LONG])
    call.says("Thank you for calling Bright Smile Dental you say?", at=1500)
    call.run_until(9000)
    assert len(said(call)) == 1


def test_once_it_has_settled_words_are_the_callers() -> None:
    """A canceller that had time to learn leaves no words: whoever repeats us then means it."""
    call = echoing()
    at = SETTLING_MS + 3000
    call.says("When are you open?", at=at)
    call.run_until(at + 4500)
    call.says("From nine until five on Saturday mornings?", at=at + 4500)
    call.run_until(at + 12_000)
    assert said(call) == ["When are you open?", "From nine until five on Saturday mornings?"]


def interrupted_at_once(call: VirtualCall, times: int) -> None:
    """Somebody speaks as soon as we are heard, again and again."""
    for number in range(times):
        while call.machine.states[2].name != "SPEAKING":
            call.run_until(call.now + 20)
        call.says(f"Number {number} please say that once more.", at=call.now + 300)
        call.run_until(call.now + 3000)


def test_a_line_that_always_interrupts_is_no_longer_heeded() -> None:
    """After so many replies in a row that were cut at once the next ones are said to their end, and the journal says
    so once."""
    call = VirtualCall(PLAN, [LONG])
    interrupted_at_once(call, SOON_TIMES + 3)
    kept = [each for _, _, commands in call.log for each in commands if isinstance(each, order.KeepFloor)]
    assert kept == [order.KeepFloor(interruptions=SOON_TIMES)]
    call.run_until(call.now + 12_000)
    assert call.machine.history[-1].text == LONG


def test_a_turn_in_our_silence_brings_interruptions_back() -> None:
    """Somebody who speaks while nothing of us is heard is a caller, and may interrupt again."""
    call = VirtualCall(PLAN, [LONG])
    interrupted_at_once(call, SOON_TIMES + 1)
    while call.machine.states[2].name != "IDLE":
        call.run_until(call.now + 100)
    call.says("When are you open?", at=call.now + 2000)
    call.run_until(call.now + 5000)
    call.says("Stop, I need a person please.", at=call.now + 100)
    call.run_until(call.now + 4000)
    assert said(call)[-1] == "Stop, I need a person please."
