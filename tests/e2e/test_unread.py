"""`patter serve` while nobody reads its terminal, or its disk is slow, hangs or is full: callers notice nothing."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.core.commands import ReportTranscript
from patter_cli.core.journal import parse_journal
from patter_cli.simulate.caller import LineCaller
from tests.e2e.conftest import Earpiece
from tests.e2e.test_serve import PROGRAM, ROOT, free_port, project

TALKATIVE = """

import logging

def on_transcript(event):
    for number in range(2000):
        print("x" * 99)
        logging.getLogger("mine").warning("y" * 99)
"""
SLOW = """
import time
from patter_cli.stores.journal import FolderFile

append, finish = FolderFile.append, FolderFile.finish

def slowly(self, data):
    time.sleep({0})
    return append(self, data)

def slowly_finish(self, record):
    time.sleep({0})
    finish(self, record)

FolderFile.append, FolderFile.finish = slowly, slowly_finish
"""
ANSWERED_S = 1.0
"""A key waits 450 ms for another, then two words are spoken, 60 ms a letter; the rest is what we may add."""


@asynccontextmanager
async def served(folder: Path, *, first: str = "", out: int) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A server whose output goes to a descriptor, and its address."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", first + PROGRAM, "serve", "echo", "--port", port, "--drain-timeout", "0"),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATTER_LOG_DIR": str(folder / "kept")},
        stdout=out,
        stderr=out,
    )
    try:
        await listening(int(port))
        yield process, f"ws://127.0.0.1:{port}/ws/loopback/echo"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def listening(port: int) -> None:
    """Wait until the server is up, which nobody can read."""
    async with asyncio.timeout(40):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.1)


async def waits(url: str, keys: str) -> list[float]:
    """Hold a call; for each key, seconds until the answer's first letter was heard."""
    ear = Earpiece()
    caller = LineCaller(url, TwilioLine("MZ1"), handset=ear)
    answered = []
    async with caller:
        assert await caller.wait_for(lambda: ear.text == "hello.", 10)
        for key in keys:
            before = len(ear.text)
            began = time.monotonic()
            caller.press(key)
            assert await caller.wait_for(lambda before=before: len(ear.text) > before, 10), f"{key} was not answered"
            answered.append(time.monotonic() - began)
            assert await caller.wait_for(lambda key=key: ear.has_heard(f"{key}#."), 10)
            assert await caller.wait_for(lambda: caller.quiet_ms > 200, 10)
    return answered


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
async def test_a_terminal_that_is_not_read_stops_no_call(tmp_path: Path, kind: str) -> None:
    """Transcript, log and what the agent's author prints: megabytes that nobody reads; each key is answered in time.

    SIGTERM ends it as ever.
    """
    read, write = os.pipe() if kind == "pipe" else pty.openpty()
    try:
        async with served(project(tmp_path, TALKATIVE), out=write) as (process, url):
            assert max(await waits(url, "12345")) < ANSWERED_S
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await process.wait() == 0
    finally:
        os.close(write)
        os.close(read)
    (record,) = tmp_path.rglob("record.json")
    assert json.loads(record.read_text())["outcome"] == "answered"


@pytest.mark.parametrize("seconds", [0.2, 2.0])
async def test_a_slow_disk_delays_no_answer(tmp_path: Path, seconds: float) -> None:
    """Each write takes so long; answers come as ever, and in the end all of the call is on disk."""
    async with served(project(tmp_path), first=SLOW.format(seconds), out=2) as (process, url):
        assert max(await waits(url, "123")) < ANSWERED_S
        await asyncio.sleep(4 * seconds)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(12):
            assert await process.wait() == 0
    (journal,) = tmp_path.rglob("journal.jsonl")
    entries = list(parse_journal(journal.read_text()))
    said = [each.text for entry in entries for each in entry.commands if isinstance(each, ReportTranscript)]
    assert said[1::2] == ["[DTMF: 1]", "[DTMF: 2]", "[DTMF: 3]"]
    assert json.loads(journal.with_name("record.json").read_text())["outcome"] == "answered"
