"""What goes in and out of the API, as types: what they say is checked, and is what docs/openapi.json tells."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from patter_cli.core.outcome import Outcome

CallId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$", description="A call's id.")]
E164 = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$", examples=["+14155550123"])]
NAME_CHARS: Final = 255
"""Of an agent's name, which may be its file's."""
StageName = Literal["endpointing", "stt", "llm", "clause", "tts", "handover"]


class Shape(BaseModel):
    """What is not in it is refused, so that a mistyped name is found at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Fault(Shape):
    """Why a request got nothing."""

    code: str = Field(description="Stable, for programs.", examples=["bad_input"])
    message: str
    hint: str = Field(description='What to do next; "" where nobody knows.')


# --- what is asked ---------------------------------------------------------------------------------------------------


class Filter(Shape):
    """Which calls; what is left out does not matter."""

    since: datetime | None = Field(None, description="Began then or later: ISO 8601, or Unix seconds.")
    until: datetime | None = Field(None, description="Began before then.")
    agent: str | None = Field(None, max_length=NAME_CHARS)
    outcome: Outcome | None = None
    number: str | None = Field(None, max_length=64, description="Of either side, however it is spaced.")
    text: str | None = Field(None, min_length=1, max_length=200, description="Somebody said this, in whatever case.")
    min_duration_s: float | None = Field(None, ge=0)
    max_duration_s: float | None = Field(None, ge=0)
    min_usd: float | None = Field(None, ge=0, description="Cost so much or more, as far as prices are known.")
    max_usd: float | None = Field(None, ge=0)


class ListCalls(Filter):
    """A page of them, the youngest first."""

    limit: int = Field(50, ge=1, le=500)
    after: CallId | None = Field(None, description="The `next` of the page before.")


class ExportCalls(Filter):
    """All of them, in a file."""

    format: Literal["jsonl", "csv"] = "jsonl"


class ReadEvents(Shape):
    """Which events."""

    call_id: CallId | None = Field(None, description="Only this call's.")
    after: str | None = Field(None, max_length=64, description="Go on after this event.")


# --- what is wanted -------------------------------------------------------------------------------------------------


class NewCall(Shape):
    """Whom to ring, and who talks."""

    to: E164
    from_number: E164 | None = Field(None, description="One of ours; without it, the one of the settings.")
    agent: str = Field("", max_length=NAME_CHARS, description="Needed where several are served.")
    variables: dict[str, str] = Field({}, max_length=100, description="Filled into prompt and messages.")
    first_message: str = Field("", max_length=2000, description="In place of the agent's.")
    voicemail_message: str = Field("", max_length=2000, description="What a machine is told; it implies detection.")
    machine_detection: bool = True
    ring_timeout_s: Annotated[int, Field(ge=1, le=600)] | None = Field(25, description="Null leaves it to the carrier.")


class Nothing(Shape):
    """An empty object."""


class PutThrough(Shape):
    """To whom."""

    to: str = Field(
        pattern=r"^\+[1-9][0-9]{6,14}(;ext=[0-9*#w]{1,32})?$", examples=["+14155550123", "+14155550123;ext=12"]
    )


class Line(Shape):
    """What to say."""

    text: str = Field(min_length=1, max_length=2000)


class Mute(Shape):
    """Which way."""

    muted: bool


# --- what is told ----------------------------------------------------------------------------------------------------


class Call(Shape):
    """A call as a list has it. Texts are "" where nothing is known."""

    call_id: str
    started_at: float = Field(description="Unix seconds.")
    agent: str
    caller: str
    callee: str
    direction: str
    carrier: str
    outcome: str | None = Field(description="Null while the call lasts.")
    reason: str
    duration_s: float | None = Field(description="Null while the call lasts.")
    turns: int = Field(description="What the caller said, lines of it; 0 while the call lasts.")
    waited_ms: int | None = Field(description="The middle of what the caller waited for answers.")
    usd: float | None = Field(description="Null while the call lasts, and where a price is not known.")
    known_usd: float


class CallsPage(Shape):
    """`next` is null on the last page."""

    calls: list[Call]
    next: str | None


class Said(Shape):
    """What the agent said in one go; `unheard` came after it and reached nobody's ear."""

    at_ms: int
    heard: str
    unheard: str
    interrupted: bool


