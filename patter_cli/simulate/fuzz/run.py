"""The fuzzer: call after call out of one seed, what did not hold in each, and the shortest call for each defect."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final

from patter_cli.contracts.carrier.stream import StreamCodec
from patter_cli.engine.ready import ReadyAgent
from patter_cli.simulate.fuzz.author import author_faults
from patter_cli.simulate.fuzz.case import Fault, FuzzCase
from patter_cli.simulate.fuzz.expectations import Watched, faults_of
from patter_cli.simulate.fuzz.generate import Subject, generate
from patter_cli.simulate.fuzz.shrink import shrink
from patter_cli.simulate.virtual.call import VirtualResult, play_virtually
from patter_cli.simulate.written import Scenario

SEEDS: Final = 1_000_000
"""Calls of one run: the next run's seed is that of other calls."""
KINDS: Final = 20
"""So many defects are enough to mend first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A defect. case: the shortest call that has it; number: of the call in which it was found, from 1."""

    fault: Fault
    case: FuzzCase
    number: int
    found: FuzzCase
    """The call as it was found."""

    @property
    def identity(self) -> tuple[str, str]:
        return self.fault.identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What became of a call."""

    talked_ms: int
    fault: Fault | None
    """The first; others are mostly what it led to."""


@dataclass(slots=True)
class Found:
    """What a run has come to so far."""

    calls: int = 0
    talked_ms: int = 0
    findings: list[Finding] = field(default_factory=list)
    again: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many calls had a defect, by its identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuzzer:
    """Calls one agent. fresh: makes it as it is before it knows of any call. codec: of a stream that has begun, one a
    call."""

    fresh: Callable[[], ReadyAgent]
    codec: Callable[[], StreamCodec]
    subject: Subject

    def hold(self, case: FuzzCase) -> tuple[VirtualResult, list[Fault]]:
        """One call, and what did not hold in it."""
        with _environment():
            agent = self.fresh()
            result = play_virtually(
                agent,
                replace(_NOTHING, humans=case.humans),
                steps=case.steps,
                pace=case.pace,
                seed=case.seed,
                codec=self.codec(),
            )
            return result, always_faults(result, agent)

    def call(self, seed: int, number: int) -> Held:
        """One call of a run. number: from 1."""
        result, faults = self.hold(self._case(seed, number))
        return Held(talked_ms=result.over_ms, fault=faults[0] if faults else None)

    def run(
        self,
        seed: int,
        minutes: float,
        found: Found,
        on_call: Callable[[], Any] = lambda: None,
        calls: Iterator[Held] | None = None,
    ) -> Iterator[Finding]:
        """Calls of so many minutes in all; gives each defect once, as it is found. found: is filled as it goes.
        on_call: told after each call. calls: the run's, in order, if somebody else holds them."""
        calls = (self.call(seed, number) for number in count(1)) if calls is None else calls
        for number, held in enumerate(calls, 1):
            found.calls += 1
            found.talked_ms += held.talked_ms
            if held.fault is not None:
                identity = held.fault.identity
                known = identity in found.again
                found.again[identity] = found.again.get(identity, 0) + 1
                if not known:
                    finding = self._shortest(self._case(seed, number), held.fault, number)
                    found.findings.append(finding)
                    yield finding
            on_call()
            if found.talked_ms >= minutes * 60_000 or len(found.findings) >= KINDS:
                return

    def _case(self, seed: int, number: int) -> FuzzCase:
        return generate(self.subject, seed * SEEDS + number)

    def _shortest(self, case: FuzzCase, fault: Fault, number: int) -> Finding:
        kept = {"fault": fault}

        def fails(other: FuzzCase) -> bool:
            faults = self.hold(other)[1]
            same = next((each for each in faults if each.identity == fault.identity), None)
            if same is not None:
                kept["fault"] = same
            return same is not None

        shortest = shrink(case, fails)
        fails(shortest)
        return Finding(fault=kept["fault"], case=shortest, number=number, found=case)


def always_faults(result: VirtualResult, agent: ReadyAgent) -> list[Fault]:
    """What must hold for every call and for this agent's, and did not."""
    return [*faults_of(Watched(result, agent)), *author_faults(agent.hooks.expect, result)]


def silent_ms(agent: ReadyAgent) -> int:
    """After so much silence an agent has asked for the last time, and hung up."""
    pace = agent.plan.pace
    return (pace.idle_ms + 6000) * (pace.idle_asks + 1) + 40_000


_NOTHING: Final = Scenario()


@contextmanager
def _environment() -> Iterator[None]:
    """What a call changes of it is put back."""
    before = dict(os.environ)
    try:
        yield
    finally:
        if dict(os.environ) != before:
            os.environ.clear()
            os.environ.update(before)


def phrases_of(scenarios: Sequence[Scenario]) -> list[str]:
    """What the callers of these scenarios say."""
    return [text for each in scenarios for step in each.steps if (text := getattr(step.does, "text", ""))]
