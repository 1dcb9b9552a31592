"""What carriers report, and whom it is for: a call that we make, one that is live, or a record of one that is over."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from patter_cli.callers import Callers
from patter_cli.contracts.carrier.carrier import CarrierFact, Completed, TransferConnected
from patter_cli.core.carrier_events import RecordingReady
from patter_cli.errors import BadSignature
from patter_cli.server.awaited_streams import AwaitedStreams
from patter_cli.server.calls import CallRegistry
from patter_cli.server.carrier_facts import event_of
from patter_cli.server.dialler import Dialler
from patter_cli.server.recordings import Recordings
from patter_cli.server.tickets import check

log = logging.getLogger("patter.server")


class CarrierReports:
    """One server's."""

    def __init__(
        self,
        *,
        live: CallRegistry,
        dialler: Dialler,
        callers: Callers,
        awaited: AwaitedStreams,
        recordings: Recordings,
        secret: bytes,
    ) -> None:
        """secret: signs tickets."""
        self._live = live
        self._dialler = dialler
        self._callers = callers
        self._awaited = awaited
        self._recordings = recordings
        self._secret = secret

    def take(self, carrier: str, reported: CarrierFact, dialled: str) -> None:
        """A carrier reports something. dialled: the ticket that the report's call was dialled with, or ""."""
        if isinstance(reported, TransferConnected):
            self._live.pass_on(carrier, reported.carrier_call_id)
        if isinstance(reported, Completed):
            self._callers.arrived(carrier, reported.carrier_call_id)
            self._awaited.over(carrier, reported.carrier_call_id)
        if self._dialler.report(carrier, reported, dialled):
            return
        event = event_of(reported)
        if event is None:
            self._live.hung_up(carrier, reported.carrier_call_id)
        elif not self._live.tell(carrier, reported.carrier_call_id, event) and isinstance(event, RecordingReady):
            self._recorded(carrier, reported.carrier_call_id, dialled, event)

    def _recorded(self, carrier: str, carrier_call_id: str, ticket: str, event: RecordingReady) -> None:
        """A recording is ready, and its call is over. ticket: of what the carrier was told of the call, or "" """
        call_id = self._live.call_id(carrier, carrier_call_id)
        if not call_id and ticket:
            with suppress(BadSignature):
                call_id = check(ticket, self._secret, time.time()).call_id
        if call_id:
            self._recordings.ready(call_id, event)
        else:
            log.warning("%s has recorded a call that is not known here: %s", carrier, ascii(carrier_call_id))
