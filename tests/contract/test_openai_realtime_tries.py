"""OpenAI's replies that fail before they bring anything: asked for once more, and one reply to everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from patter_cli.contracts import s2s
from patter_cli.contracts.s2s import EngineEvent, EngineSession, EngineSetup
from patter_cli.providers.openai_realtime import OpenAIRealtime
from patter_cli.testing.vendors.openai_realtime import RealtimeVendor
from patter_cli.testing.vendors.server import serve

BUSY = ("rate_limit_exceeded", "Rate limit reached for gpt-realtime-2.1. Please try again in 120ms.")
Kind = TypeVar("Kind", bound=EngineEvent)


class Talk:
    def __init__(self, session: EngineSession) -> None:
        self.session = session
        self.events: list[EngineEvent] = []

    async def read(self) -> None:
        async for event in self.session.events():
            self.events.append(event)

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [each for each in self.events if isinstance(each, kind)]

    async def until_finished(self, count: int) -> None:
        async with asyncio.timeout(3):
            while len(self.of(s2s.ReplyFinished)) < count:  # noqa: ASYNC110 (events have no signal of their own)
                await asyncio.sleep(0.01)

    def words(self) -> str:
        return "".join(each.text for each in self.of(s2s.ReplyWords))


@asynccontextmanager
async def talking(*fails: tuple[str, str]) -> AsyncIterator[tuple[Talk, RealtimeVendor]]:
    peer = RealtimeVendor(("We open at nine.", "Goodbye."))
    peer.fails = list(fails)
    async with serve(peer) as lab:
        session = await OpenAIRealtime("sk-lab", base_url=lab.url).open(EngineSetup(system_prompt="Be brief."))
        talk = Talk(session)
        reader = asyncio.create_task(talk.read())
        try:
            yield talk, peer
        finally:
            await session.aclose()
            await asyncio.wait_for(reader, 1)


@pytest.mark.parametrize("failure", [BUSY, ("server_error", "The server had an error")])
async def test_it_is_asked_for_once_more(failure: tuple[str, str]) -> None:
    """When the vendor says, or in a moment: it opens once, has all its words and sound, and ends once."""
    async with talking(failure) as (talk, _):
        talk.session.respond(1)
        talk.session.respond(2)
        await talk.until_finished(2)
    first, second = talk.of(s2s.ReplyOpened)
    assert (first.asked, second.asked) == (1, 2)
    assert [(each.reply, each.failed) for each in talk.of(s2s.ReplyFinished)] == [(first.reply, ""), (second.reply, "")]
    assert talk.words() == "We open at nine.Goodbye."
    assert {each.reply for each in talk.of(s2s.ReplyAudio)} == {first.reply, second.reply}


@pytest.mark.parametrize(
    "failures",
    [(BUSY, BUSY), (("rate_limit_exceeded", "Please try again in 20s."),), (("invalid_value", "No such voice"),)],
    ids=["twice", "too late", "our fault"],
)
async def test_what_does_not_pass_has_failed(failures: tuple[tuple[str, str], ...]) -> None:
    """A second failure, a wait that nobody has, and what would fail again: told once, and the next is asked for."""
    async with talking(*failures) as (talk, _):
        talk.session.respond(1)
        talk.session.respond(2)
        await talk.until_finished(2)
    assert [bool(each.failed) for each in talk.of(s2s.ReplyFinished)] == [True, False]
    assert len(talk.of(s2s.ReplyOpened)) == 2
    assert talk.words() == "We open at nine."


async def test_one_that_is_not_wanted_any_more_is_stopped() -> None:
    """The caller speaks while it waits for its second try: nothing of it is heard, and the next one is whole."""
    async with talking(BUSY) as (talk, peer):
        talk.session.respond(1)
        async with asyncio.timeout(2):
            while not talk.of(s2s.ReplyOpened):  # noqa: ASYNC110 (as above)
                await asyncio.sleep(0.01)
        talk.session.cancel(talk.of(s2s.ReplyOpened)[0].reply)
        talk.session.respond(2)
        await talk.until_finished(2)
        assert [each["type"] for each in peer.sessions[0].messages].count("response.cancel") == 1
    first, second = talk.of(s2s.ReplyFinished)
    assert {each.reply for each in talk.of(s2s.ReplyAudio)} == {second.reply}
    assert first.reply != second.reply


async def test_a_session_is_closed_while_a_reply_waits_for_its_second_try() -> None:
    """Nothing is asked of it any more."""
    async with talking(BUSY) as (talk, peer):
        talk.session.respond(1)
        await asyncio.sleep(0.05)
        await talk.session.aclose()
        await asyncio.sleep(0.2)
        assert [each["type"] for each in peer.sessions[0].messages].count("response.create") == 1
