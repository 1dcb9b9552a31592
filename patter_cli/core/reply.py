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
    MESSAGE = "message"
    """What an answering machine is told."""


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
    hopeless: bool = False
    """It failed, and so would the next."""
    fillers: int = 0
    told_until: Ms = -1
    """When the last filler had been heard."""
    filler_at: Ms | None = None
    """When the last of them was ordered; it may have made no sound."""
    voice_late_at: Ms | None = None
    """When the voice last said that it is still at work on a clause."""
    waiting: list[str] = field(default_factory=list)
    """Clauses that a code guardrail has not judged yet, in order."""
    rule: int = 0
    """Which of the code guardrails judges the first of them now."""
    judged: int = 0
    """The clause number that judgement was ordered under; a filler may have taken it since."""
    tells_recording: bool = False
    """It says that the call is recorded, in its first clause or in all of them."""
    audible: bool = False
    silenced_at: Ms | None = None
    """When playback was told to stop, if it is."""
    stop_known: bool = False
    """Playback is stopped and we know where."""
    by_onlooker: bool = False
    """Whoever looks on wrote it."""
    hang_up: str = ""
    transfer: str = ""
    about: str = ""
    """What whoever it wants to transfer to is told first."""
    refused: bool = False
    """It wanted to transfer to a number that is not allowed."""
    steps: int = 0
    """How often the model went on after its tools had answered."""
    called: bool = False
    """The model asked for a tool in this step, so it is not done when the step is."""
    step_over: bool = False
    """All of this step has been delivered; what is missing is its tools' answers."""
    tools_out: set[str] = field(default_factory=set)
    tools_since: Ms = 0
    """When the first of them began."""
    tools_until: Ms = 0
    """When the last of them must have answered."""
    said_before_tools: str = ""
    """Its words when it last went on."""
    spans_before_tools: int = 0
    """How many spans it had then."""
    may_call: bool = True
    """It may ask for tools in this step."""
    by_engine: bool = False
    """A speech-to-speech engine says it, in spans that come when they come."""
    opened: bool = False
    """The engine has begun it, or this step of it."""
    unnumbered: list[str] = field(default_factory=list)
    """Items of the engine's that wait for a number: a line of ours is still being voiced."""
    unjudged: str = ""
    """Words of the engine's that are no whole sentence yet, which code guardrails judge."""
    pending_action: str = ""
    """The tool call by which the model wants to hang up or transfer."""

    @property
    def said(self) -> str:
        """Its words so far, heard or not."""
        spoken = [span.text.strip() for span in self.ledger.spans if not span.filler]
        return " ".join(filter(None, (*spoken, *self.waiting)))

    @property
    def spans(self) -> int:
        """How many stretches an engine has said of it."""
        return sum(span.growing for span in self.ledger.spans)

    @property
    def lost_its_end(self) -> bool:
        """Some of it was heard, and then the voice made no sound of its last words, which may be the question."""
        last = next((span for span in reversed(self.ledger.spans) if not span.filler), None)
        lost = last is not None and last.failed and not last.growing and any(map(str.isalnum, last.text))
        return lost and self.ledger.answered

    @property
    def trails_off(self) -> bool:
        """It went to its tools with words that leave the caller waiting, and came back with none.

        An engine's words may not be known, so there it is the sound that counts.
        """
        if self.by_engine:
            return self.steps > 0 and self.spans == self.spans_before_tools and not self.said.endswith("?")
        return self.steps > 0 and self.said == self.said_before_tools and not self.said.endswith("?")
