"""Off the record: while a tool wants it, nothing that the caller says or presses is heard, so nothing of it is kept.

The ear is deaf at once, which keeps it out of transcript, history, journal and every vendor; the carrier's recording
takes a request, and the tool is told once it holds. What was to be recorded from such a moment on is so afterwards.
"""

from __future__ import annotations

from patter_cli.core import carrier_events as carrier
from patter_cli.core import commands as order
from patter_cli.core.call import Call
from patter_cli.core.floor import CallState

_TALKS = (CallState.ACTIVE, CallState.ENDING, CallState.TRANSFERRING)


class OffRecord:
    """Whether this part of a call is."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def requested(self, event: carrier.OffRecordRequested) -> None:
        """One that changes nothing is answered as well."""
        call = self._call
        if call.state.now not in _TALKS:
            call.issue(order.TellPaused(paused=event.off, message="the call is over"))
        elif event.off == call.off_record:
            call.issue(order.TellPaused(paused=event.off, message=""))
        else:
            call.off_record = event.off
            call.issue(order.MuteCaller(muted=call.muted or call.off_record))
            call.issue(order.PauseRecording(paused=event.off))
            if call.owes_recording and not event.off:
                call.owes_recording = False
                call.issue(order.StartRecording())

    def paused(self, event: carrier.RecordingPaused) -> None:
        """The carrier has, or has not."""
        self._call.issue(order.TellPaused(paused=event.paused, message=event.message))
