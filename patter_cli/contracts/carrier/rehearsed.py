"""Webhooks that we write ourselves, as a carrier would send them: to try an agent without a telephone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable


class Happening(Enum):
    """What a carrier may have to tell."""

    CALL = "call"
    """Somebody rings us."""
    RINGING = "ringing"
    ANSWERED = "answered"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    CANCELED = "canceled"
    HUMAN = "human"
    """Who picked up, as the carrier has found out."""
    MACHINE = "machine"
    FAX = "fax"
    BEEP = "beep"
    """The machine that picked up records now."""
    RECORDING = "recording"
    """The carrier's recording can be fetched."""
    KEY = "key"
    """The caller has pressed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """What a webhook is to tell."""

    happening: Happening
    carrier_call_id: str
    """Of the call that it is about; "": of one that nobody knows."""
    caller: str
    callee: str
    values: Mapping[str, str]
    """Fields, as the carrier calls them, that are to have another value, or are to be there too."""
    now_s: float
    """Unix time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenWebhook:
    """A webhook without address and signature, which depend on the server that it goes to."""

    kind: str
    """The last part of the address that it belongs to: "voice", "status"."""
    content_type: str
    body: str
    real: bool = False
    """Somebody says which of the carrier's calls it is about, so the carrier may be asked for what comes of it; False:
    the call is made up, or was over long ago."""


@runtime_checkable
class Rehearsed(Protocol):
    """A carrier whose webhooks we can write."""

    def write_webhook(self, sketch: Sketch) -> WrittenWebhook:
        """Raises InputError for what the carrier does not tell by a webhook."""

    def rewrite_webhook(self, kept: object) -> WrittenWebhook | None:
        """One that was kept, as JSON or text; None: it is none of this carrier's."""
