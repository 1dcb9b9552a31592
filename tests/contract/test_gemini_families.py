"""Families of Google's live models: where content is the beginning's alone, what is asked and told later is text."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from patter_cli import GeminiLive
from patter_cli.contracts import s2s
from patter_cli.contracts.llm import ChatMessage
from patter_cli.contracts.s2s import EngineSetup
from patter_cli.errors import ProviderError
from patter_cli.providers.gemini_live import LiveSession
from patter_cli.testing.vendors.gemini_live import GeminiVendor
from patter_cli.testing.vendors.server import serve

OLD, NEW = "gemini-3.1-flash-live-preview", "gemini-3.8-live"
SAID = (ChatMessage(role="assistant", text="Hello."), ChatMessage(role="user", text="Do you deliver?"))


async def words_of(session: LiveSession) -> str:
    """What its next reply says."""
    said = ""
    async with asyncio.timeout(5):
        async for event in session.events():
            if isinstance(event, s2s.ReplyWords):
                said += event.text
                if event.over or said.endswith("."):
                    break
    return said


@pytest.mark.parametrize("history", [(), SAID])
@pytest.mark.parametrize("model", [OLD, NEW])
async def test_each_family_greets_and_goes_on(model: str, history: tuple[ChatMessage, ...]) -> None:
    """After what was said before, if anything was; the lab's 3.1 takes content for nothing else."""
    vendor = GeminiVendor()
    async with serve(vendor, path="") as lab:
        session = await GeminiLive("sk-lab", model=model, base_url=lab.url).open(
            EngineSetup(system_prompt="Be brief.", history=history)
        )
        session.instruct(EngineSetup(system_prompt="Be long."))
        session.remind(ChatMessage(role="assistant", text="One moment."))
        session.respond(1, say="Good morning.")
        assert await words_of(session) == "Good morning."
        await session.aclose()
    (talk,) = vendor.sessions
    content: list[Any] = [each["clientContent"] for each in talk.messages if "clientContent" in each]
    assert ("historyConfig" in talk.setup) == bool(model == OLD and history)
    if model == OLD:
        assert [(len(each["turns"]), each["turnComplete"]) for each in content] == ([(2, True)] if history else [])
        told = talk.messages[-1]["realtimeInput"]["text"]
        assert ["Be long." in told, "One moment." in told] == [True, True]
    else:
        assert len(content) == len(history) + 3


async def test_content_that_comes_too_late_ends_the_lab_s_session() -> None:
    """As it does the vendor's."""
    async with serve(GeminiVendor(), path="") as lab:
        session = await GeminiLive("sk-lab", model=OLD, base_url=lab.url).open(EngineSetup(system_prompt="A."))
        session._post({"clientContent": {"turns": [], "turnComplete": True}})
        with pytest.raises(ProviderError):
            await words_of(session)
        await session.aclose()
