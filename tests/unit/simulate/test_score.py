"""Which expectations of a scenario hold, from what was heard and when."""

from __future__ import annotations

import numpy as np
import pytest

from patter_cli.agent import HangUp, Interrupt, Press, Say
from patter_cli.core.outcome import Outcome
from patter_cli.simulate.overheard import Overheard
from patter_cli.simulate.scenario import Expected, Scenario, ScenarioStep
from patter_cli.simulate.score import PlayedCall, Verdict, describe, has_words, judge
from patter_cli.simulate.script import Play, ScriptStep, StepDone

HOURS, PRICE = Say("Hours?"), Say("Price?")


def done(step: ScriptStep, at_ms: float, **more: object) -> StepDone:
    return StepDone(step=step, at_ms=at_ms, **more)  # type: ignore[arg-type]


CALL = PlayedCall(
    steps=[done(HOURS, 3000.0), done(PRICE, 8000.0), done(HangUp(), 12_000.0)],
    heard=[
        Overheard(at_ms=100, text="Welcome."),
        Overheard(at_ms=3600, text="We open at 9 a.m."),
        Overheard(at_ms=8900, text="It is sixty dollars."),
    ],
    begun_ms=[100.0, 3600.0, 8900.0],
    outcome=Outcome.ANSWERED,
    reason="carrier_stop",
)


def verdicts(*steps: ScenarioStep, call: PlayedCall = CALL, **expected: object) -> list[bool]:
    """Whether each expectation holds."""
    scenario = Scenario(name="x", steps=steps, expected=Expected(**expected))  # type: ignore[arg-type]
    return [each.passed for each in judge(scenario, call)]


def test_words_are_expected_in_answer_to_their_step() -> None:
    """What was said before the step, or after the next, is no answer to it."""
    first = ScenarioStep(does=HOURS, expect=("nine AM", "welcome", "sixty dollars"))
    second = ScenarioStep(does=PRICE, expect=("sixty dollars", "we open"))
    assert verdicts(first, second) == [True, False, False, True, False]


def test_a_wait_is_measured_from_the_step() -> None:
    """To the first time the voice began after it; a step that nobody answered has waited too long."""
    assert verdicts(ScenarioStep(does=HOURS, within_ms=600), ScenarioStep(does=PRICE, within_ms=600)) == [True, False]
    deaf = PlayedCall(steps=CALL.steps, heard=(), begun_ms=[100.0])
    (verdict,) = judge(Scenario(steps=(ScenarioStep(does=HOURS, within_ms=600),)), deaf)
    assert verdict == Verdict(step=1, expected="within 600 ms", heard="never answered", passed=False)


def test_the_whole_call_is_judged() -> None:
    """How it ended, what was said anywhere, and what was not to be said."""
    assert verdicts(reason="carrier_stop", outcome=Outcome.ANSWERED) == [True, True]
    assert verdicts(reason="transferred", outcome=Outcome.FAILED) == [False, False]
    assert verdicts(says=("welcome", "goodbye")) == [True, False]
    assert verdicts(never=("goodbye", "sixty dollars")) == [True, False]


def test_a_step_that_was_not_played_has_failed() -> None:
    """Because the agent had ended the call, or because it fell silent: the verdict says which."""
    over = PlayedCall(
        steps=[done(HOURS, 10.0), done(PRICE, 20.0, played=False, note="over")],
        heard=(),
        begun_ms=(),
        failure="silence",
    )
    steps = tuple(ScenarioStep(does=each) for each in (HOURS, PRICE, HangUp()))
    assert [(each.step, each.heard, each.passed) for each in judge(Scenario(steps=steps), over)] == [
        (2, "over", False),
        (3, "silence", False),
    ]


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("It is $60.", "sixty dollars", True),
        ("We open at 9:30.", "nine thirty", True),
        ("A check-up, please.", "check up please", True),
        ("Unbooked.", "booked", False),
        ("You are not booked.", "you are booked", False),
        ("", "booked", False),
    ],
)
def test_words_are_compared_as_spoken(text: str, words: str, found: bool) -> None:
    """Whole words in a row, however numbers and hyphens are written."""
    assert has_words(text, words) is found


def test_steps_are_described() -> None:
    """As one would read them out."""
    steps = [Say("a"), Interrupt("b", after_ms=5), Press("1"), Play(np.zeros(1, np.int16), name="c.wav"), HangUp()]
    assert [describe(step) for step in steps] == [
        'say "a"', 'interrupt after 5 ms: "b"', "press 1", "play c.wav", "hang up",
    ]  # fmt: skip
