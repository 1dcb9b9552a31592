"""The dashboard in a real browser: calls watched and opened, on any screen, whatever strangers said in them."""

from __future__ import annotations

import asyncio
import csv
import json
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from patter_cli.audio.g711 import decode_ulaw
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry, parse_entry, render_entry
from patter_cli.core.outcome import Outcome
from patter_cli.engine.hooks import Hooks
from patter_cli.stores.sqlite import SqliteStore
from tests.e2e.browser import CONTRAST, DESKTOP, TELEPHONE, browsing, chromium, looking, violations
from tests.e2e.conftest import Caller, agent, answering, tone
from tests.e2e.site import Shown, shown
from tests.e2e.test_site_calls import PAYLOADS, conversation
from tests.e2e.test_site_orders import served, site_over
from tests.unit.stores.calls import STARTED, fill, first_line, record
from tests.unit.stores.calls import Kept as KeptCall

GREETING = "Hello, and welcome to the shop. We sell what you need."
OVER = render_entry(
    3000, fact.LineClosed(cause="carrier_stop"), [order.FinishCall(outcome=Outcome.ANSWERED, reason="carrier_stop")]
)

pytestmark = [pytest.mark.usefixtures("quiet_log"), pytest.mark.asyncio(loop_scope="module")]

LONG_NAME = "the-agent-" + "x" * 190
LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitän" * 8
ARABIC = "متى تفتحون؟ (3) abc"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Any]:
    """One for all: each test looks as a new visitor."""
    chromium()
    async with browsing() as each:
        yield each


@dataclass(frozen=True, slots=True)
class Kept:
    """A dashboard over stored calls."""

    there: Shown

    @property
    def link(self) -> str:
        """Another one each time."""
        return self.there.site.link("127.0.0.1")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kept]:
    """Twenty calls, one with all that a page can show, and one that is too long for any."""
    folder = tmp_path_factory.mktemp("kept")
    async with shown(folder) as there:
        fill(there.store, 20)
        kept_call(there.store, folder)
        long_call(there.store)
        yield Kept(there)


def kept_call(store: SqliteStore, folder: Path) -> str:
    """One with a tool, an answer that was interrupted, and a recording."""
    call = KeptCall(store, "LB1")
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


def long_call(store: SqliteStore, turns: int = 500) -> str:
    """An hour of questions and answers, with words that fit nowhere."""
    call = KeptCall(store, "LBLONG")
    call.write(first_line("LBLONG", STARTED, agent=LONG_NAME, caller=LONG_WORD))
    for turn in range(turns):
        asked = {3: LONG_WORD, 4: ARABIC}.get(turn, f"Question {turn}?")
        for line in conversation(asked, "We open at nine.", "hours", '{"day":"Monday"}', '{"open":9}'):
            told = json.loads(line)
            call.write(json.dumps({**told, "at": told["at"] + turn * 7000}))
    call.write(OVER.replace('"at":3000', f'"at":{turns * 7000 + 3000}'))
    call.end(record("LBLONG", STARTED, agent=LONG_NAME, caller=LONG_WORD, duration=turns * 7.0))
    return "LBLONG"


async def test_a_call_is_watched_word_by_word(tmp_path: Path, browser: Any) -> None:
    """A link signs the browser in, once. The caller's words and the agent's are there while they are spoken; a press,
    and another to be sure, has the call say goodbye."""
    store, site = site_over(tmp_path)
    hooks = Hooks(on_message=lambda event: "We open at nine.")
    async with answering({"shop": (agent(GREETING), hooks)}, store=store, site=site) as phone:
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
            assert "This link has been used" in await again.text()
            assert await violations(again) == []


async def test_a_call_is_opened_and_heard(kept: Kept, browser: Any) -> None:
    """Search leads to it. What nobody heard is struck out, tools show what they were asked; a press plays the
    recording, and the line that sounds is lit."""
    async with looking(browser, kept.link) as seen:
        page = seen.page
        await seen.go("calls")
        await page.get_by_label("Said").fill("open at")
        await seen.until("location.hash.includes('text=open')")
        await seen.settled()
        await seen.go("calls/LB1")
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


