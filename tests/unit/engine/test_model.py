"""Asking models: who is asked again, who is asked next, and what the caller waits for at most."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from patter_cli.contracts.llm import ChatMessage, Delta, Text, ToolCall, ToolSpec, Usage
from patter_cli.engine.fallback import MIND, OPEN_AFTER, PROBE_S, Breakers
from patter_cli.engine.model import FIRST_S, GO_ON, LAST_FIRST_S, NEXT_OF_SEVERAL_S, NEXT_S, Rewind, ask_models
from patter_cli.errors import (
    BadReply,
    MissingCredential,
    ProviderError,
    RateLimited,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from tests.unit.engine.conftest import virtually


@dataclass
class Scripted:
    """A model that plays one script after the other: words, errors to raise, seconds to wait."""

    scripts: list[list[object]]
    asked: int = 0
    closed: int = 0
    provider: str = "scripted"
    model: str = "m"
    key_variable: str = ""
    may_call: list[bool] = field(default_factory=list)
    messages: list[list[tuple[str, str]]] = field(default_factory=list)

    def check(self) -> None: ...

    async def warm(self) -> None: ...

    async def stream(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncGenerator[Delta, None]:
        self.asked += 1
        self.may_call.append(may_call)
        self.messages.append([(each.role, each.text) for each in messages])
        try:
            for step in self.scripts[min(self.asked, len(self.scripts)) - 1]:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif isinstance(step, ToolCall):
                    yield step
                else:
                    yield Text(str(step))
        finally:
            self.closed += 1


def ask(*models: Scripted) -> tuple[str, ProviderError | None, float]:
    """(what was said, how it failed, how long it took)."""
    said: list[str] = []
    failure: list[ProviderError] = []
    took: list[float] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async for delta in ask_models(models, [], [], may_call=True):
                assert isinstance(delta, Text)
                said.append(delta.text)
        except ProviderError as error:
            failure.append(error)
        took.append(loop.time() - began)

    virtually(story())
    return "".join(said), failure[0] if failure else None, took[0]


def down() -> Unavailable:
    return Unavailable("down", provider="scripted")


def test_a_hiccup_is_tried_again() -> None:
    """Before a word has come, once, after a short wait."""
    model = Scripted([[down()], ["Hello."]])
    said, failure, took = ask(model)
    assert (said, failure, model.asked) == ("Hello.", None, 2)
    assert took < 1


def test_a_model_that_stays_down_is_replaced() -> None:
    """The next one answers; the first is not asked a third time."""
    one, two = Scripted([[down()]]), Scripted([["Hello."]])
    assert ask(one, two)[0] == "Hello."
    assert (one.asked, two.asked) == (MIND.tries, 1)


def test_nothing_is_asked_again_once_words_have_come() -> None:
    """The caller must not hear two beginnings; a tool must not be called twice."""
    one, two = Scripted([["Hello, ", down()]]), Scripted([["Other."]])
    said, failure, _ = ask(one, two)
    assert said == "Hello, "
    assert isinstance(failure, Unavailable)
    assert two.asked == 0


@pytest.mark.parametrize(
    "error",
    [
        Unauthorized("key", provider="scripted"),
        BadReply("no", provider="scripted"),
        MissingCredential("no key"),
        RateLimited("later", provider="scripted", retry_after_s=30),
    ],
)
def test_what_will_not_help_is_not_tried_again(error: Exception) -> None:
    """A refused key, a bad request, a long "come back later": straight to the next model."""
    one, two = Scripted([[error]]), Scripted([["Hello."]])
    said, _, took = ask(one, two)
    assert (said, one.asked) == ("Hello.", 1)
    assert took < 0.1


def test_a_short_come_back_later_is_honoured() -> None:
    """The vendor's own time, if the caller can wait it."""
    model = Scripted([[RateLimited("later", provider="scripted", retry_after_s=1.5)], ["Hello."]])
    said, _, took = ask(model)
    assert said == "Hello."
    assert 1.5 <= took < 1.6


def test_silence_is_ended_and_not_tried_again() -> None:
    """Six seconds for the first word as long as there is somebody else to ask."""
    one, two = Scripted([[60.0, "late"]]), Scripted([["Hello."]])
    said, _, took = ask(one, two)
    assert (said, one.asked, one.closed) == ("Hello.", 1, 1)
    assert took == pytest.approx(FIRST_S, abs=0.1)


