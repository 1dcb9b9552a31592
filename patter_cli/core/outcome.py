"""How a call went, which way it ran and who answered: the choices that events, records and callbacks share."""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """Who rang whom."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Outcome(StrEnum):
    """What became of a call, seen from whoever looks at it afterwards; the reason beside it says why."""

    ANSWERED = "answered"
    """There was a conversation, however it ended."""
    VOICEMAIL = "voicemail"
    """An answering machine had the line, whether or not it was left a message."""
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    FAILED = "failed"
    """The carrier could not connect it, or a fault of ours ended it."""
    CANCELED = "canceled"
    """Whoever asked for it took that back before a word was said."""
    INTERRUPTED = "interrupted"
    """The process that held it was killed."""


class TransferOutcome(StrEnum):
    """What became of an attempt to put a caller through."""

    CONNECTED = "connected"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    VOICEMAIL = "voicemail"
    DROPPED = "dropped"
    """It was connected, and then lost."""
    FAILED = "failed"


class AnsweredBy(StrEnum):
    """Who picked up an outbound call."""

    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"
    UNKNOWN = "unknown"


class VerdictSource(StrEnum):
    """Who says who picked up."""

    CARRIER = "carrier"
    OWN = "own"
    """Our own ear."""
