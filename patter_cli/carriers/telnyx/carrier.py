"""Telnyx: calls by webhook, answered by commands to their legs; media over its streams.

    call.initiated --answer--> a plan --carry_out--> the command `answer` with the stream in it, or `reject`
    we dial, call.answered ----> a plan --carry_out--> the command `streaming_start`, or `hangup`
    streaming.failed ----------> a plan --carry_out--> the same: Telnyx opens a stream that broke off by itself no more

L16's rate cannot be given with `answer`, so such a call is answered first and has its stream started then.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from patter_cli import keys
from patter_cli.audio.frame import AudioFormat
from patter_cli.carriers.download import download
from patter_cli.carriers.telnyx import examine, numbers, rehearse, webhook
from patter_cli.carriers.telnyx.control import TelnyxControl, hang_up
from patter_cli.carriers.telnyx.rest import (
    BASE_URL,
    CALL_IS_OVER,
    DIAL_ADDRESS,
    NOT_ANSWERED_YET,
    Account,
    Reply,
    checked_call_id,
)
from patter_cli.carriers.telnyx.stream import CALL_ID, ByteOrder, Codec, TelnyxLine, TelnyxStream, codec_of, format_of
from patter_cli.contracts.carrier.carrier import (
    AnswerPlan,
    CallHandle,
    CarrierFact,
    CarrierRecording,
    CarrierRequest,
    DialRequest,
    KeepToken,
    OutboundCall,
    WebhookReply,
    kept_by_nobody,
)
from patter_cli.contracts.carrier.examined import AccountSeen, NumberSeen
from patter_cli.contracts.carrier.rehearsed import Sketch, WrittenWebhook
from patter_cli.core.outcome import Direction
from patter_cli.errors import AnswerLost, BadSetting, CallRejected, CarrierError, MissingCredential

log = logging.getLogger(__name__)

KEY_VARIABLE: Final = "TELNYX_API_KEY"
CONNECTION_VARIABLE: Final = "TELNYX_CONNECTION_ID"
PUBLIC_KEY_VARIABLE: Final = "TELNYX_PUBLIC_KEY"

MIN_RING_S: Final = 5
MAX_RING_S: Final = 600
MAX_CALL_S: Final = 14_400

ANSWER_TRIES: Final = 20
ANSWER_AGAIN_S: Final = 0.25
"""How often a stream is asked for while a call is being answered, and how long that is apart."""

LOOK_UPS: Final = 3
LOOK_UP_S: Final = 1.0
"""How often a call whose dial got no answer is looked for, and how long that is apart: it shows up late."""

WORDS_A_SECOND: Final = 2.0
"""A slow voice's: a refusal is cut off by nothing, and is followed by a little silence."""
MAX_WORDS: Final = 3000
"""Characters that `speak` takes."""
PAGES: Final = 5
PAGE: Final = 100

_CONNECTION: Final = re.compile(r"[0-9A-Za-z-]{1,64}")


