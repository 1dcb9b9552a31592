"""The fuzzer: the same seed calls the same way, a planted defect is found, made short, kept, and fails again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from patter_cli import wiring
from patter_cli.agent import Agent, HangUp, Interrupt, Press, Say, guardrail
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import InputError
from patter_cli.providers.rules import RulesLLM, Turn, call_tool
from patter_cli.simulate.fuzz.author import ExpectedCall
from patter_cli.simulate.fuzz.case import Fault, FuzzCase
from patter_cli.simulate.fuzz.expectations import Watched
from patter_cli.simulate.fuzz.generate import Subject, generate, phrases_in, words_in
from patter_cli.simulate.fuzz.keep import scenario_text
from patter_cli.simulate.fuzz.run import Finding, Found, Fuzzer
from patter_cli.simulate.fuzz.shrink import shrink
from patter_cli.simulate.scenario import WrittenHuman, load_scenario
from patter_cli.simulate.virtual.steps import Blurt, Break, Frame, Leave, Mend, Poke, Wait
from patter_cli.simulate.virtual.world import Pace, Trouble
from patter_cli.testbench.virtual import virtual_codec
from patter_cli.tools import tool

SUBJECT = Subject(phrases=("a table", "the price"), numbers=("+12025550142",), has_model=True, takes_keys=True)


def fuzzer(make: Callable[[], Agent], expect: Any = None, subject: Subject = SUBJECT, **hooks: Any) -> Fuzzer:
    return Fuzzer(
        fresh=lambda: wiring.ready_agent("shop", make(), Hooks(**hooks, expect=expect)),
        codec=virtual_codec,
        subject=subject,
    )


def ruled(rules: Callable[[Turn], Any], **more: Any) -> Callable[[], Agent]:
    return lambda: Agent("You help.", first_message="Hello, how can I help?", llm=RulesLLM(rules), **more)


def found(fuzzed: Fuzzer, minutes: float = 40, seed: int = 1) -> dict[str, Finding]:
    return {each.fault.rule: each for each in fuzzed.run(seed, minutes, Found())}


def answers(turn: Turn) -> str:
    return f"You said {len(turn.text)} letters. What else can I do for you?"


def test_a_seed_makes_a_call_and_always_the_same() -> None:
    """Its steps, its world, who can be reached; another seed makes another."""
    calls = [generate(SUBJECT, seed) for seed in range(200)]
    assert calls == [generate(SUBJECT, seed) for seed in range(200)]
    assert len({each.steps for each in calls}) > 190
    kinds = {type(step) for each in calls for step in each.steps}
    assert kinds >= {Say, Interrupt, Press, HangUp, Blurt, Poke, Wait, Leave, Break, Mend, Frame}
    assert {step.trouble for each in calls for step in each.steps if isinstance(step, Break)} == set(Trouble)


def test_an_agent_without_a_defect_survives() -> None:
    """Nothing of what we expect of every call is too much to ask."""
    assert found(fuzzer(ruled(answers)), minutes=30) == {}


def test_the_same_seed_finds_the_same_in_the_same_bytes() -> None:
    """Whoever runs it again sees what you saw."""

    def rules(turn: Turn) -> str:
        return "It is twenty dollars." if "price" in turn.text else answers(turn)

    make = ruled(rules, guardrails=[guardrail("no prices", ["shillings"])])

    def expect(call: ExpectedCall) -> None:
        assert "dollars" not in call.said, "it quoted a price"

    texts = {
        scenario_text(each.case, "shop", each.fault, "x.toml")
        for _ in range(3)
        for each in found(fuzzer(make, expect), minutes=8).values()
    }
    assert len(texts) == 1
    assert "it quoted a price" in next(iter(texts))


def test_what_the_authors_code_raises_is_found_and_made_short() -> None:
    """One answer that fails for one word needs one step."""

    def rules(turn: Turn) -> str:
        return str({"a": 1}[turn.text]) if "table" in turn.text else answers(turn)

    finding = found(fuzzer(ruled(rules)))["code"]
    assert "KeyError" in finding.fault.what
    assert len(finding.case.steps) == 1


def test_a_tool_that_is_asked_for_the_impossible_is_found() -> None:
    """Arguments that its signature does not take, a tool that is not there, the same thing twice."""

    @tool
    def book(people: int) -> str:
        """Book a table."""
        return "done"

    def wrong(turn: Turn) -> Any:
        return "Booked, goodbye." if turn.results else call_tool("book", people="many")

    def unknown(turn: Turn) -> Any:
        return "Booked, goodbye." if turn.results else call_tool("boook", people=3)

    def again(turn: Turn) -> Any:
        return "Booked, goodbye." if len(turn.results) > 1 else call_tool("book", people=3)

    for rules, words in ((wrong, "cannot be called with"), (unknown, "there is no tool 'boook'"), (again, "twice")):
        finding = found(fuzzer(ruled(rules, tools=[book])), minutes=20)["tool"]
        assert words in finding.fault.what
        assert len(finding.case.steps) <= 2


def test_what_the_author_expects_is_asked_of_every_call() -> None:
    """With what was heard, called and said; an expectation that cannot be asked is told as well."""
    seen: list[ExpectedCall] = []

    def expect(call: ExpectedCall) -> None:
        seen.append(call)
        assert call.duration_s < 60, f"it took {call.duration_s} s"

    finding = found(fuzzer(ruled(answers), expect), minutes=3)["expect"]
    assert "it took" in finding.fault.what
    assert seen[0].said.startswith("Hello, how can I help?")
    assert {each.outcome for each in seen} <= {"answered", "failed"}

    def broken(call: ExpectedCall) -> None:
        raise KeyError("x")

    assert "expect() raised KeyError" in found(fuzzer(ruled(answers), broken), minutes=1)["expect"].fault.what


def test_a_kept_call_is_the_call_that_was_found(tmp_path: Path) -> None:
    """Whatever stands in it, written and read again."""
    case = FuzzCase(
        steps=(
            Say('Say "it"\n\t\x7f \\ ünï 🙂'), Interrupt("Stop, please.", after_ms=300), Press("12#"), Poke("*"),
            Blurt("Hello?"), Blurt("", 400), Blurt("Well", 900), Wait(2500), Break(Trouble.VOICE_HANGS),
            Mend(Trouble.VOICE_HANGS), Frame('{"event":7}\x00\u2028'), Frame(""), Leave(),
        ),
        pace=Pace(model_ms=900, mark_ms=5),
        humans=(WrittenHuman(number="+12025550142", refuses="busy"),),
        seed=77,
    )  # fmt: skip
    path = tmp_path / "kept.toml"
    fault = Fault(rule="silence", what="9 s of silence\nafter 'x'", at_ms=1)
    path.write_text(scenario_text(case, "agents/shop.py", fault, str(path)), encoding="utf-8")
    scenario = load_scenario(path)
    assert scenario.agent == "agents/shop.py"
    assert scenario.expected.always
    assert scenario.virtual is not None
    steps = tuple(each.does for each in scenario.steps)
    kept = FuzzCase(steps=steps, pace=scenario.virtual.pace, humans=scenario.humans, seed=scenario.virtual.seed)
    assert kept == case


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('[virtual]\nseed = -1\n[[step]]\nleave = true\n', "seed is -1, not a whole number"),
        ('[virtual]\nvoice_speed = 0\n[[step]]\nleave = true\n', "voice_speed is 0"),
        ('[virtual]\nspeed = 2\n[[step]]\nleave = true\n', "'speed' is not a key here"),
        ('[virtual]\n[[step]]\nbreak = "voice hang"\n', "break is 'voice hang'"),
        ('[virtual]\n[[step]]\nleave = false\n', "leave is False, and can only be true"),
        ('[virtual]\n[[step]]\nblurt = 7\n', "blurt is a number, not a text"),
    ],
)  # fmt: skip
def test_what_cannot_be_in_such_a_file_is_told_with_its_line(tmp_path: Path, written: str, words: str) -> None:
    """As for any scenario."""
    path = tmp_path / "x.toml"
    path.write_text(written)
    with pytest.raises(InputError) as told:
        load_scenario(path)
    assert words in str(told.value)
    assert "x.toml:" in str(told.value)


def test_a_call_is_made_as_short_and_plain_as_it_can_be() -> None:
    """What does not matter goes, the world becomes the usual one, words become fewer."""
    steps = (
        Say("Hi."),
        Break(Trouble.NO_MARKS),
        Say("One two three four needle five six"),
        Wait(9000),
        Poke("123"),
        Leave(),
    )
    case = FuzzCase(steps=steps, pace=Pace(model_ms=2000), seed=5, humans=(WrittenHuman(number="+1", refuses="busy"),))

    def fails(other: FuzzCase) -> bool:
        words = [getattr(each, "text", "") for each in other.steps]
        return any("needle" in each for each in words) and any(isinstance(each, Poke | Press) for each in other.steps)

    assert shrink(case, fails) == FuzzCase(steps=(Say("needle"), Press("1")), seed=1)
    assert shrink(case, fails, tries=0) == case


def test_callers_say_what_the_file_looks_for() -> None:
    """The scenario's lines, the words of patterns and comparisons; what explains the code is nobody's line."""
    source = """'''Not this one.'''
