"""Transfers on the built-in line, and scenario files played by the command: what is heard, what comes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from patter_cli.agent import HangUp, Interrupt, Say
from patter_cli.audio.frame import Samples
from patter_cli.audio.wav import read_channel
from patter_cli.carriers.loopback.stream import LoopbackLine
from patter_cli.contracts.carrier.stream import CarrierMessage
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import InputError
from patter_cli.simulate.caller import LineCaller
from patter_cli.simulate.facts import EndCause, Fact, Transferred
from patter_cli.simulate.line import BAD, LineFilter
from patter_cli.simulate.script import Play, StepDone, hold_conversation
from patter_cli.simulate.steps import StaySilent, Wait, WaitFor
from patter_cli.simulate.switchboard import Human, Switchboard
from patter_cli.simulate.words_heard import WordsHeard
from patter_cli.stores.sqlite import SqliteStore
from tests.e2e.conftest import Earpiece, Phone, agent, answering, letters_in, spoken, tone
from tests.e2e.test_cli import AGENT, patter

NUMBER = "+12025550142"
TRANSFER, QUESTION = "Can you put me through?", "What are your opening hours?"


def letters(text: str) -> Samples:
    """A human's words, as a LetterVoice would say them."""
    alphabet = " abcdefghijklmnopqrstuvwxyz'.,?!:-0123456789"
    return np.concatenate([tone(400 + 75 * alphabet.index(letter), 20) for letter in text])


def on_message(event: Any) -> str:
    """Puts through whoever asks; says "Still here." to all else."""
    if event.text == TRANSFER:
        event.transfer_call(NUMBER)
        return "One moment."
    return "Still here."


class Rung:
    """One call on a line with a switchboard, and what came of it."""

    def __init__(
        self, phone: Phone, humans: Sequence[Human] = (), *, codec: LoopbackLine | None = None, **more: Any
    ) -> None:
        codec = codec or LoopbackLine()
        self.phone = phone
        self.ear = Earpiece()
        self.facts: list[Fact] = []
        self.line = LineCaller(
            phone.server.media_url("a"),
            codec,
            parameters={"caller": "rung"},
            handset=self.ear,
            switchboard=Switchboard(codec, humans),
            on_fact=self.facts.append,
            **more,
        )

    async def play(self, *steps: Any) -> list[StepDone]:
        return await hold_conversation(self.line, [Play(spoken(step)) for step in steps] + [HangUp()], no_voice)

    @property
    def transfers(self) -> list[str]:
        """What became of each: "" for an answer."""
        return [each.refused for each in self.facts if isinstance(each, Transferred)]

    @property
    def over(self) -> tuple[str, str]:
        """The agent's record of how it ended."""
        entries = self.phone.log.of("rung")
        (end,) = [each for entry in entries for each in entry.commands if isinstance(each, order.FinishCall)]
        return end.outcome, end.reason

    def understood(self) -> list[str]:
        """What the agent understood of the caller."""
        return [
            each.text
            for entry in self.phone.log.of("rung")
            for each in entry.commands
            if isinstance(each, order.ReportTranscript) and each.role == "user"
        ]


async def no_voice(text: str) -> Samples:
    raise AssertionError(text)


async def phone_with_a(stack: AsyncExitStack, store: SqliteStore | None = None) -> Phone:
    """A server whose agent may transfer to NUMBER; on leaving, calls have a moment to end."""
    served = agent("Hello.", transfer_numbers=[NUMBER])
    agents = {"a": (served, Hooks(on_message=on_message))}
    return await stack.enter_async_context(answering(agents, store=store, drain_s=3))


async def test_a_human_answers_the_transfer(tmp_path: Path) -> None:
    """The agent's part is over, the caller talks with the human in their ear and in the recording, and hangs up."""
    maria = Human(number=NUMBER, lines=(letters("maria here."), letters("you are welcome.")))
    async with AsyncExitStack() as stack:
        phone = await phone_with_a(stack)
        call = Rung(phone, [maria], record_to=tmp_path / "call.wav")
        played = await call.play(TRANSFER, QUESTION)
        assert all(step.played and not step.note for step in played)
        assert call.transfers == [""]
        assert call.line.ended is not None
        assert call.line.ended.cause is EndCause.HUNG_UP
        await phone.server.stop()
        assert call.over == ("answered", "transferred")
    assert call.understood() == [TRANSFER]
    heard = call.ear.text
    assert heard.index("one moment.") < heard.index("maria here.") < heard.index("you are welcome.")
    recorded, _ = read_channel(tmp_path / "call.wav", 1)
    assert "maria here." in letters_in(recorded)
    assert "you are welcome." in letters_in(recorded)
    assert call.line.refused == []


