"""Whether a played scenario came out as it was written: pure, from what the caller heard and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from patter_cli.agent import HangUp, Interrupt, Press, Say
from patter_cli.core.outcome import Outcome
from patter_cli.simulate.overheard import Overheard
from patter_cli.simulate.scenario import Scenario, ScenarioStep
from patter_cli.simulate.script import Play, ScriptStep, StepDone
from patter_cli.simulate.virtual.steps import Blurt, Break, Frame, Leave, Mend, Poke, Wait
from patter_cli.text.compare import normalised_words


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedCall:
    """What is known of a call afterwards. Times are ms of call time."""

    steps: Sequence[StepDone]
    """In the order of the script, as far as it was played."""
    heard: Sequence[Overheard]
    """What the caller heard the agent say."""
    begun_ms: Sequence[float]
    """When the agent's voice began, each time."""
    outcome: Outcome | None = None
    """None where only the other side knows."""
    reason: str = ""
    failure: str = ""
    """Why the script was not played to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One expectation. step: counted from 1; None: of the whole call. heard: what there was instead, or as well."""

    step: int | None
    expected: str
    heard: str
    passed: bool


def judge(scenario: Scenario, call: PlayedCall) -> list[Verdict]:
    """Hold a call against its scenario: every step is played, then each step's expectations, then the call's."""
    verdicts = []
    for number, step in enumerate(scenario.steps, 1):
        verdicts += _judge_step(number, step, call)
    expected = scenario.expected
    all_heard = " ".join(each.text for each in call.heard)
    for wanted, was, name in (
        (expected.outcome, call.outcome or "", "outcome"),
        (expected.reason, call.reason, "reason"),
    ):
        if wanted:
            verdicts.append(Verdict(step=None, expected=f"{name} {wanted}", heard=was, passed=wanted == was))
    for words in expected.says:
        verdicts.append(Verdict(step=None, expected=words, heard=all_heard, passed=has_words(all_heard, words)))
    for words in expected.never:
        passed = not has_words(all_heard, words)
        verdicts.append(Verdict(step=None, expected=f"never: {words}", heard=all_heard, passed=passed))
    return verdicts


def has_words(text: str, words: str) -> bool:
    """Whether the words were said, in a row, however they and the text are written."""
    wanted, said = normalised_words(words), normalised_words(text)
    return any(said[at : at + len(wanted)] == wanted for at in range(len(said) - len(wanted) + 1))


def describe(step: ScriptStep) -> str:
    """A step in a few words."""
    match step:
        case Say(text):
            return f'say "{text}"'
        case Interrupt(text, after_ms=after_ms):
            return f'interrupt after {after_ms} ms: "{text}"'
        case Press(digits):
            return f"press {digits}"
        case Play(name=name):
            return f"play {name}"
        case HangUp():
            return "hang up"
        case Wait(ms):
            return f"wait {ms} ms"
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


def _judge_step(number: int, step: ScenarioStep, call: PlayedCall) -> list[Verdict]:
    done = call.steps[number - 1] if number <= len(call.steps) else None
    if done is None or not done.played:
        why = call.failure if done is None else done.note
        return [Verdict(step=number, expected=describe(step.does), heard=why or "it was not played", passed=False)]
    until_ms = call.steps[number].at_ms if number < len(call.steps) else float("inf")
    heard = " ".join(each.text for each in call.heard if done.at_ms <= each.at_ms < until_ms)
    verdicts = [
        Verdict(step=number, expected=words, heard=heard, passed=has_words(heard, words)) for words in step.expect
    ]
    if step.within_ms is not None:
        waits = [round(at - done.at_ms) for at in call.begun_ms if done.at_ms <= at < until_ms]
        verdicts.append(
            Verdict(
                step=number,
                expected=f"within {step.within_ms} ms",
                heard=f"after {waits[0]} ms" if waits else "never answered",
                passed=bool(waits) and waits[0] <= step.within_ms,
            )
        )
    return verdicts
