"""What a carrier reports beside a call's stream, as the facts that the call's machine knows."""

from __future__ import annotations

from typing import Final

from patter_cli.contracts.carrier import carrier as told
from patter_cli.core import carrier_events as fact
from patter_cli.core.events import Event, TransferFailed, TransferFinished
from patter_cli.core.outcome import AnsweredBy, TransferOutcome, VerdictSource

_MISSED: Final = {
    told.CallEnd.BUSY: TransferOutcome.BUSY,
    told.CallEnd.NO_ANSWER: TransferOutcome.NO_ANSWER,
    told.CallEnd.DECLINED: TransferOutcome.DECLINED,
    told.CallEnd.COMPLETED: TransferOutcome.DROPPED,
    told.CallEnd.CANCELED: TransferOutcome.FAILED,
    told.CallEnd.FAILED: TransferOutcome.FAILED,
}


def event_of(reported: told.CarrierFact) -> Event | None:
    """The machine's fact for a carrier's; None for one that is about the line itself, which is over."""
    match reported:
        case told.Ringing():
            return fact.Ringing()
        case told.Answered():
            return fact.Answered()
        case told.MachineDetected(who=who, greeting_over=greeting_over, raw=raw):
            return fact.MachineDetected(
                answered_by=AnsweredBy(who.value), source=VerdictSource.CARRIER, greeting_over=greeting_over, raw=raw
            )
        case told.BeepHeard(raw=raw):
            return fact.BeepHeard(source=VerdictSource.CARRIER, raw=raw)
        case told.RecordingReady(recording_id=recording_id, url=url, duration_ms=duration_ms):
            return fact.RecordingReady(recording_id=recording_id, url=url, duration_ms=duration_ms)
        case told.TransferConnected():
            return TransferFinished()
        case told.TransferEnded(how=how):  # after it was connected, nobody of ours is there who could be told
            return TransferFailed(message=how.value.replace("_", " "), outcome=_MISSED[how])
        case told.Completed():
            return None
