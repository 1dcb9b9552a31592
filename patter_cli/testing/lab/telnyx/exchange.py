"""What becomes of Telnyx's calls: rung, answered, streamed, recorded, connected, over; and the events that tell of it.

dial   initiated - ring - answered - [stream] [detection] [recording] - hangup
ring   initiated (parked) ......... answer -> answered - ... - hangup
                                    reject, no command, caller gone -> hangup
transfer   a second leg is dialled - answered - bridged, both - hangup of one is hangup of the other
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from websockets.exceptions import InvalidHandshake, InvalidURI

from patter_cli.testing.lab.call import By, Ending, LabCall, Stage
from patter_cli.testing.lab.people import UNREACHABLE, Person
from patter_cli.testing.lab.server import CarrierLab
from patter_cli.testing.lab.telnyx.account import Account
from patter_cli.testing.lab.telnyx.bridge import Bridge
from patter_cli.testing.lab.telnyx.detection import detect
from patter_cli.testing.lab.telnyx.faults import TelnyxFaults
from patter_cli.testing.lab.telnyx.leg import HangUpCause, Leg, LegState, StreamWanted
from patter_cli.testing.lab.telnyx.recordings import Recording
from patter_cli.testing.lab.telnyx.stream import MediaStream, Writer, format_of
from patter_cli.testing.lab.telnyx.webhooks import TIMEOUT_S, Address, Courier

PATIENCE_S: Final = 60.0
"""How long somebody who rings waits for an answer."""
RECORDINGS_AT: Final = "https://recordings.telnyx.example"
"""Telnyx's are somewhere else than its interface too; the lab hands out the content itself (`TelnyxLab.files`)."""

_CAUSES: Final = {
    Ending.COMPLETED: HangUpCause.NORMAL,
    Ending.BUSY: HangUpCause.BUSY,
    Ending.NO_ANSWER: HangUpCause.RING_TIMEOUT,
    Ending.CANCELED: HangUpCause.CANCELLED,
    Ending.FAILED: HangUpCause.UNSPECIFIED,
}
_REJECTIONS: Final = {"USER_BUSY": HangUpCause.BUSY, "NOT_FOUND": HangUpCause.NOT_FOUND}


@dataclass(slots=True, kw_only=True, eq=False)
class Party:
    """A leg and all that goes on with it."""

    leg: Leg
    call: LabCall
    on_answer: list[Callable[[Party], None]] = field(default_factory=list)
    cause: HangUpCause | None = None
    """Where the ending alone does not say it."""
    taken: bool = False
    """Somebody has told the exchange to answer it."""
    stream: MediaStream | None = None
    recording: Recording | None = None
    recording_format: str = "wav"
    speech: asyncio.Task[None] | None = None
    bridge: Bridge | None = None
    last: asyncio.Task[Any] | None = None
    """Delivers the last event."""


