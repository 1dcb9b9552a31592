"""The dashboard and the softphone when something goes wrong: servers, networks, microphones, tabs, and two at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from patter_cli import wiring
from patter_cli.core import events as fact
from patter_cli.engine.hooks import Hooks
from patter_cli.server.service import ServiceSettings
from tests.e2e.browser import Seen, browsing, chromium, looking, violations, way_to
from tests.e2e.conftest import LOUDNESS, Caller, Log, Phone, agent
from tests.e2e.test_site_orders import served, site_over

pytestmark = [pytest.mark.usefixtures("quiet_log"), pytest.mark.asyncio(loop_scope="module")]

ALLOWED = {"permissions": ["microphone"]}
UNPLUGGED = """
const open = MediaDevices.prototype.getUserMedia;
MediaDevices.prototype.getUserMedia = async function (...wanted) {
  const stream = await open.apply(this, wanted);
  window.unplug = () => stream.getTracks().forEach((each) => (each.stop(), each.dispatchEvent(new Event("ended"))));
  return stream;
};
"""
SLOW = """
const ask = MediaDevices.prototype.getUserMedia;
MediaDevices.prototype.getUserMedia = async function (...wanted) {
  await new Promise((next) => setTimeout(next, 700));
  return ask.apply(this, wanted);
};
"""
NONE = """
MediaDevices.prototype.getUserMedia = () => Promise.reject(new DOMException("none", "NotFoundError"));
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Any]:
    """One for all; a page has the microphone if its context was given it."""
    chromium()
    async with browsing(allows=False) as each:
        yield each


@asynccontextmanager
async def serving(folder: Path, port: int = 0) -> AsyncIterator[Phone]:
    """A server of these calls; on this port, if one is named."""
    store, site = site_over(folder)
    ready = {"shop": wiring.ready_agent("shop", agent("Hello."), Hooks(on_message=lambda event: "We open at nine."))}
    log = Log()
    server = wiring.service(ready, ServiceSettings(port=port), store=store, observers=(log,), voice=LOUDNESS, site=site)
    await server.start()
    try:
        yield Phone(server, log)
    finally:
        await server.cut()
        server.close()
        site.close()


async def open_call(seen: Seen) -> None:
    """The page of the one call that goes on."""
    await seen.page.locator("article h2 a").click()
    await seen.page.get_by_role("button", name="Take over").wait_for()


def taken(caller: Caller) -> list[fact.TakeOverRequested]:
    return [each.event for each in caller.entries if isinstance(each.event, fact.TakeOverRequested)]


async def test_a_server_is_restarted_under_a_page(tmp_path: Path, browser: Any) -> None:
    """The page says that nobody answers, and goes on by itself: the call that was cut is over, the next one appears;
    a list that could not be had is there."""
    async with serving(tmp_path) as phone:
        port = phone.server.port
        link = phone.server.link()
        live, calls = looking(browser, link), looking(browser, phone.server.link())
        async with live as seen, calls as other:
            await seen.page.get_by_text("Connected", exact=True).wait_for()
            await other.go("calls")
            async with Caller(phone, "shop", "+14155550100") as caller:
                await caller.until_heard("hello.")
                await seen.page.locator("article", has_text="+14155550100").wait_for()
                await phone.server.cut()
                phone.server.close()
            await seen.page.get_by_text("Connecting", exact=False).wait_for()
            await seen.page.get_by_text("The server does not answer. This page tries again by itself.").wait_for()
            await other.page.get_by_label("Said").fill("hello")
            await other.page.get_by_text("The server does not answer").wait_for()
            async with serving(tmp_path, port) as again:
                await seen.page.get_by_text("Connected", exact=True).wait_for()
                await seen.page.locator(".ended", has_text="+14155550100").wait_for()
                await other.page.locator(".calls tbody tr").first.wait_for()
                assert not await other.page.locator(".alert").count()
                async with Caller(again, "shop", "+14155550101") as caller:
                    await caller.until_heard("hello.")
                    await seen.page.locator("article", has_text="+14155550101").wait_for()
                    assert await seen.page.locator("article").count() == 1


