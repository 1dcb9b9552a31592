"""One fuzzed call: what happens in it, and how quick its world is. A seed and a number make it, and a file keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from patter_cli.simulate.steps import ScriptStep
from patter_cli.simulate.virtual.world import Pace
from patter_cli.simulate.written import WrittenHuman


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzCase:
    """What there is to know of a call before it is held. seed: of whatever chance decides in it."""

    steps: tuple[ScriptStep, ...]
    pace: Pace = field(default_factory=Pace)
    humans: tuple[WrittenHuman, ...] = ()
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What did not hold in a call. rule: a name of expectations.RULES, or "expect". at_ms: call time."""

    rule: str
    what: str
    """In words."""
    at_ms: int
    kind: str = ""
    """Faults with one kind are one defect, as far as we can tell."""

    @property
    def identity(self) -> tuple[str, str]:
        return self.rule, self.kind


def first_of(faults: Sequence[Fault], identity: tuple[str, str]) -> Fault | None:
    """The fault of this identity, if it is among them."""
    return next((each for each in faults if each.identity == identity), None)
