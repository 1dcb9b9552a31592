"""Acme: a telephone company that nobody knows, in one file. Its webhooks are JSON, signed with a key both sides have.

POST {"call", "from", "to", "vars"}  -> {"connect": "wss://…"} or {"hang_up": "why"}
POST {"call", "over": true | "busy" | …} or {"call", "picked_up": "human"} or {"call", "rings": true} -> nothing
the stream: {"k": "begin" | "sound" | "key" | "played" | "end", …} in, {"k": "sound" | "tell" | "flush"} out
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from patter_cli.audio.frame import ULAW_8K
from patter_cli.contracts.carrier.carrier import (
    AnsweredBy,
    AnswerPlan,
    BeepHeard,
    CallEnd,
    CallHandle,
    CarrierFact,
    CarrierRecording,
    CarrierRequest,
    Completed,
    KeepToken,
    MachineDetected,
    OutboundCall,
    Ringing,
    WebhookReply,
    kept_by_nobody,
)
from patter_cli.contracts.carrier.stream import (
    ClearOut,
    DtmfIn,
    Ignored,
    LineMessage,
    MarkIn,
    MarkOut,
    MediaIn,
    MediaOut,
    Refused,
    StreamMessage,
    StreamStarted,
    StreamStopped,
)
from patter_cli.core.outcome import Direction
from patter_cli.errors import BadSignature, CallRejected, MissingCredential, StreamProtocolError

SIGNATURE = "acme-signature"
NOBODY, LOST = "+12125550190", "+12125550191"
"""Whom Acme refuses to ring, and of whom it never says whether it does."""


class Stream:
    """Our end."""

    def receive(self, text: str) -> StreamMessage:
        try:
            match json.loads(text):
                case {"k": "begin", "call": str(call), "vars": dict(variables)}:
                    return StreamStarted(stream_id="", call_id=call, format=ULAW_8K, parameters=variables)
                case {"k": "sound", "ms": int(ms), "n": int(n), "b": str(b)}:
                    return MediaIn(base64.b64decode(b), ms, n)
                case {"k": "key", "d": str(digit)}:
                    return DtmfIn(digit=digit)
                case {"k": "played", "m": str(name)}:
                    return MarkIn(name=name)
                case {"k": "end"}:
                    return StreamStopped()
                case other:
                    return Ignored(event=str(other)[:20])
        except ValueError:
            return Refused(why="not JSON")

    def media(self, payload: bytes) -> str:
        return json.dumps({"k": "sound", "b": base64.b64encode(payload).decode()})

    def mark(self, name: str) -> str:
        return json.dumps({"k": "tell", "m": name})

    def clear(self) -> str:
        return json.dumps({"k": "flush"})


class Line:
    """Acme's end."""

    def __init__(self) -> None:
        self._count = 0

    def connected(self) -> None:
        return None

    def start(self, *, call_id: str, parameters: dict[str, str]) -> str:
        return json.dumps({"k": "begin", "call": call_id, "vars": parameters})

    def media(self, payload: bytes, timestamp_ms: int) -> str:
        self._count += 1
        return json.dumps({"k": "sound", "ms": timestamp_ms, "n": self._count, "b": base64.b64encode(payload).decode()})

    def dtmf(self, digit: str) -> str:
        return json.dumps({"k": "key", "d": digit})

    def mark(self, name: str) -> str:
        return json.dumps({"k": "played", "m": name})

    def stop(self) -> str:
        return json.dumps({"k": "end"})

    def receive(self, text: str) -> LineMessage:
        match json.loads(text):
            case {"k": "sound", "b": str(b)}:
                return MediaOut(base64.b64decode(b))
            case {"k": "tell", "m": str(name)}:
                return MarkOut(name=name)
            case {"k": "flush"}:
                return ClearOut()
        return Refused(why="not of this wire")


