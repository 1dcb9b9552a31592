"""The dashboard in a real browser: calls watched and opened, on any screen, whatever strangers said in them."""

from __future__ import annotations

import csv
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from patter_cli.audio.g711 import decode_ulaw
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import render_entry
from patter_cli.core.outcome import Outcome
from patter_cli.engine.hooks import Hooks
from patter_cli.stores.sqlite import SqliteStore
from tests.e2e.browser import DESKTOP, TELEPHONE, browsing, chromium, looking, violations
from tests.e2e.conftest import Caller, agent, answering, tone
from tests.e2e.site import shown
from tests.e2e.test_site_calls import PAYLOADS, conversation
from tests.e2e.test_site_orders import served, site_over
from tests.unit.stores.calls import STARTED, Kept, fill, first_line, record

GREETING = "Hello, and welcome to the shop. We sell what you need, at a price that you like. How can I help?"
OVER = render_entry(
    3000, fact.LineClosed(cause="carrier_stop"), [order.FinishCall(outcome=Outcome.ANSWERED, reason="carrier_stop")]
)

pytestmark = pytest.mark.usefixtures("quiet_log")


@asynccontextmanager
async def over_kept(folder: Path) -> AsyncIterator[tuple[SqliteStore, str]]:
    """A dashboard over stored calls, and a link to it."""
    chromium()
    async with shown(folder) as there:
        yield there.store, there.site.link("127.0.0.1")


def kept_call(store: SqliteStore, folder: Path) -> str:
    """One with a tool, an answer that was interrupted, and a recording."""
    call = Kept(store, "LB1")
    call.write(first_line("LB1", STARTED))
    said = conversation("When do you open?", "We open at nine.", "hours", '{"day":"Monday"}', '{"open":9}')
    for line in (*said, OVER):
        call.write(line)
    sound = folder / "LB1.wav"
    caller = np.concatenate([tone(300, 1000), np.zeros(16_000, np.int16)])
    agent = np.concatenate([np.zeros(8000, np.int16), tone(500, 2000)])
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.stack([caller, agent], axis=1).astype("<i2").tobytes())
    call.end(record("LB1", STARTED, outcome="answered", recording_path=str(sound)))
    return "LB1"


async def test_a_call_is_watched_word_by_word(tmp_path: Path) -> None:
    """A link signs the browser in, once. The caller's words and the agent's are there while they are spoken; a press,
    and another to be sure, has the call say goodbye."""
    chromium()
    store, site = site_over(tmp_path)
    hooks = Hooks(on_message=lambda event: "We open at nine.")
    serving = answering({"shop": (agent(GREETING), hooks)}, store=store, site=site)
    async with serving as phone, browsing() as browser:
        link = phone.server.link()
        async with looking(browser, link) as seen:
            await seen.page.get_by_text("Connected", exact=True).wait_for()
            async with Caller(phone, "shop") as caller:
                card = seen.page.locator("article", has_text="shop")
                await card.locator(".line.agent.growing", has_text="Hello").wait_for()
                await card.locator(".line.agent:not(.growing)", has_text=GREETING).wait_for()
                await caller.say("What are your opening hours?")
                await card.locator(".line.caller", has_text="What are your opening hours?").wait_for()
                await card.locator(".line.agent", has_text="We open").wait_for()
                await caller.until_heard("we open at nine.")
                await card.get_by_role("button", name="Hang up").click()
                await card.get_by_role("button", name="Yes, hang up").click()
                await caller.until_over()
                await seen.page.get_by_text("Just ended").wait_for()
                assert (seen.foreign, seen.wrong) == ([], [])
        async with looking(browser, link) as again:
            assert "this link has been used" in await again.text()


async def test_a_call_is_opened_and_heard(tmp_path: Path) -> None:
    """Search leads to it. What nobody heard is struck out, tools show what they were asked; a press plays the
    recording, and the line that sounds is lit."""
    async with over_kept(tmp_path) as (store, link), browsing() as browser:
        fill(store, 20)
        kept_call(store, tmp_path)
        async with looking(browser, link) as seen:
            await seen.go("calls")
            await seen.page.get_by_label("Said").fill("open at")
            await seen.until("location.hash.includes('text=open')")
            await seen.settled()
            await seen.go("calls/LB1")
            page = seen.page
            assert await page.locator("del").inner_text() == "at nine."
            await page.get_by_text("hours 250 ms").click()
            assert '"day": "Monday"' in await page.locator("details pre").first.inner_text()
            assert await page.locator(".waterfall tbody tr").count() == 1
            await page.get_by_role("button", name="Play", exact=True).click()
            await seen.until("document.querySelector('audio').currentTime > 0.3")
            await page.locator(".line.now").wait_for()
            slider = page.get_by_role("slider")
            await slider.focus()
            await page.keyboard.press("End")
            assert await slider.get_attribute("aria-valuenow") == "3"
            assert await page.locator(".wave path").count() == 4
            await page.locator("details.journal summary").click()
            await page.get_by_text("ToolFinished").first.wait_for()
            assert (seen.foreign, seen.wrong) == ([], [])


