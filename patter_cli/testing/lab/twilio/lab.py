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
from urllib.parse import parse_qsl, urlencode

from patter_cli.testing.lab.call import By, Ending, LabCall, Stage, Voice
from patter_cli.testing.lab.faults import NO_FAULTS, Faults
from patter_cli.testing.lab.http import LabReply, LabRequest, json_reply
from patter_cli.testing.lab.people import Person
from patter_cli.testing.lab.server import CarrierLab
from patter_cli.testing.lab.twilio import forms
from patter_cli.testing.lab.twilio.forms import E164, NOT_FOUND, Form, Refused, invalid, read_form
from patter_cli.testing.lab.twilio.recording import Recording
from patter_cli.testing.lab.twilio.session import TwilioCall
from patter_cli.testing.lab.twilio.twiml import DocumentError, Verb, read_document

ACCOUNT_SID: Final = "AC00000000000000000000000000000001"
AUTH_TOKEN: Final = "the-labs-auth-token-0001"
NUMBER: Final = "+12025550100"
"""The account's number, if nothing else is said."""
_ROOT: Final = "/2010-04-01/Accounts"
_PAGE: Final = 50
_LONGEST_PAGE: Final = 1000

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
        self.numbers = {each["sid"]: each for each in (self._new_number(number) for number in numbers)}
        """The account's numbers as its interface shows them, by sid."""
        self._calls_per_s = calls_per_s
        self._next_slot_s = 0.0
        self._deleted: set[str] = set()
        call, recording = "(CA[0-9a-f]{32})", "(RE[0-9a-f]{32})"
        self._routes: tuple[tuple[str, re.Pattern[str], Route], ...] = tuple(
            (method, re.compile(path), route)
            for method, path, route in (
                ("GET", r"\.json", self._show_account),
                ("POST", r"/Calls\.json", self._create_call),
                ("GET", r"/Calls\.json", self._list_calls),
                ("GET", rf"/Calls/{call}\.json", self._show_call),
                ("POST", rf"/Calls/{call}\.json", self._update_call),
                ("POST", rf"/Calls/{call}/Recordings\.json", self._start_recording),
                ("GET", rf"/Calls/{call}/Recordings\.json", self._list_recordings),
                ("POST", rf"/Calls/{call}/Recordings/(RE[0-9a-f]{{32}}|Twilio\.CURRENT)\.json", self._change_recording),
                ("GET", r"/Recordings\.json", self._list_recordings),
                ("GET", rf"/Recordings/{recording}\.json", self._show_recording),
                ("DELETE", rf"/Recordings/{recording}\.json", self._delete_recording),
                ("GET", rf"/Recordings/{recording}(?:\.wav)?", self._fetch_recording),
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
        return f"{self.base_url}{_ROOT}/{self.account_sid}/Recordings/{recording.sid}"

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
        path = request.path.removeprefix(f"{_ROOT}/{self.account_sid}")
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
                "uri": f"{_ROOT}/{self.account_sid}.json",
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
        reply = json_reply(201, session.render())
        self.spawn(session.dial())
        return reply

    async def _show_call(self, request: LabRequest, sid: str) -> LabReply:
        return json_reply(200, self._session(sid).render())

    async def _update_call(self, request: LabRequest, sid: str) -> LabReply:
        session = self._session(sid)
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
            self.spawn(call.limit(max(0.0, form.number("TimeLimit", 0) - call.duration_s)))
        return json_reply(200, session.render())

    async def _list_calls(self, request: LabRequest) -> LabReply:
        fields = {"To": "to", "From": "from", "Status": "status", "ParentCallSid": "parent_call_sid"}
        wanted = self._query(
            request, {*fields, "StartTime", "StartTime>", "StartTime<", "EndTime", "Page", "PageToken"}
        )
        found = [
            shown
            for shown in (each.render() for each in reversed(self.sessions.values()))
            if all(shown[field] == wanted[name] for name, field in fields.items() if name in wanted)
        ]
        return self._page(request, "Calls.json", "calls", found, wanted)

    # Recordings.

    async def _start_recording(self, request: LabRequest, sid: str) -> LabReply:
        session = self._session(sid)
        form = read_form(request, forms.START_RECORDING)
        if session.call.stage is not Stage.IN_PROGRESS:
            raise invalid("Requested resource is not eligible for recording", 21220)
        recording = session.record(form, source="StartCallRecordingAPI", channels=form.get("RecordingChannels", "mono"))
        return json_reply(201, self._render(recording))

    async def _change_recording(self, request: LabRequest, sid: str, which: str) -> LabReply:
        session = self._session(sid)
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

    async def _list_recordings(self, request: LabRequest, sid: str = "") -> LabReply:
        wanted = self._query(request, {"CallSid", "DateCreated", "DateCreated>", "DateCreated<", "Page", "PageToken"})
        sid = sid or wanted.get("CallSid", "")
        sessions = [self._session(sid)] if sid else list(self.sessions.values())
        found = [
            self._render(each)
            for session in sessions
            for each in reversed(session.recordings)
            if each.sid not in self._deleted
        ]
        path = request.path.removeprefix(f"{_ROOT}/{self.account_sid}/")
        return self._page(request, path, "recordings", found, wanted)

    async def _show_recording(self, request: LabRequest, sid: str) -> LabReply:
        return json_reply(200, self._render(self._recording(sid)[1]))

    async def _delete_recording(self, request: LabRequest, sid: str) -> LabReply:
        self._recording(sid)
        self._deleted.add(sid)
        return LabReply(status=204)

    async def _fetch_recording(self, request: LabRequest, sid: str) -> LabReply:
        session, recording = self._recording(sid)
        if recording.status != "completed" or session.call.line is None:
            raise Refused(*NOT_FOUND)
        wanted = self._query(request, {"RequestedChannels"})
        channels = wanted.get("RequestedChannels", str(recording.channels))
        if channels not in ("1", "2") or (channels == "2" and recording.track != "both"):
            raise invalid("The requested channels are not available")
        content = recording.wav(session.call.line, int(channels))
        return LabReply(headers={"content-type": "audio/x-wav"}, body=content)

    # Numbers.

    async def _list_numbers(self, request: LabRequest) -> LabReply:
        wanted = self._query(request, {"PhoneNumber", "FriendlyName", "Beta", "Origin", "Page", "PageToken"})
        found = [each for each in self.numbers.values() if wanted.get("PhoneNumber", "") in each["phone_number"]]
        return self._page(request, "IncomingPhoneNumbers.json", "incoming_phone_numbers", found, wanted)

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

    def _session(self, sid: str) -> TwilioCall:
        if sid not in self.sessions:
            raise Refused(*NOT_FOUND)
        return self.sessions[sid]

    def _recording(self, sid: str) -> tuple[TwilioCall, Recording]:
        for session in self.sessions.values():
            for each in session.recordings:
                if each.sid == sid and sid not in self._deleted:
                    return session, each
        raise Refused(*NOT_FOUND)

    def _number(self, sid: str) -> dict[str, Any]:
        if sid not in self.numbers:
            raise Refused(*NOT_FOUND)
        return self.numbers[sid]

    def _render(self, recording: Recording) -> dict[str, Any]:
        return recording.render(self.account_sid, formatdate(recording.created_s))

    def _read(self, document: str) -> tuple[Verb, ...]:
        """Raises Refused for one that cannot be read."""
        try:
            return read_document(document, self.warnings)
        except DocumentError as error:
            raise invalid(str(error), error.code) from error

    def _query(self, request: LabRequest, known: set[str]) -> dict[str, str]:
        """Raises Refused for what there is not."""
        wanted = dict(parse_qsl(request.query, keep_blank_values=True))
        for name in wanted:
            if name not in known and name != "PageSize":
                raise invalid(f"Unknown parameter '{name}'")
        return wanted

    def _page(
        self, request: LabRequest, path: str, name: str, found: list[dict[str, Any]], wanted: Mapping[str, str]
    ) -> LabReply:
        """One page of a list."""
        try:
            size, page = int(wanted.get("PageSize", _PAGE)), int(wanted.get("Page", 0))
        except ValueError as error:
            raise invalid("Page and PageSize are numbers") from error
        if not 1 <= size <= _LONGEST_PAGE or page < 0:
            raise invalid(f"PageSize is from 1 to {_LONGEST_PAGE}")
        shown = found[page * size : (page + 1) * size]

        def uri(number: int) -> str:
            query = {**wanted, "PageSize": size, "Page": number, "PageToken": f"PA{number}"}
            return f"{_ROOT}/{self.account_sid}/{path}?{urlencode(query)}"

        return json_reply(
            200,
            {
                name: shown,
                "page": page,
                "page_size": size,
                "start": page * size,
                "end": page * size + max(0, len(shown) - 1),
                "uri": uri(page),
                "first_page_uri": uri(0),
                "next_page_uri": uri(page + 1) if (page + 1) * size < len(found) else None,
                "previous_page_uri": uri(page - 1) if page else None,
            },
        )

    def _new_number(self, number: str) -> dict[str, Any]:
        if not E164.fullmatch(number):
            raise ValueError(f"{number!r} is no number")
        sid, date = self.new_sid("PN"), formatdate(0)
        return {
            "sid": sid,
            "account_sid": self.account_sid,
            "phone_number": number,
            "friendly_name": number,
            "voice_url": "",
            "voice_method": "POST",
            "voice_fallback_url": "",
            "voice_fallback_method": "POST",
            "voice_caller_id_lookup": False,
            "voice_application_sid": None,
            "trunk_sid": None,
            "status_callback": "",
            "status_callback_method": "POST",
            "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
            "date_created": date,
            "date_updated": date,
            "status": "in-use",
            "uri": f"{_ROOT}/{self.account_sid}/IncomingPhoneNumbers/{sid}.json",
            "subresource_uris": {},
        }
