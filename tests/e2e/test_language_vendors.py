"""Calls by keyboard whose language model is each vendor of the lab: the same words, tools and history with all of them,
and with any of them killed at any point."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from patter_cli import Agent, tool, wiring
from patter_cli.contracts.carrier.carrier import CallHandle
from patter_cli.contracts.llm import LanguageModel, ToolCall
from patter_cli.core.plan import SystemPhrases
from patter_cli.engine.hooks import Hooks
from patter_cli.simulate.typed import TypedCall
from patter_cli.testing.vendors.llm.said import Said
from patter_cli.testing.vendors.llm.vendor import LanguageVendor
from patter_cli.testing.vendors.server import Answer, Cut, Request, Talk, serve
from tests.contract.rows import KEY, MODELS, ModelRow
from tests.e2e.conftest import Told

LINES = ("A table for six, please.", "And parking?", "Thanks.")
BOTH = (ToolCall(id="c1", name="book", arguments='{"at": "18:00"}'), ToolCall(id="c2", name="look_up"))
SCRIPT = {
    "A table for six": Said("One moment, please. ", calls=BOTH, thought="They want a table."),
    "table 7": Said("Your table is booked. It is number seven."),
    "parking": Said("We have a car park. It is behind the house."),
    "Thanks": Said("You are welcome."),
}
TRANSCRIPT = [
    ("assistant", "Hello."),
    ("user", LINES[0]),
    ("tool", 'book {"at": "18:00"} -> {"ok": true, "data": "table 7"}'),
    ("tool", 'look_up {} -> {"ok": true, "data": "a regular"}'),
    ("assistant", "One moment, please. Your table is booked. It is number seven."),
    ("user", LINES[1]),
    ("assistant", "We have a car park. It is behind the house."),
    ("user", LINES[2]),
    ("assistant", "You are welcome."),
]
PHRASES = SystemPhrases()
PROMPT_S = 20.0
"""For a whole call, retries and all, of a busy machine."""


@tool
def book(at: str) -> str:
    """Book a table."""
    return "table 7"


@tool
def look_up(name: str = "") -> str:
    """Look a guest up."""
    return "a regular"


def mind(body: dict[str, Any]) -> Said:
    """Answers what was said last, wherever this vendor's requests have it; asked to go on, it begins again."""
    text = json.dumps(body)
    return SCRIPT[max(SCRIPT, key=text.rfind)]


@dataclass(slots=True)
class Killed:
    """A vendor whose answers break off: the one to the nth request after so many pieces, or that and all after it."""

    vendor: LanguageVendor
    request: int
    pieces: int
    for_good: bool = False
    met: list[int] = field(default_factory=list)
    """How many pieces each answer had, or would have had."""

    def __call__(self, request: Request) -> Answer | Talk:
        answer = self.vendor(request)
        if request.method == "GET" or not isinstance(answer, Answer):
            return answer
        self.met.append(len(answer.steps))
        number = len(self.met) - 1
        if number == self.request or (self.for_good and number > self.request):
            return replace(answer, steps=(*answer.steps[: self.pieces if number == self.request else 0], Cut()))
        return answer


async def transcript_of(*models: LanguageModel) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """A call of three lines with these: who said what, and what it cost."""
    ends: list[Any] = []
    agent = wiring.ready_agent(
        "host",
        Agent("You take bookings.", "Hello.", llm=list(models), tools=[book, look_up]),
        Hooks(on_call_end=ends.append),
    )
    control = wiring.built_in_line().control(CallHandle(carrier_call_id=""))
    call = TypedCall(agent, call_id="c", control=control, journal=Told(lambda call_id, entry: None))
    async with asyncio.timeout(PROMPT_S):
        running = asyncio.create_task(call.run())
        await call.type_lines(io.StringIO("".join(f"{line}\n" for line in LINES)))
        await call.until_quiet()
        call.hang_up()
        await running
    (end,) = ends
    return [(each["role"], each["text"]) for each in end["transcript"]], end["cost"]


