"""The virtual call tells the truth about what was heard, and when nobody was."""

from __future__ import annotations

import pytest

from patter_cli.core import events as fact
from patter_cli.core.plan import CallPlan
from patter_cli.testing import Answer, Fault, VirtualCall

PLAN = CallPlan(agent="a", system_prompt="", first_message="Hello.")
QUIET = CallPlan(agent="a", system_prompt="")


def script(call: VirtualCall) -> VirtualCall:
    call.says("When do you open?", at=2000)
    call.makes_noise(5000, lasts_ms=400)
    call.presses("1", at=8000)
    call.tells(fact.DrainRequested(), at=15_000)
    call.run()
    return call


def test_the_same_script_is_the_same_call() -> None:
    """Nothing is left to chance: two runs give one journal."""
    answers = ["We open at nine in the morning.", "Fine."]
    assert script(VirtualCall(PLAN, answers)).journal == script(VirtualCall(PLAN, answers)).journal


def test_stepping_does_not_change_the_call() -> None:
    """Running in pieces gives what running at once gives."""
    whole, steps = VirtualCall(PLAN), VirtualCall(PLAN)
    for call in (whole, steps):
        call.says("When do you open?", at=2000)
    for ms in range(0, 9000, 7):
        steps.run_until(ms)
    steps.run_until(9000)
    whole.run_until(9000)
    assert steps.journal == whole.journal
    assert steps.now == 9000


def test_a_word_is_heard_at_its_last_letter() -> None:
    """What the line had played counts, cut inside a clause, and not what was ordered."""
    call = VirtualCall(PLAN, ["One two three four."])
    call.says("Tell me more.", at=2000)
    call.run_until(3900)
    begun = call.sounds[-1].start
    call.run_until(begun + 8 * 65)
    call.tells(fact.LineClosed(cause="carrier_stop"))
    call.run()
    assert call.heard == "Hello. One two"


def test_silence_counts_while_an_answer_is_owed() -> None:
    """It is measured from the end of the caller's words to the next sound, or to now."""
    call = VirtualCall(QUIET, faults=[Fault.LINES_HANG])
    done = call.says("Hello?", at=1000)
    call.run_until(done + 3000)
    assert call.longest_wait() == (3000, done)


def test_silence_of_an_answered_caller_is_not_a_wait() -> None:
    """Nobody owes a word to a caller who was answered, nor to one who has not spoken."""
    call = VirtualCall(QUIET, ["Yes."])
    call.run_until(5000)
    assert call.longest_wait() == (0, 0)
    call.says("Are you open?")
    call.run_until(12_000)
    assert call.longest_wait()[0] < 1500


def test_answers_may_be_a_function() -> None:
    """It is given the caller's words, and says what comes, when, and what the agent wants then."""

    def answer(text: str) -> Answer:
        return Answer(clauses=(f"You said {text}",), after_ms=900, hang_up=True)

    call = VirtualCall(QUIET, answer)
    call.says("Goodbye.", at=0)
    call.run()
    assert call.transcript[-1] == ("assistant", "You said Goodbye.")
    assert call.outcome == ("answered", "agent")
    assert call.ended


def test_a_fault_can_come_and_go() -> None:
    """Breaking and mending happen at their times."""
    call = VirtualCall(QUIET, ["Yes."])
    call.breaks(Fault.BRAIN_FAILS, at=500)
    call.says("Are you open?", at=600)
    call.mends(Fault.BRAIN_FAILS, at=4000)
    call.says("Are you open now?", at=9000)
    call.run_until_idle()
    assert call.transcript[-1] == ("assistant", "Yes.")
    call.tells(fact.LineClosed(cause="carrier_stop"))
    call.run_until_idle()
    assert call.ended


def test_a_call_without_end_is_an_error() -> None:
    """`run` does not run for ever."""
    with pytest.raises(AssertionError, match="never ends"):
        VirtualCall(PLAN).run(1000)
