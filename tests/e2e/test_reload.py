"""`patter serve --reload`: an agent's file is edited while its calls go on."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from patter_cli.audio.frame import Samples
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.cli.reloading import reload_changed
from patter_cli.core.journal import parse_journal, render_entry, replay
from patter_cli.engine.ready import ReadyAgent
from patter_cli.settings import Settings
from patter_cli.simulate.caller import LineCaller
from tests.e2e.conftest import Earpiece, letter_in
from tests.e2e.test_serve import Serving, free_port, serving

AGENT = '''"""Says a word that its author keeps changing."""

from patter_cli import Agent
from tests.e2e.conftest import EARS, VOICE
{imports}
agent = Agent("You say it.", "Hello.", stt=EARS, tts=VOICE, barge_in_threshold_ms=0, echo_cancellation=False)


def on_message(event):
    return {word}
'''


class FrameEar(Earpiece):
    """Hears a dot for each frame of silence."""

    def play(self, samples: Samples) -> None:
        self._letters.append(letter_in(samples) or ".")


def written(folder: Path, word: str, imports: str = "") -> None:
    """The agent's file, as editors write it: whole, and in place of the old one."""
    (folder / "agents").mkdir(exist_ok=True)
    new = folder / "agents" / "echo.new"
    new.write_text(AGENT.format(word=word, imports=imports))
    new.replace(folder / "agents" / "echo.py")


async def lines_of(server: Serving, wanted: Callable[[list[str]], bool], caller: object) -> None:
    """Wait until the server has printed what is wanted."""
    assert await caller.wait_for(lambda: wanted(server.lines), 15)  # type: ignore[attr-defined]


def changes(lines: list[str]) -> int:
    return sum("echo has changed" in each for each in lines)


async def edited_again_and_again(folder: Path, times: int) -> None:
    """Each edit is made while the last word is still heard, and is what the next turn says; every word is whole."""
    chance = random.Random(times)
    words = ["".join(chance.choices("abcdefghij", k=50)) for _ in range(times)]
    written(folder, '"abc"')
    async with serving(folder, "--port", free_port(), "--reload") as server:
        ear = FrameEar()
        caller = LineCaller(server.url, TwilioLine("MZ0"), handset=ear)
        async with caller:
            assert await caller.wait_for(lambda: "hello" in ear.text, 10)
            for number, (said, word) in enumerate(pairwise(("abc", *words)), 1):
                before = len(ear.text)
                caller.press("5")
                assert await caller.wait_for(lambda before=before: ear.text[before:].strip("."), 10)
                written(folder, repr(word))
                await lines_of(server, lambda lines, number=number: changes(lines) == number, caller)
                assert await caller.wait_for(lambda said=said, before=before: said in ear.text[before:], 10)
            caller.press("5")
            assert await caller.wait_for(lambda: words[-1] in ear.text, 10)
    (journal,) = server.journals
    entries = parse_journal(journal.read_text())
    assert sum(type(each.event).__name__ == "AgentChanged" for each in entries) == times
    again = replay(entries)
    assert [render_entry(each.at, each.event, each.commands) for each in entries] == [
        render_entry(each.at, each.event, each.commands) for each in again
    ]


async def test_each_edit_is_live_at_the_next_turn(tmp_path: Path) -> None:
    """And no frame is missing at the caller's ear."""
    await edited_again_and_again(tmp_path, 8)


@pytest.mark.slow
async def test_fifty_edits(tmp_path: Path) -> None:
    """The same, for longer."""
    await edited_again_and_again(tmp_path, 50)


async def test_a_file_that_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    """Its fault is told with its line, the old agent answers, and the next good one is taken."""
    written(tmp_path, '"first"')
    async with serving(tmp_path, "--port", free_port(), "--reload") as server:
        caller, ear = server.caller()
        async with caller:
            assert await caller.wait_for(lambda: ear.text == "hello.", 10)
            for wrong, said in (
                ("1 +", "agents/echo.py"),
                ("'x'\nraise RuntimeError('not today')", "not today"),
                ("'x'\nagent = 3", "`agent` is a number, not an Agent"),
                ("'x'\nasync def on_call_end():\n    pass", "on_call_end"),
            ):
                count = len(server.lines)
                written(tmp_path, wrong)
                await lines_of(
                    server, lambda lines, count=count: any("goes on" in each for each in lines[count:]), caller
                )
                assert said in "\n".join(server.lines[count:])
            caller.press("5")
            assert await caller.wait_for(lambda: "first" in ear.text, 10)
            written(tmp_path, '"second"')
            await lines_of(server, lambda lines: changes(lines) == 1, caller)
            caller.press("5")
            assert await caller.wait_for(lambda: "second" in ear.text, 10)


async def test_a_module_beside_the_agent_counts_too(tmp_path: Path) -> None:
    """It is read again, for the live call and for a new one."""
    written(tmp_path, "words.WORD", "import words\n")
    words = tmp_path / "agents" / "words.py"
    words.write_text('WORD = "old"\n')
    async with serving(tmp_path, "--port", free_port(), "--reload") as server:
        caller, ear = server.caller()
        async with caller:
            assert await caller.wait_for(lambda: ear.text == "hello.", 10)
            words.write_text('WORD = "new"\n')
            os.utime(words, ns=(time.time_ns(), time.time_ns()))
            await lines_of(server, lambda lines: changes(lines) == 1, caller)
            caller.press("5")
            assert await caller.wait_for(lambda: "new" in ear.text, 10)
        second, second_ear = server.caller(1)
        async with second:
            second.press("5")
            assert await second.wait_for(lambda: "new" in second_ear.text, 10)


async def test_an_edit_while_it_starts_is_not_overlooked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It came after the file was read; one from before is no change."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    written(tmp_path, '"first"')
    changed: list[str] = []

    class Server:
        async def change(self, agent: ReadyAgent) -> None:
            changed.append(agent.name)

    edited_ns = (tmp_path / "agents" / "echo.py").stat().st_mtime_ns
    for since_ns in (edited_ns + 1, edited_ns - 1):
        work = reload_changed({"echo": "echo"}, Settings(), Server(), since_ns=since_ns, notice=lambda text: None)
        looking = asyncio.create_task(work)
        for _ in range(100):
            await asyncio.sleep(0.01)
            if changed:
                break
        looking.cancel()
        assert changed == ([] if since_ns > edited_ns else ["echo"])
