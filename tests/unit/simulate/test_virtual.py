"""Calls on virtual time: the real engine and the author's real code, and the clock jumps from event to event."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from patter_cli import wiring
from patter_cli.agent import Agent, HangUp, Interrupt, Press, Say
from patter_cli.cli.discovery import load_agent
from patter_cli.core.outcome import Outcome
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import InputError
from patter_cli.providers.rules import RulesLLM, Turn, call_tool
from patter_cli.simulate.scenario import Scenario, load_scenario
from patter_cli.simulate.score import judge
from patter_cli.simulate.script import Play
from patter_cli.simulate.virtual.call import VirtualResult, play_virtually
from patter_cli.simulate.virtual.loop import run_virtually
from patter_cli.simulate.virtual.steps import Blurt, Break, Frame, Leave, Mend, Poke, Wait
from patter_cli.simulate.virtual.world import Trouble
from patter_cli.tools import tool

ROOT = Path(__file__).parents[3]
GREETING = "Hello, this is the shop. How can I help?"


def ready(on_message: Any = None, **more: Any) -> ReadyAgent:
    return wiring.ready_agent("shop", Agent("You help.", first_message=GREETING, **more), Hooks(on_message=on_message))


def played(agent: ReadyAgent, *steps: Any, seed: int = 1) -> VirtualResult:
    return play_virtually(agent, Scenario(), steps=steps, seed=seed, codec=wiring.built_in_line().codec())


def said(result: VirtualResult) -> list[str]:
    return [each["text"] for each in result.history if each["role"] == "assistant"]


def answer(event: Any) -> str:
    return f"You said {event.text}"


@pytest.mark.parametrize("name", ["receptionist", "orders", "menu", "concierge", "reminder", "survey"])
def test_every_sample_passes_its_own_scenario_in_virtual_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of talk is over in a fraction of a second, and comes out as it does on a line."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("PATTER_CALENDAR", raising=False)
    loaded = load_agent(name, ROOT)
    scenario = load_scenario(ROOT / "agents" / f"{name}.toml")
    agent = wiring.ready_agent(loaded.name, loaded.agent, Hooks(**loaded.hooks))
    began = time.perf_counter()
    result = play_virtually(agent, scenario)
    took_s = time.perf_counter() - began
    assert [each for each in judge(scenario, result.score) if not each.passed] == []
    assert result.over
    assert result.ended_ms is not None
    assert result.over_ms > 30_000
    assert took_s < result.over_ms / 1000 / 10
    assert not result.errors


def test_the_same_seed_is_the_same_call_byte_for_byte() -> None:
    """Chance, the time of day and naps are the call's own, whatever they are outside."""

    def chancy(event: Any) -> Iterator[str]:
        time.sleep(random.random())
        yield f"It is {dt.datetime.now():%H:%M:%S}, and your number is {random.randrange(1000)}."

    agent = ready(chancy)
    steps = [Say("What is my number?"), Interrupt("And now?", after_ms=900), Blurt("hm", 300), Press("12"), HangUp()]
    journals = {played(agent, *steps, seed=7).journal for _ in range(5)}
    assert len(journals) == 1
    assert played(agent, *steps, seed=8).journal not in journals


def test_what_the_history_says_is_what_the_line_played() -> None:
    """An answer that is interrupted is cut where the far end stopped playing, and the line knows where that was."""
    result = played(ready(lambda event: "one two three four five six seven eight nine ten eleven twelve."),
                    Say("Count, please."), Interrupt("Stop it.", after_ms=1500), HangUp())  # fmt: skip
    cut = result.sounds[2]
    assert 1500 <= cut.end - cut.start <= 2600, "it stops once the caller is surely talking"
    assert said(result)[1] == cut.words
    assert cut.words.startswith("one two three")
    assert not cut.words.endswith("twelve.")


def test_author_code_sleeps_in_the_calls_time() -> None:
    """Six seconds of either kind of sleep cost the caller six seconds, bridged by a filler, and this test nothing."""

    def sync(event: Any) -> str:
        time.sleep(6)
        return "Done."

    async def coroutine(event: Any) -> str:
        await asyncio.sleep(6)
        return "Done."

    async def pieces(event: Any) -> AsyncIterator[str]:
        await asyncio.sleep(6)
        yield "Done."

    began = time.perf_counter()
    for hook in (sync, coroutine, pieces):
        result = played(ready(hook), Say("Do it."), Wait(9000), Leave())
        heard = [each.text for each in result.sounds]
        assert "One moment, please." in heard
        assert "Done." in heard
        done = next(each for each in result.sounds if each.text == "Done.")
        assert 6000 < done.start - result.utterances[0].end < 8000
    assert time.perf_counter() - began < 6


def test_tools_run_as_in_a_call_with_what_the_model_gave_them() -> None:
    """Rules ask for a tool, the tool sleeps in virtual time, its answer is spoken."""
    asked: list[int] = []

    @tool
    def double(number: int) -> int:
        """Double a number."""
        asked.append(number)
        time.sleep(2)
        return 2 * number

    def rules(turn: Turn) -> Any:
        return f"It is {turn.result('double')}." if turn.results else call_tool("double", number=21)

    result = played(ready(llm=RulesLLM(rules), tools=[double]), Say("Twice twenty one?"), HangUp())
    assert asked == [21]
    assert said(result)[-1].endswith("It is 42.")