@pytest.mark.parametrize("first_s", [0.5, 2.0, 6.5, 8.0, 15.0, 29.0, 30.0])
def test_the_last_model_may_be_slow(first_s: float) -> None:
    """A cold one takes as long as loading it: its answer is one, and it is asked once."""
    one = Scripted([[first_s, "Hello."]])
    said, failure, took = ask(one)
    assert (said, failure, one.asked) == ("Hello.", None, 1)
    assert took == pytest.approx(first_s, abs=0.1)


def test_the_last_model_is_not_waited_for_for_ever() -> None:
    """Half a minute, then the caller gets an apology."""
    _, failure, took = ask(Scripted([[60.0, "late"]]))
    assert isinstance(failure, TimedOut)
    assert took == pytest.approx(LAST_FIRST_S, abs=0.1)


def test_a_reply_that_stalls_fails() -> None:
    """What came is kept, and the stream is closed."""
    model = Scripted([["Hello, ", 60.0, "late"]])
    said, failure, took = ask(model)
    assert said == "Hello, "
    assert isinstance(failure, TimedOut)
    assert model.closed == 1
    assert took == pytest.approx(NEXT_S, abs=0.1)


def test_leaving_closes_the_request() -> None:
    """Cancelling a reply lets go of the vendor at once."""
    model = Scripted([["Hello, ", 60.0, "late"]])

    async def story() -> None:
        async def consume() -> None:
            async for _ in ask_models([model], [], [], may_call=True):
                pass

        task = asyncio.create_task(consume())
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert model.closed == 1

    virtually(story())


def test_no_model_at_all_is_an_error() -> None:
    """It cannot be; if it is, the caller gets an apology."""
    assert isinstance(ask()[1], ProviderError)


def test_a_model_whose_code_is_broken_is_replaced() -> None:
    """And if nobody is left, the failure is a vendor's and not the agent's own."""
    assert ask(Scripted([[ZeroDivisionError("a bug")]]), Scripted([["Hello."]]))[0] == "Hello."
    _, failure, _ = ask(Scripted([[ZeroDivisionError("a bug")]]))
    assert isinstance(failure, BadReply)
    assert failure.provider == "scripted"


def test_a_model_that_failed_other_calls_is_asked_last() -> None:
    """The caller of the next call does not wait six seconds for it; after a while one request tries it again."""
    one, two, breakers = Scripted([[60.0, "late"]]), Scripted([["Hello."]]), Breakers()

    async def reply() -> float:
        began = asyncio.get_running_loop().time()
        async for _ in ask_models([one, two], [], [], may_call=True, breakers=breakers):
            pass
        return asyncio.get_running_loop().time() - began

    async def story() -> None:
        assert [round(await reply()) for _ in range(OPEN_AFTER)] == [round(FIRST_S)] * OPEN_AFTER
        assert await reply() < 0.1
        await asyncio.sleep(PROBE_S)
        assert await reply() >= FIRST_S
        assert await reply() < 0.1

    virtually(story())


def going_on(*models: Scripted, spoken: str) -> tuple[list[object], ProviderError | None, float]:
    """(what came, how it failed, how long it took) for a thinker that had passed this on when it was told to rewind."""
    came: list[object] = []
    failure: list[ProviderError] = []
    took: list[float] = []
    question = [ChatMessage(role="user", text="When?")]

    async def story() -> None:
        began = asyncio.get_running_loop().time()
        try:
            async for delta in ask_models(models, question, [], may_call=True, spoken=lambda: spoken):
                came.append(delta.text if isinstance(delta, Text) else delta)
        except ProviderError as error:
            failure.append(error)
        took.append(asyncio.get_running_loop().time() - began)

    virtually(story())
    return came, failure[0] if failure else None, took[0]


def test_another_model_goes_on_where_the_first_broke_off() -> None:
    """It is told what has been said, and the half sentence behind that is dropped."""
    one = Scripted([["We open at nine. And we cl", BadReply("broke", provider="scripted")]])
    two = Scripted([["We close at five."]])
    came, failure, _ = going_on(one, two, spoken="We open at nine.")
    assert came == ["We open at nine. And we cl", Rewind(), "We close at five."]
    assert failure is None
    assert two.messages == [[("user", "When?"), ("assistant", "We open at nine."), ("user", GO_ON)]]


