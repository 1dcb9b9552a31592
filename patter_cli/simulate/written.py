"""What stands in a scenario file, as values: the steps of a caller, who else can be reached, what must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from patter_cli.core.outcome import Outcome
from patter_cli.simulate.steps import ScriptStep, WaitFor
from patter_cli.simulate.virtual.in_file import VirtualWorld


def _lines() -> Any:
    """The file's line of each key that was written, from 1; two scenarios that say the same are equal wherever."""
    return field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTool:
    """A tool that must be called, or with times = 0 must not.

    arguments: those that must have been given, others may be there as well; texts are compared by their words. result:
    words that it must have answered. times: how often exactly; None: once or more.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    result: str = ""
    times: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedWords:
    """Of what the agent says in answer to a step, or in the whole call."""

    says: tuple[str, ...] = ()
    """Words in a row, however they are written."""
    exactly: tuple[str, ...] = ()
    """All that is said, word for word; one of several."""
    matches: tuple[str, ...] = ()
    """Regular expressions, found anywhere, case ignored."""
    never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioStep:
    """What the caller does, and what must be heard, called and pressed in answer.

    Words as in WantedWords, where expect is says. judge: questions to a language model about the conversation so far,
    which must all be answered with yes.
    """

    does: ScriptStep
    expect: tuple[str, ...] = ()
    exactly: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    judge: tuple[str, ...] = ()
    within_ms: int | None = None
    """The longest wait for the agent's voice."""
    tools: tuple[WantedTool, ...] = ()
    keys: str = ""
    """What the agent must press."""
    lines: Mapping[str, int] = _lines()

    @property
    def wants(self) -> bool:
        """Something must come in answer."""
        written = (*self.expect, *self.exactly, *self.matches, *self.never, *self.judge, *self.tools, self.keys)
        return any(written) or self.within_ms is not None or isinstance(self.does, WaitFor)

    @property
    def words(self) -> WantedWords:
        return WantedWords(says=self.expect, exactly=self.exactly, matches=self.matches, never=self.never)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenHuman:
    """Somebody the agent may transfer to: either they say something, or they refuse with one of REFUSALS."""

    number: str
    says: tuple[str, ...] = ()
    refuses: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedCaller:
    """A caller whom a language model plays, after the steps if there are any.

    persona: who they are and how they talk. goal: what they want of the call. max_turns: after so many they hang up.
    """

    persona: str
    goal: str
    max_turns: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Of the whole call; "", None and empty: anything. Words and judge as of a step."""

    reason: str = ""
    outcome: Outcome | None = None
    says: tuple[str, ...] = ()
    exactly: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    judge: tuple[str, ...] = ()
    tools: tuple[WantedTool, ...] = ()
    keys: str = ""
    transfer: str | None = None
    """The number that the caller was put through to; "" if they must not be."""
    max_ttfa_ms: int | None = None
    """The longest wait for the agent's voice after something was said, and two percentiles of the waits."""
    p50_ms: int | None = None
    p95_ms: int | None = None
    max_silence_ms: int | None = None
    """The longest time in which nobody was heard and it was the agent's turn."""
    interruptions: int | None = None
    """How often the agent was cut off, exactly."""
    max_interruptions: int | None = None
    max_duration_ms: int | None = None
    max_cost_usd: float | None = None
    always: bool = False
    """What must hold for every call, and what the agent's file says of its own: see simulate.fuzz.expectations."""
    lines: Mapping[str, int] = _lines()

    @property
    def words(self) -> WantedWords:
        return WantedWords(says=self.says, exactly=self.exactly, matches=self.matches, never=self.never)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A conversation and what must come of it. name: its file; "" when it was typed on the command line."""

    name: str = ""
    agent: str = ""
    steps: tuple[ScenarioStep, ...] = ()
    humans: tuple[WrittenHuman, ...] = ()
    caller: PlayedCaller | None = None
    expected: Expected = Expected()
    quality: str = "clean"
    seed: int = 1
    virtual: VirtualWorld | None = None
    """It is played by text on virtual time, in this world; None: on a line, with its sound."""

    @property
    def questions(self) -> list[tuple[int | None, str]]:
        """What a language model is asked about it: (step, counted from 1, or None for the whole call; question)."""
        asked: list[tuple[int | None, str]] = [
            (number, each) for number, step in enumerate(self.steps, 1) for each in step.judge
        ]
        return asked + [(None, each) for each in self.expected.judge]
