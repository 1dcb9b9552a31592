"""Whoever is signed in listens to a call, takes it over and gives it back, with everybody's sound."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw
from patter_cli.audio.resample import Resampler
from patter_cli.core import events as fact
from patter_cli.engine.onlooking import GONE_S
from patter_cli.web.listening import PageEar
from tests.e2e.conftest import Caller, Phone, letters_in, spoken, understood
from tests.e2e.test_site_orders import live_call, served

pytestmark = pytest.mark.usefixtures("quiet_log")

FRAME = 320


class Colleague:
    """A page that listens, and talks."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: dict[str, list[Samples]] = {"caller": [], "agent": []}
        self.reading = asyncio.create_task(self._read())
        self.to_say: list[Samples] = []
        self.talking: asyncio.Task[None] | None = None

    def talk(self) -> Colleague:
        """Send what the microphone hears from now on, of a silent room too, as a page does."""
        self.talking = asyncio.create_task(self._talk())
        return self

    async def _talk(self) -> None:
        begun, seq = asyncio.get_running_loop().time(), 0
        while True:
            frame = self.to_say.pop(0) if self.to_say else np.zeros(FRAME, np.int16)
            payload = b64encode(frame.astype("<i2").tobytes()).decode()
            await self.socket.send(
                json.dumps({"event": "media", "seq": seq, "at": seq * FRAME // 16, "payload": payload})
            )
            seq += 1
            await asyncio.sleep(max(0.0, begun + seq * 0.02 - asyncio.get_running_loop().time()))

    async def leave(self) -> None:
        if self.talking is not None:
            self.talking.cancel()
        await self.socket.close()

    async def _read(self) -> None:
        async for text in self.socket:
            message = json.loads(text)
            if message["event"] == "media":
                self.heard[message["track"]].append(np.frombuffer(b64decode(message["payload"]), "<i2"))

    def sound(self, track: str) -> Samples:
        """What came of a side, at 8 kHz."""
        return Resampler(16_000, 8_000).process(np.concatenate(self.heard[track] or [np.zeros(0, np.int16)]))

    async def say(self, sentence: str) -> None:
        """In real time, with a pause behind it."""
        sound = Resampler(8_000, 16_000).process(np.concatenate([spoken(sentence), np.zeros(8000, np.int16)]))
        self.to_say = [sound[at : at + FRAME] for at in range(0, len(sound) - FRAME, FRAME)]
        await until(lambda: not self.to_say)


async def listen(phone: Phone, call_id: object, *, talk: bool = False, **headers: str) -> ClientConnection:
    """As a browser that signed in does."""
    base = f"http://127.0.0.1:{phone.server.port}"
    async with httpx.AsyncClient(trust_env=False) as visitor:
        await visitor.get(phone.server.link(), follow_redirects=True)
        cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    url = f"ws{base[4:]}/dashboard/listen/{call_id}{'?talk=1' if talk else ''}"
    return await connect(url, additional_headers={"Cookie": cookie, **headers})


async def until(condition: Any, within_s: float = 8.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - it is told elsewhere
            await asyncio.sleep(0.02)


async def test_somebody_listens_in(tmp_path: Path) -> None:
    """Both sides are heard, each by itself; the journal says that somebody did, and neither side hears of it."""
    async with served(tmp_path) as (phone, http), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        call = await live_call(http)
        page = Colleague(await listen(phone, call["call_id"])).talk()
        await caller.say("What are your opening hours?")
        await caller.until_heard("we open at nine.")
        await until(lambda: "we open at nine." in letters_in(page.sound("agent")))
        assert understood(page.sound("caller")) == "What are your opening hours?"
        await page.say("Goodbye.")  # who only listens is not heard
        await page.leave()
        await until(lambda: len([e for e in caller.entries if isinstance(e.event, fact.ListenedIn)]) == 2)
        assert "Goodbye." not in understood(decode_ulaw(caller.tap.audio))
        assert [text for _, text in caller.transcript()] == [
            "Hello.", "What are your opening hours?", "We open at nine."
        ]  # fmt: skip


async def test_a_colleague_takes_a_call_over_and_gives_it_back(tmp_path: Path) -> None:
    """The caller hears them, the agent is quiet; what both said is in the history and on the call's page, and the
    agent goes on when the page is gone."""
    async with served(tmp_path) as (phone, http), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        call = await live_call(http)
        page = Colleague(await listen(phone, call["call_id"], talk=True)).talk()
        await until(lambda: any(isinstance(each.event, fact.TakeOverRequested) for each in caller.entries))
        assert (await live_call(http))["taken"] is True
        await page.say("Can you put me through?")
        await until(lambda: ("colleague", "Can you put me through?") in caller.transcript())
        await caller.say("What are your opening hours?")
        await until(lambda: ("user", "What are your opening hours?") in caller.transcript())
        second = Colleague(await listen(phone, call["call_id"], talk=True)).talk()  # it has one already
        await second.say("Goodbye.")
        await second.leave()
        await asyncio.sleep(0.3)
        assert "we open" not in caller.ear.text
        heard = understood(decode_ulaw(caller.tap.audio))
        assert "Can you put me through?" in heard
        assert "Goodbye." not in heard
        await page.say("okay")
        await until(lambda: ("colleague", "okay") in caller.transcript())
        await page.leave()
        await until(lambda: any(e.event == fact.TakeOverRequested(taken=False) for e in caller.entries))
        await caller.say("How much is a cleaning?")
        await caller.until_heard("we open at nine.")
        shown = (await http.get(f"/api/v1/calls/{call['call_id']}")).json()
        said = [line["text"] for turn in shown["turns"] for line in turn["colleague"]]
        assert said == ["Can you put me through?", "okay"]


async def test_two_take_a_call_over_within_a_moment(tmp_path: Path) -> None:
    """The machine has heard of neither yet: one has it all the same, and the other's leaving changes nothing."""
    async with served(tmp_path) as (phone, http), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        call_id = str((await live_call(http))["call_id"])
        ears = PageEar(), PageEar()
        first, second = (phone.server.let_in(call_id, each, talks=True) for each in ears)
        assert first is not None
        assert second is not None
        assert (first.talks, second.talks) == (True, False)
        second.leave()
        await until(lambda: any(isinstance(each.event, fact.TakeOverRequested) for each in caller.entries))
        await asyncio.sleep(0.2)
        requests = [each.event for each in caller.entries if isinstance(each.event, fact.TakeOverRequested)]
        assert requests == [fact.TakeOverRequested(taken=True)]
        first.leave()
        third = phone.server.let_in(call_id, ears[1], talks=True)
        assert third is not None
        third.leave()


async def test_a_colleague_whose_page_freezes_gives_the_call_back(tmp_path: Path) -> None:
    """Its socket is open and nothing comes of it: the caller is not left alone, and the agent answers what they say."""
    async with served(tmp_path) as (phone, http), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        page = Colleague(await listen(phone, (await live_call(http))["call_id"], talk=True)).talk()
        await page.say("Can you put me through?")
        await asyncio.sleep(GONE_S + 1)  # a silent room is no frozen page
        assert not any(each.event == fact.TakeOverRequested(taken=False, lost=True) for each in caller.entries)
        assert page.talking is not None
        page.talking.cancel()
        given_back = fact.TakeOverRequested(taken=False, lost=True)
        await until(lambda: any(each.event == given_back for each in caller.entries), 4.0)
        await asyncio.wait_for(page.socket.wait_closed(), 2)
        await caller.until_heard("is there anything else i can do for you")
        await caller.say("What are your opening hours?")
        await caller.until_heard("we open at nine.")


async def test_a_call_that_ends_ends_the_listening(tmp_path: Path) -> None:
    """The page's socket is closed with it."""
    async with served(tmp_path) as (phone, http):
        async with Caller(phone, "shop") as caller:
            await caller.until_heard("hello.")
            socket = await listen(phone, (await live_call(http))["call_id"])
        async with asyncio.timeout(5):
            async for _ in socket:  # until it is closed
                pass
        assert socket.close_code == 1000


async def test_nobody_else_listens(tmp_path: Path) -> None:
    """Not without signing in, not from a page of somebody else's, and not to a call that is not there. Rubbish in the
    socket is passed over."""
    async with served(tmp_path) as (phone, http), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        call_id = (await live_call(http))["call_id"]
        for refused, status in (
            (connect(f"ws://127.0.0.1:{phone.server.port}/dashboard/listen/{call_id}"), 401),
            (listen(phone, call_id, Origin="https://evil.example"), 403),
            (listen(phone, "C1"), 404),
        ):
            with pytest.raises(InvalidStatus) as error:
                await refused
            assert error.value.response.status_code == status
        page = Colleague(await listen(phone, call_id, talk=True)).talk()
        for rubbish in (
            "",
            "[]",
            "{",
            '{"event":"media"}',
            '{"event":"media","payload":"A"}',
            '{"event":"media","payload":[]}',
        ):
            await page.socket.send(rubbish)
        await page.socket.send(b"\0\1")
        await page.say("okay")
        await until(lambda: ("colleague", "okay") in caller.transcript())
