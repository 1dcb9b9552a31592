"""What a scripted caller can do, beside what an agent's author writes in Python: recordings, waits and silences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from patter_cli.agent import HangUp, Interrupt, Press, Say
from patter_cli.agent import ScriptStep as WrittenStep
from patter_cli.audio.frame import Samples
from patter_cli.simulate.virtual.steps import Blurt, Break, Frame, Leave, Mend, Poke, VirtualStep
from patter_cli.simulate.virtual.steps import Wait as Wait


@dataclass(frozen=True, slots=True, eq=False)
class Play:
    """A scripted caller plays this recording once the agent has finished. samples: int16, 8 kHz."""

    samples: Samples
    name: str = field(default="audio", kw_only=True)


@dataclass(frozen=True, slots=True)
class StaySilent:
    """It is a scripted caller's turn, and they say nothing for so long."""

    ms: int


@dataclass(frozen=True, slots=True)
class WaitFor:
    """A scripted caller goes on once these words were heard, or so much time has passed."""

    words: str
    within_ms: int = field(default=15_000, kw_only=True)


ScriptStep: TypeAlias = WrittenStep | Play | StaySilent | WaitFor | VirtualStep

LISTENS: Final = (Wait, StaySilent, WaitFor, Break, Mend, Frame)
"""Steps in which nothing is said or pressed: what the agent says meanwhile answers the step before as well."""


def describe(step: ScriptStep) -> str:
    """A step in a few words."""
    match step:
        case Say(text):
            return f'say "{text}"'
        case Interrupt(text, after_words=words) if words:
            return f'interrupt at "{words}": "{text}"'
        case Interrupt(text, after_ms=after_ms):
            return f'interrupt after {after_ms} ms: "{text}"'
        case Press(digits):
            return f"press {digits}"
        case Play(name=name):
            return f"play {name}"
        case Wait(ms):
            return f"wait {ms} ms"
        case StaySilent(ms):
            return f"stay silent for {ms} ms"
        case WaitFor(words):
            return f'wait for "{words}"'
        case HangUp():
            return "hang up"
        case Blurt(text):
            return f'blurt "{text}"' if text else "make a noise"
        case Poke(digits):
            return f"poke {digits}"
        case Leave():
            return "leave"
        case Break(trouble):
            return f"break: {trouble}"
        case Mend(trouble):
            return f"mend: {trouble}"
        case Frame(text):
            return f"frame {text[:40]!a}"
