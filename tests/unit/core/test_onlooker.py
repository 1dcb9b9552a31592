"""Whoever looks on may end a call or mute its caller, and the journal says so."""

from __future__ import annotations

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested
from patter_cli.core.machine import TurnMachine
from patter_cli.core.outcome import TransferOutcome
from patter_cli.core.plan import CallPlan
from patter_cli.testing import Answer, VirtualCall

PLAN = CallPlan(agent="shop", system_prompt="", first_message="Hello.")


def test_a_call_that_is_hung_up_on_says_goodbye_first() -> None:
    """The caller hears that it ends, and the reason says whose wish it was."""
    call = VirtualCall(PLAN)
    call.tells(fact.HangUpRequested(), at=4000)
    call.run()
    assert call.history[-1].text == PLAN.lines.drain_goodbye
    (over,) = [order_ for _, order_ in call.orders(order.FinishCall)]
    assert (over.outcome, over.reason) == ("answered", "operator")


def test_muting_is_ordered_once_for_each_wish() -> None:
    """Muted and heard again: each is an order, at its time."""
    call = VirtualCall(PLAN)
    call.tells(fact.MuteRequested(muted=True), at=3000)
    call.tells(fact.MuteRequested(muted=False), at=5000)
    call.run_until(6000)
    assert [(at, each.muted) for at, each in call.orders(order.MuteCaller)] == [(3000, True), (5000, False)]


def test_a_muted_caller_is_not_asked_whether_they_are_there() -> None:
    """Nor hung up on: they cannot be heard. Heard again, they are asked as ever."""
    call = VirtualCall(PLAN)
    call.tells(fact.MuteRequested(muted=True), at=3000)
    call.tells(fact.MuteRequested(muted=False), at=120_000)
    call.run_until(121_000)
    assert [each.text for each in call.history] == ["Hello."]
    call.run()
    assert [each.text for each in call.history[1:]] == [
        PLAN.lines.still_there, PLAN.lines.still_there, PLAN.lines.idle_goodbye
    ]  # fmt: skip


@pytest.mark.parametrize("wish", [fact.MuteRequested(muted=True), fact.HangUpRequested()])
def test_a_wish_for_a_call_that_is_over_changes_nothing(wish: fact.Event) -> None:
    """Keys are pressed late."""
    call = VirtualCall(PLAN)
    call.tells(fact.DrainRequested(), at=3000)
    call.run()
    assert call.machine.handle(wish, call.now + 1) == []


def test_nobody_can_be_muted_before_there_is_a_line() -> None:
    """A call that still rings has no sound to take away."""
    machine = TurnMachine()
    dial = DialRequested(
        call_id="C1",
        caller="+15550100",
        callee="+15550199",
        carrier="lab",
        plan=PLAN,
        ring_timeout_ms=None,
        wall_time=0.0,
    )
    machine.handle(dial, 0)
    assert machine.handle(fact.MuteRequested(muted=True), 10) == []


def said(call: VirtualCall) -> list[tuple[str, str]]:
    return [(each.role, each.text) for each in call.history]


def test_a_line_that_somebody_writes_is_said_next() -> None:
    """While nobody speaks it is said at once, and the agent remembers it as its own words."""
    call = VirtualCall(PLAN)
    call.tells(fact.SayRequested(text=" A colleague is listening. "), at=5000)
    call.run_until(9000)
    assert said(call) == [("assistant", "Hello."), ("assistant", "A colleague is listening.")]


def test_what_the_agent_is_saying_yields_to_it() -> None:
    """The history has what was heard of the broken-off words, and then the line."""
    greeting = "Hello there, this is a long greeting of ours indeed."
    plan = CallPlan(agent="shop", system_prompt="", first_message=greeting)
    call = VirtualCall(plan)
    call.tells(fact.SayRequested(text="Wait."), at=600)
    call.run_until(6000)
    first, second = call.history[:2]
    assert first.interrupted
    assert greeting.startswith(first.text)
    assert (second.text, second.interrupted) == ("Wait.", False)


def test_lines_are_said_one_after_another() -> None:
    """Two that were written quickly do not cut each other off."""
    call = VirtualCall(PLAN)
    call.tells(fact.SayRequested(text="First of all."), at=5000)
    call.tells(fact.SayRequested(text="And then."), at=5100)
    call.tells(fact.SayRequested(text="  "), at=5200)
    call.run_until(12_000)
    assert [text for _, text in said(call)] == ["Hello.", "First of all.", "And then."]
    assert not any(each.interrupted for each in call.history)


def test_a_caller_who_speaks_is_let_finish() -> None:
    """The line comes when they have, and what they said is answered after it."""
    call = VirtualCall(PLAN, ("We open at nine.",))
    call.says("When do you open?", at=4000, lasts_ms=2000)
    call.tells(fact.SayRequested(text="One moment please."), at=4500)
    call.run_until(20_000)
    assert said(call)[:4] == [
        ("assistant", "Hello."),
        ("assistant", "One moment please."),
        ("user", "When do you open?"),
        ("assistant", "We open at nine."),
    ]


def test_a_line_keeps_a_call_that_was_about_to_end() -> None:
    """The last words were heard, and now there are others: whoever wrote them wants an answer."""
    call = VirtualCall(PLAN, (Answer(clauses=("Goodbye.",), hang_up=True),))
    call.says("Bye.", at=4000, lasts_ms=500)
    call.run_until(6000)
    late = call.now
    call.tells(fact.SayRequested(text="Please stay."), at=late)
    call.run_until(late + 5000)
    assert not call.orders(order.FinishCall)


def test_the_caller_is_put_through_by_somebody_else() -> None:
    """To a number that the agent itself may not choose, at once; if nobody answers the caller is told and goes on."""
    call = VirtualCall(PLAN, transfer=TransferOutcome.BUSY)
    call.tells(fact.PutThroughRequested(number="+15550142"), at=4000)
    call.run_until(4100)
    ((at, asked),) = call.orders(order.Transfer)
    assert (at, asked.number, asked.about) == (4000, "+15550142", "")
    call.run_until(30_000)
    assert ("assistant", PLAN.lines.no_transfer) in said(call)


@pytest.mark.parametrize("wish", [fact.SayRequested(text="Hello?"), fact.PutThroughRequested(number="+15550142")])
def test_whoever_comes_too_late_changes_nothing(wish: fact.Event) -> None:
    """The call is saying its goodbye, or is over."""
    call = VirtualCall(PLAN)
    call.tells(fact.HangUpRequested(), at=4000)
    call.tells(wish, at=4100)
    call.run()
    assert [text for _, text in said(call)] == ["Hello.", PLAN.lines.drain_goodbye]
    assert not call.orders(order.Transfer)
