"""What a caller and the world do in a virtual call, beside what a scenario on a line can: each does it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from patter_cli.simulate.virtual.world import Trouble


@dataclass(frozen=True, slots=True)
class Wait:
    """The caller does nothing for so long, whatever the agent does."""

    ms: int


@dataclass(frozen=True, slots=True)
class Blurt:
    """The caller says this now, whoever is talking. lasts_ms: None: as long as the words take. "" is a noise."""

    text: str
    lasts_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Poke:
    """The caller presses these keys now."""

    digits: str


@dataclass(frozen=True, slots=True)
class Leave:
    """The caller hangs up now."""


@dataclass(frozen=True, slots=True)
class Break:
    """Something is out of order from now on."""

    trouble: Trouble


@dataclass(frozen=True, slots=True)
class Mend:
    """It works again."""

    trouble: Trouble


@dataclass(frozen=True, slots=True)
class Frame:
    """The carrier sends this, which may be no message at all."""

    text: str


VirtualStep: TypeAlias = Wait | Blurt | Poke | Leave | Break | Mend | Frame