class LegExchange:
    """The legs of one lab. Implements what the API orders."""

    def __init__(self, lab: CarrierLab, account: Account, courier: Courier, faults: TelnyxFaults) -> None:
        self._lab = lab
        self._account = account
        self._courier = courier
        self._faults = faults
        self.parties: dict[str, Party] = {}
        """By call_control_id."""
        self.files: dict[str, bytes] = {}
        """Recordings' WAVs, by their ids."""

    # --- orders ------------------------------------------------------------------------------------------------------

    def dial(self, leg: Leg, stream: StreamWanted | None, record: Mapping[str, Any] | None) -> None:
        party = self._join(leg)
        if stream is not None:
            party.on_answer.append(lambda party: self.start_stream(party.leg, stream))
        if record is not None:
            party.on_answer.append(lambda party: self.start_recording(party.leg, record))
        self._lab.spawn(self._ring(party))

    def arrive(self, leg: Leg, person: Person) -> LabCall:
        """Somebody rings."""
        party = self._join(leg, person)
        self._lab.spawn(self._wait(party))
        return party.call

    def answer(self, leg: Leg, stream: StreamWanted | None, record: Mapping[str, Any] | None) -> None:
        party = self.parties[leg.control_id]
        if party.taken:
            return
        party.taken = True
        if stream is not None:
            party.on_answer.append(lambda party: self.start_stream(party.leg, stream))
        if record is not None:
            party.on_answer.append(lambda party: self.start_recording(party.leg, record))
        self._lab.spawn(self._take(party))

    def reject(self, leg: Leg, cause: str) -> None:
        party = self.parties[leg.control_id]
        party.cause = _REJECTIONS.get(cause, HangUpCause.REJECTED)
        party.call.end(Ending.BUSY, By.AGENT)

    def hang_up(self, leg: Leg) -> None:
        rung = leg.answered or leg.incoming
        self.parties[leg.control_id].call.end(Ending.COMPLETED if rung else Ending.CANCELED, By.AGENT)

    def start_stream(self, leg: Leg, stream: StreamWanted) -> None:
        leg.stream_id = str(uuid4())
        self._lab.spawn(self._stream(self.parties[leg.control_id], stream, leg.stream_id))

    def stop_stream(self, leg: Leg) -> None:
        stream = self.parties[leg.control_id].stream
        if stream is not None:
            stream.stop()

    def press(self, leg: Leg, digits: str) -> None:
        line = self.parties[leg.control_id].call.line
        if line is not None:
            line.press_for_agent("".join(each for each in digits if each not in "wW"))

    def start_recording(self, leg: Leg, how: Mapping[str, Any]) -> None:
        party = self.parties[leg.control_id]
        line = party.call.line
        if line is not None:
            now_s = self._courier.now_s()
            party.recording_format = how["format"]
            party.recording = Recording(line=line, channels=how["channels"], began_ms=line.now_ms, began_s=now_s)

    def stop_recording(self, leg: Leg) -> None:
        self._finish_recording(self.parties[leg.control_id])

    def speak(self, leg: Leg, text: str) -> None:
        party = self.parties[leg.control_id]
        self.hush(leg)
        party.speech = self._lab.spawn(self._speak(party, text))

    def play(self, leg: Leg, url: str) -> None:
        """The lab fetches nothing: a recording is a second of silence."""
        party = self.parties[leg.control_id]
        self.hush(leg)
        party.speech = self._lab.spawn(self._play(party, url))

    def hush(self, leg: Leg) -> None:
        speech = self.parties[leg.control_id].speech
        if speech is not None:
            speech.cancel()

    def transfer(self, leg: Leg, target: Leg) -> None:
        party = self._join(target)
        party.on_answer.append(lambda party: self.bridge(leg, party.leg))
        self._lab.spawn(self._ring(party))

    def bridge(self, leg: Leg, other: Leg) -> None:
        one, two = self.parties[leg.control_id], self.parties[other.control_id]
        if not (one.call.live and one.call.line is not None and two.call.line is not None):
            two.call.end(Ending.COMPLETED, By.CARRIER)
            return
        for each in (one, two):
            if each.stream is not None:
                each.stream.detach()
        one.bridge = two.bridge = Bridge(one.call.line, two.call.line)
        leg.bridged_with, other.bridged_with = other.control_id, leg.control_id
        self._tell(one, "call.bridged")
        self._tell(two, "call.bridged")

    # --- a leg's life ------------------------------------------------------------------------------------------------

    def _join(self, leg: Leg, person: Person | None = None) -> Party:
        there = person or self._lab.person_at(leg.callee) or UNREACHABLE
        ours, theirs = (leg.callee, leg.caller) if leg.incoming else (leg.caller, leg.callee)
        call = LabCall(
            call_id=leg.control_id,
            ours=ours,
            theirs=theirs,
            inbound=leg.incoming,
            person=there,
            voice=self._lab.voice,
            on_stage=self._on_stage,
        )
        self._lab.calls[leg.control_id] = call
        party = self.parties[leg.control_id] = Party(leg=leg, call=call)
        return party

    async def _ring(self, party: Party) -> None:
        """Of a leg that we dial."""
        leg = party.leg
        if self._faults.queue_s:
            await asyncio.sleep(self._faults.queue_s)
        if party.call.live:
            self._tell(party, "call.initiated", leg.initiated())
        others = sum(each.leg.alive and not each.leg.incoming for each in self.parties.values()) - 1
        if self._account.max_calls is not None and others >= self._account.max_calls:
            party.cause = HangUpCause.REJECTED
            party.call.end(Ending.FAILED, By.CARRIER)
        if party.call.person is UNREACHABLE:
            party.cause = HangUpCause.NOT_FOUND
        if await party.call.ring(leg.ring_s) and party.call.line is not None and self._faults.detects_machines:
            taken_for = party.call.person.taken_for
            await detect(leg.detection, party.call.line, taken_for, lambda kind, more: self._tell(party, kind, more))

    async def _wait(self, party: Party) -> None:
        """Of a leg that rings us."""
        preparing = asyncio.ensure_future(party.call.prepare())
        if self._faults.queue_s:
            await asyncio.sleep(self._faults.queue_s)
        self._tell(party, "call.initiated", party.leg.initiated())
        patience_s = PATIENCE_S
        application = self._account.applications.get(party.leg.connection_id, {})
        if application.get("first_command_timeout"):
            patience_s = min(patience_s, application["first_command_timeout_secs"])
        with suppress(TimeoutError):
            await asyncio.wait_for(party.call.over.wait(), patience_s)
        await preparing
        if not party.taken:
            party.call.end(Ending.CANCELED, By.PERSON)

    async def _take(self, party: Party) -> None:
        party.call.connect(await party.call.prepare())

    def _on_stage(self, call: LabCall) -> None:
        party = self.parties[call.call_id]
        if call.stage is Stage.IN_PROGRESS:
            party.leg.state = LegState.ANSWERED
            party.leg.answered_s = self._courier.now_s()
            self._tell(party, "call.answered", party.leg.has_answered())
            self._lab.spawn(self._limit(party))
            for each in party.on_answer:
                each(party)
        elif call.stage is Stage.OVER:
            self._over(party)

    async def _limit(self, party: Party) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(party.call.over.wait(), party.leg.limit_s)
        if party.call.live:
            party.cause = HangUpCause.TIME_LIMIT
            party.call.end(Ending.COMPLETED, By.CARRIER)

    def _over(self, party: Party) -> None:
        leg, call = party.leg, party.call
        assert call.ending is not None
        leg.state, leg.ended_s = LegState.ENDED, self._courier.now_s()
        if party.stream is not None:
            party.stream.stop()
        self._finish_recording(party)
        self._unbridge(party)
        cause = party.cause if party.cause is not None and call.ended_by is not By.AGENT else None
        if call.ending is Ending.BUSY and call.ended_by is By.AGENT:
            cause = party.cause
        self._tell(party, "call.hangup", leg.hung_up(cause or _CAUSES[call.ending], _source(call)))

    def _unbridge(self, party: Party) -> None:
        other = self.parties.get(party.leg.bridged_with)
        if party.bridge is None or other is None:
            return
        party.bridge.part()
        party.bridge = other.bridge = None
        party.leg.bridged_with = other.leg.bridged_with = ""
        if not other.leg.parks:
            other.call.end(Ending.COMPLETED, By.CARRIER)
        elif other.stream is not None:
            other.stream.attach()

    # --- what goes on in it ------------------------------------------------------------------------------------------

    async def _stream(self, party: Party, wanted: StreamWanted, stream_id: str) -> None:
        leg, line = party.leg, party.call.line
        assert line is not None
        order = self._faults.l16_byte_order
        towards = self._faults.leg_codec if wanted.codec == "default" else wanted.codec
        sends = format_of(towards, wanted.sends_rate_hz, order)
        receives = format_of(wanted.sends_codec, wanted.sends_rate_hz, order)
        try:
            if sends is None or receives is None:
                raise OSError(f"the lab does not speak {towards} and {wanted.sends_codec}")
            socket = await self._lab.open_stream(wanted.url, {})
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            self._lab.warn(f"the stream of {leg.control_id[:12]} cannot be opened: {error}")
            leg.stream_id = ""
            params = {"stream_url": wanted.url, "track": wanted.track}
            failed = {"failure_reason": "connection_failed", "stream_id": stream_id, "stream_type": "websocket"}
            self._tell(party, "streaming.failed", {**failed, "stream_params": params})
            return
        party.stream = MediaStream(
            socket=socket,
            line=line,
            writer=Writer(leg=leg, wanted=wanted, format=sends, stream_id=stream_id),
            receives=receives,
            now_s=self._courier.now_s,
            warn=self._lab.warn,
            on_key=lambda digit: self._tell(party, "call.dtmf.received", {"digit": digit}),
            swap_every=self._faults.swap_every,
        )
        self._tell(party, "streaming.started", {"stream_url": wanted.url})
        if not party.call.live:
            party.stream.stop()
        try:
            await party.stream.run()
        finally:
            party.stream, leg.stream_id = None, ""
            self._tell(party, "streaming.stopped", {"stream_url": wanted.url})

    def _finish_recording(self, party: Party) -> None:
        recording, party.recording = party.recording, None
        if recording is None:
            return
        leg, now_s = party.leg, self._courier.now_s()
        url = f"{RECORDINGS_AT}/{leg.recording_id}.{party.recording_format}"
        self.files[leg.recording_id] = recording.wav(recording.line.now_ms)
        row = self._account.add_recording(
            leg, channels=recording.channels, began_s=recording.began_s, ended_s=now_s, url=url
        )
        saved = {name: row[name] for name in ("channels", "recording_started_at", "recording_ended_at")}
        payload = {**leg.about(), **saved, "recording_urls": {party.recording_format: url}, "public_recording_urls": {}}
        for name in ("call_control_id", "from", "to"):  # the schema of this one has none of them
            del payload[name]
        leg.recording_id = ""
        self._tell(party, "call.recording.saved", payload)

    async def _speak(self, party: Party, text: str) -> None:
        line = party.call.line
        assert line is not None
        samples = await self._lab.voice(text)
        self._tell(party, "call.speak.started")
        await line.play(samples)
        self._tell(party, "call.speak.ended", {"status": "completed" if party.call.live else "call_hangup"})
        self._stream_again(party)

    async def _play(self, party: Party, url: str) -> None:
        line = party.call.line
        assert line is not None
        status = "cancelled"
        self._tell(party, "call.playback.started", {"media_url": url})
        try:
            await line.until(lambda: False, 1000)
            status = "completed" if party.call.live else "call_hangup"
        finally:
            self._tell(party, "call.playback.ended", {"media_url": url, "status": status})
            self._stream_again(party)

    def _stream_again(self, party: Party) -> None:
        if party.stream is not None and party.call.live:
            party.stream.attach()

    # --- events ------------------------------------------------------------------------------------------------------

    def _tell(self, party: Party, kind: str, payload: Mapping[str, Any] | None = None) -> None:
        """payload: all of it where it is another event's own; else what is added to that of the leg."""
        more = dict(payload or {})
        whole = more if "call_leg_id" in more else {**party.leg.about(), **more}
        event = self._courier.note(party.leg, kind, whole)
        application = self._account.applications.get(party.leg.connection_id, {})
        address = Address(
            url=party.leg.webhook_url,
            failover_url=application.get("webhook_event_failover_url") or "",
            timeout_s=application.get("webhook_timeout_secs") or TIMEOUT_S,
        )
        party.last = self._lab.report(lambda: self._courier.deliver(event, address), after=party.last)


def _source(call: LabCall) -> str:
    """Whose end of the call it was."""
    match call.ended_by:
        case By.PERSON:
            return "caller" if call.inbound else "callee"
        case By.AGENT:
            return "callee" if call.inbound else "caller"
    return "unknown"
