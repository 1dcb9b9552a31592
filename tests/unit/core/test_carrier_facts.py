"""Every fact that a carrier may tell, in every state a call can be in: a table of what is done about it.

Each comes twice, since carriers repeat themselves; the second time nothing is done, whatever the first has led to.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import (
    Answered,
    BeepHeard,
    CallPlaced,
    CancelRequested,
    DialFailed,
    DialRequested,
    DtmfFailed,
    DtmfSent,
    MachineDetected,
    RecordingFailed,
    RecordingReady,
    Ringing,
    TransferRinging,
)
from patter_cli.core.events import Event
from patter_cli.core.floor import CallState
from patter_cli.core.machine import TurnMachine
from patter_cli.core.outcome import AnsweredBy, Direction, Outcome, VerdictSource
from patter_cli.core.plan import CallPlan

PLAN = CallPlan(
    agent="a", system_prompt="", screens_machines=True, voicemail_message="Call us.", transfer_numbers=("+3",)
)
MACHINE = MachineDetected(answered_by=AnsweredBy.MACHINE, source=VerdictSource.CARRIER)
BEEP = BeepHeard(source=VerdictSource.OWN)
CONNECTED = fact.CallConnected(
    call_id="c", caller="+1", callee="+2", direction=Direction.OUTBOUND, carrier="none", plan=PLAN, wall_time=0.0
)
REQUESTED = DialRequested(
    call_id="c", caller="+1", callee="+2", carrier="none", plan=PLAN, ring_timeout_ms=25_000, wall_time=0.0
)
PLACED = CallPlaced(carrier_call_id="CA1")
PUTS_THROUGH = [
    fact.DtmfReceived(digit="1"),
    fact.Tick(),
    fact.TransferRequested(response_id=1, number="+3"),
    fact.ClauseReady(response_id=1, text="One moment."),
    fact.ClauseVoiced(response_id=1, clause=0, duration_ms=100),
    fact.PlayoutStarted(response_id=1, clause=0),
    fact.ResponseFinished(response_id=1),
    fact.MarkReached(response_id=1, clause=0),
]

WAYS: dict[CallState, list[Event]] = {
    CallState.NEW: [],
    CallState.DIALLING: [REQUESTED],
    CallState.RINGING: [REQUESTED, PLACED, Ringing()],
    CallState.CONNECTING: [REQUESTED, PLACED, Answered()],
    CallState.PREPARING: [REQUESTED, PLACED, Answered(), CONNECTED],
    CallState.ACTIVE: [REQUESTED, PLACED, Answered(), CONNECTED, fact.CallPrepared(plan=PLAN)],
    CallState.VOICEMAIL: [REQUESTED, PLACED, Answered(), CONNECTED, fact.CallPrepared(plan=PLAN), MACHINE],
    CallState.TRANSFERRING: [REQUESTED, PLACED, Answered(), CONNECTED, fact.CallPrepared(plan=PLAN), *PUTS_THROUGH],
    CallState.ENDING: [REQUESTED, PLACED, Answered(), CONNECTED, fact.CallPrepared(plan=PLAN), fact.DrainRequested()],
    CallState.ENDED: [REQUESTED, DialFailed(outcome=Outcome.BUSY)],
}
"""How to come into each state."""

OF_A_DIAL: list[Event] = [
    REQUESTED, PLACED, Ringing(), Answered(), CONNECTED, DialFailed(outcome=Outcome.BUSY), CancelRequested(),
]  # fmt: skip
BESIDE: list[Event] = [
    MACHINE,
    BEEP,
    TransferRinging(),
    fact.TransferFailed(message=""),
    fact.TransferFinished(),
    DtmfSent(response_id=9, tool_call_id="t"),
    DtmfFailed(response_id=9, tool_call_id="t", message="m"),
    RecordingReady(recording_id="RE1"),
    RecordingFailed(message="m"),
]

DONE: dict[tuple[CallState, type[Event]], list[type[order.Command]]] = {
    (CallState.NEW, DialRequested): [order.PlaceCall],
    (CallState.NEW, fact.CallConnected): [order.PrepareCall],
    (CallState.NEW, CancelRequested): [order.FinishCall],
    (CallState.DIALLING, Answered): [order.PrepareCall],
    (CallState.DIALLING, fact.CallConnected): [order.PrepareCall],
    (CallState.DIALLING, DialFailed): [order.FinishCall],
    (CallState.DIALLING, CancelRequested): [order.HangUp],
    (CallState.RINGING, Answered): [order.PrepareCall],
    (CallState.RINGING, fact.CallConnected): [order.PrepareCall],
    (CallState.RINGING, DialFailed): [order.FinishCall],
    (CallState.RINGING, CancelRequested): [order.HangUp],
    (CallState.CONNECTING, CancelRequested): [order.HangUp],
    (CallState.PREPARING, CancelRequested): [order.ReadOut],
    (CallState.ACTIVE, CancelRequested): [order.ReadOut],
    (CallState.ACTIVE, BeepHeard): [order.TakeFor, order.ReportMachine, order.ReadOut],
    (CallState.VOICEMAIL, BeepHeard): [order.ReadOut],
    (CallState.VOICEMAIL, CancelRequested): [order.HangUp],
    (CallState.TRANSFERRING, CancelRequested): [order.CancelTransfer, order.ReadOut],
    (CallState.TRANSFERRING, fact.TransferFailed): [order.ReadOut],
    **{
        (state, verdict): [order.TakeFor, order.ReportMachine]
        for state in CallState
        for verdict in (MachineDetected, BeepHeard)
        if state not in (CallState.NEW, CallState.ACTIVE, CallState.VOICEMAIL, CallState.ENDED)
    },
    (CallState.ACTIVE, MachineDetected): [order.TakeFor, order.ReportMachine],
}
"""What a fact leads to; whatever is not here leads to nothing."""


def came_to(state: CallState) -> TurnMachine:
    """A machine in this state."""
    machine = TurnMachine()
    at = 0
    for event in WAYS[state]:
        at += 460 if isinstance(event, fact.Tick) else 10
        machine.handle(event, at)
    assert machine.states[0] is state
    return machine


@pytest.mark.parametrize("state", CallState, ids=lambda each: each.value)
@pytest.mark.parametrize("event", OF_A_DIAL + BESIDE, ids=lambda each: type(each).__name__)
def test_what_is_done_about_each_fact_in_each_state(state: CallState, event: Event) -> None:
    """The first time what the table says, the second time nothing."""
    machine = came_to(state)
    assert [type(each) for each in machine.handle(event, 1000)] == DONE.get((state, type(event)), [])
    after = (machine.states, machine.waits_for)
    assert machine.handle(event, 1001) == []
    assert (machine.states, machine.waits_for) == after


@pytest.mark.parametrize("state", [each for each in CallState if each is not CallState.ENDED], ids=lambda x: x.value)
@pytest.mark.parametrize("event", OF_A_DIAL + BESIDE, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize(
    "end", [lambda: fact.LineClosed(cause="carrier_stop"), fact.DrainRequested, CancelRequested, None]
)
def test_every_call_ends_with_the_outcome_that_it_had(
    state: CallState, event: Event, end: Callable[[], Event] | None
) -> None:
    """After any fact in any state, however it ends or left alone: it ends once, and answered means picked up."""
    machine = came_to(state)
    ordered = machine.handle(event, 1000)
    now = 1000
    if end is not None:
        ordered += machine.handle(end(), now)
    while (due := machine.next_deadline()) is not None:
        now = max(now, due)
        ordered += machine.handle(fact.Tick(), now)
    if end is None and machine.states[0] is CallState.NEW:
        return  # nobody has asked for a call yet
    (finish,) = [each for each in ordered if isinstance(each, order.FinishCall)]
    assert machine.ended
    proves_answer = isinstance(event, (Answered, fact.CallConnected, MachineDetected, BeepHeard))
    if state in (CallState.NEW, CallState.DIALLING, CallState.RINGING) and not proves_answer:
        assert finish.outcome not in (Outcome.ANSWERED, Outcome.VOICEMAIL)
    talked = state in (CallState.ACTIVE, CallState.VOICEMAIL, CallState.ENDING)
    if talked and (state is CallState.VOICEMAIL or isinstance(event, (MachineDetected, BeepHeard))):
        assert finish.outcome is Outcome.VOICEMAIL
