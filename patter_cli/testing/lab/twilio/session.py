"""One call at the lab's Twilio: what it is called, whom it is reported to, who it finds picked up, what it records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from patter_cli.testing.lab.call import By, Ending, LabCall, Stage
from patter_cli.testing.lab.people import Person
from patter_cli.testing.lab.server import Posted
from patter_cli.testing.lab.twilio.detection import find_who
from patter_cli.testing.lab.twilio.execute import Execution
from patter_cli.testing.lab.twilio.forms import Form
from patter_cli.testing.lab.twilio.recording import Recording
from patter_cli.testing.lab.twilio.signing import HEADER, sign
from patter_cli.testing.lab.twilio.twiml import DocumentError, Verb, read_document, read_reply

if TYPE_CHECKING:
    from patter_cli.testing.lab.twilio.lab import TwilioLab

RING_S: Final = 60
"""How long it rings where nobody says."""
LONGEST_S: Final = 14_400
_PLACES: Final = ("City", "State", "Zip", "Country")

_ENDINGS: Final[Mapping[Ending, tuple[str, str]]] = {
    Ending.COMPLETED: ("completed", "200"),
    Ending.BUSY: ("busy", "486"),
    Ending.DECLINED: ("busy", "603"),
    Ending.NO_ANSWER: ("no-answer", "487"),
    Ending.CANCELED: ("canceled", "487"),
    Ending.FAILED: ("failed", "404"),
}
"""A call's last status, and the SIP code beside it."""


