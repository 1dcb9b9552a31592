"""A slow model is an answer, not an apology: what its caller hears, from half a second to half a minute."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from patter_cli import OpenAICompatibleLLM
from patter_cli.core.plan import SystemPhrases
from patter_cli.engine.hooks import Hooks
from patter_cli.testing.vendors.server import Answer, Await, Request, Script, Step, in_json, serve
from tests.e2e.conftest import SENTENCES, Caller, agent, answering
from tests.e2e.test_model_calls import chunk, done

LINES = SystemPhrases()
ANSWER = "We are open from nine until six on every day but sunday, and on sunday from ten."
WAITING = (LINES.filler, LINES.still_working)
FIRST_S = (0.5, 2.0, 4.5, 6.5, 8.0, 12.0, 20.0, 30.0)
TOKENS_A_SECOND = (1.0, 2.0, 5.0, 20.0)


def slow(first_s: float, tokens_a_second: float) -> Script:
    """A model that takes so long to its first word, and then for each."""

    def script(request: Request) -> Answer:
        if request.method == "GET":
            return in_json({"data": []})
        loop, steps = asyncio.get_running_loop(), list[Step]()
        for number, word in enumerate(ANSWER.split()):
            due = asyncio.Event()
            loop.call_later(first_s + number / tokens_a_second, due.set)
            steps += [Await(due), chunk(content=f"{word} ")]
        return Answer(steps=(*steps, done()))

    return script


async def sweep(cases: list[tuple[float, float]]) -> dict[tuple[float, float], str]:
    """What is heard of each (seconds to the first word, words a second), all at once."""
    async with AsyncExitStack() as stack:
        vendors = {case: await stack.enter_async_context(serve(slow(*case))) for case in cases}
        agents = {
            f"agent-{number}": (agent(llm=OpenAICompatibleLLM(vendors[case].url, "m")), Hooks())
            for number, case in enumerate(cases)
        }
        phone = await stack.enter_async_context(answering(agents))
        heard: dict[tuple[float, float], str] = {}

        async def one(number: int, case: tuple[float, float]) -> None:
            async with Caller(phone, f"agent-{number}") as caller:
                await caller.say(SENTENCES[0])
                await caller.until(lambda: caller.ear.text.replace(" ", "").endswith("fromten.") or caller.over(), 75)
                heard[case] = caller.ear.text

        await asyncio.gather(*(one(number, case) for number, case in enumerate(cases)))
    return heard


def judge(case: tuple[float, float], heard: str) -> str | None:
    """What is wrong with what was heard, if anything."""
    rest, waits = heard, 0
    for line in WAITING:
        waits += rest.count(line.lower())
        rest = rest.replace(line.lower(), "")
    if rest.replace(" ", "") != ANSWER.lower().replace(" ", ""):
        return f"{case}: {heard!r}"
    first_s, tokens_a_second = case
    # One soon, one more for each eight seconds that nothing is heard; slow words leave gaps of their own.
    most = 1 + int((first_s + 3.0) // 8.0) + (17 if tokens_a_second < 2 else 2 if tokens_a_second < 5 else 0)
    return f"{case}: told to wait {waits} times" if waits > most or (first_s >= 4.5 and not waits) else None


async def test_a_slow_model_is_heard_and_not_apologised_for(quiet_log: None) -> None:
    """One filler, then the answer; a word every second and a half is spoken in pieces."""
    cases = [(0.5, 20.0), (6.5, 20.0), (8.0, 20.0), (2.0, 0.67)]
    heard = await sweep(cases)
    assert [judge(case, heard[case]) for case in cases if judge(case, heard[case])] == []
    assert heard[6.5, 20.0].count(LINES.filler.lower()) == 1
    assert LINES.still_working.lower() not in heard[6.5, 20.0] + heard[8.0, 20.0]


@pytest.mark.slow
async def test_the_whole_sweep(quiet_log: None) -> None:
    """0.5 to 30 seconds to the first word, 1 to 20 words a second: no answer that came is thrown away."""
    cases = [(first_s, rate) for first_s in FIRST_S for rate in TOKENS_A_SECOND]
    heard = await sweep(cases)
    for case in cases:
        print(f"{case[0]:5.1f} s, {case[1]:4.0f} a second: {heard[case]}")
    assert [judge(case, heard[case]) for case in cases if judge(case, heard[case])] == []
