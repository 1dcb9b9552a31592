"""Several scenarios in one run, or one of them several times: what is printed of it, and the files for a CI system."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from patter_cli.cli.callable_agents import Planned
from patter_cli.cli.verdicts import fault_lines
from patter_cli.contracts.store import CallStore
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import InputError, PatterError, reason
from patter_cli.simulate.judgement import NO_MODEL
from patter_cli.simulate.score import describe
from patter_cli.simulate.spread import spread
from patter_cli.testbench.held import HeldCall, not_held
from patter_cli.testbench.spoken import Serve, SpokenCall, served_here
from patter_cli.testbench.trials import STOPPED, Trial, hold_all, junit_of, render_trials
from patter_cli.text.printable import printable, printable_json

_INDENT: Final = " " * 8


@dataclass(slots=True, kw_only=True)
class SeveralCalls:
    """A run of scenarios; `hold` it, then print one of its forms."""

    planned: Sequence[Planned]
    times: int
    jobs: int
    url: str = ""
    serve: Serve = served_here
    store: CallStore | None = None
    max_ttfa_ms: int | None = None
    quiet: bool = False
    trials: Sequence[Trial] = ()
    took_s: float = 0.0

    async def hold(self) -> None:
        """Hold all of the calls. Nothing that one of them does keeps another from being held."""
        began_s = time.monotonic()
        plans = {id(trial): plan for trial, plan in zip(self._trials(), self.planned, strict=True)}
        # Before the first call: loading takes its time, and a call would wait for it.
        agents = {key: [plan.agent, *(plan.again() for _ in range(self.times - 1))] for key, plan in plans.items()}

        async def one(trial: Trial, number: int) -> HeldCall:
            return await self._one(plans[id(trial)], agents[id(trial)][number - 1], number)

        try:
            await hold_all(self.trials, times=self.times, jobs=self.jobs, hold=one, on_done=self._done)
        finally:
            self.took_s = time.monotonic() - began_s

    def stopped(self) -> None:
        """Ctrl-C came: what was not held to its end counts as skipped."""
        for trial in self.trials:
            missing = self.times - len(trial.calls)
            trial.calls += [not_held(trial.scenario, STOPPED) for _ in range(missing)]

    def hold_virtually(self) -> None:
        """The same by text, on virtual time, one call after the other: it is over before anybody asks how far it is.
        Not from a running event loop."""
        from patter_cli.testbench.virtual import hold_virtually

        began_s = time.monotonic()
        self._trials()
        try:
            for plan, trial in zip(self.planned, self.trials, strict=True):
                trial.began_at = time.time()
                for number in range(1, self.times + 1):
                    scenario = replace(plan.scenario, seed=plan.scenario.seed + number - 1)
                    try:
                        agent = plan.agent if number == 1 else plan.again()
                        assert agent is not None  # --url and --text do not go together
                        held = self._unplayable(plan) or hold_virtually(
                            agent, scenario, model=plan.model, max_ttfa_ms=self.max_ttfa_ms
                        )
                        held.error = held.own_failure()
                    except PatterError as error:
                        held = not_held(scenario, error=error)
                    trial.calls.append(held)
        finally:
            self.took_s = time.monotonic() - began_s

    @property
    def passed(self) -> bool:
        """No call failed; what nobody could hold did not fail."""
        return not any(each.failed for each in self.trials)

    def print_json(self) -> None:
        """The run as one object on stdout; see `patter simulate --help`."""
        print(printable_json(render_trials(self.trials, self.took_s)))

    def print_lines(self) -> None:
        """A line for each scenario, below it what failed, and at the end the counts."""
        for trial in self.trials:
            for line in lines_of(trial):
                print(printable(line))
        run = render_trials(self.trials, self.took_s)
        counts = ", ".join(f"{run[each]} {each}" for each in ("passed", "failed", "skipped") if run[each])
        many = f"{len(self.trials)} scenario{'s' * (len(self.trials) != 1)}"
        print(
            f"{many}{f', {self.times} calls each' if self.times > 1 else ''}: {counts} in {self.took_s:.1f} s",
            flush=True,
        )

    def write_junit(self, path: Path) -> None:
        """Raises InputError."""
        try:
            path.write_bytes(junit_of(self.trials))
        except OSError as error:
            raise InputError(
                f"cannot write {path}: {reason(error)}", hint="name another file: --junit report.xml"
            ) from error

    def _trials(self) -> Sequence[Trial]:
        self.trials = [
            Trial(scenario=each.scenario, agent=self.url if each.agent is None else each.agent.name)
            for each in self.planned
        ]
        return self.trials

    async def _one(self, plan: Planned, agent: ReadyAgent | None, number: int) -> HeldCall:
        if (skipped := self._unplayable(plan)) is not None:
            return skipped
        # Another line of the same kind each time, and the same ones in the next run.
        scenario = replace(plan.scenario, seed=plan.scenario.seed + number - 1)
        held = await SpokenCall(
            agent=agent,
            scenario=scenario,
            url=self.url,
            store=self.store,
            serve=self.serve,
            model=plan.model,
            max_ttfa_ms=self.max_ttfa_ms,
        ).by_script()
        held.error = held.own_failure()
        return held

    def _unplayable(self, plan: Planned) -> HeldCall | None:
        """A call that nobody here can play."""
        if plan.scenario.caller is None or plan.model is not None:
            return None
        return not_held(plan.scenario, f"its caller is played by a language model, and {NO_MODEL}")

    def _done(self, trial: Trial, number: int, call: HeldCall) -> None:
        if not self.quiet:
            which = f" {number} of {self.times}" if self.times > 1 else ""
            ending = "skipped" if call.skipped else "ok" if call.passed else "FAILED"
            print(printable(f"{ending:<8}{_name(trial)}{which}"), file=sys.stderr, flush=True)


def lines_of(trial: Trial) -> list[str]:
    """What came of one scenario."""
    if trial.skipped:
        return [f"{'skipped':<8}{_name(trial)}: {trial.skipped}"]
    runs = trial.held
    mark = "ok" if not trial.failed else "FAILED"
    figures = [f"{trial.passed} of {runs} passed"] if len(trial.calls) > 1 else []
    if lost := len(trial.calls) - runs:
        figures.append(f"{lost} not held to the end")
    if waits := spread(trial.waits_ms):
        figures.append(f"waited {waits.p50} ms (p50), {waits.min} to {waits.max}")
    lines = [f"{mark:<8}{_name(trial)}{': ' if figures else ''}{', '.join(figures)}"]
    for error, count in _errors(trial):
        lines.append(f"{_INDENT}{error}{f' (in {count} of {runs})' if runs > 1 else ''}")
    for verdict, count in trial.faults():
        title = "the whole call"
        if verdict.step is not None:
            title = f"{verdict.step} {describe(trial.scenario.steps[verdict.step - 1].does)}"
        lines.append(f"{_INDENT}{title}{f' (in {count} of {runs})' if runs > 1 else ''}")
        lines += [f"{_INDENT}  {line}" for line in fault_lines(verdict, trial.scenario.name)]
    notes = dict.fromkeys(note for call in trial.calls if not call.passed for note in call.notes)
    lines += [f"{_INDENT}note: {note}" for note in notes]
    logged = dict.fromkeys(each for call in trial.calls if not call.passed for each in call.errors)
    lines += [f"{_INDENT}log: {each}" for each in logged]
    skipped = [each for call in trial.calls for each in call.verdicts if each.skipped]
    skips = dict.fromkeys((each.expected, each.skipped) for each in skipped)
    lines += [f"{_INDENT}skipped: {expected}: {why}" for expected, why in skips]
    return lines


def _errors(trial: Trial) -> list[tuple[str, int]]:
    told = [
        f"{each.error}; {each.error.hint}" if each.error is not None else "not all of the call could be written down"
        for each in trial.calls
        if not each.skipped and (each.error is not None or not each.kept)
    ]
    return [(each, told.count(each)) for each in dict.fromkeys(told)]


def _name(trial: Trial) -> str:
    return trial.scenario.name or trial.agent