def test_ten_minutes_of_talk_take_a_second_or_two() -> None:
    """Text has no sound, so nothing has to be waited for."""
    steps = [Say(f"This is line number {number} of a long talk.") for number in range(90)]
    began = time.perf_counter()
    result = played(ready(answer), *steps, HangUp())
    assert result.over_ms > 600_000
    assert time.perf_counter() - began < 10, "about one on an idle machine"


@pytest.mark.parametrize("trouble", list(Trouble))
def test_whatever_breaks_the_caller_is_not_left_in_silence_and_the_call_ends(trouble: Trouble) -> None:
    """Each vendor and the line break in turn, for one answer: it is bridged or apologised for, and history is true."""
    model = RulesLLM(lambda turn: f"You said {turn.text} That is what you said.")
    result = played(
        ready(llm=model), Say("First."), Wait(6000), Break(trouble), Blurt("Second."), Wait(8000), Mend(trouble),
        Wait(3000), Blurt("Third."), Wait(8000), Leave(),
    )  # fmt: skip
    assert result.over
    heard = " ".join(each.words for each in result.sounds)
    assert all(text.split()[0] in heard for text in said(result))
    waits = [each for each in result.waits_ms if each is not None and each < 4000]
    unheard = 1 if trouble is Trouble.EARS_EMPTY else 0
    assert len(waits) == len(result.waits_ms) - unheard, "a voice without words is a cough"
    if trouble is Trouble.EARS_FAIL:
        assert result.outcome is Outcome.FAILED, "recognition that breaks again and again is given up, aloud"
    else:
        assert result.outcome is Outcome.ANSWERED


def test_frames_that_are_no_messages_change_nothing() -> None:
    """What the carrier's codec refuses is dropped, and the call goes on."""
    frames = [
        "",
        "nonsense",
        '{"event": 3}',
        '{"event": "media"}',
        "[" * 1000,
        '{"event":"mark","mark":{"name":"7.0"}}',
    ]
    result = played(ready(answer), *(Frame(each) for each in frames), Say("Hello."), HangUp())
    assert said(result)[-1] == "You said Hello."


def test_keys_and_noise_come_at_once_and_a_call_that_is_left_is_over() -> None:
    """A poke does not wait for its turn, noise has no words, and leaving ends it in mid-sentence."""
    result = played(ready(answer), Poke("7"), Wait(3000), Blurt("", 250), Wait(500), Leave())
    assert ("user", "[DTMF: 7]") in [(each["role"], each["text"]) for each in result.history]
    assert result.ended_ms is not None
    assert result.outcome is Outcome.ANSWERED


def test_what_needs_sound_is_refused() -> None:
    """A recording has no words that could be typed."""
    import numpy as np

    with pytest.raises(InputError, match="nobody hears it"):
        played(ready(answer), Play(np.zeros(8, np.int16), name="a.wav"))


def test_the_clock_waits_for_what_is_real() -> None:
    """A thread of asyncio's takes its real time, in which the virtual clock does not run away."""

    async def work() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(3600)
        hour = loop.time() - began
        async with asyncio.timeout(0.1):
            await asyncio.to_thread(time.sleep, 0.3)
        return hour, loop.time() - began - hour

    hour, nothing = run_virtually(work())
    assert hour == pytest.approx(3600)
    assert nothing < 0.1


def test_a_loop_on_which_nothing_can_happen_says_so() -> None:
    """A wait for what nobody will do is a bug, and no standstill."""

    async def work() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="nothing will ever happen"):
        run_virtually(work())


def test_a_voice_that_stalls_leaves_in_the_history_what_was_heard_of_it() -> None:
    """Half a clause comes and then nothing more: the apology follows, and no word of the other half was said."""
    model = RulesLLM(lambda turn: "For how many people, and at what time of the evening?")
    result = played(ready(llm=model), Say("A table."), Break(Trouble.VOICE_STALLS), Wait(9000), Leave())
    cut = next(each for each in result.sounds if each.text.startswith("For how many"))
    assert said(result)[1] == cut.words
    assert said(result)[2].startswith("I'm sorry, something went wrong")


@pytest.mark.parametrize("words", ["well", "okay", "you know"])
def test_short_words_are_an_answer_when_only_the_mark_of_the_question_is_late(words: str) -> None:
    """By the clock all was heard before they spoke, so they did not speak over it."""
    result = played(ready(answer), Break(Trouble.LATE_MARKS), Say(words), Wait(6000), Leave())
    assert said(result)[1] == f"You said {words}"


def test_whoever_was_not_understood_is_asked_again_though_marks_are_late() -> None:
    """Recognition hangs, and the question before has not been confirmed: silence is no answer to them."""
    result = played(
        ready(answer), Break(Trouble.LATE_MARKS), Break(Trouble.EARS_HANG), Say("Hello."), Wait(9000), Leave()
    )
    assert said(result)[1].startswith("Sorry, I didn't catch that.")


def test_rules_that_stand_in_for_a_model_answer_the_caller_and_not_our_request_to_go_on() -> None:
    """A reply breaks off after its first sentence, and the same rules are asked to go on with it."""
    model = RulesLLM(lambda turn: [f"You said {turn.text} Is that right? ", "Or not?"])
    result = played(ready(llm=model), Say("First."), Break(Trouble.MODEL_BREAKS_OFF), Wait(9000), Leave())
    assert "Go on right behind" not in " ".join(said(result))
