"""What became of a scenario, step by step: what was wanted, what was heard, and where it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from patter_cli.simulate.score import Verdict, describe
from patter_cli.simulate.written import Scenario

Tell = Callable[[str], None]


def tell_verdicts(scenario: Scenario, verdicts: Sequence[Verdict], tell: Tell) -> None:
    """A line for each step and one for the whole call, what failed below it."""
    for number, step in enumerate(scenario.steps, 1):
        _tell_one(f"{number} {describe(step.does)}", [each for each in verdicts if each.step == number], scenario, tell)
    whole = [each for each in verdicts if each.step is None]
    if whole:
        _tell_one("the whole call", whole, scenario, tell)


def fault_lines(verdict: Verdict, file: str) -> list[str]:
    """What failed, in lines: wanted and got, then where they differ and where it is written."""
    lines = [f"wanted {verdict.expected!r}, got {verdict.heard!r}"]
    if verdict.differs:
        lines.append(f"differs: {verdict.differs}")
    if verdict.line is not None:
        lines.append(f"at {file}:{verdict.line}")
    return lines


def _tell_one(title: str, verdicts: Sequence[Verdict], scenario: Scenario, tell: Tell) -> None:
    failed = [each for each in verdicts if not each.passed]
    tell(f"{'FAILED' if failed else 'ok':<7}{title}")
    for each in failed:
        for line in fault_lines(each, scenario.name):
            tell(f"       {line}")
    for each in verdicts:
        if each.skipped:
            tell(f"       skipped: {each.expected}: {each.skipped}")
