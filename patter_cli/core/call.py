"""One call as the machine knows it now: who is where, what is under way, what the caller said, what is ordered."""

from __future__ import annotations

from dataclasses import dataclass

from patter_cli.core.commands import Command
from patter_cli.core.deadlines import Deadlines
from patter_cli.core.events import Ms
from patter_cli.core.floor import (
    AGENT_TABLE,
    CALL_TABLE,
    CALLER_TABLE,
    AgentState,
    CallerState,
    CallState,
    Place,
)
from patter_cli.core.outcome import Direction, Outcome
from patter_cli.core.plan import CallPlan
from patter_cli.core.reply import Reply


@dataclass(slots=True)
class Said:
    """What the caller said and nobody has answered yet."""

    turns: str = ""
    """The turns that are closed."""
    words: str = ""
    """The turn that is open, as it was last recognised."""
    spoken: bool = False
    """An engine has heard a turn that it was not asked to answer yet; what it says is known to it alone."""
    heard: str = ""
    """What that turn says, as soon as the engine tells."""
    keys: str = ""
    """The keys of an entry that is not over."""

    def add(self, turn: str) -> None:
        self.turns = f"{self.turns} {turn}".strip()

    def take_turns(self) -> str:
        """The closed turns, which are being answered now."""
        turns, self.turns = self.turns, ""
        return turns

    def take_spoken(self) -> None:
        """The engine answers now what it heard."""
        self.spoken, self.heard = False, ""

    def take_keys(self) -> str:
        """The keys of the entry, as the model sees them."""
        keys, self.keys = self.keys, ""
        return f"[DTMF: {keys}]"


@dataclass(frozen=True, slots=True)
class Parting:
    """The agent's last words were heard, and we hang up unless the caller says something that keeps us.

    reason: why. action: the tool call that asked for it, or "". until: when we do it even if they are still speaking.
    """

    reason: str
    action: str
    until: Ms


class Call:
    """The state that the parts of the machine share. They read and write it; it decides nothing."""

    __slots__ = (
        "agent", "answered", "broken_off", "caller", "deadlines", "direction", "keeps_floor", "music", "muted", "now",
        "off_record", "ordered", "outcome", "owes_notice", "owes_recording", "owes_verdict", "parting", "plan",
        "quiet_since", "replies", "reply", "said", "state", "taken", "to_say",
    )  # fmt: skip

    def __init__(self) -> None:
        self.plan = CallPlan(agent="", system_prompt="")
        self.now: Ms = 0
        self.direction = Direction.INBOUND
        self.answered = False
        """Somebody, or a machine, picked up."""
        self.outcome: Outcome | None = None
        """What the call has come to, where that is known before its end."""
        self.state = Place(CallState.NEW, CALL_TABLE)
        self.caller = Place(CallerState.SILENT, CALLER_TABLE)
        self.agent = Place(AgentState.IDLE, AGENT_TABLE)
        self.deadlines = Deadlines()
        self.ordered: list[Command] = []
        """What the event that is being handled has led to."""
        self.reply: Reply | None = None
        """The reply that has the floor."""
        self.broken_off = False
        """The last reply had to yield, and nothing was begun in its place."""
        self.replies = 0
        """How many there were, drafts included: the number of the last."""
        self.said = Said()
        self.keeps_floor = False
        """Replies do not yield to a voice: this line interrupts whatever is said."""
        self.music = False
        """The caller hears music."""
        self.muted = False
        """Nothing is heard of the caller, because whoever looks on wants it so."""
        self.off_record = False
        """Nothing is heard of the caller and nothing recorded, because a tool wants it so."""
        self.owes_recording = False
        """It was to be recorded from a moment on in which nothing was to be."""
        self.owes_notice = False
        """It is to be recorded once whoever is on the line has heard so."""
        self.owes_verdict = False
        """The author's code is still to be told who answered."""
        self.parting: Parting | None = None
        self.taken = False
        """A colleague talks with the caller; the agent is quiet, and hears it."""
        self.to_say: list[str] = []
        """What whoever looks on wants said, as soon as the floor is free."""
        self.quiet_since: Ms = 0
        """Since when the caller has heard nothing while it may be the agent's turn."""

    def issue(self, command: Command) -> None:
        self.ordered.append(command)

    def current(self, response_id: int) -> Reply | None:
        """The reply an event speaks of, if it is still the one under way."""
        reply = self.reply
        return reply if reply is not None and reply.id == response_id else None