async def test_a_page_is_signed_out_under_its_reader(tmp_path: Path, browser: Any) -> None:
    """A server without a token of its own has another one after a restart: the page leads to where one signs in, and
    goes on once somebody has."""
    async with served(tmp_path) as (phone, _), looking(browser, phone.server.link()) as seen:
        await seen.page.get_by_text("Connected", exact=True).wait_for()
        await seen.page.context.clear_cookies()
        await seen.page.reload()
        assert "Nobody has signed in" in await seen.text()
        await seen.page.goto(phone.server.link())
        await seen.page.get_by_text("Connected", exact=True).wait_for()
        await seen.page.context.clear_cookies()
        await seen.page.evaluate("location.hash = '#/calls'")
        await seen.page.get_by_text("This browser is signed in no more.").wait_for()
        await seen.page.locator(".alert a").click()
        await seen.page.get_by_role("heading", name="Sign in").wait_for()


async def test_two_take_a_call_over_at_once(tmp_path: Path, browser: Any) -> None:
    """One has it; the other hears both sides and is told who has it. Once it was handed back the other may."""
    async with served(tmp_path) as (phone, _), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        first, second = (looking(browser, phone.server.link(), **ALLOWED) for _ in range(2))
        async with first as mine, second as theirs:
            await asyncio.gather(open_call(mine), open_call(theirs))
            press = "[...document.querySelectorAll('button')].find((each) => each.textContent === 'Take over').click()"
            await asyncio.gather(mine.page.evaluate(press), theirs.page.evaluate(press))
            has, hears = "The caller hears you.", "A colleague has this call. You hear both sides."
            await mine.until(
                f"document.body.textContent.includes('{has}') || document.body.textContent.includes('{hears}')"
            )
            ours, other = (mine, theirs) if has in await mine.text() else (theirs, mine)
            await other.page.get_by_text(hears).wait_for()
            await other.page.get_by_role("button", name="Stop listening").wait_for()
            assert await other.page.get_by_role("button", name="A colleague has this call").is_disabled()
            await other.page.get_by_role("button", name="Stop listening").click()
            await asyncio.sleep(0.3)
            assert taken(caller) == [fact.TakeOverRequested(taken=True)], "who only listened has given nothing back"
            await ours.page.get_by_role("button", name="Hand back").click()
            await other.page.get_by_role("button", name="Take over").click()
            await other.page.get_by_text(has).wait_for()
            assert [each.taken for each in taken(caller)] == [True, False, True]
            await other.page.close()
            await caller.until(lambda: [each.taken for each in taken(caller)] == [True, False, True, False])
            assert (ours.wrong, other.wrong) == ([], [])


async def test_a_page_that_falls_asleep_loses_the_call_and_says_so(tmp_path: Path, browser: Any) -> None:
    """As a laptop does whose lid is closed: the agent goes on with the caller meanwhile."""
    async with served(tmp_path) as (phone, _), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        async with looking(browser, phone.server.link(), **ALLOWED) as seen:
            await open_call(seen)
            await seen.page.get_by_role("button", name="Take over").click()
            await seen.page.get_by_text("The caller hears you.").wait_for()
            sleep = "() => { const end = performance.now() + 3500; while (performance.now() < end); }"
            asleep = asyncio.create_task(seen.page.evaluate(sleep))
            await caller.until(lambda: fact.TakeOverRequested(taken=False, lost=True) in taken(caller), 5.0)
            await asleep
            await seen.page.get_by_text("No sound came from this page").wait_for()
            await seen.page.get_by_role("button", name="Take over").wait_for()


async def test_a_network_is_cut_in_the_middle(tmp_path: Path, browser: Any) -> None:
    """Of a takeover, the agent has the call again and the page says so; of a call from the softphone, the call is over
    and the page says why. With the network the page is there again."""
    async with served(tmp_path) as (phone, _), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        async with way_to(phone.server.port) as way:
            link = phone.server.link().replace(f":{phone.server.port}", f":{way.port}")
            async with looking(browser, link, **ALLOWED) as seen:
                await open_call(seen)
                await seen.page.get_by_role("button", name="Take over").click()
                await seen.page.get_by_text("The caller hears you.").wait_for()
                way.cut()
                await seen.page.get_by_text("The connection was lost.").wait_for()
                await caller.until(lambda: fact.TakeOverRequested(taken=False, lost=True) in taken(caller), 5.0)
                way.mend()
                await seen.page.get_by_text("Connected", exact=True).wait_for()
                await seen.go("softphone")
                await seen.page.get_by_role("button", name="Call", exact=True).click()
                await seen.page.locator(".talk .line.agent", has_text="Hello").wait_for()
                way.cut()
                await seen.page.get_by_text("The connection was lost, and the call with it.").wait_for()
                way.mend()
                await seen.page.get_by_role("button", name="Call again").click()
                await seen.page.locator(".talk .line.agent", has_text="Hello").wait_for()


