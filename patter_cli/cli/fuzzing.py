"""A run of the fuzzer from the command line: the agent made anew for each call, progress, and the files it leaves."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patter_cli.cli.callable_agents import CallableAgents, only_agent
from patter_cli.cli.fuzz_processes import calls_in_processes, processes_for
from patter_cli.engine.answer_service import AnswerService
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import InputError, reason
from patter_cli.settings import Settings
from patter_cli.simulate.fuzz.case import Fault, FuzzCase
from patter_cli.simulate.fuzz.generate import Subject, phrases_in, words_in
from patter_cli.simulate.fuzz.keep import scenario_text
from patter_cli.simulate.fuzz.run import Finding, Found, Fuzzer, phrases_of, silent_ms
from patter_cli.simulate.scenario import load_scenario
from patter_cli.simulate.score import describe
from patter_cli.testbench.logged import errors_logged
from patter_cli.testbench.virtual import virtual_codec
from patter_cli.text.printable import printable

SHOWN_S = 0.25
"""How often the line of progress changes."""


@dataclass(slots=True)
class FuzzRun:
    """One agent, one folder, and what was found."""

    spec: str
    settings: Settings
    fuzzer: Fuzzer
    out: Path
    quiet: bool = False
    """Only what is found is told, and that at the end."""
    seed: int = 0
    found: Found = field(default_factory=Found)
    files: dict[tuple[str, str], str] = field(default_factory=dict)
    """Of each finding, by its identity."""
    _shown_s: float = 0.0

    @classmethod
    def of(cls, spec: str | None, settings: Settings, out: Path = Path("fuzz")) -> FuzzRun:
        """An agent that can be called without sound or network. Raises InputError, and what loading it raises."""
        spec = spec or only_agent("patter fuzz")
        agents = CallableAgents(settings, text=True)
        ready, path = agents.find(spec)
        _check(ready)
        fuzzer = Fuzzer(fresh=lambda: agents.find(spec)[0], codec=virtual_codec, subject=_subject(ready, path))
        return cls(spec=spec, settings=settings, fuzzer=fuzzer, out=out)

    @property
    def findings(self) -> list[Finding]:
        return self.found.findings

    def hold(self, seed: int, minutes: float) -> None:
        """Call until so much was talked, or Ctrl-C; what was found so far is told either way. Raises InputError."""
        self.seed = seed
        _check_out(self.out)
        try:
            with redirect_stdout(sys.stderr):  # what the agent's code prints is no data
                for each in self.finds(seed, minutes, processes_for(minutes)):
                    self._keep(each)
        except KeyboardInterrupt:
            self._tell("stopped")
        self._summary()

    def finds(self, seed: int, minutes: float, processes: int) -> Iterator[Finding]:
        """Each defect as it is found, however many processes hold the calls. Raises InputError."""
        if processes == 1:
            yield from self.fuzzer.run(seed, minutes, self.found, lambda: self._progress(minutes))
            return
        with calls_in_processes(self.spec, self.settings, seed, processes) as calls:
            yield from self.fuzzer.run(seed, minutes, self.found, lambda: self._progress(minutes), calls)

    def render(self) -> dict[str, Any]:
        """JSON values; see `patter fuzz --help`."""
        return {
            "agent": self.spec,
            "seed": self.seed,
            "minutes": round(self.found.talked_ms / 60_000, 1),
            "calls": self.found.calls,
            "findings": [
                {
                    "rule": each.fault.rule,
                    "what": each.fault.what,
                    "at_ms": each.fault.at_ms,
                    "call": each.number,
                    "steps": len(each.case.steps),
                    "found_steps": len(each.found.steps),
                    "calls": self.found.again.get(each.identity, 1),
                    "scenario": self.files[each.identity],
                }
                for each in self.findings
                if each.identity in self.files
            ],
        }

    def _keep(self, finding: Finding) -> None:
        path = self._path(finding.fault)
        self._clear()
        self._tell(f"FAILED {finding.fault.rule}: {finding.fault.what}")
        for step in finding.case.steps:
            self._tell(f"       {describe(step)[:100]}")
        for line in self._logged(finding.case):
            self._tell(f"       log: {line}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(scenario_text(finding.case, self.spec, finding.fault, str(path)), encoding="utf-8")
        self.files[finding.identity] = str(path)
        self._tell(f"       again: patter simulate --scenario {path}")

    def _logged(self, case: FuzzCase) -> list[str]:
        """What the log says of the agent's own code in that call: where it raised, and what."""
        errors: list[str] = []
        with errors_logged(errors):
            self.fuzzer.hold(case)
        return list(dict.fromkeys(errors))

    def _path(self, fault: Fault) -> Path:
        """A name that says what it is, and is nobody else's of this run."""
        stem = f"{Path(self.spec.partition(':')[0]).stem}-{re.sub(r'[^a-z]+', '-', fault.rule)}"
        taken = set(self.files.values())
        paths = (self.out / (f"{stem}.toml" if not at else f"{stem}-{at + 1}.toml") for at in range(1000))
        return next(each for each in paths if str(each) not in taken)

    def _progress(self, minutes: float) -> None:
        if self.quiet or not sys.stderr.isatty() or time.monotonic() - self._shown_s < SHOWN_S:
            return
        self._shown_s = time.monotonic()
        found = self.found
        talked = f"{found.talked_ms / 60_000:6.0f} of {minutes:.0f} minutes"
        words = f"{talked}, {found.calls} calls, {len(found.findings)} found"
        print(f"\r{words}", end="", file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if not self.quiet and sys.stderr.isatty():
            print("\r" + " " * 60 + "\r", end="", file=sys.stderr, flush=True)

    def _summary(self) -> None:
        self._clear()
        found = self.found
        count = len(found.findings)
        came_to = (
            "nothing was found" if not count else f"{count} defect{'s' if count > 1 else ''} found, see {self.out}"
        )
        self._tell(f"{found.calls} calls, {found.talked_ms / 60_000:.0f} minutes of talk: {came_to}")

    def _tell(self, words: str) -> None:
        print(printable(words), file=sys.stderr, flush=True)


def fuzz_case(scenario_path: Path) -> FuzzCase:
    """A kept call, as the fuzzer holds it. Raises InputError."""
    scenario = load_scenario(scenario_path)
    if scenario.virtual is None:
        raise InputError(f"{scenario_path} has no [virtual] table", hint="patter fuzz writes such files")
    world = scenario.virtual
    steps = tuple(each.does for each in scenario.steps)
    return FuzzCase(steps=steps, pace=world.pace, humans=scenario.humans, seed=world.seed)


def _check_out(out: Path) -> None:
    """Raises InputError where nothing could be written, before hours of calls. No folder is left behind."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, and what fails goes into a folder", hint="--out fuzz")
    new = [each for each in (out, *out.parents) if not each.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(f"cannot write into {out}: {reason(error)}", hint="name another folder: --out fuzz") from error
    finally:
        for each in new:
            with suppress(OSError):
                each.rmdir()


def _check(ready: ReadyAgent) -> None:
    """Raises InputError for one that somebody else would have to answer for."""
    if ready.engine is not None:
        raise InputError(
            f"{ready.name} has a speech-to-speech engine, and nothing is heard here",
            hint="fuzz the same agent with an llm or on_message",
        )
    if isinstance(ready.hooks.on_message, AnswerService):
        raise InputError(
            f"{ready.name} is answered by {ready.hooks.on_message.url}, which is not to be called a thousand times",
            hint="give it an on_message that is a function",
        )
    if vendors := [each for each in ready.models if each.key_variable]:
        raise InputError(
            f"{ready.name} is answered by {vendors[0].provider}, who would be asked a thousand times and never "
            "answers twice alike",
            hint="let rules of yours stand in: llm=RulesLLM(rules)",
        )


def _subject(ready: ReadyAgent, path: Path) -> Subject:
    source = path.read_text(encoding="utf-8", errors="replace")
    beside = path.with_suffix(".toml")
    scenarios = [load_scenario(beside)] if beside.is_file() else []
    return Subject(
        phrases=phrases_in(source, phrases_of(scenarios)),
        words=words_in(source),
        numbers=ready.plan.transfer_numbers,
        silent_ms=silent_ms(ready),
        has_model=bool(ready.models),
        takes_keys="DTMF" in source,
    )