def test_a_reply_of_which_nothing_was_said_is_begun_again() -> None:
    """Nobody has heard it, so the question is asked as it was; also of the same model, once."""
    one = Scripted([["We op", Unavailable("cut", provider="scripted")], ["We open at nine."]])
    came, failure, _ = going_on(one, spoken="")
    assert (came, failure) == (["We op", Rewind(), "We open at nine."], None)
    assert one.messages[0] == one.messages[1]


def test_a_reply_that_stalls_is_gone_on_with() -> None:
    """After four seconds as long as there is somebody to ask."""
    came, failure, took = going_on(Scripted([["Well. ", 60.0]]), Scripted([["Nine."]]), spoken="Well.")
    assert (came[-1], failure) == ("Nine.", None)
    assert took == pytest.approx(NEXT_OF_SEVERAL_S, abs=0.1)


def test_nobody_goes_on_behind_a_tool_call() -> None:
    """It must not run twice."""
    one = Scripted([["Well. ", ToolCall(id="c", name="book"), down()]])
    two = Scripted([["Nine."]])
    came, failure, _ = going_on(one, two, spoken="Well.")
    assert isinstance(failure, Unavailable)
    assert (len(came), two.asked) == (2, 0)


def test_a_reply_that_breaks_off_everywhere_fails() -> None:
    """Each is asked as often as it would have been for the beginning, and the last one's error is told."""
    one, two = (Scripted([["Well. ", down()]]) for _ in range(2))
    came, failure, _ = going_on(one, two, spoken="Well.")
    assert isinstance(failure, Unavailable)
    assert (one.asked, two.asked, came.count(Rewind())) == (MIND.tries, MIND.tries, 2 * MIND.tries - 1)


@pytest.mark.parametrize("others", [0, 1])
def test_nothing_said_is_asked_for_once_more(others: int) -> None:
    """Of the next model, or of the same; silence twice over is the engine's to deal with."""
    one, two = Scripted([[], ["Hello."]]), Scripted([["Hello."]])
    assert ask(one, *[two][:others])[0] == "Hello."
    assert (one.asked, two.asked) == ((1, 1) if others else (2, 0))
    silent = Scripted([[""]])
    assert ask(silent)[:2] == ("", None)
    assert silent.asked == 2


def taken(script: list[object], words: int = 99) -> list[tuple[str, int, int]]:
    """What we were told of broken off requests by a caller who wants so many words: (model, input, output tokens)."""
    told: list[Usage] = []
    question = [ChatMessage(role="user", text="x" * 400)]

    async def story() -> None:
        deltas = ask_models([Scripted([script])], question, [], may_call=True, broken_off=told.append)
        with suppress(ProviderError):
            for _ in range(words):
                if await anext(deltas, None) is None:
                    break
        await deltas.aclose()

    virtually(story())
    assert all(each.estimated and each.provider == "scripted" for each in told)
    return [(each.model, each.input_tokens, each.output_tokens) for each in told]


def test_what_a_broken_off_request_took_is_estimated() -> None:
    """The vendor charges for it and does not say: given up half way, failed half way, or without usage at its end."""
    word = "twenty letters long."
    assert taken([word] * 9, words=4) == [("m", 100, 20)]
    assert taken([word, word, BadReply("broke", provider="scripted")]) == [("m", 100, 10)]
    assert taken([word]) == [("m", 100, 5)]


def test_what_was_refused_or_is_known_is_not_estimated() -> None:
    """Nothing came, and nothing is charged; or the vendor said what it took."""
    assert taken([Unauthorized("no", provider="scripted")]) == []
    assert taken([LAST_FIRST_S + 0.5, "late"]) == []


async def test_usage_says_whose_it_is() -> None:
    """A model's own word is passed on with its provider's name, and is not estimated again."""

    class Counting(Scripted):
        async def stream(self, *arguments: object, **options: object) -> AsyncGenerator[Delta, None]:  # type: ignore[override]
            yield Text("Hello.")
            yield Usage(model="m-2026", input_tokens=7, output_tokens=2)

    told: list[Usage] = []
    deltas = [each async for each in ask_models([Counting([])], [], [], may_call=True, broken_off=told.append)]
    assert deltas[-1] == Usage(provider="scripted", model="m-2026", input_tokens=7, output_tokens=2)
    assert told == []