async def test_whatever_a_stranger_said_is_text(tmp_path: Path, browser: Any) -> None:
    """60 texts that a careless page would run, in every field that a stranger can write: all are read as they were
    written, none runs, and nothing is asked for elsewhere."""
    async with shown(tmp_path) as there:
        for number, payload in enumerate(PAYLOADS):
            call_id = f"LB{number:05}"
            call = KeptCall(there.store, call_id)
            call.write(first_line(call_id, STARTED + number, agent=payload, caller=payload))
            for line in (*conversation(payload, payload, payload, payload, payload), OVER):
                call.write(line)
            call.end(record(call_id, STARTED + number, agent=payload, caller=payload, callee=payload, reason=payload))
        async with looking(browser, there.site.link("127.0.0.1")) as seen:
            await seen.page.evaluate("() => { window.ran = 0; window.alert = () => { window.ran += 1; }; }")
            await seen.go("calls")
            await seen.page.get_by_role("button", name="Show more").click()
            await seen.until("document.querySelectorAll('.calls tbody tr').length === 60")
            assert await seen.page.evaluate(EACH_CALL, ["LB", len(PAYLOADS), ".story"]) == PAYLOADS
            await seen.go("analytics")
            await seen.page.get_by_role("heading", name="By agent").wait_for()
            for number, payload in enumerate(PAYLOADS):
                for entry in goes_on(f"LV{number:05}", payload):
                    there.site.feed(f"LV{number:05}", entry)
            await seen.go("")
            await seen.page.get_by_text("48 more").wait_for()
            assert await seen.page.evaluate(EACH_CALL, ["LV", len(PAYLOADS), ".line.growing"]) == PAYLOADS
            assert await seen.page.evaluate("window.ran ?? 0") == 0
            bad = await seen.page.evaluate(
                "document.querySelectorAll('main script, main iframe, main img, main [onerror], main [onload]').length"
            )
            assert (bad, seen.foreign, seen.wrong) == (0, [], [])


def goes_on(call_id: str, payload: str) -> list[Entry]:
    """A live call in which everything that a stranger can say is this, finished and half said."""
    said = order.ReportTranscript(role="user", text=payload, interrupted=False, at_ms=10)
    spoken = order.Speak(response_id=1, clause=0, text=payload)
    tool = order.RunTool(response_id=1, tool_call_id="t", name=payload, arguments=payload, timeout_ms=1000)
    broken = fact.ResponseFailed(response_id=1, message=payload, provider=payload)
    return [
        parse_entry(first_line(call_id, STARTED, agent=payload, caller=payload)),
        Entry(at=10, event=fact.SpeechEnded(at_ms=9), commands=(said, spoken, tool)),
        Entry(at=20, event=fact.ToolFinished(response_id=1, tool_call_id="t", result=payload), commands=()),
        Entry(at=30, event=broken, commands=()),
        Entry(at=40, event=fact.PlayoutStarted(response_id=1, clause=0), commands=()),
        Entry(at=50, event=fact.TranscriptPartial(segment=1, text=payload), commands=()),
    ]


EACH_CALL = """
async ([ids, count, sign]) => {
  const titles = [];
  for (let number = 0; number < count; number++) {
    const before = document.querySelector('main h1');
    location.hash = `#/calls/${ids}${String(number).padStart(5, '0')}`;
    const until = performance.now() + 5000;
    while (performance.now() < until) {
      await new Promise((next) => setTimeout(next, 5));
      const title = document.querySelector('main h1');
      if (title !== before && document.querySelector(sign)) break;
    }
    titles.push(document.querySelector('main h1').textContent);
  }
  return titles;
}
"""
"""Opens one call after the other; what stands above each. Bounded: a call that does not come is one wrong title."""


async def test_everybody_can_read_and_use_it(kept: Kept, browser: Any) -> None:
    """axe-core finds nothing against WCAG AA on any page, on a screen and on a telephone, in the light and in the dark;
    nothing is wider than the screen, however long a name or a word; and the keyboard alone leads to a call."""
    async with looking(browser, kept.link, color_scheme="light") as seen:
        for place in ("", "calls", "calls/LB1", "analytics", "softphone"):
            await seen.go(place)
            for screen in (DESKTOP, TELEPHONE):
                await seen.page.set_viewport_size(screen)
                assert await violations(seen) == [], place
                await seen.page.emulate_media(color_scheme="dark")
                assert await violations(seen, CONTRAST) == [], place
                await seen.page.emulate_media(color_scheme="light")
                assert await seen.page.evaluate("document.documentElement.scrollWidth") <= screen["width"], place
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


async def test_a_call_that_is_too_long_for_any_page(kept: Kept, browser: Any) -> None:
    """500 turns: all of them are there, in boxes that scroll; a name of 200 letters is cut and can still be read, a
    word without an end is broken, Arabic reads from the right, and all of the journal can be had."""
    async with looking(browser, kept.link) as seen:
        page = seen.page
        for screen in (TELEPHONE, DESKTOP):
            await page.set_viewport_size(screen)
            await seen.go("calls/LBLONG")
            assert await page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
            assert await page.evaluate("document.documentElement.scrollHeight") < 4000
        assert await page.locator(".story .line.caller").count() == 500
        assert await page.locator(".waterfall tbody tr").count() == 500
        agent = page.locator(".tile dd").first
        assert await agent.get_attribute("title") == LONG_NAME
        assert (await agent.bounding_box())["height"] < 80
        arabic = page.locator(".words", has_text="abc").first
        assert await arabic.evaluate("(each) => getComputedStyle(each).direction") == "rtl"
        await page.locator("details.journal summary").click()
        entries = page.locator(".journal tbody tr")
        await entries.first.wait_for()
        before = await entries.count()
        await page.locator(".journal").get_by_role("button", name="Show more").click()
        await seen.until(f"document.querySelectorAll('.journal tbody tr').length > {before}")
        assert seen.wrong == []


