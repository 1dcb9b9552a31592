"""What the screen shows, as values: calls in a list, one call in full, and the process that holds them.

Made by fold.py from journals, drawn by draw.py. Nothing here knows a terminal, a clock or a socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from patter_cli.core.events import Ms
from patter_cli.observe.metrics import TurnLatency


class Phase(Enum):
    """Where a call is; the value is the word that people read."""

    DIALLING = "dialling"
    RINGING = "ringing"
    CONNECTING = "connecting"
    LISTENING = "listening"
    CALLER = "caller speaks"
    THINKING = "thinking"
    TOOL = "waits for tool"
    SPEAKING = "agent speaks"
    HELD = "held"
    """The agent stopped while it is found out whether the caller means to interrupt."""
    TRANSFER = "transferring"
    ENDING = "hanging up"
    OVER = "over"


class Who(Enum):
    """Whose line of the transcript it is; the value stands in front of it."""

    CALLER = "caller"
    AGENT = "agent"
    TOOL = "tool"
    NOTE = ""
    TROUBLE = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the transcript."""

    who: Who
    at_ms: Ms
    """Call time of its beginning."""
    text: str
    """What was said, and of the agent's words those that were heard."""
    unheard: str = ""
    """What it would have gone on to say, had it not been cut off."""
    growing: bool = False
    """There is more to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolView:
    """A tool call. arguments, result: JSON texts; result and took_ms are None while it runs."""

    name: str
    arguments: str
    at_ms: Ms
    result: str | None = None
    took_ms: int | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """US dollars. known: what is known of it; whole: that is all of it."""

    known: float = 0.0
    whole: bool = True

    def __add__(self, other: Money) -> Money:
        return Money(known=self.known + other.known, whole=self.whole and other.whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """What callers waited for the agent's voice, in ms; 0 where nobody did."""

    count: int = 0
    p50_ms: int = 0
    p95_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """A call in the list."""

    call_id: str
    agent: str
    other: str
    """Who is at the far end, as far as may be shown."""
    outbound: bool
    phase: Phase
    duration_ms: Ms
    turns: int
    """How many of the caller's turns were answered."""
    cost: Money
    troubles: int
    muted: bool
    outcome: str = ""
    """"" while it goes on."""
    reason: str = ""

    @property
    def live(self) -> bool:
        return self.phase is not Phase.OVER


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDetail:
    """One call in full, as far back as is kept."""

    row: CallRow
    lines: tuple[Line, ...]
    turns: tuple[TurnLatency, ...]
    tools: tuple[ToolView, ...]
    waits: Waits
    legs: tuple[tuple[str, Money], ...]
    """What each stage cost, by its name and vendor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListProgress:
    """How far a list of people is that is being rung. Everybody is in one of ringing, left, again, refused or done."""

    name: str
    """Of its file."""
    people: int
    """On it, each of them once."""
    ringing: int = 0
    """They are being rung, or talk."""
    left: int = 0
    """They are still to be rung in this round."""
    again: int = 0
    """They were rung, and will be once more."""
    refused: int = 0
    """They must not be rung."""
    outcomes: tuple[tuple[str, int], ...] = ()
    """What became of how many, the most first."""
    seconds_left: float = 0.0
    """Until the last of them is over, as far as can be told."""
    usd_left: float | None = None
    """What those who are still to be rung will cost; None: nobody knows."""
    stopping: bool = False
    """Nobody else is rung."""

    @property
    def done(self) -> int:
        return self.people - self.ringing - self.left - self.again - self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenView:
    """Everything there is to see at one moment."""

    calls: tuple[CallRow, ...] = ()
    """Live ones, the oldest first; then those that are over, the last first."""
    shown: CallDetail | None = None
    live: int = 0
    over: int = 0
    waits: Waits = Waits()
    """Of all calls."""
    cost: Money = Money()
    lag_ms: int | None = None
    """By how much the event loop was late at worst in the last seconds; None: nobody measures it."""
    level_db: int | None = None
    """How loud the microphone of this machine is, below full scale; None: none is used."""
    listing: ListProgress | None = None
    """Of whoever rings a list."""
    log: tuple[str, ...] = ()
    """What would have been printed, the last line last."""
    notice: str = ""
    """What is to be known for as long as it is so."""
    stopping: bool = False
    """Nobody new is let in."""

    def number_of(self, call_id: str) -> int | None:
        """Where a call stands in the list, from 0."""
        return next((place for place, each in enumerate(self.calls) if each.call_id == call_id), None)
