"""What a carrier reports reaches the machine as what it means."""

from __future__ import annotations

from typing import get_args

import pytest

from patter_cli.contracts.carrier import carrier as told
from patter_cli.core import carrier_events as fact
from patter_cli.core.events import Event, TransferFailed, TransferFinished
from patter_cli.core.outcome import AnsweredBy, TransferOutcome, VerdictSource
from patter_cli.server.carrier_facts import event_of

ID = "A-1"
CARRIER = VerdictSource.CARRIER


@pytest.mark.parametrize(
    ("reported", "event"),
    [
        (told.Ringing(carrier_call_id=ID), fact.Ringing()),
        (told.Answered(carrier_call_id=ID), fact.Answered()),
        (
            told.MachineDetected(
                carrier_call_id=ID, who=told.AnsweredBy.MACHINE, greeting_over=True, raw="machine_end_beep"
            ),
            fact.MachineDetected(
                answered_by=AnsweredBy.MACHINE, source=CARRIER, greeting_over=True, raw="machine_end_beep"
            ),
        ),
        (told.BeepHeard(carrier_call_id=ID, raw="beep"), fact.BeepHeard(source=CARRIER, raw="beep")),
        (
            told.RecordingReady(carrier_call_id=ID, recording_id="RE1", url="https://x", duration_ms=5),
            fact.RecordingReady(recording_id="RE1", url="https://x", duration_ms=5),
        ),
        (told.TransferConnected(carrier_call_id=ID), TransferFinished()),
        (
            told.TransferEnded(carrier_call_id=ID, how=told.CallEnd.COMPLETED),
            TransferFailed(message="completed", outcome=TransferOutcome.DROPPED),
        ),
        (
            told.TransferEnded(carrier_call_id=ID, how=told.CallEnd.DECLINED),
            TransferFailed(message="declined", outcome=TransferOutcome.DECLINED),
        ),
        (
            told.TransferEnded(carrier_call_id=ID, how=told.CallEnd.NO_ANSWER),
            TransferFailed(message="no answer", outcome=TransferOutcome.NO_ANSWER),
        ),
        (told.Completed(carrier_call_id=ID, how=told.CallEnd.BUSY), None),
    ],
)
def test_each_fact_has_its_event(reported: told.CarrierFact, event: Event | None) -> None:
    """With everything that it says."""
    assert event_of(reported) == event


@pytest.mark.parametrize("who", told.AnsweredBy)
def test_whoever_answers_is_known_to_the_machine(who: told.AnsweredBy) -> None:
    """No answerer that a carrier can name is one that the machine cannot."""
    reported = told.MachineDetected(carrier_call_id=ID, who=who)
    assert isinstance(event_of(reported), fact.MachineDetected)


@pytest.mark.parametrize("how", told.CallEnd)
def test_however_a_transfer_ends_it_has_ended(how: told.CallEnd) -> None:
    """No end of a transfer is lost."""
    assert isinstance(event_of(told.TransferEnded(carrier_call_id=ID, how=how)), TransferFinished | TransferFailed)


def test_every_kind_is_in_the_table() -> None:
    """A fact that is added to the contract has to be given a meaning."""
    assert len(get_args(told.CarrierFact)) == 8
