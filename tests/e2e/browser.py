"""A real Chromium without a window, and what a test wants to know of a page: what it asked for, said and drew."""

from __future__ import annotations

import asyncio
import json
import shutil
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from patter_cli.audio.frame import Samples

AXE = Path(__file__).parents[1] / "data" / "axe" / "axe.min.js"
DESKTOP = {"width": 1280, "height": 800}
CONTRAST = ("color-contrast",)
"""The one rule of axe's that minds colours."""
CLOSE_S = 15.0
LOOK_S = 30.0
"""For axe to look at a page."""
TELEPHONE = {"width": 390, "height": 844}
_PLAIN = (
    "--no-sandbox --headless --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --autoplay-policy=no-user-gesture-required --use-fake-device-for-media-stream"
).split()
_ALLOWS = "--use-fake-ui-for-media-stream"

# What comes from the microphone and what goes to the loudspeaker are kept as well, side by side, with their time.
_RECORD = """
(() => {
  const connect = AudioNode.prototype.connect;
  const open = AudioContext.prototype.createMediaStreamSource;
  let microphone = null;
  window.recorded = [];
  AudioContext.prototype.createMediaStreamSource = function (stream) {
    return (microphone = open.call(this, stream));
  };
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target === this.context.destination && this instanceof AudioWorkletNode) {
      const both = this.context.createChannelMerger(2);
      const ear = this.context.createScriptProcessor(2048, 2, 1);
      ear.onaudioprocess = ({ inputBuffer, playbackTime }) => window.recorded.push({
        at: playbackTime, rate: inputBuffer.sampleRate,
        sides: [0, 1].map((side) => Int16Array.from(inputBuffer.getChannelData(side), (each) => each * 32767)),
      });
      if (microphone) connect.call(microphone, both, 0, 0);
      connect.call(this, both, 0, 1);
      connect.call(both, ear);
      connect.call(ear, target);
    }
    return connect.call(this, target, ...rest);
  };
})();
"""


def chromium() -> str:
    """Where it is. Skips the test where there is none."""
    pytest.importorskip("playwright.async_api", reason="no playwright: pip install -e '.[dev]'")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium on this machine: apt-get install chromium")


@dataclass
class Way:
    """A way to a port that can be cut, as a network is: what goes through it is gone, and nobody gets through."""

    to: int
    port: int = 0
    _pipes: set[asyncio.Task[None]] = field(default_factory=set)
    _cut: bool = False

    def cut(self) -> None:
        self._cut = True
        for each in self._pipes:
            each.cancel()

    def mend(self) -> None:
        self._cut = False

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        theirs, ours = await asyncio.open_connection("127.0.0.1", self.to)
        for source, sink in ((reader, ours), (theirs, writer)):
            task = asyncio.create_task(_pump(source, sink))
            self._pipes.add(task)
            task.add_done_callback(self._pipes.discard)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.close()
    except (OSError, asyncio.CancelledError):
        sink.transport.abort()


@asynccontextmanager
async def way_to(port: int) -> AsyncIterator[Way]:
    """One that leads to a port of this machine."""
    way = Way(port)
    server = await asyncio.start_server(way.take, "127.0.0.1", 0)
    way.port = server.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        server.close()
        way.cut()


