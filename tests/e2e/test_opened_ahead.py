"""What is opened while the phone rings is used, or closed as soon as its call has begun with other ears or voices."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from patter_cli import wiring
from patter_cli.audio.frame import ULAW_8K, AudioFormat
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.opened_ahead import leave_unused
from patter_cli.errors import Unavailable
from patter_cli.providers.parked import leave, park, taken
from tests.e2e.conftest import Caller, LetterVoice, ToneEars, agent, answering
from tests.e2e.test_outbound import until


class Session(LetterVoice):
    """A session that may wait."""

    usable = True
    closed = False

    async def aclose(self) -> None:
        self.closed = True


class Voice(LetterVoice):
    """A voice whose sessions are connections of their own."""

    def __init__(self) -> None:
        self.opened: list[Session] = []

    async def connect_ahead(self, format: AudioFormat) -> None:
        await park(id(self), self._new())

    def leave_ahead(self, format: AudioFormat) -> None:
        leave(id(self))

    async def open(self) -> LetterVoice:
        kept = taken(id(self))
        return kept if isinstance(kept, Session) else await self._new()

    async def _new(self) -> Session:
        self.opened.append(Session())
        return self.opened[-1]


class Ears(ToneEars):
    """The same for ears, as far as it matters here."""

    def __init__(self) -> None:
        self.left: list[AudioFormat] = []

    async def connect_ahead(self, format: AudioFormat) -> None: ...

    def leave_ahead(self, format: AudioFormat) -> None:
        self.left.append(format)


@pytest.mark.parametrize("another", [True, False])
async def test_a_call_with_another_voice_closes_what_was_opened_for_it(another: bool) -> None:
    """on_call_start gives another voice: at once, not after the half a minute that a phone may ring. Without, the call
    speaks with what was opened."""
    mine, other = Voice(), Voice()
    hooks = Hooks(
        on_call_start=lambda event: {"tts": other} if another else {},
        on_message=lambda event: "Yes, we do.",
    )
    async with answering({"desk": (agent("Hello.", tts=mine), hooks)}) as phone:
        lines, *_ = phone.server._tasks
        await asyncio.wait_for(asyncio.shield(lines), 20)  # they are spoken by this voice, too
        before = len(mine.opened)
        phone.server._calls.ring("desk")
        await until(lambda: len(mine.opened) > before)
        ahead = mine.opened[before]
        async with Caller(phone, "desk") as caller:
            await caller.until_heard("hello.")
            if another:
                await until(lambda: ahead.closed, 2.0)
            else:
                assert not ahead.closed
        assert len(mine.opened) == before + 1


def test_ears_that_nobody_has_asked_yet_are_left_too() -> None:
    """A call that we make begins before anybody listens; one that came in listens already, and closes its own."""
    ears, voice = Ears(), Voice()
    before = wiring.ready_agent("desk", agent("Hello.", stt=ears, tts=voice), Hooks(on_message=lambda event: "Yes."))
    leave_unused(before, before, listens=False)
    leave_unused(before, replace(before, stt=Ears()), listens=True)
    assert ears.left == []
    leave_unused(before, replace(before, stt=Ears()), listens=False)
    assert ears.left == [ULAW_8K]
    plain: Any = replace(before, stt=ToneEars(), tts=LetterVoice())
    leave_unused(plain, before, listens=False)  # what opens nothing ahead has nothing to leave


async def test_what_is_still_being_opened_can_be_left() -> None:
    """It is closed when it is there; the next one is not; one that failed, or never was, is no trouble."""
    go = asyncio.Event()

    async def opened(session: Session) -> Session:
        await go.wait()
        return session

    async def fails() -> Session:
        raise Unavailable("down", provider="acme")

    first, second = Session(), Session()
    parking = [asyncio.create_task(park("kind", opened(each))) for each in (first, second)]
    await asyncio.sleep(0)
    leave("kind")
    go.set()
    await asyncio.gather(*parking)
    await until(lambda: first.closed)
    assert not second.closed
    assert taken("kind") is second
    failing = asyncio.create_task(park("kind", fails()))
    leave("kind")
    await failing
    leave("kind")
    third = Session()
    await park("kind", opened(third))
    assert taken("kind") is third
