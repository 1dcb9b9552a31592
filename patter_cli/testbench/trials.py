"""Many calls in one run: scenarios, each held some times, as many at once as the machine carries."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from patter_cli.errors import PatterError
from patter_cli.simulate.judgement import transcript
from patter_cli.simulate.junit import Case, Suite, render_junit
from patter_cli.simulate.score import Verdict, describe
from patter_cli.simulate.spread import spread
from patter_cli.simulate.written import Scenario
from patter_cli.testbench.held import HeldCall

STOPPED: Final = "it was not held to its end: the run was stopped"
"""What is said of a call that Ctrl-C took away."""


@dataclass(slots=True, kw_only=True)
class Trial:
    """One scenario with the calls that were held of it, in the order of their numbers."""

    scenario: Scenario
    agent: str
    began_at: float = field(default_factory=time.time)
    """Unix time."""
    calls: list[HeldCall] = field(default_factory=list)

    @property
    def skipped(self) -> str:
        """Why none of its calls was held; "" if one was."""
        return self.calls[0].skipped if self.calls and all(each.skipped for each in self.calls) else ""

    @property
    def held(self) -> int:
        """Calls that were held to their end, however they ended."""
        return sum(not each.skipped for each in self.calls)

    @property
    def passed(self) -> int:
        """Calls in which everything was as it should be."""
        return sum(each.passed for each in self.calls)

    @property
    def failed(self) -> int:
        return self.held - self.passed

    def faults(self) -> list[tuple[Verdict, int]]:
        """Each expectation that failed, with how many calls it failed in; the first of them says what was heard."""
        found: dict[tuple[int | None, str], list[Verdict]] = {}
        for call in self.calls:
            for verdict in call.failed:
                found.setdefault((verdict.step, verdict.expected), []).append(verdict)
        return [(verdicts[0], len(verdicts)) for verdicts in found.values()]

    @property
    def waits_ms(self) -> list[int]:
        """What the callers waited, all calls together; nothing of calls that have no times."""
        return [each for call in self.calls if not call.typed for each in call.waits_ms if each is not None]

    def render(self) -> dict[str, Any]:
        """JSON values; see `patter simulate --help`."""
        waits, lengths = (
            spread(self.waits_ms),
            spread([each.played().duration_ms for each in self.calls if not each.skipped]),
        )
        return {
            "scenario": self.scenario.name,
            "agent": self.agent,
            "runs": len(self.calls),
            "passed": self.passed,
            "failed": self.failed,
            "skipped": self.skipped,
            "waited_ms": waits.render() if waits else None,
            "duration_ms": lengths.render() if lengths else None,
            "calls": [_rendered(each) for each in self.calls if not each.skipped],
        }


def jobs_here(wanted: int | None) -> int:
    """How many calls with sound this machine holds at once, unless somebody said."""
    if wanted is not None:
        return wanted
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores)


async def hold_all(
    trials: Sequence[Trial],
    *,
    times: int,
    jobs: int,
    hold: Callable[[Trial, int], Awaitable[HeldCall]],
    on_done: Callable[[Trial, int, HeldCall], None],
) -> None:
    """Hold every trial so many times, jobs of them at once. hold: (trial, number from 1) to the call; what it raises is
    that call's error. on_done: told of each as it is done."""
    room = asyncio.Semaphore(jobs)

    async def one(trial: Trial, number: int, place: int) -> None:
        async with room:
            if not place:
                trial.began_at = time.time()
            try:
                call = await hold(trial, number)
            except PatterError as error:
                call = HeldCall(scenario=trial.scenario, error=error)
            trial.calls[place] = call
            on_done(trial, number, call)

    async with asyncio.TaskGroup() as tasks:
        for trial in trials:
            trial.calls = [HeldCall(scenario=trial.scenario, skipped=STOPPED) for _ in range(times)]
            for place in range(times):
                tasks.create_task(one(trial, place + 1, place))


def render_trials(trials: Sequence[Trial], took_s: float) -> dict[str, Any]:
    """JSON values of a whole run; a scenario with a call that failed has failed."""
    return {
        "scenarios": [each.render() for each in trials],
        "passed": sum(not each.failed and not each.skipped for each in trials),
        "failed": sum(bool(each.failed) for each in trials),
        "skipped": sum(bool(each.skipped) for each in trials),
        "took_s": round(took_s, 1),
    }


def junit_of(trials: Sequence[Trial]) -> bytes:
    """The run for a CI system."""
    return render_junit(
        [
            Suite(
                name=trial.scenario.name or trial.agent,
                package=trial.agent,
                began_at=trial.began_at,
                hostname=socket.gethostname() or "localhost",
                cases=[_case(trial, call, number) for number, call in enumerate(trial.calls, 1)],
                said="\n\n".join(filter(None, (transcript(each.steps, each.heard) for each in trial.calls))),
            )
            for trial in trials
        ]
    )


def fault_summary(scenario: Scenario, verdict: Verdict) -> str:
    """A failed expectation in one line: where it is written, at which step, what was wanted and what was heard."""
    where = f"{scenario.name}:{verdict.line}: " if verdict.line is not None else ""
    step = "the whole call"
    if verdict.step is not None:
        step = f"step {verdict.step}, {describe(scenario.steps[verdict.step - 1].does)}"
    return f"{where}{step}: wanted {verdict.expected!r}, got {verdict.heard!r}"


def _case(trial: Trial, call: HeldCall, number: int) -> Case:
    name = f"call {number} of {len(trial.calls)}" if len(trial.calls) > 1 else "call"
    duration_s = call.played().duration_ms / 1000.0
    if call.skipped:
        return Case(name=name, duration_s=duration_s, ending="skipped", message=call.skipped)
    if call.error is not None:
        details = "\n".join(filter(None, (str(call.error), call.error.hint, *call.errors)))
        return Case(name=name, duration_s=duration_s, ending="error", message=str(call.error), details=details)
    if call.failed:
        told = [fault_summary(call.scenario, each) for each in call.failed]
        message = told[0] if len(told) == 1 else f"{told[0]} (and {len(told) - 1} more)"
        lines: list[str] = []
        for line, verdict in zip(told, call.failed, strict=True):
            lines += [line, f"    differs: {verdict.differs}"] if verdict.differs else [line]
        lines += [f"note: {note}" for note in call.notes] + [f"log: {each}" for each in call.errors]
        details = "\n".join([*lines, "", transcript(call.steps, call.heard)])
        return Case(name=name, duration_s=duration_s, ending="failure", message=message, details=details)
    if not call.kept:
        message = "not all of the call could be written down"
        return Case(name=name, duration_s=duration_s, ending="error", message=message, details=message)
    return Case(name=name, duration_s=duration_s)


def _rendered(call: HeldCall) -> dict[str, Any]:
    error = call.error
    told = None if error is None else {"code": error.code, "message": str(error), "hint": error.hint}
    return {"passed": call.passed, "error": told, **call.render()}