@dataclass(frozen=True, slots=True, init=False)
class Telnyx:
    """Telnyx. What is not given comes from TELNYX_API_KEY, TELNYX_CONNECTION_ID (of the Call Control Application) and
    TELNYX_PUBLIC_KEY when it is used. Source: Telnyx API v2, 2026-11."""

    api_key: str | None = field(repr=False)
    connection_id: str | None
    public_key: str | None
    format: AudioFormat
    """Of the calls' audio, both ways."""
    base_url: str

    def __init__(
        self,
        api_key: str | None = None,
        connection_id: str | None = None,
        public_key: str | None = None,
        codec: Codec = "PCMU",
        *,
        l16_byte_order: ByteOrder = "little",
        base_url: str = BASE_URL,
    ) -> None:
        """codec: "PCMU", "PCMA", or "L16" for 16 kHz. l16_byte_order: not documented by Telnyx; live calls report
        "little", the rule of RTP would be "big". Raises BadSetting for one of these that is none."""
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username is not None:
            raise BadSetting(f"base_url must be an address like {BASE_URL}")
        given = {
            "api_key": api_key,
            "connection_id": connection_id,
            "public_key": public_key,
            "format": format_of(codec, l16_byte_order),
            "base_url": base_url.rstrip("/"),
        }
        for name, value in given.items():  # frozen; and a field cannot be called `codec`, since a method is
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """Always "telnyx"."""
        return "telnyx"

    @property
    def local(self) -> bool:
        """Never."""
        return False

    @property
    def answers_by_command(self) -> bool:
        """Always: nothing follows a stream that Telnyx cannot open."""
        return True

    def codec(self) -> TelnyxStream:
        """Our end of a new media stream."""
        return TelnyxStream(self.format)

    def line(self) -> TelnyxLine:
        """Telnyx's end of one."""
        return TelnyxLine(self.format)

    def verify(self, request: CarrierRequest, now_s: float) -> None:
        """Whether Telnyx has sent a webhook within the last five minutes. Raises BadSignature, MissingCredential, and
        BadSetting for a public key that is none."""
        key = _given(self.public_key, PUBLIC_KEY_VARIABLE)
        webhook.verify(request, webhook.public_key(key), now_s)

    def answer(self, request: CarrierRequest) -> AnswerPlan | None:
        """The call that waits, inbound or answered by whom we rang; None for a report. Raises StreamProtocolError."""
        return webhook.waiting_call(webhook.read_event(request))

    def render(self, plan: AnswerPlan) -> WebhookReply:
        """The plain acknowledgement, which Telnyx wants within two seconds."""
        return WebhookReply()

    async def carry_out(self, plan: AnswerPlan) -> None:
        """Answer with a stream, start one, or decline. A call that gets no stream is hung up. Raises CarrierError."""
        account, call_id = self._account(), checked_call_id(plan.carrier_call_id)
        if plan.left_alone:
            return
        if not plan.stream_url:
            with suppress(_CallIsOver):
                await _decline(account, plan)
            return
        answers = plan.direction is Direction.INBOUND
        at_once = answers and self.format.rate_hz == 8000
        try:
            if answers:
                body = {"send_silence_when_idle": True, **(self._stream(plan.stream_url) if at_once else {})}
                if plan.resume_url:
                    body["webhook_url"] = plan.resume_url  # for all that is told of the call from now on
                await _command(account, call_id, "answer", body, "answer the call")
            if not at_once:
                await self._start_stream(account, call_id, plan)
        except _CallIsOver:
            log.info("call %s was over before it had its stream", call_id)
        except CarrierError:
            try:
                await hang_up(account, call_id)
            except CarrierError as error:
                log.warning("call %s, which has no stream, was not hung up: %s", call_id, error)
            raise

    def read_callback(self, request: CarrierRequest) -> tuple[CarrierFact, ...]:
        """What a webhook reports. Raises StreamProtocolError for what is none of Telnyx's."""
        return webhook.read_report(webhook.read_event(request))

    def dial_request(self, call: OutboundCall) -> DialRequest:
        """What `place` sends, with ids as good as those of the next dial. Raises CallRejected, MissingCredential,
        BadSetting."""
        account, connection_id = self._account(), self._connection_id()
        body = _dial_body(call, connection_id, webhook.client_state(webhook.DIALLED, uuid4().hex))
        headers = {**account.headers(json=True), "authorization": "Bearer ****"}
        return DialRequest(method="POST", url=account.base_url + DIAL_ADDRESS, headers=headers, body=body)

    async def place(self, call: OutboundCall) -> str:
        """Ring somebody; returns the call's call_control_id. A dial whose answer is lost is looked up, never repeated.

        Raises CallRejected where it does not ring, AnswerLost where nobody knows.
        """
        account, connection_id = self._account(), self._connection_id()
        state = webhook.client_state(webhook.DIALLED, uuid4().hex)
        body = _dial_body(call, connection_id, state)
        try:
            reply = await account.dial(body)
        except AnswerLost:
            found = await _look_up(account, connection_id, state)
            if not found:
                raise
            return found
        if not reply.ok:
            raise account.refused(reply, f"ring {call.to}")
        call_id = reply.text("call_control_id")
        if not CALL_ID.fullmatch(call_id):
            raise AnswerLost("Telnyx took the call and did not say which it is")
        return call_id

    async def see_account(self) -> AccountSeen:
        """Whether key and application are good. Raises MissingCredential, BadSetting, CarrierError."""
        return await examine.see_account(self._account(), self._connection_id())

    async def see_number(self, number: str) -> NumberSeen | None:
        """Where a number's calls go; None: it is none of ours. Raises MissingCredential, BadSetting, CarrierError."""
        return await examine.see_number(self._account(), self._connection_id(), number)

    def write_webhook(self, sketch: Sketch) -> WrittenWebhook:
        """As Telnyx would send it."""
        return rehearse.write_webhook(sketch, self.connection_id or keys.look_up(CONNECTION_VARIABLE))

    def rewrite_webhook(self, kept: object) -> WrittenWebhook | None:
        """One that was kept; None: it is not Telnyx's."""
        return rehearse.rewrite_webhook(kept)

    async def attach(self, number: str, url: str, keep: KeepToken = kept_by_nobody) -> str:
        """Have a number's calls sent to a webhook, by way of our application. Raises CarrierError."""
        return await numbers.attach(self._account(), self._connection_id(), number, url, keep)

    async def restore(self, token: str) -> None:
        """Give number and application back what they had. Raises CarrierError."""
        await numbers.restore(self._account(), token)

    def control(self, call: CallHandle) -> TelnyxControl:
        """What can be asked about one live call."""
        return TelnyxControl(self._account, call)

    async def recordings(self, carrier_call_id: str) -> tuple[CarrierRecording, ...]:
        """Their addresses are good for some ten minutes, for anybody: they need no key, and must be given none."""
        account, call_id = self._account(), checked_call_id(carrier_call_id)
        found: list[CarrierRecording] = []
        for page in range(1, PAGES + 1):
            query = {"filter[call_control_id]": call_id, "page[number]": str(page), "page[size]": str(PAGE)}
            reply = await account.get("recordings", query=query)
            if not reply.ok:
                raise account.refused(reply, "list the call's recordings")
            done = [each for each in reply.rows if each.get("status", "completed") == "completed"]
            found += [_recording(each, account.base_url) for each in done]
            if len(reply.rows) < PAGE:
                break
        return tuple(found)

    async def fetch_recording(self, recording: CarrierRecording, write: Callable[[bytes], object]) -> None:
        """From the address that `recordings` has just given. Raises CarrierError."""
        if not recording.url:
            raise CarrierError(f"Telnyx has no WAV of recording {recording.recording_id}")
        status = await download(recording.url, write, carrier="Telnyx")  # with the key it would be refused
        if status != 200:
            raise CarrierError(
                f"Telnyx does not hand recording {recording.recording_id} over ({status})",
                hint="its address is good for some minutes: try it again",
            )

    async def delete_recording(self, recording_id: str) -> None:
        """Raises CarrierError."""
        account = self._account()
        reply = await account.delete("recordings", recording_id)
        if not reply.ok and reply.status != 404:
            raise account.refused(reply, f"delete recording {recording_id[:64]!a}")

    async def _start_stream(self, account: Account, call_id: str, plan: AnswerPlan) -> None:
        body = {**self._stream(plan.stream_url), "stream_bidirectional_sampling_rate": self.format.rate_hz}
        if plan.variables:  # `answer` takes none; the ticket in the stream's address has them all the same
            body["custom_parameters"] = [{"name": name, "value": value} for name, value in plan.variables.items()]
        reply = await _once_answered(account, call_id, "streaming_start", body)
        if not reply.ok:
            raise _refusal(account, reply, "start the stream")

    def _stream(self, url: str) -> dict[str, Any]:
        """Both directions by name: Telnyx's own choices are MP3, the leg's codec and the other leg."""
        codec = codec_of(self.format)
        return {
            "stream_url": url,
            "stream_track": "inbound_track",
            "stream_codec": codec,
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": codec,
            "stream_bidirectional_target_legs": "self",
        }

    def _account(self) -> Account:
        return Account(api_key=_given(self.api_key, KEY_VARIABLE), base_url=self.base_url)

    def _connection_id(self) -> str:
        """It stands in paths."""
        value = _given(self.connection_id, CONNECTION_VARIABLE)
        if not _CONNECTION.fullmatch(value):
            raise BadSetting(f"{CONNECTION_VARIABLE} is no id", hint="the digits of your Call Control Application")
        return value


