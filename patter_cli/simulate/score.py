"""Whether a played scenario came out as it was written: pure, from what the caller heard and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from patter_cli.simulate.checks import Check, check_keys, check_tools, check_words, percentile
from patter_cli.simulate.played import PlayedCall as PlayedCall
from patter_cli.simulate.scenario import Scenario, ScenarioStep
from patter_cli.simulate.steps import WaitFor
from patter_cli.simulate.steps import describe as describe
from patter_cli.text.compare import has_words as has_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One expectation. step: counted from 1; None: of the whole call. heard: what there was instead, or as well.

    skipped: why nobody looked, "" if somebody did; it then counts as passed. differs: where heard differs. line: of the
    scenario's file.
    """

    step: int | None
    expected: str
    heard: str
    passed: bool
    skipped: str = ""
    differs: str = field(default="", compare=False)
    line: int | None = field(default=None, compare=False)

    def render(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "step": self.step,
            "expected": self.expected,
            "heard": self.heard,
            "passed": self.passed,
            "skipped": self.skipped,
            "differs": self.differs,
            "line": self.line,
        }


def judge(scenario: Scenario, call: PlayedCall) -> list[Verdict]:
    """Hold a call against its scenario: every step is played, then each step's expectations, then the call's."""
    verdicts: list[Verdict] = []
    for number, step in enumerate(scenario.steps, 1):
        if scenario.expected.always and not step.wants:
            continue  # nothing hangs on this one: a call that ends before it has only ended
        verdicts += _judge_step(number, step, call)
    lines = scenario.expected.lines
    verdicts += [_verdict(None, each, lines, call.untimed) for each in _whole(scenario, call)]
    verdicts += [_judged(None, question, call, lines) for question in dict.fromkeys(scenario.expected.judge)]
    return verdicts


def _whole(scenario: Scenario, call: PlayedCall) -> Iterator[Check]:
    expected = scenario.expected
    for key, wanted, was in (
        ("outcome", expected.outcome, call.outcome or ""),
        ("reason", expected.reason, call.reason),
    ):
        if wanted:
            yield Check(key=key, expected=f"{key} {wanted}", heard=was, passed=wanted == was)
    yield from check_words(expected.words, " ".join(each.text for each in call.heard))
    yield from check_tools(expected.tools, call.tools)
    yield from check_keys(expected.keys, "".join(each.digits for each in call.keys))
    if expected.transfer is not None:
        through = next((number for number, refused in call.transfers.items() if not refused), "")
        refused = "; ".join(f"{number}: {why}" for number, why in call.transfers.items() if why)
        yield Check(
            key="transfer",
            expected=f"transfer to {expected.transfer}" if expected.transfer else "no transfer",
            heard=f"transfer to {through}" if through else refused or "no transfer",
            passed=through == expected.transfer,
        )
    yield from _timed(scenario, call)
    cut, exact, most = call.interruptions, expected.interruptions, expected.max_interruptions
    if exact is not None:
        yield Check(key="interruptions", expected=f"{exact} interruptions", heard=str(cut), passed=cut == exact)
    if most is not None:
        yield Check(
            key="max_interruptions", expected=f"at most {most} interruptions", heard=str(cut), passed=cut <= most
        )
    if expected.max_cost_usd is not None:
        cost = call.cost_usd
        yield Check(
            key="max_cost_usd",
            expected=f"at most {expected.max_cost_usd:g} USD",
            heard="a price is not known: see cost in --json" if cost is None else f"{cost:.4f} USD",
            passed=cost is not None and cost <= expected.max_cost_usd,
        )


def _timed(scenario: Scenario, call: PlayedCall) -> Iterator[Check]:
    """What is measured in ms. The longest wait is a limit of the command as well, which tells it itself."""
    expected = scenario.expected
    waits = [each for each in call.waits_ms if each is not None]
    for key, limit, share in (("p50_ms", expected.p50_ms, 0.5), ("p95_ms", expected.p95_ms, 0.95)):
        if limit is not None:
            was = percentile(waits, share) if waits else None
            yield Check(
                key=key,
                expected=f"{key.removesuffix('_ms')} within {limit} ms",
                heard="nothing was answered" if was is None else f"{was} ms",
                passed=was is not None and was <= limit,
            )
    for key, limit, was, what in (
        ("max_silence_ms", expected.max_silence_ms, call.silence_ms, "no silence over"),
        ("max_duration_ms", expected.max_duration_ms, call.duration_ms, "over within"),
    ):
        if limit is not None:
            yield Check(key=key, expected=f"{what} {limit} ms", heard=f"{was} ms", passed=was <= limit)


_TIMES = ("within_ms", "p50_ms", "p95_ms", "max_silence_ms", "max_duration_ms")


def _judge_step(number: int, step: ScenarioStep, call: PlayedCall) -> list[Verdict]:
    done = call.steps[number - 1] if number <= len(call.steps) else None
    if done is None or not done.played:
        why = call.failure if done is None else done.note
        line = step.lines.get("")
        return [
            Verdict(
                step=number, expected=describe(step.does), heard=why or "it was not played", passed=False, line=line
            )
        ]
    from_ms, until_ms = done.began_ms if done.listens else done.at_ms, float("inf")
    for later in call.steps[number:]:
        if not later.listens:
            until_ms = later.at_ms
            break
    heard = " ".join(each.text for each in call.heard if from_ms <= each.at_ms < until_ms)
    checks = [
        *check_words(step.words, heard, key="expect"),
        *check_tools(step.tools, [each for each in call.tools if from_ms <= each.at_ms < until_ms]),
        *check_keys(step.keys, "".join(each.digits for each in call.keys if from_ms <= each.at_ms < until_ms)),
    ]
    if isinstance(step.does, WaitFor):
        passed = not done.note
        checks.insert(0, Check(key="wait_for", expected=step.does.words, heard=heard or done.note, passed=passed))
    elif step.within_ms is not None:
        waits = [round(at - from_ms) for at in call.begun_ms if from_ms <= at < until_ms]
        checks.append(
            Check(
                key="within_ms",
                expected=f"within {step.within_ms} ms",
                heard=f"after {waits[0]} ms" if waits else "never answered",
                passed=bool(waits) and waits[0] <= step.within_ms,
            )
        )
    return [
        *(_verdict(number, each, step.lines, call.untimed) for each in checks),
        *(_judged(number, question, call, step.lines) for question in dict.fromkeys(step.judge)),
    ]


def _verdict(step: int | None, check: Check, lines: Mapping[str, int], untimed: str = "") -> Verdict:
    skipped = untimed if check.key in _TIMES else ""
    return Verdict(
        step=step,
        expected=check.expected,
        heard="" if skipped else check.heard,
        passed=check.passed or bool(skipped),
        skipped=skipped,
        differs=check.differs,
        line=lines.get(check.key, lines.get("")),
    )


def _judged(step: int | None, question: str, call: PlayedCall, lines: Mapping[str, int]) -> Verdict:
    found = call.judgements.get((step, question))
    skipped = "nobody was asked" if found is None else found.skipped
    return Verdict(
        step=step,
        expected=f"judge: {question}",
        heard="" if found is None else found.why,
        passed=bool(skipped) or (found is not None and found.passed),
        skipped=skipped,
        line=lines.get("judge", lines.get("")),
    )
