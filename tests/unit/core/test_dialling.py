"""Stories of outbound calls: placed, ringing, answered or not, given up; each ends with the right outcome."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import (
    Answered,
    CallPlaced,
    CancelRequested,
    DialFailed,
    DialRequested,
    Ringing,
)
from patter_cli.core.dialling import PLACE_MS, QUEUE_MS, STREAM_MS
from patter_cli.core.endings import HANG_UP_GRACE_MS
from patter_cli.core.events import Event
from patter_cli.core.floor import CallState
from patter_cli.core.journal import parse_journal, render_entry, replay
from patter_cli.core.machine import TurnMachine
from patter_cli.core.outcome import Direction, Outcome
from patter_cli.core.plan import CallPlan
from patter_cli.testing import WALL_TIME, FarEnd, Fault, Latency, VirtualCall

GREETING = "Hello, this is Luigi's about your table."
PLAN = CallPlan(agent="luigi", system_prompt="", first_message=GREETING)


def dialled(far_end: FarEnd | None = None, **more: object) -> VirtualCall:
    return VirtualCall(PLAN, ["Very good."], far_end=far_end or FarEnd(), **more)  # type: ignore[arg-type]


# --- somebody picks up -----------------------------------------------------------------------------------------------


def test_a_call_is_placed_rings_and_is_held() -> None:
    """Whoever picks up is greeted, and the conversation is as on any other call."""
    call = dialled()
    call.says("Yes, eight o'clock is fine.", at=9500)
    call.run_until(15_000)
    (placed,) = call.orders(order.PlaceCall)
    assert placed == (
        0,
        order.PlaceCall(caller="+15550100", callee="+15550101", ring_timeout_ms=25_000, detect_machine=False),
    )
    assert call.heard == f"{GREETING} Very good."
    assert call.history[0].timestamp == pytest.approx(WALL_TIME + call.orders(order.ReportTranscript)[0][0] / 1000)
    call.tells(fact.LineClosed(cause="carrier_stop"))
    call.run()
    assert call.outcome == (Outcome.ANSWERED, "carrier_stop")


def test_the_states_follow_the_carrier() -> None:
    """Dialling, ringing, connecting, prepared, active."""
    call = dialled(latency=Latency(hook_ms=1000))
    seen = []
    for at in (100, 500, 1500, 6050, 6200, 8000):
        call.run_until(at)
        seen.append(call.machine.states[0].value)
    assert seen == ["dialling", "dialling", "ringing", "connecting", "preparing", "active"]


def test_nobody_waits_for_on_call_start_twice() -> None:
    """It runs as soon as somebody picks up, while the stream is on its way; a stream that is late waits for nothing."""
    call = dialled(FarEnd(stream_ms=1500), latency=Latency(hook_ms=1200))
    call.run_until(9000)
    (prepare,) = call.orders(order.PrepareCall)
    (connected,) = call.facts(fact.CallConnected)
    assert prepare[0] == call.facts(Answered)[0][0]
    assert call.orders(order.ReadOut)[0][0] == connected[0]


def test_on_call_start_that_hangs_is_not_waited_for() -> None:
    """Its deadline runs from the answer, whether or not the stream is there."""
    for stream_ms in (150, 3000):
        call = dialled(FarEnd(stream_ms=stream_ms), faults=[Fault.HOOK_HANGS])
        call.run_until(12_000)
        at = call.facts(Answered)[0][0] + max(stream_ms, PLAN.pace.prepare_ms)
        assert call.orders(order.ReadOut)[0][0] == at


def test_what_on_call_start_changes_holds() -> None:
    """Its plan is the one that speaks, also when it came before the stream; the stream's own says nothing."""
    call = dialled(FarEnd(stream_ms=1000), prepared=replace(PLAN, first_message="Good day, Ada."))
    call.run_until(12_000)
    assert call.heard == "Good day, Ada."


# --- nobody does -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refuses", "outcome"),
    [
        (Outcome.BUSY, Outcome.BUSY),
        (Outcome.NO_ANSWER, Outcome.NO_ANSWER),
        (Outcome.CANCELED, Outcome.CANCELED),
        (Outcome.FAILED, Outcome.FAILED),
        (Outcome.ANSWERED, Outcome.FAILED),
    ],
)
def test_the_carriers_word_is_the_outcome(refuses: Outcome, outcome: Outcome) -> None:
    """Busy is busy; a failure that claims to be an answer is a failure."""
    call = dialled(FarEnd(refuses=refuses))
    call.run()
    assert call.outcome == (outcome, outcome.value)
    assert not call.orders(order.HangUp)
    assert call.history == ()


def test_the_carrier_may_say_why() -> None:
    """A call that could not be placed keeps the carrier's reason."""
    call = dialled(FarEnd(placed_ms=None))
    call.tells(DialFailed(outcome=Outcome.FAILED, reason="SIP 403"), at=300)
    call.run()
    assert call.outcome == (Outcome.FAILED, "SIP 403")


