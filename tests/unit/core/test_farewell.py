"""Stories of goodbyes: a caller who has one more thing to say is not hung up on, and one who says goodbye is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.farewell import IDLE, keeps_call
from patter_cli.core.plan import CallPlan, SystemPhrases
from patter_cli.testing import Answer, Fault, Latency, VirtualCall

LINES = SystemPhrases()
PLAN = CallPlan(agent="luigi", system_prompt="")
BYE = Answer(clauses=("Goodbye, and have a lovely evening.",), calls=(("end_call", "{}"),))
MORE = "Wait, one more thing, is there parking?"


def parting(*, says: str, before_end_ms: int, lasts_ms: int | None = None, plan: CallPlan = PLAN) -> VirtualCall:
    """A call in which the caller says this so long before the end of the agent's goodbye."""
    call = VirtualCall(plan, [BYE, "Yes, behind the house."], latency=Latency(hangover_ms=60))
    call.says("That was all.", at=0)
    call.run_until(2500)
    call.says(says, at=call.sounds[0].end - before_end_ms, lasts_ms=lasts_ms)
    return call


@pytest.mark.parametrize("before_end_ms", [1500, 400, 250, 100, 0])
def test_one_more_thing_stops_the_hang_up(before_end_ms: int) -> None:
    """However late in the goodbye the caller begins, what they ask is answered and the line stays."""
    call = parting(says=MORE, before_end_ms=before_end_ms)
    call.run_until(12_000)
    assert not call.orders(order.HangUp)
    assert call.heard.endswith("Yes, behind the house.")


@pytest.mark.parametrize("before_end_ms", [1500, 250, 0])
@pytest.mark.parametrize("says", ["Bye.", "Thank you, bye bye!", "okay", "You too, have a nice day.", ""])
def test_a_goodbye_to_a_goodbye_does_not(says: str, before_end_ms: int) -> None:
    """Farewells, agreement and noises let the agent hang up soon, and a farewell is in the transcript."""
    call = parting(says=says, before_end_ms=before_end_ms, lasts_ms=500)
    end = call.sounds[0].end
    call.run()
    assert call.outcome == ("answered", "agent")
    assert call.orders(order.HangUp)[0][0] < end + 2000
    assert len(call.orders(order.StartResponse)) == 1
    if "bye" in says.lower():
        assert ("user", says) in call.transcript


def test_the_model_is_told_that_it_did_not_hang_up() -> None:
    """Its end_call has a result that says so, since the call goes on."""
    call = parting(says=MORE, before_end_ms=150)
    call.run_until(12_000)
    tool = next(each.tool for each in call.history if each.tool is not None)
    assert "the caller went on" in (tool.result or "")


def test_words_that_waited_behind_the_goodbye_are_answered() -> None:
    """Where nobody may interrupt the agent, what was said over its goodbye is heard after it."""
    plan = replace(PLAN, pace=replace(PLAN.pace, barge_in_threshold_ms=0))
    call = parting(says=MORE, before_end_ms=2300, lasts_ms=1500, plan=plan)
    call.run_until(12_000)
    assert not call.orders(order.HangUp)
    assert call.heard == "Goodbye, and have a lovely evening. Yes, behind the house."


def test_a_key_at_the_end_of_the_goodbye_is_answered() -> None:
    """Whoever presses a key wants something, also when the agent has just said goodbye."""
    call = parting(says="", before_end_ms=0, lasts_ms=10)
    call.presses("1", at=call.sounds[0].end - 20)
    call.run_until(8000)
    assert not call.orders(order.HangUp)
    assert ("user", "[DTMF: 1]") in call.transcript


def test_a_noise_that_does_not_end_keeps_no_call() -> None:
    """A voice without words holds the hang-up only as long as a goodbye may take."""
    call = parting(says="", before_end_ms=100, lasts_ms=600_000)
    end = call.sounds[0].end
    call.run()
    assert call.outcome == ("answered", "agent")
    assert call.orders(order.HangUp)[0][0] <= end + PLAN.pace.goodbye_ms + 100


