"""What a caller on a line of our own can tell: who is heard, what was taken back, who was rung, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from patter_cli.simulate.playout import AgentStarted, AgentStopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """The server took back what was not played: at_ms, and how much of it there was."""

    at_ms: float
    unheard_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """A transfer was answered or refused. refused: why; "" when a human has the caller now, and the agent no longer."""

    at_ms: float
    number: str
    refused: str = ""


class EndCause(Enum):
    """Who ended the line, and how."""

    HUNG_UP = "hung_up"
    DROPPED = "dropped"
    SERVER_CLOSED = "server_closed"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineEnded:
    """The line is over. words: what the server said of it, if anything."""

    at_ms: float
    cause: EndCause
    words: str = ""


Fact: TypeAlias = AgentStarted | AgentStopped | Cleared | Transferred | LineEnded
