"""What a scenario's file has for virtual time: its world, in [virtual], and steps that no line of sound could play.

[virtual]                         # by text, as quick as it goes; nobody hears it
seed = 17                         # and what its world takes: model_ms, voice_ms, final_ms … (virtual.world.Pace)

[[step]]                          # one of these, at once, whoever is talking
blurt = "Stop!"                   # lasts_ms; noise_ms = 400; poke = "1"; leave = true
break = "voice hangs"             # until: mend = "voice hangs"; frame = "what the carrier sends"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Final, Protocol

from patter_cli.errors import InputError
from patter_cli.simulate.virtual.steps import Blurt, Break, Frame, Leave, Mend, Poke, VirtualStep, Wait
from patter_cli.simulate.virtual.world import Pace, Trouble

ACTIONS: Final = ("blurt", "noise_ms", "poke", "leave", "break", "mend", "frame")
"""Of a step."""
KEYS: Final = ("seed", *(each.name for each in fields(Pace)))
"""Of [virtual]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualWorld:
    """The world of a scenario that is played on virtual time."""

    pace: Pace = field(default_factory=Pace)
    seed: int = 1


class Table(Protocol):
    """A table of a scenario's file; see simulate.scenario."""

    def text(self, key: str) -> str: ...

    def raw_text(self, key: str) -> str: ...

    def number(self, key: str) -> int | None: ...

    def true(self, key: str) -> bool: ...

    def has(self, *keys: str) -> list[str]: ...

    def wrong(self, key: str, what: str, write: str) -> InputError: ...


def read_world(table: Table) -> VirtualWorld:
    """[virtual]. Raises InputError."""
    given = {name: table.number(name) for name in table.has(*KEYS)}
    seed = given.pop("seed", 1)
    pace = {name: value for name, value in given.items() if value is not None}
    if pace.get("voice_speed") == 0:
        raise table.wrong("voice_speed", "is 0", "voice_speed = 7")
    return VirtualWorld(pace=Pace(**pace), seed=1 if seed is None else seed)


def read_step(table: Table, action: str) -> VirtualStep:
    """A step whose action is one of ACTIONS. Raises InputError."""
    match action:
        case "blurt":
            return Blurt(table.raw_text("blurt"), table.number("lasts_ms"))
        case "noise_ms":
            return Blurt("", table.number("noise_ms"))
        case "poke":
            return Poke(table.text("poke"))
        case "break":
            return Break(_trouble(table, "break"))
        case "mend":
            return Mend(_trouble(table, "mend"))
        case "frame":
            return Frame(table.raw_text("frame"))
        case _:
            table.true("leave")
            return Leave()


def write_step(step: VirtualStep) -> Iterator[tuple[str, str | int | bool]]:
    """A step's keys and values."""
    match step:
        case Blurt("", lasts_ms=int(lasts_ms)):
            yield "noise_ms", lasts_ms
        case Blurt(text, lasts_ms=lasts_ms):
            yield "blurt", text
            if lasts_ms is not None:
                yield "lasts_ms", lasts_ms
        case Poke(digits):
            yield "poke", digits
        case Wait(ms):
            yield "wait_ms", ms
        case Break(trouble):
            yield "break", trouble.value
        case Mend(trouble):
            yield "mend", trouble.value
        case Frame(text):
            yield "frame", text
        case Leave():
            yield "leave", True


def _trouble(table: Table, key: str) -> Trouble:
    word, known = table.text(key), [each.value for each in Trouble]
    if word in known:
        return Trouble(word)
    near: Sequence[str] = get_close_matches(word, known, n=1)
    raise table.wrong(key, f"is {word!r}", f'{key} = "{near[0] if near else known[0]}"; known: {", ".join(known)}')