class ToolCall(Shape):
    """`arguments` and `result` are JSON texts; `result` and `took_ms` are null while it runs."""

    at_ms: int
    name: str
    arguments: str
    result: str | None
    took_ms: int | None


class Latency(Shape):
    """What a turn waited for, in ms: the parts add up to the total."""

    turn: int
    endpointing_ms: int
    stt_ms: int
    llm_ms: int
    clause_ms: int
    tts_ms: int
    handover_ms: int
    total_ms: int


class ColleagueLine(Shape):
    """What a colleague said who had taken the call over."""

    at_ms: int
    text: str


class Turn(Shape):
    """What the caller said, and all that followed; turn 0 came before their first words."""

    number: int
    at_ms: int
    caller: str | None
    agent: list[Said]
    tools: list[ToolCall]
    latency: Latency | None = Field(description="Null where the agent did not answer the caller.")
    known_usd: float
    faults: list[str]
    colleague: list[ColleagueLine]


class Stage(Shape):
    """A stretch of a turn's wait, by call time."""

    name: StageName
    from_ms: int
    to_ms: int


class TurnStages(Shape):
    """Where the time of one answered turn went, as a waterfall draws it."""

    turn: int = Field(description="As a turn's `latency.turn`.")
    from_ms: int = Field(description="The caller's last voiced sound.")
    to_ms: int = Field(description="The agent's first sound on the line.")
    stages: list[Stage]


class Leg(BaseModel):
    """What was used of one model or line; amounts stand beside it by unit."""

    model_config = ConfigDict(extra="allow", frozen=True)
    leg: str
    provider: str
    model: str
    usd: float | None


class Cost(Shape):
    """`usd` is null if the price of any leg is unknown; `known_usd` is the sum of the others."""

    usd: float | None
    known_usd: float
    legs: list[Leg]
    prices: str = Field(description="The day the price table is of.")


class Recording(Shape):
    """`here`: /calls/{call_id}/recording has its sound. `url`: the carrier's own place of it, or ""."""

    here: bool
    url: str
    duration_ms: int | None


class CallPage(Shape):
    """All of one call but its journal."""

    call: Call
    turns: list[Turn]
    waterfall: list[TurnStages]
    cost: Cost
    recording: Recording | None
    record: dict[str, Any] = Field(description="What was written down at its end; empty while it lasts.")
    unreadable: int = Field(description="Lines of its journal that are damaged.")


class Accepted(Shape):
    """It is being done; what comes of it is in the events and in the call."""

    call_id: str


class LiveCall(Shape):
    """A call that goes on."""

    call_id: str
    agent: str
    carrier: str
    carrier_call_id: str
    direction: str
    caller: str
    callee: str
    seconds: float
    state: Literal["dialling", "ringing", "connecting", "active", "transferring", "ending"]
    caller_speaks: bool
    agent_speaks: bool
    turns: int
    waited_ms: int | None = Field(description="What the caller waited for the last answer.")
    known_usd: float
    last_caller: str
    last_agent: str
    muted: bool
    taken: bool = Field(description="A colleague talks with the caller in the agent's place.")


class LiveCalls(Shape):
    """`last_event`: where to go on with /events, as its Last-Event-ID."""

    calls: list[LiveCall]
    draining: bool
    serving: bool = Field(description="False where only stored calls are looked at.")
    agents: list[str] = Field(description="Who can be called here.")
    last_event: str


class Spread(Shape):
    """How a figure spreads over turns, in ms: nearest rank."""

    turns: int
    p50: int
    p95: int
    p99: int
    most: int


class Share(Shape):
    """Some of the calls. `unpriced`: calls of which some cost is unknown."""

    name: str
    calls: int
    duration_s: float
    known_usd: float
    unpriced: int
    waits: Spread


class Overview(Shape):
    """What the calls that fit come to; shares with the most calls first, days in their order."""

    calls: int
    live: int
    duration_s: float
    known_usd: float
    unpriced: int
    outcomes: dict[str, int]
    stages: dict[str, Spread]
    agents: list[Share]
    days: list[Share]
    numbers: list[Share]


class Costs(Shape):
    """What they cost: by leg and vendor, agent, day, and number of ours."""

    calls: int
    known_usd: float
    unpriced: int
    legs: list[Share]
    agents: list[Share]
    days: list[Share]
    numbers: list[Share]