async def test_a_long_call_is_watched(tmp_path: Path, browser: Any) -> None:
    """Of 500 turns and more the last lines are there, and the page draws no more than those while they grow."""
    async with shown(tmp_path) as there:
        call = KeptCall(there.store, "LBLIVE")
        call.write(first_line("LBLIVE", STARTED))
        lines = [json.loads(each) for each in conversation("Yes?", "We open at nine.", "hours", "{}", "[]")]
        for turn in range(500):
            for told in lines:
                call.write(json.dumps({**told, "at": told["at"] + turn * 7000}))
        async with looking(browser, there.site.link("127.0.0.1")) as seen:
            await seen.page.locator("article").wait_for()
            await seen.go("calls/LBLIVE")
            await seen.until("document.querySelectorAll('.lines .line').length === 200")
            said = order.ReportTranscript(role="user", text="And on Sunday?", interrupted=False, at_ms=9)
            there.site.feed("LBLIVE", Entry(at=3_600_000, event=fact.SpeechEnded(at_ms=9), commands=(said,)))
            await seen.page.locator(".line.caller", has_text="And on Sunday?").wait_for()
            assert await seen.page.locator(".lines .line").count() == 200
            assert seen.wrong == []
        call.end(record("LBLIVE", STARTED))


async def test_many_calls_go_on_at_once(tmp_path: Path, browser: Any) -> None:
    """200: the page stays quick, twelve have a card, the rest is a list, and one is found by what was said."""
    async with shown(tmp_path) as there:
        for number in range(200):
            entry = parse_entry(first_line(f"LB{number}", STARTED, caller=f"+1415555{number:04}"))
            there.site.feed(f"LB{number}", entry)
        async with looking(browser, there.site.link("127.0.0.1")) as seen:
            await seen.page.get_by_text("188 more").wait_for()
            assert await seen.page.locator("article").count() == 12
            assert await seen.page.get_by_role("button", name="Hang up").count() == 0, "no server could do it"
            said = order.ReportTranscript(role="user", text="A blue bicycle.", interrupted=False, at_ms=9)
            there.site.feed("LB150", Entry(at=9, event=fact.SpeechEnded(at_ms=9), commands=(said,)))
            await seen.page.locator(".rest", has_text="A blue bicycle.").wait_for()
            await seen.page.get_by_label("Find").fill("BICYCLE")
            await seen.page.locator("article", has_text="+14155550150").wait_for()
            assert await seen.page.locator("article").count() == 1
            assert await violations(seen) == []
            assert seen.wrong == []


HIDES = """
Object.defineProperty(document, 'hidden', { get: () => Boolean(window.away) });
window.leave = (away) => { window.away = away; document.dispatchEvent(new Event('visibilitychange')); };
const wait = window.setTimeout;
window.setTimeout = (act, ms, ...rest) => wait(act, ms === 5000 ? 50 : ms, ...rest);
"""
"""A tab that can be put into the background, where it waits less long."""


async def test_any_number_of_tabs(tmp_path: Path, browser: Any) -> None:
    """A browser has six connections to a server. Tabs that nobody looks at hold none, and know all when they are
    looked at again."""
    async with shown(tmp_path) as there, looking(browser, there.site.link("127.0.0.1"), before=HIDES) as seen:
        fill(there.store, 3)
        await seen.page.get_by_text("Connected", exact=True).wait_for()
        tabs = [seen.page]
        for _ in range(6):
            await tabs[-1].evaluate("window.leave(true)")
            tab = await seen.page.context.new_page()
            await tab.add_init_script(HIDES)
            await tab.goto(f"{seen.base}/dashboard#/calls", timeout=8000)
            await tab.locator(".calls tbody tr").first.wait_for(timeout=8000)
            tabs.append(tab)
        there.site.feed("LB9", parse_entry(first_line("LB9", STARTED, caller="+14155550109")))
        await asyncio.sleep(0.3)
        assert await seen.page.locator("article", has_text="+14155550109").count() == 0, "nobody looks"
        await seen.page.evaluate("window.leave(false)")
        await seen.page.locator("article", has_text="+14155550109").wait_for()
        for tab in tabs[1:]:
            await tab.close()


async def test_the_calls_can_be_taken_away(kept: Kept, browser: Any) -> None:
    """As a table, with the filter that is set."""
    async with looking(browser, kept.link) as seen:
        await seen.go("calls?agent=desk")
        async with seen.page.expect_download() as download:
            await seen.page.get_by_role("link", name="Export CSV").click()
        path = await (await download.value).path()
        rows = list(csv.DictReader(Path(path).read_text().splitlines()))
        assert {each["agent"] for each in rows} == {"desk"}


async def test_somebody_steps_into_a_call(tmp_path: Path, browser: Any) -> None:
    """On the call's page: what was said before is there; they listen and hear the agent, take over and are heard by
    the caller, give it back, and have the agent say a line."""
    async with served(tmp_path) as (phone, _), Caller(phone, "shop") as caller:
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
