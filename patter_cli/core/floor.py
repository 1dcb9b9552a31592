"""Who is where in a call: four small states and the tables of what may follow what."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

from patter_cli.errors import InvalidTransition


class CallState(Enum):
    """The call as a whole."""

    NEW = "new"
    DIALLING = "dialling"
    """The carrier is asked to ring somebody, or has it in its queue."""
    RINGING = "ringing"
    CONNECTING = "connecting"
    """Somebody picked up, and the stream is not there yet."""
    PREPARING = "preparing"
    ACTIVE = "active"
    ENDING = "ending"
    """The last words are being said; the caller can no longer take the floor."""
    VOICEMAIL = "voicemail"
    """A machine is greeting; we wait for its tone."""
    TRANSFERRING = "transferring"
    ENDED = "ended"


class CallerState(Enum):
    """The caller's side of the floor."""

    SILENT = "silent"
    SPEAKING = "speaking"
    PAUSED = "paused"
    """Silent, but their turn is still open."""


class AgentState(Enum):
    """The agent's side of the floor."""

    IDLE = "idle"
    THINKING = "thinking"
    """A reply is being made; nothing of it is audible yet."""
    SPEAKING = "speaking"
    HELD = "held"
    """A reply is stopped while we find out whether the caller means it."""


class ScreeningState(Enum):
    """Whether an outbound call was answered by a human or a machine, as far as that is known."""

    OFF = "off"
    OPEN = "open"
    HUMAN = "human"
    """Taken for a human; somebody who knows better may still say otherwise."""
    MACHINE = "machine"
    CLOSED = "closed"
    """Nothing that comes now changes what it was taken for."""


S = TypeVar("S", bound=Enum)

CALL_TABLE: Mapping[CallState, frozenset[CallState]] = {
    CallState.NEW: frozenset({CallState.DIALLING, CallState.PREPARING, CallState.ENDED}),
    CallState.DIALLING: frozenset(
        {CallState.RINGING, CallState.CONNECTING, CallState.PREPARING, CallState.ENDING, CallState.ENDED}
    ),
    CallState.RINGING: frozenset({CallState.CONNECTING, CallState.PREPARING, CallState.ENDING, CallState.ENDED}),
    CallState.CONNECTING: frozenset({CallState.PREPARING, CallState.ENDING, CallState.ENDED}),
    CallState.PREPARING: frozenset({CallState.ACTIVE, CallState.ENDING, CallState.ENDED}),
    CallState.ACTIVE: frozenset({CallState.ENDING, CallState.TRANSFERRING, CallState.VOICEMAIL, CallState.ENDED}),
    CallState.VOICEMAIL: frozenset({CallState.ACTIVE, CallState.ENDING, CallState.ENDED}),
    CallState.TRANSFERRING: frozenset({CallState.ACTIVE, CallState.ENDING, CallState.ENDED}),
    CallState.ENDING: frozenset({CallState.ENDED}),
    CallState.ENDED: frozenset(),
}

CALLER_TABLE: Mapping[CallerState, frozenset[CallerState]] = {
    CallerState.SILENT: frozenset({CallerState.SPEAKING}),
    CallerState.SPEAKING: frozenset({CallerState.PAUSED, CallerState.SILENT}),
    CallerState.PAUSED: frozenset({CallerState.SPEAKING, CallerState.SILENT}),
}

AGENT_TABLE: Mapping[AgentState, frozenset[AgentState]] = {
    AgentState.IDLE: frozenset({AgentState.THINKING}),
    AgentState.THINKING: frozenset({AgentState.SPEAKING, AgentState.HELD, AgentState.IDLE}),
    AgentState.SPEAKING: frozenset({AgentState.HELD, AgentState.IDLE}),
    AgentState.HELD: frozenset({AgentState.THINKING, AgentState.SPEAKING, AgentState.IDLE}),
}


SCREENING_TABLE: Mapping[ScreeningState, frozenset[ScreeningState]] = {
    ScreeningState.OFF: frozenset({ScreeningState.OPEN}),
    ScreeningState.OPEN: frozenset({ScreeningState.HUMAN, ScreeningState.MACHINE, ScreeningState.CLOSED}),
    ScreeningState.HUMAN: frozenset({ScreeningState.MACHINE, ScreeningState.CLOSED}),
    ScreeningState.MACHINE: frozenset({ScreeningState.HUMAN, ScreeningState.CLOSED}),
    ScreeningState.CLOSED: frozenset(),
}


class Place(Generic[S]):
    """One of the states, moved only along its table."""

    __slots__ = ("_table", "now")

    def __init__(self, start: S, table: Mapping[S, frozenset[S]]) -> None:
        self.now = start
        self._table = table

    def move(self, to: S) -> None:
        """Go to another state. Staying is no move. Raises InvalidTransition: our own bug."""
        if to is self.now:
            return
        if to not in self._table[self.now]:
            raise InvalidTransition(f"{self.now} cannot become {to}")
        self.now = to