class TwilioCall:
    """One call, inbound, dialled by the interface or dialled by a document."""

    def __init__(
        self,
        lab: TwilioLab,
        *,
        ours: str,
        theirs: str,
        direction: str,
        person: Person,
        wanted: Form,
        parent: str = "",
    ) -> None:
        """direction: inbound, outbound-api or outbound-dial. wanted: what the call was made with."""
        self.lab = lab
        self.sid = lab.new_sid("CA")
        self.parent = parent
        self.direction = direction
        self.wanted = wanted
        self.created_s = time.time()
        self.answered_by = ""
        self.verdict_ms = 0
        self.recordings: list[Recording] = []
        self.status_callback = wanted.get("StatusCallback")
        self.status_method = wanted.get("StatusCallbackMethod", "POST")
        self.call = LabCall(
            call_id=self.sid,
            ours=ours,
            theirs=theirs,
            inbound=direction == "inbound",
            person=person,
            voice=lab.voice,
            on_stage=self._on_stage,
        )
        self._events = self._wanted_events()
        self._sequence = 0
        self._last_report: asyncio.Task[Any] | None = None
        self._script: asyncio.Task[Any] | None = None
        self._limit: asyncio.Task[Any] | None = None

    @property
    def from_number(self) -> str:
        return self.call.theirs if self.call.inbound else self.call.ours

    @property
    def to_number(self) -> str:
        return self.call.ours if self.call.inbound else self.call.theirs

    @property
    def status(self) -> str:
        """As the interface says it."""
        if self.call.ending is not None:
            return _ENDINGS[self.call.ending][0]
        return {Stage.IN_PROGRESS: "in-progress"}.get(self.call.stage, self.call.stage.value)

    # --- its life ---------------------------------------------------------------------------------------------

    async def dial(self) -> None:
        """Ring somebody, as the interface was asked to."""
        self.report("initiated")
        await asyncio.sleep(self.lab.faults.queue_s + self.lab.until_next_slot())
        if not await self.call.ring(self.wanted.number("Timeout", RING_S)):
            return
        self.limit(self.wanted.number("TimeLimit", LONGEST_S))
        if self.wanted.get("Record") == "true":
            self.record(self.wanted, source="OutboundAPI", channels=self.wanted.get("RecordingChannels", "mono"))
        keys = self.wanted.get("SendDigits")
        if keys and self.call.line is not None:
            self.call.line.press_for_agent("".join(each for each in keys if each not in "wW"))
        elif "MachineDetection" in self.wanted and self.lab.faults.detects_machines:
            if self.wanted.get("AsyncAmd") == "true":
                self.lab.spawn(self._report_verdict())
            else:
                await self._find_who()  # and whoever picked up hears nothing until then
        if "Twiml" in self.wanted:
            self.instruct(read_document(self.wanted.get("Twiml"), self.lab.warnings))
        else:
            self.instruct_from(self.wanted.get("Url"), self.wanted.get("Method", "POST"))

    async def come_in(self, number: Mapping[str, Any]) -> None:
        """Somebody rings us. number: as it is set up."""
        self.call.stage = Stage.RINGING
        sounds = await self.call.prepare()
        url = str(number["voice_url"] or "")
        if not url or number["voice_application_sid"] or number["trunk_sid"]:
            self.lab.warn(f"{self.call.ours} has no webhook that is used")
            self.call.end(Ending.FAILED, By.CARRIER)
            return
        fallback = (str(number["voice_fallback_url"] or ""), str(number["voice_fallback_method"]))
        try:
            verbs = await self.fetch(url, str(number["voice_method"]), fallback=fallback)
        except DocumentError as error:
            self.lab.warn(str(error))
            verbs = None
        if verbs and verbs[0].name == "Reject":
            busy = verbs[0].get("reason", "rejected") == "busy"
            self.call.end(Ending.BUSY if busy else Ending.NO_ANSWER, By.AGENT)
            return
        self.call.connect(sounds)
        self.limit(LONGEST_S)
        self.instruct(verbs)

    def limit(self, seconds: float) -> None:
        """How long all of the call may last, in place of what was said before."""
        if self._limit is not None:
            self._limit.cancel()
        self._limit = self.lab.spawn(self.call.limit(max(0.0, seconds - self.call.duration_s)))

    def instruct(self, verbs: tuple[Verb, ...] | None) -> None:
        """Do what a document says, in place of what is being done; None: it could not be had."""
        self._begin(Execution(self).run(verbs))

    def instruct_from(self, url: str, method: str) -> None:
        """The same, with the document that a webhook answers."""

        async def run() -> None:
            fallback = self.wanted.get("FallbackUrl"), self.wanted.get("FallbackMethod", "POST")
            try:
                verbs = await self.fetch(url, method, fallback=fallback)
            except DocumentError as error:
                self.lab.warn(str(error))
                verbs = None
            await Execution(self).run(verbs)

        self._begin(run())

    def _begin(self, work: Any) -> None:
        if self._script is not None:
            self._script.cancel()
        if not self.call.live:
            work.close()
            return
        self._script = self.lab.spawn(work)

    def _on_stage(self, call: LabCall) -> None:
        match call.stage:
            case Stage.RINGING:
                self.report("ringing")
            case Stage.IN_PROGRESS:
                self.report("answered")
            case Stage.OVER:
                if self._script is not None and self._script is not asyncio.current_task():
                    self._script.cancel()
                for each in self.recordings:
                    self.finish_recording(each)
                self.report("completed")
            case _:
                pass

    # --- what is told of it -----------------------------------------------------------------------------------

    def fields(self) -> list[tuple[str, str]]:
        """What every webhook about the call says. Source: Twilio docs, TwiML voice: request parameters."""
        found = [
            ("CallSid", self.sid),
            ("AccountSid", self.lab.account_sid),
            ("ApiVersion", "2010-04-01"),
            ("From", self.from_number),
            ("To", self.to_number),
            ("Caller", self.from_number),
            ("Called", self.to_number),
            ("CallStatus", self.status),
            ("Direction", self.direction),
        ]
        if self.parent:
            found.append(("ParentCallSid", self.parent))
        if self.call.inbound:
            found += [(f"{whose}{each}", "") for whose in ("From", "Caller", "To", "Called") for each in _PLACES]
            found += [("StirVerstat", "TN-Validation-Passed-A"), ("CallToken", '{"parentCallInfoToken":"eyJhbGciOi"}')]
        if self.answered_by:
            found.append(("AnsweredBy", self.answered_by))
        return found

    async def post(self, url: str, method: str, fields: list[tuple[str, str]]) -> Posted:
        """Send a signed webhook."""
        url = url.partition("#")[0]
        token = self.lab.faults.signs_with or self.lab.auth_token
        if method == "GET":
            url += ("&" if "?" in url else "?") + urlencode(fields)
            return await self.lab.post(url, {HEADER: sign(url, (), token), **_AGENT}, b"", "GET")
        headers = {HEADER: sign(url, fields, token), "content-type": "application/x-www-form-urlencoded", **_AGENT}
        return await self.lab.post(url, headers, urlencode(fields).encode())

    async def fetch(
        self, url: str, method: str, extra: list[tuple[str, str]] | None = None, *, fallback: tuple[str, str] = ("", "")
    ) -> tuple[Verb, ...]:
        """Ask a webhook for a document; where it has none, ask the other one. Raises DocumentError."""
        fields = self.fields() + (extra or [])
        if "MachineDetection" in self.wanted and self.wanted.get("AsyncAmd") != "true" and self.answered_by:
            fields.append(("MachineDetectionDuration", str(self.verdict_ms)))
        try:
            posted = await self.post(url, method, fields)
            if not 200 <= posted.status < 300:
                raise DocumentError(11200, f"the webhook answered {posted.status}")
            return read_reply(posted.reply, posted.content_type, self.lab.warnings)
        except DocumentError as error:
            if not fallback[0]:
                raise
            self.lab.warn(str(error))
            return await self.fetch(
                fallback[0], fallback[1] or "POST", [("ErrorCode", str(error.code)), ("ErrorUrl", url)]
            )

    def report(self, event: str) -> None:
        """A step of the call's progress, to whoever wanted to be told of it."""
        sequence, self._sequence = self._sequence, self._sequence + 1
        if event not in self._events or not self.status_callback:
            return
        if "_" in (urlsplit(self.status_callback).hostname or ""):
            self.lab.warn(f"21609: no report is sent to a host with an underscore: {self.status_callback}")
            return
        fields = [
            (name, "initiated" if name == "CallStatus" and event == "initiated" else value)
            for name, value in self.fields()
        ]
        fields += [
            ("Timestamp", formatdate(time.time())),
            ("SequenceNumber", str(sequence)),
            ("CallbackSource", "call-progress-events"),
        ]
        if self.call.ending is not None:
            seconds = round(self.call.duration_s)
            fields += [
                ("CallDuration", str(seconds)),
                ("Duration", str(-(-seconds // 60))),
                ("SipResponseCode", _ENDINGS[self.call.ending][1]),
            ]
            if self.wanted.get("Record") == "true" and self.recordings:
                first = self.recordings[0]
                fields += [
                    ("RecordingUrl", self.lab.recording_url(first)),
                    ("RecordingSid", first.sid),
                    ("RecordingDuration", str(first.duration_s)),
                ]
        url, method = self.status_callback, self.status_method
        self._last_report = self.lab.report(lambda: self.post(url, method, fields), self._last_report)

    def _wanted_events(self) -> tuple[str, ...]:
        events = tuple(each for text in self.wanted.all("StatusCallbackEvent") for each in text.split())
        for each in events:
            if each not in ("initiated", "ringing", "answered", "completed"):
                self.lab.warn(f"21626: there is no StatusCallbackEvent {each}")
        return events or ("completed",)

    # --- who picked up ----------------------------------------------------------------------------------------

    async def _find_who(self) -> bool:
        """False: the call ended before that was known."""
        found = await find_who(self.call, self.wanted)
        if found is None:
            return False
        self.answered_by, self.verdict_ms = found
        return True

    async def _report_verdict(self) -> None:
        url = self.wanted.get("AsyncAmdStatusCallback")
        if not url:
            self.lab.warn("21262: there is nobody to tell who picked up")
        if not await self._find_who() or not url:
            return
        fields = [
            ("CallSid", self.sid),
            ("AccountSid", self.lab.account_sid),
            ("AnsweredBy", self.answered_by),
            ("MachineDetectionDuration", str(self.verdict_ms)),
        ]
        method = self.wanted.get("AsyncAmdStatusCallbackMethod", "POST")
        self.lab.report(lambda: self.post(url, method, fields))

    # --- recordings -------------------------------------------------------------------------------------------

    def record(self, wanted: Form, *, source: str, channels: str) -> Recording:
        """Record from now on. The call has a line."""
        assert self.call.line is not None
        recording = Recording(
            sid=self.lab.new_sid("RE"),
            call_sid=self.sid,
            channels=2 if channels == "dual" else 1,
            source=source,
            track=wanted.get("RecordingTrack", "both"),
            callback=wanted.get("RecordingStatusCallback"),
            callback_method=wanted.get("RecordingStatusCallbackMethod", "POST"),
            callback_events=tuple(each for text in wanted.all("RecordingStatusCallbackEvent") for each in text.split())
            or ("completed",),
            start_ms=self.call.line.now_ms,
            created_s=time.time(),
        )
        self.recordings.append(recording)
        self._tell_recording(recording, "in-progress")
        return recording

    def finish_recording(self, recording: Recording) -> None:
        """It is whole; twice is fine."""
        if recording.end_ms is None and self.call.line is not None:
            recording.finish(self.call.line.now_ms)
            self._tell_recording(recording, "completed")

    def _tell_recording(self, recording: Recording, status: str) -> None:
        if not recording.callback or status not in recording.callback_events:
            return
        fields = [
            ("AccountSid", self.lab.account_sid),
            ("CallSid", self.sid),
            ("RecordingSid", recording.sid),
            ("RecordingUrl", self.lab.recording_url(recording)),
            ("RecordingStatus", status),
            ("RecordingChannels", str(recording.channels)),
            ("RecordingStartTime", formatdate(recording.created_s)),
            ("RecordingSource", recording.source),
            ("RecordingTrack", recording.track),
        ]
        if status == "completed":
            fields.append(("RecordingDuration", str(recording.duration_s)))
        url, method = recording.callback, recording.callback_method
        self.lab.report(lambda: self.post(url, method, fields))


_AGENT: Final = {"user-agent": "TwilioProxy/1.1", "accept": "*/*"}
