"""The softphone in a real browser whose microphone hears speech: asked, answered, interrupted, and recognised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from patter_cli import wiring
from patter_cli.agent import Agent
from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import Resampler
from patter_cli.audio.wav import write_wav
from patter_cli.contracts.stt import Final
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry
from patter_cli.engine.hooks import Hooks
from patter_cli.server.service import ServiceSettings
from tests.e2e.browser import CONTRAST, browsing, chromium, looking, recorded, violations
from tests.e2e.conftest import Log, Phone
from tests.e2e.test_site_orders import site_over

pytestmark = [pytest.mark.usefixtures("quiet_log"), pytest.mark.asyncio(loop_scope="module")]

GREETING = "Good morning."
ANSWER = (
    "We are open from Monday to Friday, from nine in the morning until half past five in the afternoon, and on "
    "Saturday from ten until one. You can also write to us at any time, and somebody will answer you on the next day."
)
SECOND = "You are welcome."
ASKED_AT_MS = 2600
INTERRUPTED_AT_MS = 8200
LONG_MS = 16_000
LOUD = 300
PAUSE_S = 0.7
ADDED_MS = 120
"""What the browser and our wire may add to the server's own latency."""


def answer(event: object) -> str:
    return ANSWER if "open" in str(getattr(event, "text", "")).lower() else SECOND


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def phone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Phone]:
    """An agent with the built-in ears and voice, and its dashboard."""
    chromium()
    store, site = site_over(tmp_path_factory.mktemp("kept"))
    agent = Agent("A test.", GREETING)
    ready = {"shop": wiring.ready_agent("shop", agent, Hooks(on_message=answer))}
    log = Log()
    server = wiring.service(ready, ServiceSettings(port=0), store=store, observers=(log,), site=site)
    await server.start()
    try:
        yield Phone(server, log)
    finally:
        await server.cut()
        server.close()
        site.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """Its microphone hears a question and an interruption, from the moment it is opened."""
    async with browsing(await microphone(tmp_path_factory.mktemp("said"))) as each:
        yield each


async def said(text: str) -> tuple[Samples, int]:
    """The built-in voice."""
    _, voice = wiring.built_in_speech()
    await voice.warm()
    session = await voice.open()
    pieces = [each async for each in session.synthesize(text) if isinstance(each, np.ndarray)]
    return np.concatenate(pieces), voice.rate_hz