@pytest.mark.parametrize(
    ("far_end", "outcome", "reason", "at"),
    [
        (FarEnd(answers_ms=None), Outcome.NO_ANSWER, "ring_timeout", 200 + 800 + 25_000),
        (FarEnd(answers_ms=None, rings_ms=None), Outcome.NO_ANSWER, "ring_timeout", 200 + QUEUE_MS + 25_000),
        (FarEnd(answers_ms=None, ring_timeout_ms=3000), Outcome.NO_ANSWER, "ring_timeout", 200 + 800 + 3000),
        (FarEnd(placed_ms=None), Outcome.FAILED, "not_placed", PLACE_MS),
        (FarEnd(stream_ms=None), Outcome.FAILED, "no_media", 200 + 800 + 5000 + STREAM_MS),
    ],
)
@pytest.mark.parametrize("faults", [(), (Fault.NO_HANG_UP,)])
def test_every_stage_has_its_deadline(
    far_end: FarEnd, outcome: Outcome, reason: str, at: int, faults: tuple[Fault, ...]
) -> None:
    """Nobody waits for ever, whatever the carrier does not tell, and the call is taken down."""
    call = dialled(far_end, faults=faults)
    call.run()
    assert call.outcome == (outcome, reason)
    assert [when for when, _ in call.orders(order.HangUp)] == [at]
    assert call.now <= at + HANG_UP_GRACE_MS


def test_a_call_may_ring_for_as_long_as_the_carrier_lets_it() -> None:
    """Without a ring timeout the carrier ends it; should it forget, its own limit does."""
    call = dialled(FarEnd(answers_ms=120_000, ring_timeout_ms=None))
    call.run_until(130_000)
    assert call.heard == GREETING
    forgotten = dialled(FarEnd(answers_ms=None, ring_timeout_ms=None))
    forgotten.run()
    assert forgotten.outcome == (Outcome.NO_ANSWER, "ring_timeout")
    assert 600_000 < forgotten.now < 700_000


@pytest.mark.parametrize("event", [fact.LineClosed(cause="carrier_stop"), fact.LineClosed(cause="internal_error")])
def test_a_line_that_closes_before_anybody_answers_is_no_answer_of_anybody(event: Event) -> None:
    """Only a call that was picked up counts as answered."""
    for at, outcome in ((100, Outcome.FAILED), (2000, Outcome.FAILED), (6100, Outcome.ANSWERED)):
        call = dialled()
        call.tells(event, at=at)
        call.run()
        assert call.outcome == (outcome, event.cause)  # type: ignore[union-attr]


# --- given up --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("event", "reason"), [(fact.DrainRequested(), "drain"), (CancelRequested(), "canceled")])
@pytest.mark.parametrize("at", [50, 500, 3000, 6080])
@pytest.mark.parametrize("faults", [(), (Fault.NO_HANG_UP,)])
def test_a_call_is_given_up(event: Event, reason: str, at: int, faults: tuple[Fault, ...]) -> None:
    """Before the first word it is hung up at once, and canceled; the wait for it is short."""
    call = dialled(faults=faults)
    call.tells(event, at=at)
    call.tells(event, at=at + 10)
    call.run()
    assert call.outcome == (Outcome.CANCELED, reason)
    assert call.orders(order.HangUp)[0] == (at, order.HangUp(reason=reason))
    assert call.history == ()
    assert call.now <= at + HANG_UP_GRACE_MS or at < 200


def test_a_call_that_is_held_is_not_canceled_but_said_goodbye_to() -> None:
    """Whoever talks to us hears why it ends."""
    call = dialled()
    call.tells(CancelRequested(), at=12_000)
    call.run()
    assert call.outcome == (Outcome.ANSWERED, "canceled")
    assert call.heard.endswith(PLAN.lines.drain_goodbye)


def test_a_call_that_the_carrier_names_too_late_is_hung_up() -> None:
    """It was given up while the carrier was still placing it: nothing is left ringing."""
    machine = requested()
    assert machine.handle(CancelRequested(), 100) == [order.HangUp(reason="canceled")]
    assert machine.next_deadline() == PLACE_MS
    assert machine.handle(CallPlaced(carrier_call_id="CA1"), 4000) == [order.HangUp(reason="canceled")]
    assert machine.next_deadline() == 4000 + HANG_UP_GRACE_MS
    (finish,) = machine.handle(DialFailed(outcome=Outcome.CANCELED), 4100)
    assert finish == order.FinishCall(outcome=Outcome.CANCELED, reason="canceled")


