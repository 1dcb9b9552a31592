"""What is told of a call beside its sound, mostly by the carrier: ringing, answered and by whom. Facts as in events.py.

Carriers repeat these, lose some and send them in any order; each may come in every state.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from patter_cli.core.outcome import AnsweredBy, Outcome, VerdictSource
from patter_cli.core.plan import CallPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class DialRequested:
    """Somebody is to be rung: the first fact of an outbound call. wall_time: Unix seconds at call time 0.

    ring_timeout_ms: how long it may ring; None leaves that to the carrier.
    """

    call_id: str
    caller: str
    callee: str
    carrier: str
    parameters: dict[str, str] = field(default_factory=dict)
    plan: CallPlan
    ring_timeout_ms: int | None
    wall_time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlaced:
    """The carrier has taken the call on; it may still queue it. carrier_call_id: the carrier's name for it."""

    carrier_call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ringing:
    """It rings at the other end. Not every carrier says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Somebody, or a machine, picked up; the stream is on its way, if it is not there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialFailed:
    """Nobody picked up. outcome: busy, no_answer, canceled or failed. reason: the carrier's word for it, or ""."""

    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """Whoever asked for the call no longer wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineDetected:
    """A verdict on who answered. greeting_over: of a machine, it has said its greeting. raw: the word it came in. sure:
    False for one that another source's outweighs."""

    answered_by: AnsweredBy
    source: VerdictSource
    greeting_over: bool = False
    raw: str = ""
    sure: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BeepHeard:
    """The tone after which a machine records; it may come before any verdict, and says by itself that it is one."""

    source: VerdictSource
    raw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRinging:
    """It rings where the caller is to be put through. Not every carrier says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAnswered:
    """Somebody picked up, and is told what it is about before the caller is put through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferLeftLine:
    """The carrier is asked for a transfer in a way that takes the caller off this line, whoever answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfSent:
    """The answer to one SendDtmf: the far end has heard the keys."""

    response_id: int
    tool_call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfFailed:
    """The other answer to one SendDtmf."""

    response_id: int
    tool_call_id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReady:
    """A recording of the carrier's can be fetched; mostly the call is over by then. recording_id: the carrier's."""

    recording_id: str
    url: str = ""
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OffRecordRequested:
    """A tool of the author's wants nothing kept of what the caller says from now on; off=False: no longer."""

    off: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPaused:
    """The answer to one PauseRecording. message: why the carrier records, or does not, all the same; "": as wanted."""

    paused: bool
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFailed:
    """The carrier does not record this call; it goes on without. message: why."""

    message: str