@dataclass
class Seen:
    """A page, and what came of it."""

    page: Any
    base: str
    asked: list[str] = field(default_factory=list)
    """Every address that it asked for."""
    wrong: list[str] = field(default_factory=list)
    """Errors on its console, exceptions, dialogs."""

    @property
    def foreign(self) -> list[str]:
        """What it asked for elsewhere."""
        ours = urlsplit(self.base).netloc
        return [each for each in self.asked if urlsplit(each).netloc not in (ours, "") and each[:5] != "data:"]

    async def go(self, place: str) -> None:
        """A place of the dashboard, such as calls/ID, drawn to the end."""
        await self.page.goto(f"{self.base}/dashboard#/{place}")
        await self.page.locator("main h1").wait_for()
        await self.settled()

    async def settled(self) -> None:
        """Until nothing is loading any more."""
        await self.until(
            "!document.querySelector('.waiting') && ![...document.querySelectorAll('[role=status]')]"
            ".some((each) => /Looking|Loading/.test(each.textContent))"
        )

    async def until(self, condition: str, within_s: float = 8.0) -> None:
        """Until this JavaScript is true. Playwright's own way of waiting evaluates text in the page, which its policy
        forbids."""
        async with asyncio.timeout(within_s):
            while not await self.page.evaluate(f"() => Boolean({condition})"):  # noqa: ASYNC110 - it is elsewhere
                await asyncio.sleep(0.03)

    async def text(self) -> str:
        """All that can be read."""
        return str(await self.page.locator("body").inner_text())


@asynccontextmanager
async def browsing(microphone: Path | None = None, *, allows: bool = True) -> AsyncIterator[Any]:
    """A browser. microphone: a WAV that it hears once from the moment the microphone is opened. allows: every page may
    have it; else only where the context was given the permission."""
    where = chromium()
    from playwright.async_api import async_playwright

    more = [] if microphone is None else [f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    more += [_ALLOWS] if allows else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=where, args=[*_PLAIN, *more])
        try:
            yield browser
        finally:
            async with asyncio.timeout(CLOSE_S):
                await browser.close()


@asynccontextmanager
async def looking(
    browser: Any, link: str, *, records: bool = False, before: str = "", **options: Any
) -> AsyncIterator[Seen]:
    """A page of a new visitor who opened this link. records: what it hears and plays is kept. before: a script that
    the page finds there. options: for the context."""
    context = await browser.new_context(viewport=DESKTOP, **options)
    try:
        page = await context.new_page()
        page.set_default_timeout(8000)
        for script in (_RECORD if records else "", before):
            if script:
                await page.add_init_script(script)
        parts = urlsplit(link)
        seen = Seen(page, f"{parts.scheme}://{parts.netloc}")
        page.on("request", lambda request: seen.asked.append(request.url))
        page.on("console", lambda said: seen.wrong.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: seen.wrong.append(str(error)))

        async def dismiss(dialog: Any) -> None:
            seen.wrong.append(f"dialog: {dialog.message}")
            await dialog.dismiss()

        page.on("dialog", dismiss)
        await page.goto(link)
        yield seen
    finally:
        await context.close()


_WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


async def violations(seen: Seen, rules: Sequence[str] = ()) -> list[str]:
    """What axe-core finds against WCAG 2 A and AA, with the elements. It is run past the page's own policy. rules:
    only these."""
    if not await seen.page.evaluate("() => Boolean(window.axe)"):
        await seen.page.evaluate(AXE.read_text())
    only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": _WCAG}
    async with asyncio.timeout(LOOK_S):
        found = await seen.page.evaluate(
            f"axe.run(document, {{resultTypes: ['violations'], runOnly: {json.dumps(only)}}})"
        )
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:160]} {node['failureSummary'][:200]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


_TAKE = """
() => recorded.map(({ at, rate, sides }) => ({
  at, rate, sides: sides.map((side) => btoa(String.fromCharCode(...new Uint8Array(side.buffer)))),
}))
"""


async def recorded(seen: Seen) -> tuple[Samples, Samples, int]:
    """What the page's microphone heard and what its loudspeaker played, at the same time, and their rate."""
    pieces = await seen.page.evaluate(_TAKE)
    rate_hz, begun = int(pieces[0]["rate"]), pieces[0]["at"]
    sides = np.zeros((2, round((pieces[-1]["at"] - begun + 1) * rate_hz)), np.int16)
    for each in pieces:
        at = round((each["at"] - begun) * rate_hz)
        for side, coded in enumerate(each["sides"]):
            samples = np.frombuffer(b64decode(coded), "<i2")
            sides[side, at : at + len(samples)] = samples
    return sides[0], sides[1], rate_hz
