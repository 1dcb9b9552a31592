"""A reply as it is made: pieces in, clauses out, and every way it can end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from patter_cli.contracts.llm import Delta, Text, ToolCall, Usage
from patter_cli.core.events import (
    ClauseReady,
    Event,
    FirstToken,
    ModelUsed,
    ResponseFailed,
    ResponseFinished,
    ToolCallRequested,
)
from patter_cli.engine.model import Rewind
from patter_cli.engine.think import CALLS, MODEL_CHARS, PIECE_S, REPLY_CHARS, Ask, Brain, Thinker
from patter_cli.errors import Unauthorized, Unavailable
from tests.unit.engine.conftest import virtually


def think(brain: Brain | None, *, cancel_after_s: float | None = None, go_on: str | None = None) -> list[Event]:
    """One reply from start to end, number 7 to "hello"."""
    events: list[Event] = []

    async def story() -> None:
        thinker = Thinker(brain, language="en", post=events.append, go_on=go_on)
        thinker.start(Ask(response_id=7, text="hello"))
        if cancel_after_s is not None:
            await asyncio.sleep(cancel_after_s)
            thinker.cancel(7)
            thinker.cancel(7)
        await asyncio.sleep(PIECE_S * 3)
        thinker.cancel(7)

    virtually(story())
    return events


def clauses(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, ClauseReady)]


def test_pieces_become_clauses_and_an_end() -> None:
    """The first words are told, each clause as soon as it is whole, then the end."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        assert (ask.response_id, ask.text) == (7, "hello")
        for piece in ("", "We op", "en at nine. We cl", "ose at **six**."):
            yield Text(piece)

    events = think(brain)
    assert events[0] == FirstToken(response_id=7)
    assert clauses(events) == ["We open at nine.", "We close at six."]
    assert events[-1] == ResponseFinished(response_id=7)
    assert sum(isinstance(event, FirstToken) for event in events) == 1


@pytest.mark.parametrize(
    ("error", "provider"), [(Unavailable("down", provider="acme"), "acme"), (ZeroDivisionError("a bug"), "on_message")]
)
def test_what_came_before_a_failure_is_spoken(error: Exception, provider: str) -> None:
    """A whole sentence in the splitter is not lost because the next piece never came."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Text("The answer is yes.")
        raise error

    events = think(brain)
    assert clauses(events) == ["The answer is yes."]
    assert isinstance(events[-1], ResponseFailed)
    assert events[-1].provider == provider
    assert not any(isinstance(event, ResponseFinished) for event in events)


def test_half_a_sentence_before_a_failure_is_not_spoken() -> None:
    """An apology comes instead of it; what was whole before it is spoken."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Text("We open at nine. And on Saturdays we")
        raise Unavailable("down", provider="acme")

    assert clauses(think(brain)) == ["We open at nine."]


@pytest.mark.parametrize("goes_on", ["And we close at five.", "We open at nine! And we close at five."])
def test_who_goes_on_with_a_reply_repeats_nothing(goes_on: str) -> None:
    """The half sentence is dropped, what was whole is said once, whoever goes on knows what that is."""
    passed_on: list[str] = []

    async def brain(ask: Ask) -> AsyncGenerator[Delta | Rewind, None]:
        yield Text("We open at nine. And on Satur")
        yield Rewind()
        passed_on.append(ask.spoken())
        yield Text(goes_on)

    events = think(brain)
    assert clauses(events) == ["We open at nine.", "And we close at five."]
    assert passed_on == ["We open at nine."]
    assert isinstance(events[-1], ResponseFinished)


@pytest.mark.parametrize("per_second", [20.0, 5.0, 1.0, 1 / 1.5, 0.4])
def test_a_slow_model_is_spoken_in_pieces(per_second: float) -> None:
    """Twelve words without a full stop: all of them are spoken, in order, none cut, however slowly they come; and a
    quick model's sentence stays whole."""
    words = "well you could come on Monday or on Tuesday or on Friday".split()

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        for word in words:
            yield Text(f" {word}")
            await asyncio.sleep(1 / per_second)

    said = clauses(think(brain))
    assert " ".join(said).split() == words
    assert len(said) == 1 if per_second >= 20 else len(said) >= (2 if per_second >= 5 else 3)


def test_half_a_word_is_never_spoken_alone() -> None:
    """A token that goes on with the word before it does not end it, however late it comes."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        for token in ("We", " have", " a Satur", "day", " appoint", "ment", " free"):
            yield Text(token)
            await asyncio.sleep(4)

    said = clauses(think(brain))
    assert " ".join(said).split() == "We have a Saturday appointment free".split()


def test_a_refused_key_is_hopeless() -> None:
    """The machine is told, so that nobody is asked to say it again."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        raise Unauthorized("no such key", provider="acme")
        yield Text("")

    last = think(brain)[-1]
    assert isinstance(last, ResponseFailed)
    assert last.hopeless