@pytest.mark.parametrize("late", [Answered(), "stream"])
def test_whoever_picks_up_as_we_give_up_is_hung_up_on(late: Event | str) -> None:
    """A cancelled call that was answered in the same moment does not stay open, and is still cancelled."""
    machine = requested()
    machine.handle(CallPlaced(carrier_call_id="CA1"), 200)
    machine.handle(Ringing(), 900)
    machine.handle(fact.Tick(), 900 + 25_000)
    event = connected() if isinstance(late, str) else late
    assert machine.handle(event, 26_000) == [order.HangUp(reason="ring_timeout")]
    assert machine.handle(event, 26_010) == []
    assert machine.handle(DialFailed(outcome=Outcome.BUSY), 26_020) == []
    (finish,) = machine.handle(fact.LineClosed(cause="carrier_stop"), 26_100)
    assert finish == order.FinishCall(outcome=Outcome.NO_ANSWER, reason="ring_timeout")


def test_nobody_is_rung_by_a_deaf_agent() -> None:
    """Recognition that is gone before anybody picked up ends the call, as our fault."""
    call = dialled()
    call.tells(fact.ListenFailed(provider="p", message="m"), at=2000)
    call.run()
    assert call.outcome == (Outcome.FAILED, "listen_failed")
    assert call.history == ()


# --- late, twice, out of order ---------------------------------------------------------------------------------------

STAGES = (CallPlaced(carrier_call_id="CA1"), Ringing(), Answered(), "stream", fact.CallPrepared(plan=PLAN))


@pytest.mark.parametrize(
    "stages", list(permutations(STAGES)), ids=lambda each: "-".join(type(x).__name__ for x in each)
)
def test_the_carrier_may_tell_it_in_any_order(stages: tuple[Event | str, ...]) -> None:
    """However its facts are mixed, once all are there the call is held and greeted once."""
    machine = requested()
    ordered: list[order.Command] = []
    for at, event in enumerate((*stages, *stages[:3], fact.CallPrepared(plan=PLAN))):
        ordered += machine.handle(connected() if isinstance(event, str) else event, 100 + 10 * at)
    assert machine.states[0] is CallState.ACTIVE
    assert [type(each) for each in ordered] == [order.PrepareCall, order.ReadOut]
    assert machine.handle(DialFailed(outcome=Outcome.BUSY), 500) == []
    finish = machine.handle(fact.LineClosed(cause="carrier_stop"), 900)[-1]
    assert finish == order.FinishCall(outcome=Outcome.ANSWERED, reason="carrier_stop")


@pytest.mark.parametrize("event", [*STAGES[:3], DialFailed(outcome=Outcome.BUSY)], ids=lambda each: type(each).__name__)
def test_an_inbound_call_knows_nothing_of_dialling(event: Event) -> None:
    """What belongs to an outbound call changes nothing before, in or after another."""
    machine = TurnMachine()
    assert machine.handle(event, 0) == []
    machine.handle(replace(connected(), direction=Direction.INBOUND), 0)
    machine.handle(fact.CallPrepared(plan=PLAN), 10)
    before = (machine.states, machine.waits_for, machine.next_deadline())
    assert machine.handle(event, 20) == []
    assert machine.handle(requested_by(), 20) == []
    assert (machine.states, machine.waits_for, machine.next_deadline()) == before
    machine.handle(fact.DrainRequested(), 30)
    assert machine.handle(event, 40) == []


def test_a_second_call_is_not_placed() -> None:
    """One machine, one call."""
    machine = requested()
    assert machine.handle(requested_by(), 10) == []


def test_nothing_is_said_before_there_is_a_line() -> None:
    """Keys and voices from before the stream wait for it."""
    call = dialled()
    call.presses("5", at=1500)
    call.says("Hello?", at=2000)
    call.run_until(15_000)
    first = call.facts(fact.CallConnected)[0][0]
    assert all(at >= first for kind in (order.ReadOut, order.StartResponse) for at, _ in call.orders(kind))
    assert call.heard.startswith(GREETING)


def test_an_outbound_call_replays() -> None:
    """Its journal orders the same again, to the byte."""
    call = dialled()
    call.tells(CancelRequested(), at=12_000)
    call.run()
    again = replay(parse_journal(call.journal))
    assert "".join(render_entry(each.at, each.event, each.commands) + "\n" for each in again) == call.journal


def requested_by() -> DialRequested:
    return DialRequested(
        call_id="c", caller="+1", callee="+2", carrier="none", plan=PLAN, ring_timeout_ms=25_000, wall_time=0.0
    )


def requested() -> TurnMachine:
    """A machine that was asked to ring somebody at 0."""
    machine = TurnMachine()
    machine.handle(requested_by(), 0)
    return machine


def connected() -> fact.CallConnected:
    return fact.CallConnected(
        call_id="c", caller="+1", callee="+2", direction=Direction.OUTBOUND, carrier="none", plan=PLAN, wall_time=0.0
    )