@dataclass(frozen=True, slots=True)
class Control:
    """Acme can hang up, and nothing else."""

    call: str
    hung_up: list[str]

    async def hang_up(self) -> None:
        self.hung_up.append(self.call)

    async def transfer(self, number: str) -> None:
        raise CallRejected("Acme connects nobody")

    async def send_digits(self, digits: str) -> None:
        raise CallRejected("Acme presses no keys")

    async def start_recording(self) -> None:
        raise CallRejected("Acme records nothing")

    async def stop_recording(self) -> None:
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """The whole company. key: "" where somebody forgot to set it."""

    key: str = "acme's key"
    carried_out: list[AnswerPlan] = field(default_factory=list)
    placed: list[OutboundCall] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    """What its number was pointed at, one after the other."""

    @property
    def name(self) -> str:
        return "acme"

    @property
    def local(self) -> bool:
        return False

    def codec(self) -> Stream:
        return Stream()

    def line(self) -> Line:
        return Line()

    def control(self, call: CallHandle) -> Control:
        return Control(call.carrier_call_id, self.hung_up)

    def sign(self, url: str, body: bytes) -> str:
        return hmac.digest(self.key.encode(), url.encode() + body, hashlib.sha256).hex()

    def verify(self, request: CarrierRequest, now_s: float) -> None:
        if not self.key:
            raise MissingCredential("Acme's key is not set")
        if not hmac.compare_digest(request.headers.get(SIGNATURE, ""), self.sign(request.url, request.body)):
            raise BadSignature("Acme has not sent this")

    def answer(self, request: CarrierRequest) -> AnswerPlan | None:
        body = self._read(request)
        if "from" not in body:
            return None
        return AnswerPlan(
            carrier_call_id=body["call"],
            caller=body["from"],
            callee=body["to"],
            direction=Direction.INBOUND,
            variables=body["vars"],
        )

    def render(self, plan: AnswerPlan) -> WebhookReply:
        does = {"connect": plan.stream_url} if plan.stream_url else {"hang_up": plan.words}
        return WebhookReply(content_type="application/json", body=json.dumps(does).encode())

    async def carry_out(self, plan: AnswerPlan) -> None:
        self.carried_out.append(plan)

    def read_callback(self, request: CarrierRequest) -> tuple[CarrierFact, ...]:
        match self._read(request):
            case {"call": str(call), "over": True}:
                return (Completed(carrier_call_id=call, how=CallEnd.COMPLETED),)
            case {"call": str(call), "over": str(how)}:
                return (Completed(carrier_call_id=call, how=CallEnd(how)),)
            case {"call": str(call), "rings": True}:
                return (Ringing(carrier_call_id=call),)
            case {"call": str(call), "beep": True}:
                return (BeepHeard(carrier_call_id=call, raw="beep"),)
            case {"call": str(call), "picked_up": str(who)}:
                return (MachineDetected(carrier_call_id=call, who=AnsweredBy(who), raw=who),)
        return ()

    async def place(self, call: OutboundCall) -> str:
        if call.to == NOBODY:
            raise CallRejected("Acme does not ring that")
        self.placed.append(call)
        if call.to == LOST:
            await asyncio.Event().wait()
        return f"A-{6 + len(self.placed)}"

    async def attach(self, number: str, url: str, keep: KeepToken = kept_by_nobody) -> str:
        if number == NOBODY:
            raise CallRejected("Acme has no such number")
        keep(number)
        self.attached.append(url)
        return number

    async def restore(self, token: str) -> None:
        self.attached.append(f"{token} as before")

    async def recordings(self, carrier_call_id: str) -> tuple[CarrierRecording, ...]:
        return ()

    def _read(self, request: CarrierRequest) -> dict[str, Any]:
        try:
            body: dict[str, Any] = json.loads(request.body)
            str(body["call"])
        except (ValueError, KeyError, TypeError) as error:
            raise StreamProtocolError("a webhook that Acme never sends") from error
        return body