@pytest.mark.parametrize("reply", ["", "😀😀", "**", "你好"])
def test_a_reply_with_nothing_to_say_is_told_in_the_log(reply: str, caplog: pytest.LogCaptureFixture) -> None:
    """One line with what the model wrote."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Text(reply)

    with caplog.at_level("WARNING"):
        events = think(brain)
    if not clauses(events):
        (line,) = [each.getMessage() for each in caplog.records]
        assert ascii(reply) in line


def test_a_models_reply_in_one_piece_is_bounded_as_in_many() -> None:
    """It stops after six hundred characters, at the end of a sentence, and asks whether to go on."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Text("And another thing. " * 200)

    said = clauses(think(brain, go_on="Shall I go on?"))
    assert said[-1] == "Shall I go on?"
    assert MODEL_CHARS - 60 <= sum(len(each) + 1 for each in said[:-1]) <= MODEL_CHARS + 1


def test_a_brain_that_hangs_fails_in_the_end() -> None:
    """Longest after the wait for one piece."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Text("One moment. ")
        await asyncio.Event().wait()

    assert isinstance(think(brain)[-1], ResponseFailed)


def test_a_cancelled_reply_posts_nothing_more_and_closes_its_source() -> None:
    """No end, no failure; cancelling twice or too late is fine."""
    closed: list[str] = []

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        try:
            yield Text("Heard. ")
            await asyncio.sleep(1)
            yield Text("Not heard. ")
        finally:
            closed.append("closed")

    events = think(brain, cancel_after_s=0.5)
    assert clauses(events) in ([], ["Heard."])
    assert not any(isinstance(event, ResponseFinished | ResponseFailed) for event in events)
    assert closed == ["closed"]


def test_an_endless_reply_is_cut_off() -> None:
    """At a length nobody listens to."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        while True:
            yield Text("And another thing. ")

    events = think(brain)
    assert REPLY_CHARS <= sum(len(each) + 1 for each in clauses(events)) <= REPLY_CHARS + 40
    assert events[-1] == ResponseFinished(response_id=7)


def test_an_agent_without_a_brain_fails_its_reply() -> None:
    """The machine then apologises."""
    assert [type(event) for event in think(None)] == [ResponseFailed]


def test_a_fixed_text_is_delivered_at_once() -> None:
    """As clauses and an end, without a task."""
    events: list[Event] = []
    Thinker(None, language="en", post=events.append).read_out(2, "Hello. How are you?")
    assert events == [
        ClauseReady(response_id=2, text="Hello."),
        ClauseReady(response_id=2, text="How are you?"),
        ResponseFinished(response_id=2),
    ]


def test_stopping_ends_whatever_runs() -> None:
    """At the end of a call; code that refuses is left behind."""
    ended: list[int] = []

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        try:
            await asyncio.sleep(3600)
            yield Text("")
        finally:
            ended.append(ask.response_id)

    async def story() -> None:
        thinker = Thinker(brain, language="en", post=lambda event: None)
        thinker.start(Ask(response_id=1, text="a"))
        thinker.start(Ask(response_id=2, text="b"))
        await asyncio.sleep(0.1)
        thinker.stop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    virtually(story())
    assert sorted(ended) == [1, 2]


def test_a_reply_in_one_piece_is_cut_off_too() -> None:
    """What on_message returns whole is no longer than what it streams."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Text("And another thing. " * 1000)

    events = think(brain)
    assert REPLY_CHARS - 40 <= sum(len(each) + 1 for each in clauses(events)) <= REPLY_CHARS + 1
    assert events[-1] == ResponseFinished(response_id=7)


def test_what_cannot_be_spoken_is_no_clause() -> None:
    """A reply of layout only has an end and no clause."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Text("**\n\n---\n")

    events = think(brain)
    assert clauses(events) == []
    assert events[-1] == ResponseFinished(response_id=7)


def test_tool_calls_come_after_the_words_before_them() -> None:
    """What was said before a tool is spoken first, even without a full stop; ids are ours and never the same."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Text("Let me look")
        yield ToolCall(id="call_0", name="look", arguments='{"day": 1}')
        yield ToolCall(id="call_0", name="look", arguments='{"day": 2}')
        yield Usage(model="m", input_tokens=9, output_tokens=3, cached_tokens=1)

    events = think(brain)
    assert [type(event) for event in events] == [
        FirstToken,
        ClauseReady,
        ToolCallRequested,
        ToolCallRequested,
        ModelUsed,
        ResponseFinished,
    ]
    calls = [event for event in events if isinstance(event, ToolCallRequested)]
    assert len({call.tool_call_id for call in calls}) == 2
    assert [call.arguments for call in calls] == ['{"day": 1}', '{"day": 2}']


def test_a_flood_of_tool_calls_is_cut_off() -> None:
    """A model in a loop does not fill the call's memory."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        for _ in range(1000):
            yield ToolCall(id="x", name="look")

    assert sum(isinstance(event, ToolCallRequested) for event in think(brain)) == CALLS


def test_a_model_that_does_not_stop_asks_whether_to_go_on() -> None:
    """After six hundred characters, at the end of a sentence."""

    async def brain(ask: Ask) -> AsyncGenerator[Delta, None]:
        while True:
            yield Text("And another thing. And")

    said = clauses(think(brain, go_on="Shall I go on?"))
    assert said[-1] == "Shall I go on?"
    assert said[-2].endswith("thing.")
    assert MODEL_CHARS - 60 <= sum(len(each) + 1 for each in said[:-1]) <= MODEL_CHARS + 60