@pytest.mark.parametrize("row", MODELS, ids=lambda row: row.name)
async def test_the_same_call_with_every_vendor(row: ModelRow) -> None:
    """Words, tools that run side by side, history, and a leg of its own in what the call cost."""
    vendor = row.vendor(mind, key=KEY)
    async with serve(vendor, path="") as lab:
        said, cost = await transcript_of(row.make(lab.url))
    assert vendor.refused == []
    assert said == TRANSCRIPT
    (leg,) = (each for each in cost["legs"] if each["leg"] == "llm")
    asked = len(vendor.prompts)
    assert (leg["provider"], leg["input_tokens"], leg["cached_tokens"]) == (vendor.name, 812 * asked, 768 * asked)
    assert (leg["usd"] is None) is (row.name == "openai-compatible")


def points(met: list[int]) -> Iterator[tuple[int, int]]:
    """Every place of every answer: before its first piece, and behind each but the last."""
    for request, pieces in enumerate(met):
        yield from ((request, place) for place in range(pieces))


def words(said: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Who said what, but for what bridges a wait: on a slow machine there is more of that."""
    return [(role, text.removeprefix(f"{PHRASES.filler} ")) for role, text in said]


async def with_killed(
    row: ModelRow, *, for_good: bool, spare: Callable[[str], LanguageModel] | None = None
) -> list[tuple[tuple[int, int], list[tuple[str, str]]]]:
    """The same call once for each point at which the vendor can be killed: what was said in each."""
    healthy = Killed(row.vendor(mind, key=KEY), request=-1, pieces=0)
    async with serve(healthy, path="") as lab:
        await transcript_of(row.make(lab.url))
    at_once = asyncio.Semaphore(12)

    async def one(request: int, place: int) -> list[tuple[str, str]]:
        killed = Killed(row.vendor(mind, key=KEY), request=request, pieces=place, for_good=for_good)
        other = MODELS[0].vendor(mind, key=KEY)
        async with at_once, serve(killed, path="") as lab, serve(other, path="") as second:
            said, _ = await transcript_of(row.make(lab.url), *([spare(second.url)] if spare else []))
        return said

    where = list(points(healthy.met))
    return list(zip(where, await asyncio.gather(*(one(*each) for each in where)), strict=True))


BY_DEFAULT = ("anthropic",)
killable = pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=() if row.name in BY_DEFAULT else pytest.mark.slow) for row in MODELS],
    ids=lambda row: row.name,
)


@killable
async def test_killed_once_at_any_point_nothing_is_lost(row: ModelRow, quiet_log: None) -> None:
    """The same model is asked again, goes on where it broke off, and the caller hears every word once."""
    for point, said in await with_killed(row, for_good=False):
        assert words(said) == words(TRANSCRIPT), point


@killable
async def test_killed_for_good_another_takes_over(row: ModelRow, quiet_log: None) -> None:
    """In the middle of a reply, of a step, of a call: nobody hears that there are two vendors."""
    for point, said in await with_killed(row, for_good=True, spare=MODELS[0].make):
        assert words(said) == words(TRANSCRIPT), point


@killable
async def test_killed_for_good_with_nobody_else_the_caller_is_told(row: ModelRow, quiet_log: None) -> None:
    """What was whole has been heard and stands in the history; then an apology; never half a sentence."""
    whole = {f"{each.strip()}." for said in SCRIPT.values() for each in said.words.split(".") if each.strip()}
    whole |= {"Hello.", PHRASES.apology, PHRASES.trouble, PHRASES.filler, PHRASES.no_answer}
    for point, said in await with_killed(row, for_good=True):
        heard = " ".join(text for role, text in said if role == "assistant")
        for each in sorted(whole, key=len, reverse=True):
            heard = heard.replace(each, "")
        assert not heard.strip(), (point, heard)
        told = any(PHRASES.apology in text for role, text in said if role == "assistant")
        assert told or words(said) == words(TRANSCRIPT), (point, said)