async def test_somebody_changes_their_mind_while_the_browser_asks(tmp_path: Path, browser: Any) -> None:
    """Who hangs up before the microphone is there has called nobody, and who leaves the page has taken nothing over;
    a second press is no second wish."""
    async with served(tmp_path) as (phone, _), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        async with looking(browser, phone.server.link(), before=SLOW, **ALLOWED) as seen:
            await open_call(seen)
            await seen.page.get_by_role("button", name="Take over").click()
            assert await seen.page.get_by_role("button", name="Take over").is_disabled()
            await seen.go("softphone")
            await seen.page.get_by_role("button", name="Call", exact=True).click()
            await seen.page.get_by_role("button", name="Hang up").click()
            await seen.page.get_by_text("The call is over").wait_for()
            await asyncio.sleep(1.2)
            assert taken(caller) == []
            assert len(phone.log.calls) == 1
            await seen.page.get_by_role("button", name="Call again").click()
            await seen.page.locator(".talk .line.agent", has_text="Hello").wait_for()
            assert len(phone.log.calls) == 2


@pytest.mark.parametrize(
    ("before", "allowed", "said"),
    [("", {}, "The microphone was not allowed."), (NONE, ALLOWED, "There is no microphone.")],
    ids=["refused", "none"],
)
async def test_there_is_no_microphone(
    tmp_path: Path, browser: Any, before: str, allowed: dict[str, Any], said: str
) -> None:
    """Refused or not there: both pages say it in words. Whoever was listening goes on listening, and a call that was
    not made can be made."""
    async with served(tmp_path) as (phone, _), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        async with looking(browser, phone.server.link(), before=before, **allowed) as seen:
            await open_call(seen)
            await seen.page.get_by_role("button", name="Listen in").click()
            await seen.page.get_by_role("button", name="Stop listening").wait_for()
            await seen.page.get_by_role("button", name="Take over").click()
            await seen.page.locator(".operator .fault", has_text=said).wait_for()
            assert await violations(seen) == []
            assert await seen.page.get_by_role("button", name="Stop listening").count() == 1
            assert taken(caller) == []
            await seen.go("softphone")
            await seen.page.get_by_role("button", name="Call", exact=True).click()
            await seen.page.locator(".dial .status", has_text=said).wait_for()
            await seen.page.get_by_role("button", name="Call again").wait_for()
            assert seen.wrong == []


async def test_a_microphone_is_unplugged(tmp_path: Path, browser: Any) -> None:
    """Who has taken a call over gives it back; on the softphone it is said, and the call goes on."""
    async with served(tmp_path) as (phone, _), Caller(phone, "shop") as caller:
        await caller.until_heard("hello.")
        async with looking(browser, phone.server.link(), before=UNPLUGGED, **ALLOWED) as seen:
            await open_call(seen)
            await seen.page.get_by_role("button", name="Take over").click()
            await seen.page.get_by_text("The caller hears you.").wait_for()
            await seen.page.evaluate("window.unplug()")
            await seen.page.get_by_text("The microphone is gone.").wait_for()
            await caller.until(lambda: [each.taken for each in taken(caller)] == [True, False])
            await seen.go("softphone")
            await seen.page.get_by_role("button", name="Call", exact=True).click()
            await seen.page.locator(".talk .line.agent", has_text="Hello").wait_for()
            await seen.page.evaluate("window.unplug()")
            await seen.page.get_by_text("The microphone is gone: the agent hears nothing.").wait_for()
            await seen.page.get_by_role("button", name="Hang up").click()
            await seen.page.get_by_text("The call is over").wait_for()
