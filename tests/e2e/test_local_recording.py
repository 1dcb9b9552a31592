"""Calls recorded by the server itself: what the caller heard and said, when, and whatever happens to the server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np

from patter_cli.agent import HangUp
from patter_cli.audio.frame import Samples
from patter_cli.audio.wav import read_channel
from patter_cli.carriers.loopback.stream import LoopbackLine
from patter_cli.engine.hooks import Hooks
from patter_cli.observe.interrupted import close_abandoned
from patter_cli.simulate.caller import LineCaller
from patter_cli.simulate.script import Play, hold_conversation
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.web.peaks import Peaks
from tests.e2e.conftest import agent, answering, letters_in, spoken, understood

QUESTION, STOP = "What are your opening hours?", "Stop! Where is your office?"


async def no_voice(text: str) -> Samples:
    raise AssertionError(text)


def place_of(sound: Samples) -> int:
    """Its first sample that is loud."""
    return int(np.flatnonzero(np.abs(sound.astype(int)) > 1000)[0])


async def test_the_recording_has_what_was_heard(tmp_path: Path) -> None:
    """Both sides on one timeline: as the caller's own telephone recorded them, cut where the agent was cut off. The
    caller is told first, and on_call_end finds the whole file."""
    told: list[tuple[str, float]] = []

    def ended(event: Any) -> None:
        samples, rate_hz = read_channel(event["recording_path"], 1)
        told.append((event["recording_path"], len(samples) / rate_hz))

    def answer(event: Any) -> str:
        return "From nine until six, every day but sunday, and we are closed in august. " * 3

    hooks = Hooks(on_message=answer, on_call_end=ended)
    store = SqliteStore(tmp_path / "calls")
    async with answering({"a": (agent("Hello."), hooks)}, store=store, drain_s=3, record=True) as phone:
        line = LineCaller(phone.server.media_url("a"), LoopbackLine(), record_to=tmp_path / "ear.wav")
        async with line:
            await line.wait_for(lambda: line.quiet_ms > 700 and bool(line.begun_ms), 20)
            line.say(spoken(QUESTION))
            await line.wait_for(lambda: len(line.begun_ms) > 1, 20)
            await line.wait_for(lambda: False, 1.5)
            line.say(spoken(STOP, 900))
            await line.wait_for(lambda: line.cleared_ms is not None, 20)
            await line.wait_for(lambda: False, 0.3)
        await phone.server.stop()
    (kept,) = tmp_path.rglob("call.wav")
    (record,) = tmp_path.rglob("record.json")
    assert json.loads(record.read_text())["recording_path"] == str(kept)
    assert Peaks.model_validate(json.loads(record.read_text())["peaks"]).seconds > 3
    assert [each[0] for each in told] == [str(kept)]
    ours, rate_hz = read_channel(kept, 1)
    assert rate_hz == 8000
    assert abs(told[0][1] - len(ours) / 8000) < 0.01
    ear = read_channel(tmp_path / "ear.wav", 1)[0]
    heard, recorded = letters_in(ear), letters_in(ours[place_of(ours) % 160 :])
    assert recorded.startswith("this call is recorded.hello.")
    # Frames of the two are not cut alike, so that a letter at a seam may be read as none or twice.
    assert SequenceMatcher(None, recorded, heard, autojunk=False).ratio() > 0.9
    assert abs(len(recorded) - len(heard)) < 12
    assert abs(len(np.flatnonzero(ours)) - len(np.flatnonzero(ear))) < 8000 * 0.15
    assert understood(read_channel(kept, 0)[0]) == f"{QUESTION} {STOP}"
    # The two sides lie as far from each other as at the caller's, but for the line's delay.
    gaps = [
        place_of(read_channel(path, 0)[0]) - place_of(read_channel(path, 1)[0]) for path in (kept, tmp_path / "ear.wav")
    ]
    assert abs(gaps[0] - gaps[1]) < 8000 * 0.1


async def test_a_killed_server_leaves_what_was_recorded(tmp_path: Path) -> None:
    """A WAV that can be read, up to the last seconds; and the next server's record of the call says where it is."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.recorded_server", str(tmp_path / "calls")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = (await asyncio.to_thread(server.stdout.readline)).strip()
        line = LineCaller(url, LoopbackLine())
        async with line:
            await line.wait_for(lambda: False, 7.0)
            server.kill()
            await line.wait_for(lambda: False, 2.0)
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()
    (kept,) = tmp_path.rglob("call.wav")
    ours, rate_hz = read_channel(kept, 1)
    assert 2.0 < len(ours) / rate_hz < 8.0
    assert letters_in(ours[place_of(ours) % 160 :]).startswith("this call is recorded.we are open")
    store = SqliteStore(tmp_path / "calls")
    assert close_abandoned(store) == 1
    (record,) = tmp_path.rglob("record.json")
    facts = json.loads(record.read_text())
    assert (facts["outcome"], facts["recording_path"]) == ("interrupted", str(kept))


async def test_what_is_not_asked_for_is_not_recorded(tmp_path: Path) -> None:
    """No file, no notice, no path."""
    store = SqliteStore(tmp_path / "calls")
    async with answering(
        {"a": (agent("Hello."), Hooks(on_message=lambda event: "Yes."))}, store=store, drain_s=3
    ) as phone:
        line = LineCaller(phone.server.media_url("a"), LoopbackLine(), record_to=tmp_path / "ear.wav")
        await hold_conversation(line, [Play(spoken(QUESTION)), HangUp()], no_voice)
        await phone.server.stop()
    assert not list(tmp_path.rglob("call.wav"))
    (record,) = tmp_path.rglob("record.json")
    assert json.loads(record.read_text())["recording_path"] is None
    assert letters_in(read_channel(tmp_path / "ear.wav", 1)[0]).startswith("hello.")
