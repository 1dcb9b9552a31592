"""The lab's Twilio: its REST interface, its numbers, and its calls.

    async with TwilioLab(reach={"phone.example": port}) as lab:
        carrier = Twilio(lab.account_sid, lab.auth_token, base_url=lab.base_url)

Source: Twilio docs, REST API 2010-04-01.
"""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import formatdate
from typing import Any, Final, TypeAlias

from patter_cli.testing.lab.call import By, Ending, LabCall, Stage, Voice
from patter_cli.testing.lab.faults import NO_FAULTS, Faults
from patter_cli.testing.lab.http import LabReply, LabRequest, json_reply
from patter_cli.testing.lab.people import Person
from patter_cli.testing.lab.server import CarrierLab
from patter_cli.testing.lab.twilio import forms
from patter_cli.testing.lab.twilio.conference import Conference
from patter_cli.testing.lab.twilio.conferences import ConferenceRoutes
from patter_cli.testing.lab.twilio.forms import NOT_FOUND, Form, Refused, invalid, read_form, read_query
from patter_cli.testing.lab.twilio.recording import Recording
from patter_cli.testing.lab.twilio.recordings import RecordingRoutes
from patter_cli.testing.lab.twilio.resources import ROOT, new_number, page_of, render_call
from patter_cli.testing.lab.twilio.session import TwilioCall
from patter_cli.testing.lab.twilio.twiml import DocumentError, Verb, read_document

ACCOUNT_SID: Final = "AC00000000000000000000000000000001"
AUTH_TOKEN: Final = "the-labs-auth-token-0001"
NUMBER: Final = "+12025550100"
"""The account's number, if nothing else is said."""

Route: TypeAlias = Callable[..., Awaitable[LabReply]]