async def test_whatever_a_stranger_said_is_text(tmp_path: Path) -> None:
    """60 texts that a careless page would run, in every field that a stranger can write: all are read as they were
    written, none runs, and nothing is asked for elsewhere."""
    async with over_kept(tmp_path) as (store, link), browsing() as browser:
        for number, payload in enumerate(PAYLOADS):
            call_id = f"LB{number:05}"
            call = Kept(store, call_id)
            call.write(first_line(call_id, STARTED + number, agent=payload, caller=payload))
            for line in (*conversation(payload, payload, payload, payload, payload), OVER):
                call.write(line)
            call.end(record(call_id, STARTED + number, agent=payload, caller=payload, callee=payload, reason=payload))
        async with looking(browser, link) as seen:
            await seen.page.evaluate("() => { window.ran = 0; window.alert = () => { window.ran += 1; }; }")
            await seen.go("calls")
            await seen.page.get_by_role("button", name="Show more").click()
            await seen.until("document.querySelectorAll('.calls tbody tr').length === 60")
            for number in range(len(PAYLOADS)):
                await seen.page.evaluate(f"location.hash = '#/calls/LB{number:05}'")
                text = json.dumps(PAYLOADS[number])
                await seen.until(f"document.querySelector('main h1')?.textContent === {text}")
                await seen.until("document.querySelector('.story')")
            await seen.go("analytics")
            await seen.page.get_by_role("heading", name="By agent").wait_for()
            assert await seen.page.evaluate("window.ran ?? 0") == 0
            bad = await seen.page.evaluate(
                "document.querySelectorAll('main script, main iframe, main img, main [onerror], main [onload]').length"
            )
            assert (bad, seen.foreign, seen.wrong) == (0, [], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_read_and_use_it(tmp_path: Path, scheme: str) -> None:
    """axe-core finds nothing against WCAG AA on any page, in the light and in the dark; on a telephone nothing is
    wider than the screen; and the keyboard alone leads to a call."""
    async with over_kept(tmp_path) as (store, link), browsing() as browser:
        fill(store, 12)
        kept_call(store, tmp_path)
        async with looking(browser, link, color_scheme=scheme) as seen:
            for place in ("", "calls", "calls/LB1", "analytics", "softphone"):
                for screen in (DESKTOP, TELEPHONE):
                    await seen.page.set_viewport_size(screen)
                    await seen.go(place)
                    assert await violations(seen) == [], place
                    wide = await seen.page.evaluate("document.documentElement.scrollWidth")
                    assert wide <= screen["width"], place
            await seen.page.set_viewport_size(DESKTOP)
            await seen.go("calls")
            first = seen.page.locator(".calls tbody a").first
            for _ in range(30):
                await seen.page.keyboard.press("Tab")
                if await first.evaluate("(each) => each === document.activeElement"):
                    break
            await seen.page.keyboard.press("Enter")
            await seen.until("location.hash.startsWith('#/calls/')")
            assert seen.wrong == []


async def test_the_calls_can_be_taken_away(tmp_path: Path) -> None:
    """As a table, with the filter that is set."""
    async with over_kept(tmp_path) as (store, link), browsing() as browser:
        fill(store, 12)
        async with looking(browser, link) as seen:
            await seen.go("calls?agent=desk")
            async with seen.page.expect_download() as download:
                await seen.page.get_by_role("link", name="Export CSV").click()
            path = await (await download.value).path()
            rows = list(csv.DictReader(Path(path).read_text().splitlines()))
            assert {each["agent"] for each in rows} == {"desk"}


async def test_somebody_steps_into_a_call(tmp_path: Path) -> None:
    """On the call's page: what was said before is there; they listen and hear the agent, take over and are heard by
    the caller, give it back, and have the agent say a line."""
    chromium()
    async with served(tmp_path) as (phone, _), browsing() as browser, Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        await caller.say("What are your opening hours?")
        await caller.until_heard("we open at nine.")
        async with looking(browser, phone.server.link(), records=True) as seen:
            page = seen.page
            await page.locator("article h2 a").click()
            await page.locator(".line.agent", has_text="Hello.").wait_for()
            await page.get_by_role("button", name="Listen in").click()
            await page.get_by_role("button", name="Stop listening").wait_for()
            await caller.say("How much is a cleaning?")
            await page.locator(".line.caller", has_text="cleaning").wait_for()
            await seen.until("window.recorded.some((each) => each.sides[1].some((sample) => Math.abs(sample) > 3000))")
            assert await violations(seen) == []
            await page.get_by_role("button", name="Take over").click()
            await page.get_by_text("The caller hears you.").wait_for()
            before = len(caller.tap.audio)
            await caller.until(lambda: loud(caller.tap.audio[before:]))  # Chromium's microphone beeps
            await page.get_by_role("button", name="Hand back").click()
            await page.get_by_role("button", name="Take over").wait_for()
            await page.get_by_label("A line for the agent").fill("Please hold.")
            await page.get_by_role("button", name="Say it").click()
            await caller.until_heard("please hold.")
            assert (seen.foreign, seen.wrong) == ([], [])
        happened = [type(each.event).__name__ for each in caller.entries]
        assert happened.count("TakeOverRequested") == 2
        assert happened.count("ListenedIn") == 4
        assert "SayRequested" in happened


def loud(ulaw: bytes) -> bool:
    return bool(np.abs(decode_ulaw(ulaw).astype(int)).max(initial=0) > 1000)