if re.search(r"\\bbook|two tables?\\b", text) or "price" in text:
    say("That costs you just ten dollars.")
"""
    phrases = phrases_in(source, ["I want it all."])
    assert phrases == ("I want it all.", "book", "two tables", "price")
    assert set(words_in(source)) == {"book", "tables", "price", "That", "costs", "just", "dollars"}


def test_what_is_left_of_a_resumed_clause_is_no_sound_of_its_own() -> None:
    """A clause that goes on inside a millisecond ends as a clause ends: who then says nothing is owed nothing."""
    greeting = "Thank you for calling Blue Door Teas. This is the automated order desk. What can I do for you?"
    fuzzed = fuzzer(lambda: Agent("You help.", first_message=greeting, llm=RulesLLM(answers)))
    broken = Break(Trouble.EARS_HANG), Break(Trouble.LATE_MARKS)
    talk = Wait(949), Blurt("", 200), Wait(6591), Blurt("Stop, wait a moment please", 400), Wait(8079), Blurt("yes")
    result, faults = fuzzed.hold(FuzzCase(steps=(*broken, *talk, Wait(15_000)), pace=Pace(voice_ms=40)))
    assert all(each.end > each.start for each in result.sounds)
    assert not faults


def test_two_turns_whose_words_come_late_may_have_one_answer_each() -> None:
    """Ears that are late bring words seconds after they were said: that is no sentence said twice."""
    steps = (Break(Trouble.EARS_LATE), Break(Trouble.NO_MARKS), Wait(6837), Blurt("Stop, wait a moment please", 400))
    pace = Pace(final_ms=1200, hangover_ms=350, model_ms=1900, mark_ms=600)
    for wait_ms in range(2000, 8000, 250):
        case = FuzzCase(steps=(*steps, Wait(wait_ms), Blurt("two"), Wait(15_000)), pace=pace)
        assert not fuzzer(ruled(lambda turn: "I cannot tell you that.")).hold(case)[1], wait_ms


def test_a_clause_that_had_hardly_begun_goes_on_and_is_heard_once() -> None:
    """A word over an agent's first word is no turn: it begins its sentence again, which is no second sentence."""
    fuzzed = fuzzer(ruled(lambda turn: "For how many people, and at what time?"))
    steps = *map(Say, ("table", "sauna", "Hello.", "for", "Hello.", "Hello.")), Leave()
    result, faults = fuzzed.hold(FuzzCase(steps=steps, pace=Pace(final_ms=1200, model_ms=2600, voice_ms=900)))
    assert [each.text[:3] for each in result.sounds] == ["Hel", *["One", "For", "For"] * 2, "One", "For"]
    clauses = Watched(result, fuzzed.fresh()).instances
    assert [each.text[:3] for each in clauses] == ["Hel", *["One", "For"] * 3]
    assert not faults


