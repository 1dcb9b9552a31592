"""Whoever looks on may end a call or mute its caller, and the journal says so."""

from __future__ import annotations

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested
from patter_cli.core.machine import TurnMachine
from patter_cli.core.plan import CallPlan
from patter_cli.testing import VirtualCall

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