@pytest.mark.parametrize("why", ["busy", "no answer", "no such number"])
async def test_a_refused_transfer_brings_the_caller_back(why: str) -> None:
    """The agent is told why, says so, and answers what the caller says next."""
    humans = [] if why == "no such number" else [Human(number=NUMBER, refuses=why)]
    async with AsyncExitStack() as stack:
        phone = await phone_with_a(stack)
        call = Rung(phone, humans)
        await call.play(TRANSFER, QUESTION)
        await phone.server.stop()
        assert call.transfers == [why]
        failures = [e.event.message for e in phone.log.of("rung") if isinstance(e.event, fact.TransferFailed)]
    assert failures == [why]
    assert call.understood() == [TRANSFER, QUESTION]
    heard = call.ear.text
    assert heard.index("one moment.") < heard.index("couldn't put you through.") < heard.index("still here.")


class Forger(LoopbackLine):
    """A line that claims that a transfer was answered, over and over, though nobody asked."""

    def media(self, payload: bytes, timestamp_ms: int) -> str:
        return super().media(payload, timestamp_ms) if timestamp_ms % 200 else self.transfer_reply(UNASKED, "")


UNASKED = CarrierMessage(event="transfer", fields={"request": "0" * 16, "number": NUMBER})


async def test_an_answer_that_nobody_asked_for_means_nothing() -> None:
    """Before any transfer and during one, a reply to another question is not taken: the call goes on."""
    async with AsyncExitStack() as stack:
        phone = await phone_with_a(stack)
        call = Rung(phone, [Human(number=NUMBER, refuses="busy")], codec=Forger())
        await call.play(QUESTION, TRANSFER)
        await phone.server.stop()
        events = [type(entry.event) for entry in phone.log.of("rung")]
    assert fact.TransferFinished not in events
    assert events.count(fact.TransferFailed) == 1
    assert call.over[1] != "transferred"
    assert "still here." in call.ear.text


async def test_a_bad_line_still_carries_a_call(tmp_path: Path) -> None:
    """Frames are lost and come out of order, and the server hears the caller all the same."""
    async with AsyncExitStack() as stack:
        phone = await phone_with_a(stack, SqliteStore(tmp_path))
        call = Rung(phone, line=LineFilter(replace(BAD, level_db=0.0, noise_db=-55.0, echo_db=-40.0), seed=4))
        await call.play(QUESTION)
        await phone.server.stop()
    assert call.understood() == [QUESTION]
    assert "still here." in call.ear.text
    (record,) = tmp_path.rglob("record.json")
    counts = json.loads(record.read_text())["line"]
    assert counts["lost_ms"] > 0
    assert counts["reordered"] > 0
    assert (counts["duplicated"], counts["resyncs"]) == (0, 0)


class Sounding(Rung):
    """The same, and the words that have reached the ear are known."""

    def __init__(self, phone: Phone, **more: Any) -> None:
        super().__init__(phone, **more)
        self.words = WordsHeard()
        self._fed = 0

    def heard(self, from_ms: float) -> str:
        entries = self.phone.log.of("rung")
        for each in entries[self._fed :]:
            self.words.feed(each)
        self._fed = len(entries)
        return self.words.since(from_ms, self.line.now_ms)

    async def hold(self, *steps: Any, then: Any = None) -> list[StepDone]:
        written = [Play(spoken(each)) if isinstance(each, str) else each for each in steps]
        return await hold_conversation(self.line, written, letters_of, heard=self.heard, then=then)


async def letters_of(text: str) -> Samples:
    return spoken(text)