async def understood(samples: Samples, rate_hz: int) -> str:
    """What the built-in ears make of it, one stretch of speech after the other."""
    ears, _ = wiring.built_in_speech()
    loud = np.flatnonzero(np.abs(samples.astype(int)) > LOUD)
    words = []
    for stretch in np.split(loud, np.flatnonzero(np.diff(loud) > PAUSE_S * rate_hz) + 1):
        session = await ears.open()
        heard = samples[max(0, stretch[0] - rate_hz // 4) : stretch[-1] + rate_hz // 4]
        session.push(Resampler(rate_hz, ears.rate_hz).process(heard))
        session.finalize()
        async with asyncio.timeout(20):
            words.append(await anext(each.text async for each in session.results() if isinstance(each, Final)))
        await session.aclose()
    return " ".join(words)


async def microphone(folder: Path) -> Path:
    """A question, and an interruption of its answer."""
    question, rate_hz = await said("When are you open?")
    stop, _ = await said("Please stop talking now")
    sound = np.zeros(LONG_MS * rate_hz // 1000, np.int16)
    for at_ms, words in ((ASKED_AT_MS, question), (INTERRUPTED_AT_MS, stop)):
        start = at_ms * rate_hz // 1000
        sound[start : start + len(words)] = words
    path = folder / "microphone.wav"
    write_wav(path, sound, rate_hz)
    return path


async def test_an_agent_is_called_from_the_browser(phone: Phone, browser: Any) -> None:
    """One press. The agent hears the question and answers it; what the page plays is what the agent said, as our own
    ears hear it; who talks over the answer stops it. To the server's own latency the browser adds 120 ms at most."""
    others = set(phone.log.calls)
    async with looking(browser, phone.server.link(), records=True) as seen:
        await seen.go("softphone")
        await seen.page.get_by_role("button", name="Call", exact=True).click()
        talk = seen.page.locator(".talk")
        await talk.locator(".line.agent", has_text="Good morning").wait_for()
        await talk.locator(".line.caller", has_text="open").wait_for()
        await talk.locator(".line.agent.growing", has_text="Monday").wait_for()
        await talk.locator("del.unheard").wait_for()
        await talk.locator(".line.agent:not(.growing):not(:has(del))", has_text="welcome").wait_for(timeout=20_000)
        await seen.page.get_by_role("button", name="5", exact=True).click()
        await seen.page.get_by_role("button", name="Mute", exact=True).click()
        await seen.page.get_by_role("button", name="Unmute").wait_for()
        assert await violations(seen) == []
        microphone_heard, samples, rate_hz = await recorded(seen)
        await seen.page.get_by_role("button", name="Hang up").click()
        await seen.page.get_by_text("The call is over").wait_for()
        assert (seen.foreign, seen.wrong) == ([], [])
    (entries,) = (each for name, each in phone.log.calls.items() if name not in others)
    assert any(isinstance(each.event, fact.DtmfReceived) and each.event.digit == "5" for each in entries)
    heard = (await understood(samples, rate_hz)).lower()
    assert "morning" in heard
    assert "open" in heard
    assert "welcome" in heard
    assert "next day" not in heard
    added = browser_wait_ms(microphone_heard, samples, rate_hz) - server_wait_ms(entries)
    print(f"the browser adds {added:.0f} ms")
    assert added <= ADDED_MS


def server_wait_ms(entries: list[Entry]) -> float:
    """From the question's end, as it came over the wire, to the first sound of its answer on the wire."""
    ended = next(each.event.at_ms for each in entries if isinstance(each.event, fact.SpeechEnded))
    return next(each.at - ended for each in entries if isinstance(each.event, fact.PlayoutStarted) and each.at > ended)


def browser_wait_ms(heard: Samples, played: Samples, rate_hz: int) -> float:
    """The same in the page: from the question's last sound in its microphone to the answer's first in its speaker."""
    loud = np.flatnonzero(np.abs(heard.astype(int)) > LOUD)
    pauses = np.flatnonzero(np.diff(loud) > rate_hz)
    asked = loud[pauses[0]]
    answered = asked + np.argmax(np.abs(played[asked:].astype(int)) > LOUD)
    return float(answered - asked) * 1000 / rate_hz


async def test_a_guest_has_the_softphone_and_nothing_else(phone: Phone, browser: Any) -> None:
    """An invitation is made on the page, opens without signing in, calls once, and is then no good; through a tunnel
    its page is all that is there."""
    async with looking(browser, phone.server.link(), permissions=["clipboard-write"]) as seen:
        await seen.go("softphone")
        await seen.page.get_by_role("button", name="Make a link").click()
        link = await seen.page.get_by_label("Invitation link").input_value()
        assert await violations(seen) == []
        await seen.page.emulate_media(color_scheme="dark")
        assert await violations(seen, CONTRAST) == []
    assert link.startswith(f"{seen.base}/call#")
    async with looking(browser, link) as guest:
        await guest.page.get_by_role("heading", name="Call shop").wait_for()
        assert await violations(guest) == []
        await guest.page.emulate_media(color_scheme="dark")
        assert await violations(guest, CONTRAST) == []
    tunnel = {"x-forwarded-for": "203.0.113.9"}
    async with looking(browser, link, extra_http_headers=tunnel) as guest:
        await guest.page.get_by_role("button", name="Call", exact=True).click()
        await guest.page.locator(".line.agent", has_text="Good morning").wait_for()
        await guest.page.get_by_role("button", name="Hang up").click()
        await guest.page.get_by_text("The call is over").wait_for()
        assert await guest.page.get_by_role("button", name="Call", exact=True).is_disabled()
        assert (guest.foreign, guest.wrong) == ([], [])
        shut = ("/dashboard", "/api/v1/calls", "/api/v1/events", "/metrics")
        found = [(await guest.page.request.get(guest.base + each, headers=tunnel)).status for each in shut]
        assert found == [404] * len(shut)
    async with looking(browser, link) as late:
        await late.page.get_by_role("button", name="Call", exact=True).click()
        await late.page.get_by_text("The call was refused").wait_for()
    async with looking(browser, f"{seen.base}/call#nothing") as lost:
        await lost.page.get_by_role("heading", name="This is no invitation").wait_for()
        assert await violations(lost) == []