@pytest.mark.parametrize(
    ("steps", "model_ms"),
    [
        ((Say("Hello."), Interrupt("Hello.", after_ms=300), Wait(1300), Blurt("", 450), Wait(8000)), 1900),
        ((Say("Hello."), Interrupt("right", after_ms=1500), Interrupt("Hello.", after_ms=400), Wait(8000)), 300),
    ],
)
def test_a_clause_that_two_replies_begin_with_is_heard_twice(steps: Any, model_ms: int) -> None:
    """A cough before the second reply is no reason to take it for the rest of the first, which was cut off; nor is a
    first that was about to go on."""
    fuzzed = fuzzer(ruled(lambda turn: "I can tell you about the weather and the house, or book a table."))
    result, faults = fuzzed.hold(FuzzCase(steps=steps, pace=Pace(model_ms=model_ms)))
    clauses = Watched(result, fuzzed.fresh()).instances
    assert len([each for each in clauses if each.text.startswith("I can tell")]) > 1
    assert not faults


def test_a_mark_that_comes_late_does_not_lengthen_the_silence() -> None:
    """A voice that hangs after its first clause: four seconds count from when the caller heard it end."""
    steps = Break(Trouble.VOICE_HANGS), Say("Goodbye."), Wait(11_000)
    fuzzed = fuzzer(ruled(lambda turn: "Thank you for calling. You have been very kind to us."))
    result, faults = fuzzed.hold(FuzzCase(steps=steps, pace=Pace(mark_ms=600)))
    heard = [each for each in result.sounds if each.text == "Thank you for calling."]
    after = next(each for each in result.sounds if each.start > heard[0].end)
    assert after.start - heard[0].end < 4000
    assert not faults


