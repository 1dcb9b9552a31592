"""Nothing of a call is recorded before whoever is on the line has heard that it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from patter_cli.core import carrier_events as carrier
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.plan import CallPlan, SystemPhrases
from patter_cli.testing import VirtualCall

NOTICE = SystemPhrases().recording_notice
PLAN = CallPlan(agent="shop", system_prompt="", first_message="Hello, this is the shop.", records=True)


def notice_heard_at(call: VirtualCall) -> list[int]:
    """When each mark of a first clause came back."""
    return [at for at, event in call.facts(fact.MarkReached) if event.clause == 0]


def begins(call: VirtualCall) -> list[int]:
    return [at for at, _ in call.orders(order.StartRecording)]


def test_it_is_said_before_the_greeting() -> None:
    """And recording begins when it was heard, not when the greeting is over."""
    call = VirtualCall(PLAN, ["Yes."])
    call.run_until(8000)
    assert call.heard == f"{NOTICE} {PLAN.first_message}"
    assert begins(call) == notice_heard_at(call)[:1]


def test_without_a_greeting_it_is_all_that_is_said() -> None:
    """The caller has the floor then."""
    call = VirtualCall(replace(PLAN, first_message=""), ["Yes."])
    call.run_until(6000)
    assert call.heard == NOTICE
    assert begins(call) == notice_heard_at(call)


def test_whoever_talks_over_it_hears_it_again() -> None:
    """After their answer, and nothing is recorded before."""
    call = VirtualCall(PLAN, ["We open at nine."])
    call.says("Stop! When do you open?", at=500)
    call.run_until(12_000)
    ((again, _),) = [each for each in call.orders(order.ReadOut) if each[1].text == NOTICE]
    (recorded,) = begins(call)
    assert recorded > again
    assert call.heard.endswith(NOTICE)


@pytest.mark.parametrize("greeting", ["This call is recorded.", "Hello, we record our calls. How can I help?"])
def test_a_greeting_that_says_so_itself_is_enough(greeting: str) -> None:
    """Once all of it was heard."""
    call = VirtualCall(replace(PLAN, first_message=greeting), ["Yes."])
    call.run_until(9000)
    assert call.heard == greeting
    assert len(begins(call)) == 1


def test_a_call_that_is_not_recorded_says_nothing_of_it() -> None:
    """It is off unless somebody asked for it."""
    call = VirtualCall(replace(PLAN, records=False), ["Yes."])
    call.run_until(6000)
    assert call.heard == PLAN.first_message
    assert begins(call) == []


def test_what_was_to_be_recorded_from_a_moment_off_the_record_is_so_afterwards() -> None:
    """The ear is deaf at once; nothing is asked of the carrier twice."""
    call = VirtualCall(PLAN, ["Yes."])
    call.tells(carrier.OffRecordRequested(off=True), at=500)
    call.tells(carrier.OffRecordRequested(off=True), at=600)
    call.tells(carrier.OffRecordRequested(off=False), at=6000)
    call.run_until(8000)
    assert begins(call) == [6000]
    assert [(at, each.paused) for at, each in call.orders(order.PauseRecording)] == [(500, True), (6000, False)]
    assert [(at, each.muted) for at, each in call.orders(order.MuteCaller)] == [(500, True), (6000, False)]
    assert [at for at, _ in call.orders(order.TellPaused)] == [600]


def test_a_call_that_is_over_is_said() -> None:
    """A tool may still be at work."""
    call = VirtualCall(PLAN, ["Yes."])
    call.tells(fact.LineClosed(cause="carrier_stop"), at=3000)
    call.tells(carrier.OffRecordRequested(off=True), at=4000)
    call.run_until(5000)
    assert not call.orders(order.MuteCaller)
