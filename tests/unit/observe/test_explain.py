"""Why a turn was slow: the stage that was delayed is named, with what its delay cost, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from patter_cli.core import events as fact
from patter_cli.core.journal import Entry, parse_entry, parse_journal
from patter_cli.core.plan import CallPlan, TurnTiming
from patter_cli.observe.explain import ExplainedTurn, explain
from patter_cli.observe.waits import find_waits
from patter_cli.testing import Fault, VirtualCall
from patter_cli.text.redact import Redaction
from patter_cli.text.redacted import redacted_line
from tests.bench.explain import PLAN, Delay, hold


def told(journal: str, turn: int | None = None) -> list[ExplainedTurn]:
    return explain(list(parse_journal(journal)), turn=turn)


def waited(journal: str, turn: int) -> int:
    return next(each.waited_ms for each in find_waits(list(parse_journal(journal))).turns if each.number == turn)


@pytest.mark.parametrize("stage", ["endpointing", "stt", "llm", "tool", "tts", "guardrail", "loop"])
def test_the_stage_that_was_delayed_is_named(stage: str) -> None:
    """And what it gives back is what the same call without it did not wait."""
    delay = Delay(turn=2, stage=stage, ms=900)
    journal, without = hold(7, (delay,)), hold(7, (), (delay,))
    (slow,) = [each for each in told(journal) if each.causes]
    (cause,) = slow.causes
    assert (slow.number, cause.stage, slow.exact) == (3, stage, True)
    truth = waited(journal, 3) - waited(without, 3)
    assert cause.gives_back_ms == pytest.approx(truth, abs=max(20, truth / 10))
    assert cause.setting


def test_two_delays_of_one_turn_are_told_apart() -> None:
    """The greater first."""
    journal = hold(3, (Delay(turn=1, stage="llm", ms=1200), Delay(turn=1, stage="tts", ms=500)))
    (slow,) = [each for each in told(journal) if each.causes]
    assert [each.stage for each in slow.causes] == ["llm", "tts"]


def test_a_clean_call_is_nobodys_fault() -> None:
    """Waits that vary a little are usual."""
    for seed in range(8):
        assert not [each for each in told(hold(seed + 100, ())) if each.causes]


def test_the_rule_and_its_words_are_named() -> None:
    """Which of the caller's words asked for more silence, and the setting that would ask for less."""
    (turn,) = told(hold(1, (Delay(turn=0, stage="endpointing", ms=1),)), turn=1)
    (cause,) = turn.causes
    assert 'no sentence ends with its last word: "and"' in cause.why
    assert cause.setting == "turns=TurnPolicy(endpoint_unfinished_ms=400)"
    assert cause.gives_back_ms == pytest.approx(600, abs=5)


def test_a_model_that_hears_can_be_the_cause() -> None:
    """It took a finished sentence for unfinished."""
    plan = CallPlan(agent="shop", system_prompt="", first_message="Hello.", predicts_end_of_turn=True)
    call = VirtualCall(plan, ["All right."], end_of_turn=lambda words: 0.02)
    call.says("I would like a table for two.", at=2500)
    call.run()
    (turn,) = told(call.journal)
    assert "the end-of-turn model took" in turn.causes[0].why
    assert "0.02" in turn.causes[0].why


def test_words_that_come_late_under_the_silence_cost_nothing() -> None:
    """A recogniser that is slow and still there in time is not to blame."""
    plan = replace(PLAN, checks=(), pace=TurnTiming(endpoint_ms=1500))
    call = VirtualCall(plan, ["All right."])
    call.run_until(2500)
    call._world.latency = replace(call._world.latency, final_ms=900)
    call.says("I would like a table for two.", at=3000)
    call.run()
    (turn,) = told(call.journal)
    assert turn.causes == ()


@pytest.mark.parametrize(("by", "words"), [("gc", "garbage collector"), ("a.py:3 f", "a.py:3 f"), ("", "this process")])
def test_whoever_held_the_loop_is_named(by: str, words: str) -> None:
    """The collector, the author's function with its place, or nobody knows."""
    entries = list(parse_journal(hold(5, (Delay(turn=1, stage="loop", ms=800),))))
    entries = [
        Entry(at=each.at, event=replace(each.event, by=by), commands=each.commands)
        if isinstance(each.event, fact.LoopHeld)
        else each
        for each in entries
    ]
    (slow,) = [each for each in explain(entries) if each.causes]
    assert words in slow.causes[0].why


def test_a_late_clock_alone_shows_a_held_loop() -> None:
    """Also where nobody noticed: a deadline was kept long after it had come."""
    entries = [
        each
        for each in parse_journal(hold(5, (Delay(turn=1, stage="loop", ms=800),)))
        if not isinstance(each.event, fact.LoopHeld)
    ]
    slow = [each for each in explain(entries) if each.causes]
    assert [each.number for each in slow] in ([2], [])  # words that came at its end hide the clock


def test_a_redacted_call_is_explained_by_estimate() -> None:
    """Its words are gone, so the machine does not decide as it did."""
    lines = hold(7, (Delay(turn=2, stage="llm", ms=900),)).splitlines()
    entries = [parse_entry(redacted_line(each.encode(), Redaction.WORDS).decode()) for each in lines]
    (slow,) = [each for each in explain(entries) if any(cause.stage == "llm" for cause in each.causes)]
    assert slow.number == 3


@pytest.mark.parametrize("fault", [each for each in Fault if each is not Fault.HOOK_HANGS])
def test_a_broken_world_is_explained_without_trouble(fault: Fault) -> None:
    """Whatever a journal holds, something is said of it; also of its beginning alone."""
    call = VirtualCall(PLAN, ["All right.", "Yes."], faults=[fault])
    call.says("I would like a table for two.", at=2500)
    call.says("Tomorrow is fine with me.", at=9000)
    call.run_until(60_000)
    entries = list(parse_journal(call.journal))
    for end in (0, 1, len(entries) // 2, len(entries)):
        explain(entries[:end])
