"""on_call_start may give a call to another agent: then it is that agent's, with its ears, mind, voice and callbacks."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from patter_cli import wiring
from patter_cli.contracts.stt import Recognised
from patter_cli.core.outcome import Direction
from patter_cli.engine.context import CallContext
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.perform_author import AuthorPerformer
from patter_cli.engine.ready import CallInfo, CallTexts
from patter_cli.observe.summary import CallSummary
from patter_cli.providers.rules import RulesLLM
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing import SpeechPeer
from tests.e2e.conftest import Caller, ToneEars, ToneSession, agent, answering

QUESTION = "What are your opening hours?"
MODEL = RulesLLM(lambda turn: "At nine.")


@dataclass(frozen=True)
class OtherEars(ToneEars):
    """Ears that write what they hear in capitals, to be told from the usual ones."""

    async def open(self) -> ToneSession:
        return Capitals()


class Capitals(ToneSession):
    async def results(self) -> AsyncIterator[Recognised]:
        async for each in super().results():
            yield replace(each, text=each.text.upper())


def chooses(given: Any) -> Hooks:
    """A desk that gives its calls away, and answers the rest itself."""
    return Hooks(on_call_start=lambda event: given, on_message=lambda event: "The desk here.")


async def test_the_call_is_the_other_agents(tmp_path: Path) -> None:
    """Greeting, ears, model and callbacks; what else was returned changes that agent. The record has its name."""
    ends: list[Any] = []
    orders = agent("Orders for {who}.", llm=MODEL, stt=OtherEars(), variables={"who": "nobody"})
    agents = {
        "desk": (agent("Hello, the desk."), chooses({"agent": "orders", "variables": {"who": "ada"}})),
        "orders": (orders, Hooks(on_call_end=ends.append, on_transcript=lambda event: heard.append(event.text))),
    }
    heard: list[str] = []
    async with answering(agents, store=SqliteStore(tmp_path)) as phone:
        async with Caller(phone, "desk") as caller:
            await caller.until_heard("orders for ada.")
            assert caller.ear.text == "orders for ada."
            await caller.say(QUESTION)
            await caller.until_heard("at nine.")
        await caller.until(lambda: ends)
    assert heard == ["Orders for ada.", QUESTION.upper(), "At nine."]
    assert (ends[0].agent, ends[0].caller, ends[0].carrier) == ("orders", "desk", "loopback")
    (record,) = tmp_path.rglob("record.json")
    assert json.loads(record.read_text())["agent"] == "orders"
    summary = CallSummary()
    for entry in caller.entries:
        summary.feed(entry)
    assert summary.agent == "orders"


async def test_an_agent_that_is_made_for_the_call() -> None:
    """In a program it need not be served: the Agent itself is returned. Its model answers, not the desk's code."""
    made = agent("I was made for you.", llm=MODEL, stt=OtherEars())
    async with answering({"desk": (agent("Hello."), chooses({"agent": made}))}) as phone:
        async with Caller(phone, "desk") as caller:
            await caller.until_heard("i was made for you.")
            await caller.say(QUESTION)
            await caller.until_heard("at nine.")
        assert ("user", QUESTION.upper()) in caller.transcript()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("ordres", "agent 'ordres', which is not served; did you mean 'orders'?"),
        ("zoo", "agent 'zoo', which is not served; there are: desk, orders"),
        (7, "gave int for an agent"),
        (agent("You owe {what}."), "nothing fills {what}"),
    ],
    ids=["misspelt", "unknown", "none", "unfilled"],
)
async def test_an_agent_that_cannot_have_the_call(given: Any, told: str, caplog: pytest.LogCaptureFixture) -> None:
    """The log says why, and the call stays with the agent that had it; what else was returned holds."""
    agents = {
        "desk": (agent("Hello, the desk."), chooses({"agent": given, "first_message": "The desk, still."})),
        "orders": (agent("Orders.", llm=MODEL), Hooks()),
    }
    with caplog.at_level(logging.ERROR):
        async with answering(agents) as phone, Caller(phone, "desk") as caller:
            await caller.until_heard("the desk, still.")
            await caller.say(QUESTION)
            await caller.until_heard("the desk here.")
    assert told in caplog.text


async def test_two_calls_of_one_number_have_two_agents() -> None:
    """What one call's on_call_start chose is nothing to the next; naming the own agent changes nothing."""

    def choose(event: Any) -> dict[str, Any]:
        return {"agent": event.custom_params.get("wants", "desk")}

    agents = {
        "desk": (agent("Hello, the desk."), Hooks(on_call_start=choose, on_message=lambda event: "Yes.")),
        "orders": (agent("Orders.", llm=MODEL), Hooks()),
    }
    async with answering(agents) as phone:
        first, second = Caller(phone, "desk", "ada"), Caller(phone, "desk", "bob")
        first.line._parameters["wants"] = "orders"
        async with first, second:
            await first.until_heard("orders.")
            await second.until_heard("hello, the desk.")
            await first.say(QUESTION)
            await first.until_heard("at nine.")
            await second.say(QUESTION)
            await second.until_heard("yes.")
        assert (first.ear.text, second.ear.text) == ("orders.at nine.", "hello, the desk.yes.")


async def test_the_words_of_a_call_that_we_make_go_with_it() -> None:
    """Whoever made the call gave its greeting, its variables and its voicemail: the other agent says them."""
    orders = wiring.ready_agent("orders", agent("Orders."), Hooks(on_message=lambda event: "Yes."))
    texts = CallTexts(first_message="For {who}.", voicemail_message="Call back, {who}.", variables={"who": "ada"})
    theirs = orders.for_call(texts)
    assert theirs.texts == texts
    assert (theirs.plan.first_message, theirs.plan.voicemail_message) == ("For ada.", "Call back, ada.")


async def test_an_engine_takes_no_call_over(caplog: pytest.LogCaptureFixture) -> None:
    """What hears and speaks in one is connected from the first moment on."""

    async def settle(within_s: float) -> None:
        pass

    desk = wiring.ready_agent("desk", agent("Hello.", llm=MODEL), Hooks())
    engine = replace(desk, name="engine", models=(), engine=SpeechPeer([]))
    info = CallInfo(call_id="c", caller="+1", callee="+2", direction=Direction.INBOUND, carrier="none")
    author = AuthorPerformer(CallContext(info, desk), settle, {"engine": engine})
    assert author._taken_over_by({"agent": "engine"}) is desk
    assert "one with an engine takes no call over" in caplog.text