class _CallIsOver(CarrierError):
    """Whoever it was has hung up, and there is nobody left to answer."""


def _refusal(account: Account, reply: Reply, what: str) -> CarrierError:
    return _CallIsOver("the call is over") if reply.says(CALL_IS_OVER) else account.refused(reply, what)


def _given(value: str | None, variable: str) -> str:
    found = value or keys.look_up(variable)
    if not found:
        raise MissingCredential(f"{variable} is not set", hint=f"export {variable}=…, from the Telnyx portal")
    return found


def _dial_body(call: OutboundCall, connection_id: str, state: str) -> dict[str, Any]:
    """state: what Telnyx returns with all that it tells of the call. Raises CallRejected for what cannot be dialled."""
    for number in (call.to, call.from_number):
        if not webhook.E164.fullmatch(number):
            raise CallRejected(f"{number[:32]!a} is no number that can be dialled", hint="write it as +15550100002")
    body: dict[str, Any] = {
        "connection_id": connection_id,
        "to": call.to,
        "from": call.from_number,
        "webhook_url": call.answer_url,  # for every kind of event: they say themselves what they are
        "client_state": state,
        "command_id": str(uuid4()),
        "time_limit_secs": max(1, min(call.max_duration_s + call.transfer_s, MAX_CALL_S)),
        "send_silence_when_idle": True,
    }
    if call.ring_timeout_s is not None:
        body["timeout_secs"] = max(MIN_RING_S, min(call.ring_timeout_s, MAX_RING_S))
    if call.detects_machines:
        body["answering_machine_detection"] = "premium"
    return body


