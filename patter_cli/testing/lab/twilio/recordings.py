"""The part of Twilio's interface that is about recordings. Source: Twilio docs, Recordings resource."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from patter_cli.testing.lab.call import Stage
from patter_cli.testing.lab.http import LabReply, LabRequest, json_reply
from patter_cli.testing.lab.twilio import forms
from patter_cli.testing.lab.twilio.forms import NOT_FOUND, Refused, invalid, read_form, read_query
from patter_cli.testing.lab.twilio.recording import Recording
from patter_cli.testing.lab.twilio.resources import ROOT, page_of
from patter_cli.testing.lab.twilio.session import TwilioCall

if TYPE_CHECKING:
    from patter_cli.testing.lab.twilio.lab import TwilioLab


class RecordingRoutes:
    """What may be asked of them. Everything raises Refused."""

    def __init__(self, lab: TwilioLab) -> None:
        self._lab = lab
        self._deleted: set[str] = set()

    async def start(self, request: LabRequest, sid: str) -> LabReply:
        """Record a live call from now on."""
        session = self._lab.session(sid)
        form = read_form(request, forms.START_RECORDING)
        if session.call.stage is not Stage.IN_PROGRESS:
            raise invalid("Requested resource is not eligible for recording", 21220)
        recording = session.record(form, source="StartCallRecordingAPI", channels=form.get("RecordingChannels", "mono"))
        return json_reply(201, self._render(recording))

    async def change(self, request: LabRequest, sid: str, which: str) -> LabReply:
        """Pause, go on or stop."""
        session = self._lab.session(sid)
        form = read_form(request, forms.UPDATE_RECORDING)
        recording = next(
            (
                each
                for each in session.recordings
                if each.sid == which or (which == "Twilio.CURRENT" and each.end_ms is None)
            ),
            None,
        )
        if recording is None:
            raise Refused(*NOT_FOUND)
        if not session.call.live or session.call.line is None or recording.end_ms is not None:
            raise invalid("The recording is not in a state that can be changed", 21220)
        match form.get("Status"):
            case "paused":
                recording.pause(session.call.line.now_ms)
            case "in-progress":
                recording.resume(session.call.line.now_ms)
            case "stopped":
                session.finish_recording(recording)
            case _:
                raise invalid("Status is required")
        return json_reply(200, self._render(recording))

    async def list(self, request: LabRequest, sid: str = "") -> LabReply:
        """All of them, or those of one call, the newest first."""
        wanted = read_query(request, {"CallSid", "DateCreated", "DateCreated>", "DateCreated<", "Page", "PageToken"})
        sid = sid or wanted.get("CallSid", "")
        sessions = [self._lab.session(sid)] if sid else list(self._lab.sessions.values())
        found = [
            self._render(each)
            for session in sessions
            for each in reversed(session.recordings)
            if each.sid not in self._deleted
        ]
        path = request.path.removeprefix(f"{ROOT}/{self._lab.account_sid}/")
        return page_of(self._lab.account_sid, path, "recordings", found, wanted)

    async def show(self, request: LabRequest, sid: str) -> LabReply:
        """One."""
        return json_reply(200, self._render(self._recording(sid)[1]))

    async def delete(self, request: LabRequest, sid: str) -> LabReply:
        """It is not there any more."""
        self._recording(sid)
        self._deleted.add(sid)
        return LabReply(status=204)

    async def fetch(self, request: LabRequest, sid: str) -> LabReply:
        """Its sound."""
        session, recording = self._recording(sid)
        if recording.status != "completed" or session.call.line is None:
            raise Refused(*NOT_FOUND)
        wanted = read_query(request, {"RequestedChannels"})
        channels = wanted.get("RequestedChannels", str(recording.channels))
        if channels not in ("1", "2") or (channels == "2" and recording.track != "both"):
            raise invalid("The requested channels are not available")
        content = recording.wav(session.call.line, int(channels))
        return LabReply(headers={"content-type": "audio/x-wav"}, body=content)

    def _recording(self, sid: str) -> tuple[TwilioCall, Recording]:
        for session in self._lab.sessions.values():
            for each in session.recordings:
                if each.sid == sid and sid not in self._deleted:
                    return session, each
        raise Refused(*NOT_FOUND)

    def _render(self, recording: Recording) -> dict[str, Any]:
        return recording.render(self._lab.account_sid, formatdate(recording.created_s))
