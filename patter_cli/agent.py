"""What a person writes: an Agent, its tools and guardrails, and the script of its demo conversation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from patter_cli.errors import InputError

if TYPE_CHECKING:
    from patter_cli.contracts.stt import SpeechToText
    from patter_cli.contracts.tts import TextToSpeech

_PLACEHOLDER = re.compile(r"(?<!\{)\{([A-Za-z_][A-Za-z0-9_]*)\}(?!\})")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
"""A phone number as carriers want it; use with fullmatch. Source: ITU-T E.164."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Something the agent can do. Calling it runs its handler, so that an agent's own code can use it too."""

    name: str
    description: str
    handler: Callable[..., Any]
    timeout_s: float = 10.0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.handler(*args, **kwargs)


def tool(function: Callable[..., Any]) -> Tool:
    """Turn a function into a Tool: its name, its docstring's first paragraph, itself."""
    doc = (function.__doc__ or "").strip().split("\n\n")[0]
    return Tool(name=function.__name__, description=" ".join(doc.split()), handler=function)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """A rule on every clause before it is spoken.

    blocked_terms match whole words, whatever their case. check gets the clause and says True when it must not be
    spoken; one that raises blocks. replacement is spoken instead, and is what the history says.
    """

    name: str
    blocked_terms: tuple[str, ...] = ()
    check: Callable[[str], Any] | None = None
    replacement: str = "I'm sorry, I can't respond to that."


def guardrail(
    name: str,
    blocked_terms: Sequence[str] = (),
    check: Callable[[str], Any] | None = None,
    replacement: str = "I'm sorry, I can't respond to that.",
) -> Guardrail:
    """Write a Guardrail in one line."""
    if not blocked_terms and check is None:
        raise InputError(f"guardrail {name!r} has neither blocked_terms nor a check", hint="give it one of them")
    return Guardrail(name=name, blocked_terms=tuple(blocked_terms), check=check, replacement=replacement)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPolicy:
    """How patient the agent is. Milliseconds; None keeps the measured default."""

    endpoint_ms: int | None = None
    idle_ms: int | None = None
    idle_asks: int | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """Who answers: what it knows, how it sounds, how it takes turns. Immutable; share it between calls.

    Raises InputError for arguments that cannot work together.
    """

    system_prompt: str
    first_message: str = ""
    stt: SpeechToText | None = field(default=None, kw_only=True)
    tts: TextToSpeech | None = field(default=None, kw_only=True)
    language: str = field(default="en", kw_only=True)
    tools: Sequence[Tool] = field(default=(), kw_only=True)
    guardrails: Sequence[Guardrail] = field(default=(), kw_only=True)
    variables: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    barge_in_threshold_ms: int = field(default=300, kw_only=True)
    turns: TurnPolicy = field(default_factory=TurnPolicy, kw_only=True)
    transfer_numbers: Sequence[str] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.system_prompt, str) or not self.system_prompt.strip():
            raise InputError("an agent needs a system_prompt", hint='Agent(system_prompt="You are …")')
        if self.barge_in_threshold_ms < 0:
            raise InputError("barge_in_threshold_ms cannot be negative", hint="0 switches barge-in off")
        for number in self.transfer_numbers or ():
            if not E164.fullmatch(number):
                raise InputError(f"{number!r} is not a phone number", hint="write it as E.164: +15550100001")
        object.__setattr__(self, "tools", tuple(self.tools))
        object.__setattr__(self, "guardrails", tuple(self.guardrails))
        object.__setattr__(self, "variables", dict(self.variables))

    def unknown_variables(self) -> list[str]:
        """Names in braces in prompt and greeting that `variables` does not fill."""
        found = _PLACEHOLDER.findall(self.system_prompt + self.first_message)
        return sorted(set(found) - set(self.variables))


def fill(text: str, variables: Mapping[str, str]) -> str:
    """Put variables into a prompt or a line; an unknown {name} stays as it is."""
    return _PLACEHOLDER.sub(lambda m: str(variables.get(m[1], m[0])), text)


@dataclass(frozen=True, slots=True)
class Say:
    """A scripted caller says this once the agent has finished."""

    text: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """A scripted caller says this while the agent talks, after so much of its audio."""

    text: str
    after_ms: int = field(default=1500, kw_only=True)


@dataclass(frozen=True, slots=True)
class Press:
    """A scripted caller presses these keys."""

    digits: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """A scripted caller hangs up once the agent has finished."""


ScriptStep = Say | Interrupt | Press | HangUp
