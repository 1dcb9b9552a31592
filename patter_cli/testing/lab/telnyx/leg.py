"""One leg of a call, as Telnyx keeps it, and what its webhooks say of it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

MAX_RING_S: Final = 600
DEFAULT_RING_S: Final = 30
"""How long is rung without a timeout_secs; the schema has no default."""
MAX_CALL_S: Final = 14_400


class LegState(StrEnum):
    """Where a leg is in its life; it only ever goes forward."""

    PARKED = "parked"
    """Inbound, and nobody has answered it."""
    RINGING = "ringing"
    """Outbound."""
    ANSWERED = "answered"
    ENDED = "hangup"


class HangUpCause(StrEnum):
    """Telnyx's words for how a call ended."""

    NORMAL = "normal_clearing"
    CANCELLED = "originator_cancel"
    RING_TIMEOUT = "timeout"
    TIME_LIMIT = "time_limit"
    REJECTED = "call_rejected"
    BUSY = "user_busy"
    NOT_FOUND = "not_found"
    UNSPECIFIED = "unspecified"


SIP_CODES: Final = {
    HangUpCause.NORMAL: "200",
    HangUpCause.CANCELLED: "487",
    HangUpCause.RING_TIMEOUT: "487",
    HangUpCause.TIME_LIMIT: "200",
    HangUpCause.REJECTED: "603",
    HangUpCause.BUSY: "486",
    HangUpCause.NOT_FOUND: "404",
    HangUpCause.UNSPECIFIED: "unspecified",
}
"""Source: RFC 3261, 21, and RFC 3398 for what stands behind the cause's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamWanted:
    """A media stream as it was asked for. Where nothing was said, these are Telnyx's own choices."""

    url: str
    track: str = "inbound_track"
    codec: str = "default"
    mode: str = "mp3"
    sends_codec: str = "PCMU"
    """Of what the server sends."""
    sends_rate_hz: int = 8000
    target_legs: str = "opposite"
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, body: dict[str, Any]) -> StreamWanted | None:
        """From a command's checked body; None if it has no stream_url."""
        if not body.get("stream_url"):
            return None
        pairs = body.get("custom_parameters") or []
        return cls(
            url=body["stream_url"],
            track=body.get("stream_track") or "inbound_track",
            codec=body.get("stream_codec") or "default",
            mode=body.get("stream_bidirectional_mode") or "mp3",
            sends_codec=body.get("stream_bidirectional_codec") or "PCMU",
            sends_rate_hz=body.get("stream_bidirectional_sampling_rate") or 8000,
            target_legs=body.get("stream_bidirectional_target_legs") or "opposite",
            parameters=tuple((str(each["name"]), str(each["value"])) for each in pairs),
        )


@dataclass(slots=True, kw_only=True)
class Leg:
    """One party of a call. Times are Unix seconds."""

    caller: str
    callee: str
    connection_id: str
    webhook_url: str
    started_s: float
    incoming: bool
    state: LegState
    control_id: str = field(default_factory=lambda: f"v3:{secrets.token_urlsafe(48)}")
    leg_id: str = field(default_factory=lambda: str(uuid4()))
    session_id: str = field(default_factory=lambda: str(uuid4()))
    client_state: str | None = None
    answered_s: float | None = None
    ended_s: float | None = None
    ring_s: int = DEFAULT_RING_S
    limit_s: int = MAX_CALL_S
    detection: str = "disabled"
    digits_on_answer: str = ""
    """Keys that are pressed once it is answered."""
    headers: tuple[tuple[str, str], ...] = ()
    """The caller's own X- headers."""
    stream_id: str = ""
    """Of the stream that is open, or is being opened."""
    recording_id: str = ""
    """Of the recording that runs."""
    bridged_with: str = ""
    """The control_id of the leg whose voice this one hears."""
    parks: bool = False
    """It stays when the leg that it is bridged with is over."""
    asked: list[str] = field(default_factory=list)
    """The commands that were carried out on it, in order."""

    @property
    def alive(self) -> bool:
        return self.state is not LegState.ENDED

    @property
    def answered(self) -> bool:
        return self.state is LegState.ANSWERED

    def status(self, now_s: float) -> dict[str, Any]:
        """What GET /calls/{call_control_id} says of it."""
        said: dict[str, Any] = {
            "record_type": "call",
            "call_control_id": self.control_id,
            "call_leg_id": self.leg_id,
            "call_session_id": self.session_id,
            "is_alive": self.alive,
            "client_state": self.client_state,
            "start_time": moment(self.started_s),
        }
        if self.answered_s is not None:
            said["call_duration"] = round((self.ended_s or now_s) - self.answered_s)
        if self.ended_s is not None:
            said["end_time"] = moment(self.ended_s)
        return said

    def listed(self, now_s: float) -> dict[str, Any]:
        """What the list of a connection's active calls says of it."""
        names = ("call_control_id", "call_leg_id", "call_session_id", "client_state", "record_type")
        status = self.status(now_s)
        return {**{name: status[name] for name in names}, "call_duration": status.get("call_duration", 0)}

    def about(self) -> dict[str, Any]:
        """What all of its events begin with."""
        return {
            "call_control_id": self.control_id,
            "call_leg_id": self.leg_id,
            "call_session_id": self.session_id,
            "client_state": self.client_state,
            "connection_id": self.connection_id,
            "from": self.caller,
            "to": self.callee,
        }

    def initiated(self) -> dict[str, Any]:
        return {
            **self.about(),
            "direction": "incoming" if self.incoming else "outgoing",
            "state": "parked" if self.incoming else "bridging",
            "start_time": moment(self.started_s),
            "custom_headers": self._headers(),
            "caller_id_name": self.caller,
        }

    def has_answered(self) -> dict[str, Any]:
        return {
            **self.about(),
            "state": "answered",
            "start_time": moment(self.answered_s or self.started_s),
            "custom_headers": self._headers(),
        }

    def hung_up(self, cause: HangUpCause, source: str, sip_cause: str = "") -> dict[str, Any]:
        """source: "caller", "callee" or "unknown". sip_cause: "": what goes with the cause."""
        return {
            **self.about(),
            "state": "hangup",
            "start_time": moment(self.started_s),
            "hangup_cause": cause.value,
            "hangup_source": source,
            "sip_hangup_cause": sip_cause or SIP_CODES[cause],
            "call_quality_stats": None,
            "custom_headers": self._headers(),
        }

    def _headers(self) -> list[dict[str, str]]:
        return [{"name": name, "value": value} for name, value in self.headers]


def moment(at_s: float) -> str:
    """Unix time as Telnyx writes it."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
