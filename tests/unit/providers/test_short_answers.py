"""Short answers: what is offered to the recogniser, that it takes it when in doubt, and nothing else then."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

import numpy as np
import pytest

from patter_cli import Agent, wiring
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import InputError
from patter_cli.providers.moonshine import SpeechToText
from patter_cli.providers.short_answers import common_answers, offered

installed = pytest.mark.skipif(
    not (find_spec("onnxruntime") and find_spec("moonshine_voice")), reason="needs the extra [local]"
)


def test_an_agents_own_terms_are_offered_beside_the_common_ones() -> None:
    """Once each, as a sentence would be written; an empty one is none."""
    answers = common_answers()
    assert {"Yes", "Two", "Seven thirty", "On Friday", "The twenty first", "May third", "For six"} <= set(answers)
    assert len(set(answers)) == len(answers)
    own = offered(("bright smile.", "  Doctor   Lee ", "yes", ""))
    assert own[: len(answers)] == answers
    assert own[len(answers) :] == ("Bright smile", "Doctor Lee")


def test_key_terms_reach_a_recogniser_that_takes_them() -> None:
    """And not one that was given its own, nor one that has none."""
    terms = {"keyterms": ["Paper Moon"]}
    hooks = Hooks(on_message=lambda event: "Yes.")
    ready = wiring.ready_agent("shop", Agent("A shop.", **terms), hooks)
    assert ready.stt == SpeechToText(keyterms=("Paper Moon",))
    given = SpeechToText(keyterms=("Else",))
    assert wiring.ready_agent("shop", Agent("A shop.", stt=given, **terms), hooks).stt is given


@pytest.mark.parametrize("wrong", ["Paper Moon", [3], [None]])
def test_key_terms_are_a_list_of_texts(wrong: object) -> None:
    """One text would be taken for its letters."""
    with pytest.raises(InputError, match="keyterms"):
        Agent("A shop.", keyterms=wrong)  # type: ignore[arg-type]


@installed
def test_short_answers_are_heard() -> None:
    """Forty answers down four lines: at most 12 words of a hundred wrong, where half as many again were; and words
    that are on no list stay as they are."""
    from patter_cli.providers.moonshine_model import Model
    from tests.bench.short_answers import ANSWERS, NAMES, OTHERS, QUALITIES, errors, heard_on, spoken

    async def voices() -> tuple[list[tuple[str, np.ndarray]], list[tuple[str, np.ndarray]]]:
        return await spoken(ANSWERS[::5], 1.12), await spoken(OTHERS[:16], 1.0)

    answers, others = asyncio.run(voices())
    model = Model()
    offer = model.offer(offered(NAMES))
    heard = [each for line in QUALITIES for each in heard_on(line, answers, human=False)]
    wrong, said, _ = errors(heard, model, offer)
    alone, _, _ = errors(heard, model, None)
    assert wrong <= 0.12 * said < alone
    elsewhere = [each for line in ("clean", "mobile") for each in heard_on(line, others, human=False)]
    assert errors(elsewhere, model, offer)[0] <= errors(elsewhere, model, None)[0] + 1


@installed
def test_what_is_not_likely_enough_is_not_taken() -> None:
    """Noise is no answer however few there are to choose from."""
    from patter_cli.providers.moonshine_model import Model

    model = Model()
    noise = (np.random.default_rng(1).standard_normal(16000) * 0.02).astype(np.float32)
    offer = model.offer(("Yes",))
    assert model.transcribe(noise, lambda: False, offer) == model.transcribe(noise, lambda: False)
    assert model.offer(("☎",)).branches == {}
