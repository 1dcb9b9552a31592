"""Who answers, on whole outbound calls: a piece of tests.bench.greetings, with the real models in virtual time."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from patter_cli.core.outcome import AnsweredBy
from tests.bench.greetings import judge, summary
from tests.bench.greetings_corpus import Greeting, greetings, silence, tone

pytest.importorskip("onnxruntime")

HUMAN, MACHINE = AnsweredBy.HUMAN, AnsweredBy.MACHINE


def test_humans_and_machines_are_told_apart_on_good_and_bad_lines() -> None:
    """Verdicts are right, humans' come soon after their hello, messages within a second of the beep."""
    corpus = asyncio.run(greetings(("clean", "bad"), every=9))
    verdicts = [judge(greeting, number) for number, greeting in enumerate(corpus)]
    assert {each.greeting.truth for each in verdicts} == {AnsweredBy.HUMAN, AnsweredBy.MACHINE, AnsweredBy.FAX}
    wrong = [f"{each.greeting.line} {each.greeting.text}: {each.wrong}, {each.why}" for each in verdicts if each.wrong]
    figures = "\n".join(wrong + summary(verdicts))
    # A short tape that says nothing of itself may pass for a human before its tone comes.
    assert len(wrong) <= 1, figures
    assert not [each for each in verdicts if (each.greeting.truth, each.taken) == (HUMAN, MACHINE)], figures
    assert all(0 <= each.after_beep_ms <= 1000 for each in verdicts if each.after_beep_ms is not None), figures
    hellos = [(each.greeting.line, each.after_hello_ms) for each in verdicts if each.after_hello_ms is not None]
    assert all(after_ms <= 1500 for _, after_ms in hellos), hellos
    assert all(each.why for each in verdicts)


def test_a_call_that_screens_nobody_has_no_ear_for_it() -> None:
    """The same beep on a call whose plan does not ask who answers leads to nothing."""
    sound = np.concatenate([silence(1500), tone(1000, 400), silence(1500)])
    beep = Greeting(text="", truth=AnsweredBy.MACHINE, sound=sound)
    assert judge(beep).taken is AnsweredBy.MACHINE
    assert judge(beep, screens=False).why == "nobody could tell"
