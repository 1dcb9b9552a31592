"""Carrier: everything that is asked of a telephone company, from the webhook of a call to its recordings.

    webhook --verify--> --answer--> AnswerPlan, which declines      our server puts a stream's address into the plan
                        <--render-- WebhookReply <-- AnswerPlan     --carry_out--> whatever the reply alone cannot say
    callback --verify--> --read_callback--> CarrierFact

A carrier is a recipe, frozen and shared: what belongs to one call is in its codec and its control.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeAlias, runtime_checkable

from patter_cli.contracts.carrier.control import CallControl, CallLine
from patter_cli.contracts.carrier.stream import LineCodec, StreamCodec
from patter_cli.core.outcome import AnsweredBy, Direction, TransferOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierRequest:
    """A webhook, as it came."""

    method: str
    url: str
    """The address that the carrier was given, query included: it may be what is signed."""
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReply:
    """What a webhook is answered with."""

    status: int = 200
    content_type: str = "text/plain"
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPlan:
    """What becomes of a call that waits for its answer. As a carrier reads it from a webhook it declines the call."""

    carrier_call_id: str
    caller: str
    """E.164, or "" when the number is withheld."""
    callee: str
    direction: Direction
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the carrier was told to bring along."""
    answered: bool = False
    """It is up already: to decline it is to hang up."""
    stream_url: str = ""
    """wss://… of the media stream to connect to; "": the call is declined."""
    resume_url: str = ""
    """The webhook that is asked again, once, when the stream breaks off and the call goes on; "": the call then ends
    with an apology, as far as the carrier can say one."""
    broken: str = ""
    """The stream, by the carrier's id, that broke off while the call is up; "": none did."""
    left_alone: bool = False
    """Nothing is to be done to the call: others talk on it."""
    returned: TransferOutcome | None = None
    """The caller was put through to somebody, which has come to this, and is on the line still."""
    words: str = ""
    """Why it is declined, for the caller's ear; "": it is just busy."""


class CallEnd(Enum):
    """How the carrier says a call ended."""

    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    """Somebody is there and does not want to."""
    CANCELED = "canceled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ringing:
    """The other side's telephone rings."""

    carrier_call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Somebody or something picked up."""

    carrier_call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineDetected:
    """The carrier has found out who picked up: a machine, or who else."""

    carrier_call_id: str
    who: AnsweredBy
    greeting_over: bool = False
    """Of a machine: it has said its greeting."""
    raw: str = ""
    """The carrier's own word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeepHeard:
    """The machine that picked up records now."""

    carrier_call_id: str
    raw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The call is over, and stays over: facts may come in any order."""

    carrier_call_id: str
    how: CallEnd
    duration_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReady:
    """The carrier's recording of the call can be fetched."""

    carrier_call_id: str
    recording_id: str
    url: str = ""
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferConnected:
    """Whoever the caller is to be put through to has picked up; from carriers whose `transfer` cannot wait for it."""

    carrier_call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferEnded:
    """Whoever the caller was put through to has hung up, or was not reached."""

    carrier_call_id: str
    how: CallEnd


