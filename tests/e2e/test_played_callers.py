"""Callers whom a language model plays, and judges that are one: OpenAI's wire, against its scripted peer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from patter_cli.agent import HangUp, Say
from patter_cli.contracts.llm import LanguageModel
from patter_cli.providers.openai import OpenAILLM
from patter_cli.simulate.judgement import ask
from patter_cli.simulate.persona import spoken_line
from patter_cli.simulate.scenario import load_scenario
from patter_cli.testbench.held import HeldCall
from patter_cli.testbench.models import configured_model
from patter_cli.testbench.spoken import SpokenCall
from patter_cli.testing.vendors.llm.chat import ChatVendor
from patter_cli.testing.vendors.llm.said import Said
from patter_cli.testing.vendors.server import serve
from tests.contract.rows import KEY
from tests.unit.testbench.shop import held, shop

CALLER = '[caller]\npersona = "Anna, in a hurry"\ngoal = "a table for four"\n'


async def with_model(work: Callable[[LanguageModel], HeldCall], replies: Sequence[Said] | Callable[..., Said]) -> Any:
    """What comes of work with a model that says this; the vendor's peer, and what it was asked."""
    vendor = ChatVendor(replies, key=KEY)
    async with serve(vendor, path="") as lab:
        done = await asyncio.to_thread(work, OpenAILLM(KEY, base_url=lab.url))
    assert vendor.refused == []
    return done, vendor.prompts


async def test_a_caller_is_played_until_they_have_what_they_want(tmp_path: Path) -> None:
    """The model says the lines, reads what the agent answered, and hangs up; the call is judged as any other."""
    lines = [
        Said("(impatiently) A table for four, please."),
        Said("Caller: Thank you, that is all. HANG UP"),
        Said("HANG UP"),
    ]
    expect = '[expect]\ntool = {name = "book", arguments = {people = 4}}\noutcome = "answered"\n'
    text = f'agent = "shop"\n{CALLER}{expect}'
    call, asked = await with_model(lambda model: held(tmp_path, text, model=model), lines)
    assert [each.step for each in call.steps] == [
        Say("A table for four, please."),
        Say("Thank you, that is all."),
        HangUp(),
    ]
    assert call.passed, call.failed
    assert "Your table is booked for Friday." in str(asked[-1])
    assert "Anna, in a hurry" in str(asked[0])
    assert "a table for four" in str(asked[0])


@pytest.mark.slow
async def test_a_caller_is_played_on_a_line_with_sound(tmp_path: Path) -> None:
    """Their lines are spoken and recognised, and the model reads what was heard of the answers."""
    lines = [Said("A table for four, please."), Said("Thank you, that is all. HANG UP"), Said("HANG UP")]
    expect = '[expect]\ntool = {name = "book", arguments = {people = 4}}\noutcome = "answered"\nsays = "booked"\n'
    path = tmp_path / "played.toml"
    path.write_text(f'agent = "shop"\n[line]\nquality = "mobile"\n{CALLER}{expect}')
    vendor = ChatVendor(lines, key=KEY)
    async with serve(vendor, path="") as lab:
        model = OpenAILLM(KEY, base_url=lab.url)
        call = await SpokenCall(agent=shop(), scenario=load_scenario(path), model=model).by_script()
    assert vendor.refused == []
    assert call.passed, call.failed
    assert [each.step for each in call.steps] == [
        Say("A table for four, please."),
        Say("Thank you, that is all."),
        HangUp(),
    ]
    assert "Your table is booked for Friday." in str(vendor.prompts[-1])
    assert all(each is not None and each > 0 for each in call.waits_ms[:1])


async def test_a_caller_who_never_has_enough_hangs_up(tmp_path: Path) -> None:
    """After max_turns; steps that are written come first."""
    text = f'{CALLER}max_turns = 3\n[[step]]\nsay = "When do you open?"\nexpect = "nine"\n'
    call, asked = await with_model(lambda model: held(tmp_path, text, model=model), [Said("And then?")])
    assert [type(each.step) for each in call.steps] == [Say, Say, Say, Say, HangUp]
    assert len(asked) == 3
    assert call.passed


@pytest.mark.parametrize(
    ("answer", "passed", "why"),
    [
        ("YES: it said hello.", True, "it said hello."),
        ("no - it was\n  rude", False, "it was rude"),
        ("**Yes**, it did", True, "it did"),
        ("yes", True, "yes"),
        ("Perhaps.", False, "the judge said neither yes nor no: 'Perhaps.'"),
        ("", False, "the judge said neither yes nor no: ''"),
    ],
)
async def test_a_judge_says_yes_or_no_and_why(tmp_path: Path, answer: str, passed: bool, why: str) -> None:
    """Whatever else it writes; one that does neither has not said yes."""
    text = '[[step]]\nsay = "When do you open?"\njudge = "The agent was polite."\n'
    call, asked = await with_model(lambda model: held(tmp_path, text, model=model), [Said(answer)])
    (verdict,) = call.verdicts
    assert (verdict.passed, verdict.skipped) == (passed, "")
    assert verdict.heard == why
    assert "caller: When do you open?" in str(asked[0])
    assert "The agent was polite." in str(asked[0])


async def test_a_judge_of_a_step_reads_the_call_up_to_its_answer(tmp_path: Path) -> None:
    """And one of the whole call all of it."""
    text = (
        '[[step]]\nsay = "When do you open?"\njudge = "one"\n[[step]]\nsay = "A table for four."\n'
        '[expect]\njudge = ["two", "three"]\n'
    )
    _, asked = await with_model(lambda model: held(tmp_path, text, model=model), [Said("yes")])
    first, second, third = map(str, asked)
    assert "We open at nine" in first
    assert "table" not in first
    assert "booked for Friday" in second
    assert "Is this true of it? three" in third


async def test_a_judge_who_is_not_there_fails_the_expectation() -> None:
    """A model that cannot be reached has not said yes, and it is said why."""
    verdict = await ask(OpenAILLM(KEY, base_url="http://127.0.0.1:9"), "polite?", "agent: Hello.")
    assert not verdict.passed
    assert verdict.why.startswith("the judge could not be asked: ")


def test_without_a_model_a_judge_is_skipped(tmp_path: Path) -> None:
    """In plain words; the rest of the scenario counts."""
    call = held(tmp_path, '[[step]]\nsay = "When do you open?"\nexpect = "nine"\njudge = "polite?"\n')
    assert [(each.passed, each.skipped) for each in call.verdicts] == [
        (True, ""),
        (True, "no language model is configured here"),
    ]
    assert call.passed


def test_which_model_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first whose key is set, else the agent's own; an author's rules are none."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert configured_model(shop()) is None
    assert configured_model(None) is None
    own = OpenAILLM(KEY, base_url="http://127.0.0.1:9")
    assert configured_model(shop(llm=own, tools=[])) == own
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-lab")
    found = configured_model(shop())
    assert found is not None
    assert found.provider == "anthropic"


@pytest.mark.parametrize(
    ("answer", "step"),
    [
        ("Hello there.", Say("Hello there.")),
        ('"Hello there."', Say("Hello there.")),
        ("*sighs* Hello [pause] there.", Say("Hello there.")),
        ("CALLER: Hello.", Say("Hello.")),
        ("Bye then.\nHANG UP", Say("Bye then.")),
        ("HANG UP", HangUp()),
        ("…", HangUp()),
        ("", HangUp()),
    ],
)
def test_what_a_model_writes_is_spoken(answer: str, step: object) -> None:
    """Without quotes, directions and speakers' names; nothing to say is the end."""
    assert spoken_line(answer) == step