class TwilioLab(CarrierLab):
    """A Twilio with one account."""

    def __init__(
        self,
        *,
        numbers: Sequence[str] = (NUMBER,),
        account_sid: str = ACCOUNT_SID,
        auth_token: str = AUTH_TOKEN,
        calls_per_s: float | None = None,
        reach: Mapping[str, int] | None = None,
        people: Mapping[str, Person] | None = None,
        voice: Voice | None = None,
        faults: Faults = NO_FAULTS,
    ) -> None:
        """numbers: the account's. calls_per_s: calls above it are queued; None: all ring at once. Others: as of
        CarrierLab."""
        super().__init__(reach=reach, people=people, voice=voice, faults=faults)
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.sessions: dict[str, TwilioCall] = {}
        """By CallSid, in the order in which they were made."""
        self.conferences: dict[str, Conference] = {}
        """By ConferenceSid, those that are over too."""
        made = (new_number(self.new_sid("PN"), account_sid, number) for number in numbers)
        self.numbers = {each["sid"]: each for each in made}
        """The account's numbers as its interface shows them, by sid."""
        self._calls_per_s = calls_per_s
        self._next_slot_s = 0.0
        recordings, conferences = RecordingRoutes(self), ConferenceRoutes(self)
        call, recording, room = "(CA[0-9a-f]{32})", "(RE[0-9a-f]{32})", "(CF[0-9a-f]{32})"
        self._routes: tuple[tuple[str, re.Pattern[str], Route], ...] = tuple(
            (method, re.compile(path), route)
            for method, path, route in (
                ("GET", r"\.json", self._show_account),
                ("POST", r"/Calls\.json", self._create_call),
                ("GET", r"/Calls\.json", self._list_calls),
                ("GET", rf"/Calls/{call}\.json", self._show_call),
                ("POST", rf"/Calls/{call}\.json", self._update_call),
                ("POST", rf"/Calls/{call}/Recordings\.json", recordings.start),
                ("GET", rf"/Calls/{call}/Recordings\.json", recordings.list),
                ("POST", rf"/Calls/{call}/Recordings/(RE[0-9a-f]{{32}}|Twilio\.CURRENT)\.json", recordings.change),
                ("GET", r"/Recordings\.json", recordings.list),
                ("GET", rf"/Recordings/{recording}\.json", recordings.show),
                ("DELETE", rf"/Recordings/{recording}\.json", recordings.delete),
                ("GET", rf"/Recordings/{recording}(?:\.wav)?", recordings.fetch),
                ("GET", r"/Conferences\.json", conferences.list),
                ("GET", rf"/Conferences/{room}\.json", conferences.show),
                ("POST", rf"/Conferences/{room}\.json", conferences.change),
                ("GET", rf"/Conferences/{room}/Participants\.json", conferences.list_participants),
                ("GET", rf"/Conferences/{room}/Participants/{call}\.json", conferences.show_participant),
                ("POST", rf"/Conferences/{room}/Participants/{call}\.json", conferences.change_participant),
                ("DELETE", rf"/Conferences/{room}/Participants/{call}\.json", conferences.kick),
                ("GET", r"/IncomingPhoneNumbers\.json", self._list_numbers),
                ("GET", r"/IncomingPhoneNumbers/(PN[0-9a-f]{32})\.json", self._show_number),
                ("POST", r"/IncomingPhoneNumbers/(PN[0-9a-f]{32})\.json", self._update_number),
            )
        )

    # --- what others use --------------------------------------------------------------------------------------

    def ring(self, number: str, person: Person, *, caller: str = "+12025550199") -> LabCall:
        """Somebody rings a number of the account. What the number's webhook says becomes of it."""
        mine = next((each for each in self.numbers.values() if each["phone_number"] == number), None)
        if mine is None:
            raise ValueError(f"{number} is not a number of this account")
        wanted = Form(
            [
                ("StatusCallback", mine["status_callback"] or ""),
                ("StatusCallbackMethod", mine["status_callback_method"]),
            ]
        )
        session = self._add(
            TwilioCall(self, ours=number, theirs=caller, direction="inbound", person=person, wanted=wanted)
        )
        self.spawn(session.come_in(mine))
        return session.call

    def new_sid(self, kind: str) -> str:
        """Two letters and 32 hexadecimal digits, the same in every run."""
        return f"{kind}{self._chance.getrandbits(128):032x}"

    def until_next_slot(self) -> float:
        """How long the account's pace keeps a new call queued, in s."""
        if self._calls_per_s is None:
            return 0.0
        now_s = time.monotonic()
        slot_s = max(now_s, self._next_slot_s)
        self._next_slot_s = slot_s + 1.0 / self._calls_per_s
        return slot_s - now_s

    def new_leg(self, parent: TwilioCall, number: Verb, *, caller_id: str) -> TwilioCall | None:
        """The other side of a <Dial>; None: there is no such number."""
        person = self.person_at(number.text)
        if person is None:
            return None
        wanted = Form(
            [
                (form, number.get(attribute))
                for form, attribute in (
                    ("StatusCallback", "statusCallback"),
                    ("StatusCallbackMethod", "statusCallbackMethod"),
                    ("StatusCallbackEvent", "statusCallbackEvent"),
                )
                if number.get(attribute)
            ]
        )
        return self._add(
            TwilioCall(
                self,
                ours=caller_id or parent.from_number,
                theirs=number.text,
                direction="outbound-dial",
                person=person,
                wanted=wanted,
                parent=parent.sid,
            )
        )

    def number_sid(self, number: str) -> str | None:
        return next((sid for sid, each in self.numbers.items() if each["phone_number"] == number), None)

    def recording_url(self, recording: Recording) -> str:
        """Where its media is: no extension, as Twilio's callbacks have it."""
        return f"{self.base_url}{ROOT}/{self.account_sid}/Recordings/{recording.sid}"

    def session(self, sid: str) -> TwilioCall:
        """A call by its sid. Raises Refused."""
        if sid not in self.sessions:
            raise Refused(*NOT_FOUND)
        return self.sessions[sid]

    # --- the interface ----------------------------------------------------------------------------------------

    async def answer(self, request: LabRequest) -> LabReply:
        try:
            return await self._answer(request)
        except Refused as refusal:
            return refusal.reply()

    async def _answer(self, request: LabRequest) -> LabReply:
        basic = b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            raise Refused(401, 20003, "Authentication Error - invalid username")
        if self.too_many:
            raise Refused(429, 20429, "Too Many Requests")
        path = request.path.removeprefix(f"{ROOT}/{self.account_sid}")
        if path == request.path:
            raise Refused(*NOT_FOUND)
        fitting = [(method, found, route) for method, each, route in self._routes if (found := each.fullmatch(path))]
        for method, found, route in fitting:
            if method == request.method:
                return await route(request, *found.groups())
        raise Refused(405, 20004, "Method not allowed") if fitting else Refused(*NOT_FOUND)

    async def _show_account(self, request: LabRequest) -> LabReply:
        date = formatdate(0)
        account = {"sid": self.account_sid, "friendly_name": "the lab", "status": "active", "type": "Full"}
        return json_reply(
            200,
            {
                **account,
                "owner_account_sid": self.account_sid,
                "auth_token": "",
                "date_created": date,
                "date_updated": date,
                "uri": f"{ROOT}/{self.account_sid}.json",
                "subresource_uris": {},
            },
        )

    # Calls.

    async def _create_call(self, request: LabRequest) -> LabReply:
        form = read_form(request, forms.CREATE_CALL)
        forms.check_call(form)
        if self.number_sid(form.get("From")) is None:
            raise invalid(f"The source phone number {form.get('From')} is not yet verified for your account", 21210)
        if "Twiml" in form:
            self._read(form.get("Twiml"))
        if "ApplicationSid" in form:
            raise Refused(*NOT_FOUND)  # the account has no applications
        person = self.person_at(form.get("To"))
        assert person is not None
        session = self._add(
            TwilioCall(
                self,
                ours=form.get("From"),
                theirs=form.get("To"),
                direction="outbound-api",
                person=person,
                wanted=form,
            )
        )
        reply = json_reply(201, render_call(session))
        self.spawn(session.dial())
        return reply

    async def _show_call(self, request: LabRequest, sid: str) -> LabReply:
        return json_reply(200, render_call(self.session(sid)))

    async def _update_call(self, request: LabRequest, sid: str) -> LabReply:
        session = self.session(sid)
        form = read_form(request, forms.UPDATE_CALL)
        forms.check_twiml_length(form)
        if "Twiml" in form and "Url" in form:
            raise invalid("Url and Twiml cannot both be given", forms.BAD_URL)
        call = session.call
        if not call.live:
            raise invalid("Call is not in-progress. Cannot redirect.", 21220)
        status = form.get("Status")
        if status == "completed":
            call.end(Ending.COMPLETED if call.stage is Stage.IN_PROGRESS else Ending.CANCELED, By.AGENT)
        elif status == "canceled" and call.stage is not Stage.IN_PROGRESS:
            call.end(Ending.CANCELED, By.AGENT)
        elif "Twiml" in form or "Url" in form:
            if call.stage is not Stage.IN_PROGRESS:
                raise invalid("Call is not in-progress. Cannot redirect.", 21220)
            if "Twiml" in form:
                session.instruct(self._read(form.get("Twiml")))
            else:
                session.instruct_from(form.get("Url"), form.get("Method", "POST"))
        if "StatusCallback" in form:
            session.status_callback = form.get("StatusCallback")
            session.status_method = form.get("StatusCallbackMethod", "POST")
        if "TimeLimit" in form:
            session.limit(form.number("TimeLimit", 0))
        return json_reply(200, render_call(session))

    async def _list_calls(self, request: LabRequest) -> LabReply:
        fields = {"To": "to", "From": "from", "Status": "status", "ParentCallSid": "parent_call_sid"}
        wanted = read_query(request, {*fields, "StartTime", "StartTime>", "StartTime<", "EndTime", "Page", "PageToken"})
        found = [
            shown
            for shown in (render_call(each) for each in reversed(self.sessions.values()))
            if all(shown[field] == wanted[name] for name, field in fields.items() if name in wanted)
        ]
        return page_of(self.account_sid, "Calls.json", "calls", found, wanted)

    # Numbers.

    async def _list_numbers(self, request: LabRequest) -> LabReply:
        wanted = read_query(request, {"PhoneNumber", "FriendlyName", "Beta", "Origin", "Page", "PageToken"})
        found = [each for each in self.numbers.values() if wanted.get("PhoneNumber", "") in each["phone_number"]]
        return page_of(self.account_sid, "IncomingPhoneNumbers.json", "incoming_phone_numbers", found, wanted)

    async def _show_number(self, request: LabRequest, sid: str) -> LabReply:
        return json_reply(200, self._number(sid))

    async def _update_number(self, request: LabRequest, sid: str) -> LabReply:
        number = self._number(sid)
        form = read_form(request, forms.UPDATE_NUMBER)
        for name in forms.UPDATE_NUMBER:
            if name in form:
                value: Any = form.get(name)
                field = re.sub("(?<!^)(?=[A-Z])", "_", name).lower()
                if field in ("voice_application_sid", "trunk_sid"):
                    value = value or None
                elif field == "voice_caller_id_lookup":
                    value = value == "true"
                number[field] = value
        number["date_updated"] = formatdate(time.time())
        return json_reply(200, number)

    # --- private ----------------------------------------------------------------------------------------------

    def _add(self, session: TwilioCall) -> TwilioCall:
        self.sessions[session.sid] = session
        self.calls[session.sid] = session.call
        return session

    def _number(self, sid: str) -> dict[str, Any]:
        if sid not in self.numbers:
            raise Refused(*NOT_FOUND)
        return self.numbers[sid]

    def _read(self, document: str) -> tuple[Verb, ...]:
        """Raises Refused for one that cannot be read."""
        try:
            return read_document(document, self.warnings)
        except DocumentError as error:
            raise invalid(str(error), error.code) from error