CarrierFact: TypeAlias = (
    Ringing | Answered | MachineDetected | BeepHeard | Completed | RecordingReady | TransferConnected | TransferEnded
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundCall:
    """A call that the carrier shall make."""

    to: str
    """E.164."""
    from_number: str
    """E.164, one of ours."""
    answer_url: str
    """The webhook that is asked once somebody picked up."""
    callback_url: str
    """Where the carrier reports what it learns."""
    stream_url: str = ""
    """wss://… for carriers that are told of the media stream when they dial."""
    ring_timeout_s: int | None = 25
    """None: as long as the carrier likes."""
    max_duration_s: int = 3600
    transfer_s: int = 0
    """How much longer it may last if it is put through to somebody, for carriers whose limit cannot be changed then; 0:
    that cannot happen."""
    detects_machines: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DialRequest:
    """The request with which a carrier is asked to ring somebody, as it goes over the wire, but for its credentials."""

    method: str
    url: str
    headers: Mapping[str, str]
    """What they prove is struck out of them."""
    body: Mapping[str, object] | tuple[tuple[str, str], ...]
    """JSON, or the fields of a form in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHandle:
    """One live call, as its carrier has to know it to act on it."""

    carrier_call_id: str
    stream_id: str = ""
    line: CallLine | None = None
    """The call's own stream; None: it has none that could be asked."""
    callback_url: str = ""
    """Where the carrier may report what it learns later, such as a recording; "": nowhere."""
    return_url: str = ""
    """The webhook that is asked what becomes of a caller who was to be put through, and was not; "": there is none, and
    such a caller is told that the call is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierRecording:
    """A recording that the carrier keeps. url: of its WAV, behind the carrier's own credentials."""

    recording_id: str
    url: str
    duration_s: int
    channels: int


KeepToken: TypeAlias = Callable[[str], None]
"""Takes a restore token, and has it safe when it returns. If it raises, nothing is changed."""


def kept_by_nobody(token: str) -> None:
    """For whoever can live with a number that stays changed."""


class Carrier(Protocol):
    """One telephone company. Everything with `await` asks it over the network and raises CarrierError."""

    @property
    def name(self) -> str:
        """As people write it: "twilio"."""

    @property
    def local(self) -> bool:
        """Its calls come straight to us, with no webhook before them, and nobody stands beside them to be asked for
        others."""

    def verify(self, request: CarrierRequest, now_s: float) -> None:
        """Whether the carrier has sent this, by Unix time now. Raises BadSignature, MissingCredential."""

    def answer(self, request: CarrierRequest) -> AnswerPlan | None:
        """The call that a verified request wants an answer for; None: it wants none. Raises StreamProtocolError for
        a request that cannot be read."""

    def render(self, plan: AnswerPlan) -> WebhookReply:
        """The plan, as the reply of the webhook."""

    async def carry_out(self, plan: AnswerPlan) -> None:
        """Ask for what a reply cannot say; after the reply has gone out."""

    def read_callback(self, request: CarrierRequest) -> tuple[CarrierFact, ...]:
        """What a verified request reports: nothing, for one that we do not know yet."""

    async def place(self, call: OutboundCall) -> str:
        """Make a call; returns the carrier's call id at once, before anything rings."""

    async def attach(self, number: str, url: str, keep: KeepToken = kept_by_nobody) -> str:
        """Have calls of a number of ours sent to a webhook, and read back that it is so. Returns what `restore` needs
        to undo it; the same is given to `keep` before anything is changed, so that it outlives us if we do not."""

    async def restore(self, token: str) -> None:
        """Give a number the webhook back that it had."""

    def control(self, call: CallHandle) -> CallControl:
        """What can be asked about one live call."""

    async def recordings(self, carrier_call_id: str) -> tuple[CarrierRecording, ...]:
        """What the carrier has recorded of a call."""


@runtime_checkable
class WebSocketCarrier(Carrier, Protocol):
    """A carrier whose media streams are WebSockets that it opens to our server."""

    def codec(self) -> StreamCodec:
        """Our end of a new media stream."""

    def line(self) -> LineCodec:
        """The carrier's own end of one, for a caller of ours."""


@runtime_checkable
class BringsTickets(Protocol):
    """A local carrier whose streams bring a ticket of ours, and so may come from anywhere."""

    @property
    def by_ticket(self) -> bool:
        """Always."""


@runtime_checkable
class AnswersByCommand(Protocol):
    """For carriers whose calls stay as they are, answered and silent, when their stream cannot be opened."""

    @property
    def answers_by_command(self) -> bool:
        """Always."""


@runtime_checkable
class DialsByRequest(Protocol):
    """A carrier that can show what it would send, and send nothing."""

    def dial_request(self, call: OutboundCall) -> DialRequest:
        """What `place` asks for. Raises CallRejected for what cannot be dialled, ConfigError where something that it
        takes is not set."""


@runtime_checkable
class SignsStreams(Protocol):
    """A carrier that signs the upgrade of its media streams as well: its word stands beside the ticket's."""

    def verify_stream(self, upgrade: CarrierRequest, now_s: float) -> None:
        """Whether the carrier opens this stream: a GET of the wss:// address that it was given. Raises BadSignature,
        MissingCredential."""
