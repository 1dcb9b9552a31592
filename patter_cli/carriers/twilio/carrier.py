"""Twilio: calls by webhook and TwiML, media over its streams, the rest over its REST API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

from patter_cli import keys
from patter_cli.carriers.download import download
from patter_cli.carriers.twilio import answer, examine, numbers, rehearse, webhook
from patter_cli.carriers.twilio.control import TwilioControl, checked_call_id, is_call_id
from patter_cli.carriers.twilio.rest import BASE_URL, NOT_FOUND, Account, Reply, read_date
from patter_cli.carriers.twilio.stream import TwilioLine, TwilioStream
from patter_cli.contracts.carrier.carrier import (
    AnswerPlan,
    CallHandle,
    CarrierFact,
    CarrierRecording,
    CarrierRequest,
    DialRequest,
    KeepToken,
    OutboundCall,
    RecordingReady,
    WebhookReply,
    kept_by_nobody,
)
from patter_cli.contracts.carrier.examined import AccountSeen, NumberSeen
from patter_cli.contracts.carrier.rehearsed import Sketch, WrittenWebhook
from patter_cli.errors import AnswerLost, BadSetting, CallRejected, CarrierError, MissingCredential

ACCOUNT_VARIABLE: Final = "TWILIO_ACCOUNT_SID"
TOKEN_VARIABLE: Final = "TWILIO_AUTH_TOKEN"

NO_ACCOUNT: Final = f"AC{0:032}"

MAX_RING_S: Final = 600
MIN_CALL_S: Final = 1
MAX_CALL_S: Final = 86_400
DIAL_PATH: Final = ("Calls.json",)
CALL_PROGRESS: Final = ("initiated", "ringing", "answered", "completed")

LOOK_UPS: Final = 3
LOOK_UP_S: Final = 1.0
"""How often a call whose dial got no answer is looked for, and how long that is apart: it shows up late."""

_ACCOUNT_ID: Final = re.compile(r"AC[0-9a-fA-F]{32}")
_RECORDING_ID: Final = re.compile(r"RE[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class Twilio:
    """Twilio. What is not given comes from TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN when it is used.

    Raises BadSetting for a base_url that is none. Source: Twilio docs, Programmable Voice, 2026-11.
    """

    account_sid: str | None = None
    auth_token: str | None = field(default=None, repr=False)
    _: KW_ONLY
    secondary_auth_token: str | None = field(default=None, repr=False)
    """Also good for webhooks, while one token takes the other's place."""
    base_url: str | None = None
    """https://api.twilio.com unless given."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url or BASE_URL)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username is not None:
            raise BadSetting("base_url must be an address like https://api.twilio.com")

    @property
    def name(self) -> str:
        """Always "twilio"."""
        return "twilio"

    @property
    def local(self) -> bool:
        """Never."""
        return False

    def codec(self) -> TwilioStream:
        """Our end of a new media stream."""
        return TwilioStream()

    def line(self) -> TwilioLine:
        """Twilio's end of one."""
        return TwilioLine()

    def verify(self, request: CarrierRequest, now_s: float) -> None:
        """Whether Twilio has sent a webhook. Its signatures hold no time. Raises BadSignature, MissingCredential."""
        tokens = (self._auth_token(), self.secondary_auth_token or "")
        webhook.verify(request, [each for each in tokens if each])

    def verify_stream(self, upgrade: CarrierRequest, now_s: float) -> None:
        """Whether Twilio opens a stream: it signs the address. Raises BadSignature, MissingCredential."""
        self.verify(upgrade, now_s)

    def sign(self, request: CarrierRequest) -> dict[str, str]:
        """The header that Twilio would sign a webhook with. Raises MissingCredential."""
        return {webhook.SIGNATURE_HEADER: webhook.signed(request, self._auth_token())}

    def answer(self, request: CarrierRequest) -> AnswerPlan | None:
        """The call that asks for instructions; None for a report. Raises StreamProtocolError."""
        return webhook.waiting_call(request)

    def render(self, plan: AnswerPlan) -> WebhookReply:
        """The plan in TwiML."""
        return answer.answer(plan)

    async def carry_out(self, plan: AnswerPlan) -> None:
        """Nothing: TwiML has said it all."""

    def read_callback(self, request: CarrierRequest) -> tuple[CarrierFact, ...]:
        """What a report says. Raises StreamProtocolError for one that is about no call."""
        return tuple(
            replace(each, url=self._recording_url(each.recording_id)) if isinstance(each, RecordingReady) else each
            for each in webhook.read_report(request)
        )

    def dial_request(self, call: OutboundCall) -> DialRequest:
        """What `place` sends. Raises CallRejected, MissingCredential, BadSetting."""
        account = self._account()
        headers = {**account.headers(form=True), "authorization": f"Basic {account.account_sid}:****"}
        return DialRequest(method="POST", url=account.url(*DIAL_PATH), headers=headers, body=tuple(_dial_form(call)))

    async def place(self, call: OutboundCall) -> str:
        """Ring somebody; returns Twilio's id of the call. A dial whose answer is lost is looked up, never repeated.

        Raises CallRejected where it does not ring, AnswerLost where nobody knows.
        """
        account = self._account()
        clock = asyncio.get_running_loop().time
        began_s = clock()
        try:
            reply = await account.post(*DIAL_PATH, form=_dial_form(call), repeatable=False)
            if not reply.ok:
                raise account.refused(reply, f"ring {call.to}")
            if not is_call_id(reply.text("sid")):
                raise AnswerLost("Twilio has taken the call, and does not say which it is")
            return reply.text("sid")
        except AnswerLost as lost:
            for _ in range(LOOK_UPS):
                await asyncio.sleep(LOOK_UP_S)
                if call_id := await _dialled(account, call, lambda: clock() - began_s):
                    return call_id
            raise AnswerLost(
                f"nobody knows whether {call.to} rings: Twilio's answer was lost, and its list of calls does not say",
                hint="look at the account's calls before it is rung again",
            ) from lost

    async def see_account(self) -> AccountSeen:
        """Whether the keys are good. Raises MissingCredential, BadSetting, CarrierError."""
        return await examine.see_account(self._account())

    async def see_number(self, number: str) -> NumberSeen | None:
        """Where a number's calls go; None: it is none of ours. Raises MissingCredential, BadSetting, CarrierError."""
        return await examine.see_number(self._account(), number)

    def write_webhook(self, sketch: Sketch) -> WrittenWebhook:
        """As Twilio would send it. Raises InputError for what it does not tell by a webhook."""
        account_sid = self.account_sid or keys.look_up(ACCOUNT_VARIABLE) or NO_ACCOUNT
        return rehearse.write_webhook(sketch, account_sid)

    def rewrite_webhook(self, kept: object) -> WrittenWebhook | None:
        """One that was kept; None: it is not Twilio's."""
        return rehearse.rewrite_webhook(kept)

    async def attach(self, number: str, url: str, keep: KeepToken = kept_by_nobody) -> str:
        """Have a number's calls, and their ends, sent to a webhook. Raises CarrierError."""
        return await numbers.attach(self._account(), number, url, keep)

    async def restore(self, token: str) -> None:
        """Give the number back what it had, unless somebody has set it anew since. Raises CarrierError."""
        await numbers.restore(self._account(), token)

    def control(self, call: CallHandle) -> TwilioControl:
        """What can be asked about one live call."""
        return TwilioControl(self._account, call)

    async def recordings(self, carrier_call_id: str) -> tuple[CarrierRecording, ...]:
        """Those of the call that can be fetched. Raises CarrierError."""
        account = self._account()
        reply = await account.get("Calls", checked_call_id(carrier_call_id), "Recordings.json")
        if not reply.ok:
            raise account.refused(reply, "list the recordings")
        return tuple(
            CarrierRecording(
                recording_id=each["sid"],
                url=self._recording_url(each["sid"]),
                duration_s=_number(each.get("duration")),
                channels=_number(each.get("channels")) or 1,
            )
            for each in reply.rows("recordings")
            if each.get("status") == "completed" and _RECORDING_ID.fullmatch(str(each.get("sid")))
        )

    async def fetch_recording(self, recording: CarrierRecording, write: Callable[[bytes], object]) -> None:
        """Its WAV, in two channels where Twilio has them. Raises CarrierError, MissingCredential."""
        account = self._account()
        basic = (account.account_sid, account.auth_token)
        for channels in (2, 1):  # it refuses two where there is one, and gives one where nobody asks
            url = f"{self._recording_url(recording.recording_id)}?RequestedChannels={channels}"
            status = await download(url, write, carrier="Twilio", basic=basic)
            if status == 200:
                return
            if status != 400:
                break
        raise account.refused(Reply(status=status, body={}), f"hand recording {recording.recording_id} over")

    async def delete_recording(self, recording_id: str) -> None:
        """Raises CarrierError, MissingCredential."""
        if not _RECORDING_ID.fullmatch(recording_id):
            raise CallRejected(f"{recording_id[:64]!a} is no recording of Twilio's")
        account = self._account()
        reply = await account.delete("Recordings", f"{recording_id}.json")
        if not reply.ok and reply.status != NOT_FOUND:
            raise account.refused(reply, f"delete recording {recording_id}")

    def _account(self) -> Account:
        """Raises MissingCredential, BadSetting."""
        account_sid = self.account_sid or keys.look_up(ACCOUNT_VARIABLE)
        if not account_sid:
            raise MissingCredential(
                f"Twilio needs an account, and {ACCOUNT_VARIABLE} is not set", hint=f"export {ACCOUNT_VARIABLE}=AC…"
            )
        if not _ACCOUNT_ID.fullmatch(account_sid):
            raise BadSetting(
                f"{ACCOUNT_VARIABLE} is no account's id",
                hint="it is AC and 32 hexadecimal digits, at the top of https://console.twilio.com",
            )
        return Account(
            account_sid=account_sid,
            auth_token=self._auth_token(),
            base_url=(self.base_url or BASE_URL).rstrip("/"),
        )

    def _auth_token(self) -> str:
        """Raises MissingCredential."""
        token = self.auth_token or keys.look_up(TOKEN_VARIABLE)
        if not token:
            raise MissingCredential(
                f"Twilio needs its auth token, and {TOKEN_VARIABLE} is not set", hint=f"export {TOKEN_VARIABLE}=…"
            )
        return token

    def _recording_url(self, recording_id: str) -> str:
        """Of its WAV. Made by us: whoever fetches it brings the account's credentials along."""
        return self._account().url("Recordings", f"{recording_id}.wav")


