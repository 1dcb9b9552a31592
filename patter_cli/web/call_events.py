"""What is posted to somebody's own server about calls, as types: docs/openapi.json tells it under `webhooks`."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from patter_cli.web.shapes import Shape


class EventCall(Shape):
    """Whose event it is. Of a recording that is ready after the server began anew, only the id is known."""

    call_id: str
    agent: str = ""
    caller: str = ""
    callee: str = ""
    direction: Literal["inbound", "outbound", ""] = ""
    carrier: str = ""
    carrier_call_id: str = Field("", description="Once the line is up.")


class CallEvent(Shape):
    """What every event has."""

    id: str = Field(description="The same whenever the same event comes again.", examples=["C1:ended"])
    event: str
    time: float | None = Field(description="When it happened, Unix seconds; null where only the call's id is known.")
    call: EventCall
    attempt: int = Field(ge=1, description="Which try this is, since the server began.")


class CallBegan(CallEvent):
    """Somebody rings us, or we ring somebody."""

    event: Literal["call.started"]


class CallAnswered(CallEvent):
    """The line is up."""

    event: Literal["call.answered"]


class CallTransferred(CallEvent):
    """The caller is put through."""

    event: Literal["call.transferred"]
    number: str


class SaidLine(Shape):
    """What was said in one go."""

    who: str = Field(description="caller, agent, or tool.")
    text: str
    at_ms: int
    interrupted: bool


class CallEnded(CallEvent):
    """It is over. `usd` is null where some price is not known; `known_usd` is the sum of the others."""

    event: Literal["call.ended"]
    outcome: str
    reason: str
    duration_s: float = Field(description="0 for one that nobody picked up.")
    turns: int = Field(description="What the caller said, lines of it.")
    transcript: list[SaidLine]
    usd: float | None
    known_usd: float


class CallRecorded(CallEvent):
    """The carrier's recording is ready."""

    event: Literal["call.recorded"]
    recording_id: str
    url: str
    duration_ms: int | None


EVENTS: Final[dict[str, type[CallEvent]]] = {
    "call.started": CallBegan,
    "call.answered": CallAnswered,
    "call.transferred": CallTransferred,
    "call.ended": CallEnded,
    "call.recorded": CallRecorded,
}
SENT_ALONG: Final = {
    "X-Patter-Timestamp": "Unix seconds; no older than five minutes.",
    "X-Patter-Signature": "v1= and the HMAC-SHA256 of TIMESTAMP.BODY with the shared secret, in hex.",
    "Idempotency-Key": "The event's id.",
}
TAKEN: Final = {
    "2XX": "It is taken.",
    "4XX": "It never will be, and is not sent again; but for 408, 425 and 429.",
    "default": "It is sent again, for a day.",
}
