"""One reply of the agent under way: why it is said, how far it has come, what it wants done afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from patter_cli.core.events import Ms
from patter_cli.core.playback import PlaybackLedger


class Purpose(Enum):
    """Why something is said."""

    GREETING = "greeting"
    ANSWER = "answer"
    LINE = "line"
    GOODBYE = "goodbye"


@dataclass(slots=True)
class Reply:
    """One agent reply under way."""

    id: int
    purpose: Purpose
    opened_at: Ms
    ledger: PlaybackLedger = field(default_factory=PlaybackLedger)
    delivered: bool = False
    """All its clauses have come."""
    broke_off: bool = False
    """It failed half way; an apology follows what was said."""
    bridges: int = 0
    waiting: list[str] = field(default_factory=list)
    """Clauses that a code guardrail has not judged yet, in order."""
    rule: int = 0
    """Which of the code guardrails judges the first of them now."""
    judged: int = 0
    """The clause number that judgement was ordered under; a bridge may have taken it since."""
    audible: bool = False
    silenced_at: Ms | None = None
    """When playback was told to stop, if it is."""
    stop_known: bool = False
    """Playback is stopped and we know where."""
    hang_up: str = ""
    transfer: str = ""