def _dial_form(call: OutboundCall) -> list[tuple[str, str]]:
    """Raises CallRejected for what cannot be dialled."""
    for number in (call.to, call.from_number):
        if not webhook.E164.fullmatch(number):
            raise CallRejected(f"{number[:32]!a} is no number that can be dialled", hint="write it as +15550100002")
    form = [
        ("To", call.to),
        ("From", call.from_number),
        ("Url", call.answer_url),
        ("Method", "POST"),
        ("StatusCallback", call.callback_url),
        ("StatusCallbackMethod", "POST"),
        *(("StatusCallbackEvent", each) for each in CALL_PROGRESS),
        ("TimeLimit", str(min(max(call.max_duration_s, MIN_CALL_S), MAX_CALL_S))),
    ]
    if call.ring_timeout_s is not None:
        form.append(("Timeout", str(min(call.ring_timeout_s, MAX_RING_S))))
    if call.detects_machines:
        # AsyncAmd, or whoever picks up hears nothing until it is settled; MessageEnd, or the beep is not waited for.
        form += [
            ("MachineDetection", "DetectMessageEnd"),
            ("AsyncAmd", "true"),
            ("AsyncAmdStatusCallback", call.callback_url),
            ("AsyncAmdStatusCallbackMethod", "POST"),
        ]
    return form


async def _dialled(account: Account, call: OutboundCall, age_s: Callable[[], float]) -> str:
    """The one call to and from these numbers that Twilio has made since; "" if there is none, or more than one.

    age_s: how long ago it was dialled. That is counted back on Twilio's clock, which need not be ours.
    """
    query = [("To", call.to), ("From", call.from_number), ("PageSize", "20")]
    try:
        reply = await account.get("Calls.json", query=query)
    except CarrierError:
        return ""
    if not reply.ok or reply.at_s is None:
        return ""
    since_s = reply.at_s - age_s() - 1.0  # both of its times are cut to whole seconds
    found = [
        str(each.get("sid"))
        for each in reply.rows("calls")
        if (each.get("to"), each.get("from"), each.get("direction")) == (call.to, call.from_number, "outbound-api")
        and (read_date(each.get("date_created")) or 0.0) >= since_s
    ]
    return found[0] if len(found) == 1 and is_call_id(found[0]) else ""


def _number(value: object) -> int:
    """The API writes most numbers as text; 0 for what is none."""
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else 0
