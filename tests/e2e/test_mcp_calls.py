"""Calls placed, followed and stepped into by an MCP client, through a server on the carrier lab."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import ElicitRequestParams, ElicitResult

from patter_cli.engine.hooks import Hooks
from patter_cli.server.registration import Registration, register
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing.lab.people import Listen, Pause, Person
from tests.e2e.conftest import Caller, agent, answering
from tests.e2e.lab_shop import GOODBYE, HOURS, Shop, shop, voice
from tests.e2e.mcp_desk import McpDesk, data, refusal

TO, LONG = "+12125550142", "+12125550143"


@asynccontextmanager
async def lab(folder: Path) -> AsyncIterator[tuple[Shop, McpDesk]]:
    """A server of this user on the lab, and a desk that finds it."""
    desk = McpDesk(folder)
    store = SqliteStore(folder / "kept")
    async with shop("twilio", store, run_folder=folder / "r" / "patter") as served:
        served.lab.people[TO] = Person(
            name="Ann", picks_up_ms=300, steps=(Listen(), voice(HOURS), Listen(), voice(GOODBYE), Listen())
        )
        served.lab.people[LONG] = Person(name="Bob", picks_up_ms=300, steps=(Listen(), Pause(30_000)))
        yield served, desk


async def to_the_end(client: Client, call_id: str) -> list[dict[str, Any]]:
    """The lines of a call, asked for until it is over."""
    lines: list[dict[str, Any]] = []
    for _ in range(20):
        told = data(await client.call_tool("follow_transcript", {"call_id": call_id, "after": len(lines), "wait_s": 5}))
        lines += told["lines"]
        assert told["next"] == len(lines)
        if told["over"]:
            return lines
    raise AssertionError(lines)


async def test_every_tool_is_listed_and_used(tmp_path: Path) -> None:
    """A call that is rung, followed as it goes on, and kept with all that was said; another one stepped into; and what
    there is beside."""
    used = set()

    async with lab(tmp_path) as (_, desk), desk.over_stdio() as client:

        async def use(name: str, **arguments: Any) -> Any:
            used.add(name)
            return data(await client.call_tool(name, arguments))

        listed = {each.name for each in (await client.list_tools()).tools}
        call_id = (await use("place_call", to=TO, confirm=True))["call_id"]
        lines = await asyncio.wait_for(to_the_end(client, call_id), 60)
        used.add("follow_transcript")
        said = [(each["role"], each["text"]) for each in lines]
        assert said[0] == ("assistant", "Hello caller.")
        assert ("user", HOURS) in said
        assert ("assistant", "From nine until six.") in said
        for _ in range(50):
            call = await use("get_call", call_id=call_id)
            if call["call"]["outcome"]:
                break
            await asyncio.sleep(0.1)
        assert (call["call"]["outcome"], call["call"]["callee"]) == ("answered", TO)
        assert {each["caller"] for each in call["turns"]} >= {HOURS, GOODBYE}
        assert (await use("explain_call", call_id=call_id))["turns"]

        long_id = (await use("place_call", to=LONG, agent="shop", confirm=True))["call_id"]
        assert (await use("say", call_id=long_id, text="The line is bad.", confirm=True))["saying"]
        assert (await use("hang_up", call_id=long_id, confirm=True))["hanging_up"]
        assert [each["call_id"] for each in (await use("list_calls", number=TO))["calls"]] == [call_id]
        assert [each["name"] for each in (await use("list_agents"))["agents"]] == ["hum"]
        held = await use("simulate_scenario", agent="hum", say=["What do you do?"])
        assert [each["agent"] for each in held["turns"]] == ["Hello.", "Hum."]
    assert used == listed


async def test_a_live_call_is_told_something_and_ended(tmp_path: Path) -> None:
    """By its id, over HTTP; its words reach the person, and then it is over."""
    async with lab(tmp_path) as (_, desk), desk.client("http") as client:
        call_id = data(await client.call_tool("place_call", {"to": LONG, "agent": "shop", "confirm": True}))["call_id"]
        for _ in range(100):
            told = data(await client.call_tool("follow_transcript", {"call_id": call_id, "wait_s": 0.2}))
            if told["lines"]:
                break
        assert data(await client.call_tool("say", {"call_id": call_id, "text": "The line is bad.", "confirm": True}))
        for _ in range(100):
            told = data(await client.call_tool("follow_transcript", {"call_id": call_id, "wait_s": 0.2}))
            if "The line is bad." in [each["text"] for each in told["lines"]]:
                break
        assert "The line is bad." in [each["text"] for each in told["lines"]]
        assert data(await client.call_tool("hang_up", {"call_id": call_id, "confirm": True}))["hanging_up"]
        await asyncio.wait_for(to_the_end(client, call_id), 20)
        assert "no call" in refusal(await client.call_tool("hang_up", {"call_id": call_id, "confirm": True}))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_person_at_the_client_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Any) -> None:
    """Whatever the model says: who declines, or says no, has nobody rung. By today's protocol and the one before."""
    answers = [
        ElicitResult(action="decline"),
        ElicitResult(action="accept", content={"yes": False}),
        ElicitResult(action="accept", content={"yes": True}),
    ]
    asked: list[str] = []

    async def answer(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return answers[len(asked) - 1]

    async with (
        lab(tmp_path) as (served, desk),
        desk.in_process(monkeypatch, elicitation_callback=answer, mode=mode) as client,
    ):
        ring = {"to": TO, "agent": "shop", "confirm": True}
        assert "did not agree" in refusal(await client.call_tool("place_call", ring))
        assert "nobody has agreed" in refusal(await client.call_tool("place_call", ring))
        assert not served.lab.calls
        assert data(await client.call_tool("place_call", ring))["to"] == TO
    assert asked == [f"Ring {TO} with shop?"] * 3


async def test_what_must_not_be_rung_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a yes, with what is no number, without a server, without an agent of that name; nobody is rung."""
    async with lab(tmp_path) as (served, desk), desk.in_process(monkeypatch) as client:
        assert "confirm=true" in refusal(await client.call_tool("place_call", {"to": TO}))
        assert "hint:" in refusal(await client.call_tool("place_call", {"to": "911", "confirm": True}))
        assert "hint:" in refusal(await client.call_tool("place_call", {"to": "+882160000000", "confirm": True}))
        unknown = {"to": TO, "agent": "nobody", "confirm": True}
        assert "patter serve nobody" in refusal(await client.call_tool("place_call", unknown))
        assert "none does" in refusal(await client.call_tool("say", {"call_id": "C1", "text": "Hm.", "confirm": True}))
        assert not served.lab.calls
        served.service.close()
        assert "patter serve" in refusal(await client.call_tool("place_call", {"to": TO, "confirm": True}))
        assert "no server runs" in refusal(await client.call_tool("hang_up", {"call_id": "C1", "confirm": True}))


async def test_a_call_is_found_on_whichever_server_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several that run, one of which is stuck; whoever names a call of none is told which there are."""
    desk = McpDesk(tmp_path)
    folder = tmp_path / "r" / "patter"
    agents = {"shop": (agent("Hello."), Hooks(on_message=lambda event: "Yes."))}
    async with (
        answering(agents, run_folder=folder) as first,
        answering(agents, run_folder=folder) as second,
        stuck(folder),
        Caller(first, "shop", caller="+12025550142") as ann,
        Caller(second, "shop", caller="+12025550143") as bob,
        desk.in_process(monkeypatch) as client,
    ):
        for phone, caller, words in ((first, ann, "it is ann"), (second, bob, "it is bob")):
            await caller.until_heard("hello.")
            (call,) = phone.server.status()["calls"]
            said = {"call_id": call["call_id"], "text": words, "confirm": True}
            assert data(await client.call_tool("say", said))["saying"] == words
            await caller.until_heard(words)
        missing = refusal(await client.call_tool("hang_up", {"call_id": "C1", "confirm": True}))
        assert "1 of 3 servers did not answer" in missing
        assert all(each.server.status()["calls"][0]["call_id"] in missing for each in (first, second))


@asynccontextmanager
async def stuck(folder: Path) -> AsyncIterator[None]:
    """A server that is found, takes the question and never answers."""
    path = folder / "stuck.sock"

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(hang, path)
    facts: dict[str, Any] = {"host": "127.0.0.1", "carriers": [], "agents": ["shop"], "version": "0", "token": "t"}
    register(folder, Registration(pid=1, port=1, started_at_s=time.time(), socket=str(path), **facts))
    try:
        yield
    finally:
        server.close()