@pytest.mark.parametrize("says", ["I'm here!", "yes", "Hello?"])
def test_somebody_who_is_there_after_all_is_not_hung_up_on(says: str) -> None:
    """The goodbye to a caller who seemed gone stops at any word of theirs, also at its very end."""
    for before_end_ms in (1500, 150):
        call = VirtualCall(PLAN, ["Good."])
        call.run_until(40_000)
        goodbye = [each for each in call.sounds if "hang up" in each.text]
        call = VirtualCall(PLAN, ["Good."])
        call.says(says, at=goodbye[-1].end - before_end_ms, lasts_ms=600)
        call.run_until(goodbye[-1].end + 4000)
        assert not call.orders(order.HangUp)
        assert ("user", says) in call.transcript


def test_a_line_full_of_noise_is_left_all_the_same() -> None:
    """Noise alone never stops the goodbye to somebody who is gone."""
    call = VirtualCall(PLAN)
    for at in range(1000, 200_000, 1700):
        call.makes_noise(at, lasts_ms=700)
    call.run(400_000)
    assert call.outcome == ("answered", "idle")


def test_words_that_come_late_stop_it_too() -> None:
    """Recognition that takes three seconds does not lose the caller."""
    call = parting(says=MORE, before_end_ms=100)
    call.breaks(Fault.EARS_LATE, at=2400)
    call.run_until(15_000)
    assert not call.orders(order.HangUp)
    assert call.heard.endswith("Yes, behind the house.")


@pytest.mark.parametrize("event", [fact.DrainRequested(), fact.ListenFailed(provider="p", message="m")])
def test_some_goodbyes_are_not_the_callers_to_stop(event: fact.Event) -> None:
    """When the server goes down, or we are deaf, the call ends whatever is said."""
    call = VirtualCall(PLAN)
    call.tells(event, at=1000)
    call.says(MORE, at=1500)
    call.run()
    assert len(call.orders(order.HangUp)) == 1
    assert call.now < 12_000


def test_a_time_warning_does_not_keep_a_call_that_is_over() -> None:
    """Nobody is told that there is a minute left in the moment between the last words and the end."""
    first = parting(says="", before_end_ms=0, lasts_ms=10)
    first.run()
    hung_up = first.orders(order.HangUp)[0][0]
    for warned in range(hung_up - 400, hung_up, 50):
        pace = replace(PLAN.pace, max_duration_ms=warned + 2000, time_warning_ms=2000)
        call = parting(says="", before_end_ms=0, lasts_ms=10, plan=replace(PLAN, pace=pace))
        call.run()
        assert call.outcome == ("answered", "agent")
        assert LINES.time_warning not in call.heard


def test_nothing_is_quiet_while_we_are_leaving() -> None:
    """Whoever waits for their turn to type is not told that it has come."""
    call = parting(says="", before_end_ms=0, lasts_ms=10)
    call.run_until(call.sounds[0].end + 200)
    assert not call.orders(order.HangUp)
    assert not call.machine.quiet


def test_a_goodbye_that_cannot_be_said_is_the_end() -> None:
    """An agent without a voice hangs up; it does not try to say goodbye for ever."""
    call = VirtualCall(PLAN, [Answer(clauses=(), hang_up=True)], faults=[Fault.LINES_HANG])
    call.says("That was all.", at=0)
    call.run()
    assert call.outcome == ("answered", "agent")
    assert call.now < 10_000


def test_a_server_that_goes_down_ends_the_wait() -> None:
    """A drain while a late word is waited for is a goodbye of its own."""
    call = parting(says="", before_end_ms=100, lasts_ms=20_000)
    call.tells(fact.DrainRequested(), at=call.sounds[0].end + 1000)
    call.run()
    assert call.outcome == ("answered", "drain")
    assert call.heard.endswith(LINES.drain_goodbye)


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("", False),
        ("Bye.", False),
        ("No, that's all, thank you. Bye-bye.", False),
        ("Okay see you tomorrow", False),
        ("mm-hm", False),
        ("Wait", True),
        ("No", True),
        ("Thank you, but what about Sunday?", True),
        ("See you tomorrow at noon with my dog", True),
        ("that's all", False),
    ],
)
def test_what_keeps_a_call(words: str, kept: bool) -> None:
    """A goodbye is made of nothing but courtesies; anything else is something to say."""
    assert keeps_call(words, "agent") is kept
    assert keeps_call(words, IDLE) is bool(words)