async def _command(account: Account, call_id: str, verb: str, body: dict[str, Any], what: str) -> None:
    """Once for the call, however many of its webhooks come and whoever reads them."""
    reply = await account.command(call_id, verb, body, once=verb)
    if not reply.ok:
        raise _refusal(account, reply, what)


async def _decline(account: Account, plan: AnswerPlan) -> None:
    """Words can only be said on a call that is answered; then it is ended when they must have been heard."""
    call_id = plan.carrier_call_id
    if plan.direction is Direction.INBOUND and not plan.words:
        await _command(account, call_id, "reject", {"cause": "USER_BUSY"}, "decline the call")
        return
    if plan.direction is Direction.INBOUND:
        await _command(account, call_id, "answer", {}, "answer the call")
        voice = {"payload": plan.words[:MAX_WORDS], "voice": "female", "service_level": "basic", "language": "en-US"}
        reply = await _once_answered(account, call_id, "speak", voice)
        if reply.ok:
            await asyncio.sleep(1 + len(plan.words.split()) / WORDS_A_SECOND)
    await hang_up(account, call_id)


async def _once_answered(account: Account, call_id: str, verb: str, body: dict[str, Any]) -> Reply:
    """Telnyx refuses this until it has answered the call itself, which takes it a moment."""
    reply = await account.command(call_id, verb, body)
    for _ in range(ANSWER_TRIES):
        if not reply.says(NOT_ANSWERED_YET):
            break
        await asyncio.sleep(ANSWER_AGAIN_S)
        reply = await account.command(call_id, verb, body)
    return reply


async def _look_up(account: Account, connection_id: str, state: str) -> str:
    """The live call with this client_state; "" if none shows up. Raises CarrierError."""
    for _ in range(LOOK_UPS):
        await asyncio.sleep(LOOK_UP_S)
        reply = await account.get("connections", connection_id, "active_calls", query={"page[size]": "250"})
        for each in reply.rows:
            call_id = each.get("call_control_id")
            if each.get("client_state") == state and isinstance(call_id, str) and CALL_ID.fullmatch(call_id):
                return call_id
    return ""


def _recording(row: Mapping[str, Any], base_url: str) -> CarrierRecording:
    """base_url: of the interface; where that is on this machine, so may its recordings be."""
    urls = row.get("download_urls")
    listed = [urls.get(each) for each in ("wav", "mp3")] if isinstance(urls, dict) else []
    duration_ms = row.get("duration_millis")
    secure = ("https://",) if base_url.startswith("https://") else ("https://", "http://127.0.0.1:")
    return CarrierRecording(
        recording_id=str(row.get("id", "")),
        url=next((each for each in listed if isinstance(each, str) and each.startswith(secure)), ""),
        duration_s=round(duration_ms / 1000) if isinstance(duration_ms, int | float) else 0,
        channels=2 if row.get("channels") == "dual" else 1,
    )