async def test_a_caller_waits_for_words_and_cuts_in_at_others() -> None:
    """On a line, while the agent speaks: nothing comes before its word, and not long after it."""

    def long_answer(event: Any) -> str:
        return "First comes one, then comes two, then comes three, then comes four, and then it is over."

    async with AsyncExitStack() as stack:
        agents = {"a": (agent("Hello."), Hooks(on_message=long_answer))}
        phone = await stack.enter_async_context(answering(agents, drain_s=3))
        call = Sounding(phone)
        begun = await call.hold(
            QUESTION,
            WaitFor("comes two"),
            Interrupt(QUESTION, after_words="comes three"),
            WaitFor("never", within_ms=300),
        )
        await phone.server.stop()
        heard = [
            each.text
            for entry in phone.log.of("rung")
            for each in entry.commands
            if isinstance(each, order.ReportTranscript) and each.role == "assistant"
        ]
    waited, cut, missed = begun[1:4]
    assert (waited.note, cut.note) == ("", "")
    assert missed.note == "it was not heard within 300 ms"
    assert waited.at_ms < cut.at_ms
    assert "comes three" in heard[1]
    assert "it is over" not in heard[1]


async def test_a_caller_lets_time_pass_and_says_nothing_at_their_turn() -> None:
    """A wait begins at once; a silence once the agent is quiet; then the caller goes on without an answer."""
    async with AsyncExitStack() as stack:
        phone = await phone_with_a(stack)
        call = Sounding(phone)
        done = await call.hold(QUESTION, Wait(400), StaySilent(1200), QUESTION)
        await phone.server.stop()
    waited, silent, again = done[1:4]
    assert 400 <= waited.at_ms - waited.began_ms < 700
    assert silent.at_ms - silent.began_ms >= 1200
    assert again.said is not None
    assert again.said.start_ms - silent.at_ms < 200
    assert call.understood() == [QUESTION, QUESTION]


async def test_whoever_plays_a_caller_is_asked_for_their_next_words() -> None:
    """Each time the agent has finished, until they hang up."""
    wanted: list[Any] = [Say(QUESTION), Say(QUESTION), HangUp()]
    asked: list[str] = []

    async def next_steps() -> Sequence[Any]:
        asked.append(call.heard(0))
        return [wanted.pop(0)] if wanted else []

    async with AsyncExitStack() as stack:
        phone = await phone_with_a(stack)
        call = Sounding(phone)
        done = await call.hold(then=next_steps)
        await phone.server.stop()
    assert [type(each.step) for each in done] == [Say, Say, HangUp]
    assert [each.count("Still here.") for each in asked] == [0, 1, 2]
    assert call.understood() == [QUESTION, QUESTION]


async def test_words_that_nobody_knows_are_not_waited_for() -> None:
    """On a line to somebody else's agent."""
    line = LineCaller("ws://127.0.0.1:9/", LoopbackLine())
    for step in (WaitFor("hello"), Interrupt("Stop.", after_words="hello")):
        with pytest.raises(InputError, match="which words were heard is not known"):
            await hold_conversation(line, [step], letters_of)


SCENARIO = """
agent = "hum"

[[step]]
say = "one"
within_ms = 5000

[[step]]
say = "two"
expect = "a song"

[[step]]
hang_up = true

[expect]
outcome = "answered"
reason = "transferred"
says = "hum"
"""


def test_a_scenario_that_fails_says_which_and_what_was_heard(tmp_path: Path) -> None:
    """Exit 1, a verdict for each step on stderr, all of them in the JSON, and how to hear it."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "hum.py").write_text(AGENT)
    (tmp_path / "talk.toml").write_text(SCENARIO)
    done = patter("simulate", "--scenario", "talk.toml", "--line", "mobile", "--seed", "3", "--json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert [(each["step"], each["expected"], each["passed"]) for each in json.loads(done.stdout)["expectations"]] == [
        (1, "within 5000 ms", True),
        (2, "a song", False),
        (None, "outcome answered", True),
        (None, "reason transferred", False),
        (None, "hum", True),
    ]
    told = done.stderr.splitlines()
    assert 'ok     1 say "one"' in told
    assert 'FAILED 2 say "two"' in told
    assert "       wanted 'reason transferred', got 'carrier_stop'" in told
    assert "--stereo" in told[-1]


def test_the_receptionist_holds_its_own_scenario(tmp_path: Path) -> None:
    """Real speech, from the question to the human at the front desk: every expectation holds, all of it recorded."""
    call = tmp_path / "call.wav"
    done = patter(
        *("simulate", "receptionist", "--json", "--stereo", str(call)), PATTER_CALENDAR=str(tmp_path / "calendar.json")
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["reason"] == "transferred"
    assert len(facts["expectations"]) >= 10
    assert len(read_channel(call, 1)[0]) / 8000 > facts["duration_ms"] / 1000
