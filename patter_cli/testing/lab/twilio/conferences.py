"""The part of Twilio's interface that is about conferences and who is in them.

Source: Twilio docs, Conferences resource, Participants subresource.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from patter_cli.testing.lab.http import LabReply, LabRequest, json_reply
from patter_cli.testing.lab.twilio import forms
from patter_cli.testing.lab.twilio.conference import Conference, Participant
from patter_cli.testing.lab.twilio.forms import NOT_FOUND, Refused, invalid, read_form, read_query
from patter_cli.testing.lab.twilio.resources import ROOT, page_of

if TYPE_CHECKING:
    from patter_cli.testing.lab.twilio.lab import TwilioLab


class ConferenceRoutes:
    """What may be asked of them. Everything raises Refused."""

    def __init__(self, lab: TwilioLab) -> None:
        self._lab = lab

    async def list(self, request: LabRequest) -> LabReply:
        """The newest first."""
        fields = {"FriendlyName": "friendly_name", "Status": "status"}
        wanted = read_query(request, {*fields, "Page", "PageToken"})
        found = [
            shown
            for shown in (self._render(each) for each in reversed(self._lab.conferences.values()))
            if all(shown[field] == wanted[name] for name, field in fields.items() if name in wanted)
        ]
        return page_of(self._lab.account_sid, "Conferences.json", "conferences", found, wanted)

    async def show(self, request: LabRequest, sid: str) -> LabReply:
        return json_reply(200, self._render(self._conference(sid)))

    async def change(self, request: LabRequest, sid: str) -> LabReply:
        """End it; all that there is to change."""
        room = self._conference(sid)
        form = read_form(request, forms.UPDATE_CONFERENCE)
        if form.get("Status") != "completed":
            raise invalid("Status is required")
        room.end("conference-ended-via-api")
        return json_reply(200, self._render(room))

    async def list_participants(self, request: LabRequest, sid: str) -> LabReply:
        """Of a conference that is over there are none any more."""
        room = self._conference(sid)
        wanted = read_query(request, {"Muted", "Page", "PageToken"})
        found = [
            self._render_participant(room, each)
            for each in room.participants
            if wanted.get("Muted", str(each.muted).lower()) == str(each.muted).lower()
        ]
        path = f"Conferences/{sid}/Participants.json"
        return page_of(self._lab.account_sid, path, "participants", found, wanted)

    async def show_participant(self, request: LabRequest, sid: str, call_sid: str) -> LabReply:
        room, one = self._participant(sid, call_sid)
        return json_reply(200, self._render_participant(room, one))

    async def change_participant(self, request: LabRequest, sid: str, call_sid: str) -> LabReply:
        """Let them be heard, or not, and what their leaving does."""
        room, one = self._participant(sid, call_sid)
        form = read_form(request, forms.UPDATE_PARTICIPANT)
        if "Muted" in form:
            one.muted = form.get("Muted") == "true"
        if "EndConferenceOnExit" in form:
            one.ends = form.get("EndConferenceOnExit") == "true"
        return json_reply(200, self._render_participant(room, one))

    async def kick(self, request: LabRequest, sid: str, call_sid: str) -> LabReply:
        """Out with them; their call goes on with what follows."""
        room, one = self._participant(sid, call_sid)
        room.leave(one, kicked=True)
        return LabReply(status=204)

    # --- private ----------------------------------------------------------------------------------------------

    def _conference(self, sid: str) -> Conference:
        if sid not in self._lab.conferences:
            raise Refused(*NOT_FOUND)
        return self._lab.conferences[sid]

    def _participant(self, sid: str, call_sid: str) -> tuple[Conference, Participant]:
        room = self._conference(sid)
        one = next((each for each in room.participants if each.session.sid == call_sid), None)
        if one is None:
            raise Refused(*NOT_FOUND)
        return room, one

    def _render(self, room: Conference) -> dict[str, Any]:
        path = f"{ROOT}/{self._lab.account_sid}/Conferences/{room.sid}"
        return {
            "sid": room.sid,
            "account_sid": self._lab.account_sid,
            "friendly_name": room.name,
            "status": room.status,
            "region": "us1",
            "reason_conference_ended": room.why_ended or None,
            "call_sid_ending_conference": room.ended_by or None,
            "api_version": "2010-04-01",
            "date_created": formatdate(room.created_s),
            "date_updated": formatdate(time.time()),
            "uri": f"{path}.json",
            "subresource_uris": {
                "participants": f"{path}/Participants.json",
                "recordings": f"{path}/Recordings.json",
            },
        }

    def _render_participant(self, room: Conference, one: Participant) -> dict[str, Any]:
        path = f"{ROOT}/{self._lab.account_sid}/Conferences/{room.sid}/Participants/{one.session.sid}.json"
        return {
            "account_sid": self._lab.account_sid,
            "call_sid": one.session.sid,
            "conference_sid": room.sid,
            "label": one.label or None,
            "call_sid_to_coach": None,
            "coaching": False,
            "muted": one.muted,
            "hold": False,
            "start_conference_on_enter": one.starts,
            "end_conference_on_exit": one.ends,
            "status": "connected",
            "queue_time": "0",
            "date_created": formatdate(one.entered_s),
            "date_updated": formatdate(time.time()),
            "uri": path,
        }
