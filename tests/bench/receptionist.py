"""The receptionist in a process of its own, and what callers say to her: what the benches of real calls share.

The server is the real one with the built-in ears and voice; it is told to forget what its voice has made before by a
line on its standard input. Its clock and its callers' are the same: `time.time` of one machine, read once at the
beginning of a call on either side.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from patter_cli import wiring
from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import resample_all
from patter_cli.audio.wav import read_wav
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry, parse_journal
from patter_cli.simulate.script import line_voice
from tests.bench.stt import PROMPTS

QUESTIONS = (
    "What are your opening hours?",
    "How much is a check-up?",
    "Where are you located?",
    "Do you take my insurance?",
    "Is there parking nearby?",
    "Do you see children as well?",
    "What treatments do you offer?",
    "Can I pay by credit card?",
    "Are you open on Saturday?",
    "How much does a filling cost?",
    "Are you a real person?",
    "Do you take new patients?",
)
HUMANS = ("hours", "location", "please-try-again", "check-number-dial-again", "pls-try-call-later", "im-sorry")
"""Telephone prompts of Debian's asterisk-core-sounds-en-wav, where that is installed."""
BECKETT_S = ((0.25, 1.55), (1.65, 2.9), (3.45, 4.75))
"""Three stretches of the reading inside the moonshine-voice package: no pause in them ends a turn."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Something a caller says. samples: int16, 8 kHz."""

    title: str
    samples: Samples
    human: bool


async def spoken(texts: Sequence[str] = QUESTIONS) -> list[Sentence]:
    """The texts in the second local voice."""
    voice = line_voice(wiring.built_in_caller("jo"))
    return [Sentence(text, await voice(text), human=False) for text in texts]


def recorded() -> list[Sentence]:
    """Human speech: telephone prompts if they are installed, and pieces of a packaged reading."""
    from patter_cli.providers.inference import asset

    found = []
    for name in HUMANS:
        if (PROMPTS / f"{name}.wav").exists():
            samples, rate_hz = read_wav(PROMPTS / f"{name}.wav")
            found.append(Sentence(f"({name})", resample_all(samples, rate_hz, 8000), human=True))
    samples, rate_hz = read_wav(asset("moonshine_voice", "assets/beckett.wav"))
    reading = resample_all(samples, rate_hz, 8000)
    for begin, end in BECKETT_S:
        piece = reading[int(begin * 8000) : int(end * 8000)]
        found.append(Sentence(f"(beckett {begin} s)", piece, human=True))
    return found


def mixed(machine: Sequence[Sentence], human: Sequence[Sentence], count: int) -> list[Sentence]:
    """Two of the one, one of the other, and round again: twice not understood, and she would transfer the call."""
    turns = []
    for index in range(count):
        third = index // 3
        turns.append(human[third % len(human)] if index % 3 == 2 else machine[(index - third) % len(machine)])
    return turns


class Served:
    """The server's process, as its callers know it."""

    def __init__(self, process: subprocess.Popen[str], url: str, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._read: set[Path] = set()
        self.url = url

    def forget(self) -> None:
        """The voice makes anew what it has made before."""
        assert self._process.stdin is not None
        print("forget", file=self._process.stdin, flush=True)

    async def journal(self) -> list[Entry]:
        """The journal of the call that has just ended."""
        for _ in range(300):
            done = {path.parent for path in self._folder.rglob("record.json")} - self._read
            if done:
                (place,) = done
                self._read.add(place)
                return list(parse_journal((place / "journal.jsonl").read_text("utf-8")))
            await asyncio.sleep(0.02)
        raise AssertionError("the server has not closed the call's journal")


@contextmanager
def receptionist() -> Iterator[Served]:
    """Serve her until the block ends."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "tests.bench.receptionist", "--keep", place]
        environment = {**os.environ, "PATTER_CALENDAR": f"{place}/calendar.json"}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Served(process, json.loads(process.stdout.readline())["url"], Path(place, "calls"))
        finally:
            process.stdin.close()
            process.wait(30)


def wall_ms_at_zero(entries: Sequence[Entry]) -> float:
    """The wall clock at the server's call time 0, in ms."""
    first = next(each.event for each in entries if isinstance(each.event, fact.CallConnected))
    return first.wall_time * 1000


def wall_ms_now(call_ms: float) -> float:
    """The wall clock at call time 0 of a clock that shows call_ms now."""
    return time.time() * 1000 - call_ms


def line(title: str, values_ms: Sequence[float]) -> str:
    """Median, p95 and the most of some times."""
    if not values_ms:
        return f"{title}: none"
    median, p95 = np.percentile(values_ms, [50, 95])
    return f"{title}: median {median:.0f} ms, p95 {p95:.0f}, most {max(values_ms):.0f} ({len(values_ms)})"


async def _serve(keep: Path) -> None:
    """Serve until standard input closes. The lines for trouble are not prepared: that would compete with the turns."""
    from patter_cli.cli.discovery import load_agent
    from patter_cli.engine.hooks import Hooks
    from patter_cli.providers import joe
    from patter_cli.server.service import ServiceSettings
    from patter_cli.stores.sqlite import SqliteStore

    loaded = load_agent("receptionist")
    ready = wiring.ready_agent(loaded.name, loaded.agent, Hooks(**loaded.hooks))
    service = wiring.service(
        {loaded.name: ready}, ServiceSettings(port=0, drain_timeout_s=1.0), store=SqliteStore(keep)
    )
    await service.start()
    print(json.dumps({"url": service.media_url(loaded.name)}), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        joe.clear_cache()
    await service.stop()


if __name__ == "__main__":
    from patter_cli.server.run import run

    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path, required=True)
    run(_serve(parser.parse_args().keep))