HELLO = "Hello, can you hear me over there?"


@pytest.mark.parametrize(
    ("steps", "pace"),
    [
        pytest.param((Break(Trouble.EARS_HANG), Say(" ".join(["word"] * 120))), Pace(), id="a voice without end"),
        pytest.param((Say("<b>bold</b>"), Blurt("Hello.")), Pace(), id="signs that are read by their neighbours"),
        pytest.param(
            (Say("Hello."), Break(Trouble.MODEL_FAILS), Say("talk to")), Pace(model_ms=2600), id="a word into a wait"
        ),
        pytest.param(
            (Press("*"), Break(Trouble.VOICE_FAILS), Press("4"), Interrupt(HELLO, after_ms=800), Leave()),
            Pace(),
            id="over a goodbye of ours, hung up on",
        ),
    ],
)
def test_what_is_no_defect_is_not_found(steps: Any, pace: Pace) -> None:
    """Each was taken for one: thirty seconds without a word are a noise; what is said while an answer is on its way
    came at no free floor; words with signs are compared as they were said; nobody can stop our last words."""
    fuzzed = fuzzer(ruled(lambda turn: "You can ask where an order is, or change its address."))
    assert not fuzzed.hold(FuzzCase(steps=steps, pace=pace))[1]


def test_a_reply_that_is_taken_back_before_it_sounds_does_not_lengthen_the_silence() -> None:
    """Words that come three seconds late take back a reply of which "one moment" was heard: the wait goes on from the
    caller's last word, not from the moment when nothing was taken back."""

    @tool
    def weather() -> str:
        """Look at the weather."""
        return "sunny"

    def rules(turn: Turn) -> Any:
        asks = "umbrella" in turn.text and not turn.results
        return call_tool("weather") if asks else "It will be sunny, and the house is open all day."

    fuzzed = fuzzer(ruled(rules, tools=[weather]))
    steps = Break(Trouble.EARS_LATE), Say("umbrella"), Wait(300), Blurt("Hello."), Say("Hello.")
    result, faults = fuzzed.hold(FuzzCase(steps=steps, pace=Pace(model_ms=2600, voice_ms=900)))
    said = result.utterances[-1]
    assert next(each.start for each in result.sounds if each.start > said.end) - said.end < 4000
    assert not faults
