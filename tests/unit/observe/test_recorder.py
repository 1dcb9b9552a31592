"""Recordings by a thread: full and missing disks, sound that was cut, and words that must not be kept."""

from __future__ import annotations

import asyncio
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from patter_cli.audio.g711 import encode_ulaw
from patter_cli.audio.peaks import peaks_of
from patter_cli.audio.wav import read_channel
from patter_cli.audio.wire import ULAW_8K_WIRE
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.events import Event
from patter_cli.core.journal import Entry
from patter_cli.observe.recorder import WAITING_BYTES, SoundWriter, WrittenSound
from patter_cli.text.redact import Redaction

FRAME = encode_ulaw(np.full(160, 8000, np.int16))


@contextmanager
def room(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond this, as on a disk that is full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def talk(sound: WrittenSound, begin_ms: int, end_ms: int, *, caller: bool = True, ours: bool = True) -> None:
    """Both sides speak, frame by frame."""
    for at in range(begin_ms, end_ms, 20):
        if caller:
            sound.caller(at * 8, FRAME)
        if ours:
            sound.sent(FRAME, at)


def loud(path: Path, side: int) -> list[tuple[int, int]]:
    """Where a side is heard, from and to, in hundredths of a second."""
    samples, _ = read_channel(path, side)
    blocks = [bool(samples[at : at + 80].any()) for at in range(0, len(samples), 80)]
    found: list[tuple[int, int]] = []
    for place, each in enumerate(blocks):
        if each and found and found[-1][1] == place:
            found[-1] = (found[-1][0], place + 1)
        elif each:
            found.append((place, place + 1))
    return found


async def finished(sound: WrittenSound, writer: SoundWriter) -> None:
    await sound.finish(5.0)
    writer.close()


async def test_both_sides_on_one_timeline(tmp_path: Path) -> None:
    """The file begins with the line. The caller is silent until they have been told; what was cleared was not heard."""
    writer = SoundWriter()
    sound = writer.open("LB1", tmp_path / "calls" / "day" / "LB1" / "call.wav")
    assert (sound.path, sound.peaks) == (None, None)
    sound.begin(ULAW_8K_WIRE, 5000)
    talk(sound, 5000, 6000)
    sound.told()
    talk(sound, 6000, 7000)
    sound.silence(6500)
    await finished(sound, writer)
    assert sound.path == tmp_path / "calls" / "day" / "LB1" / "call.wav"
    assert loud(sound.path, 0) == [(100, 200)]
    assert loud(sound.path, 1) == [(0, 150)]
    assert sound.peaks == peaks_of(sound.path), "its shape is made with it"
    assert (tmp_path / "calls" / "day").stat().st_mode & 0o077 == 0


async def test_a_full_disk_ends_the_recording(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was written can be heard, how much is lost is said, and whoever hands over sound notices nothing."""
    writer = SoundWriter()
    sound = writer.open("LB1", tmp_path / "call.wav")
    sound.begin(ULAW_8K_WIRE, 0)
    sound.told()
    with room(100_000):
        talk(sound, 0, 20_000)
        await finished(sound, writer)
    assert len(read_channel(tmp_path / "call.wav", 0)[0]) > 8000
    assert "the recording of call LB1 is not whole" in caplog.text
    assert "s are lost" in caplog.text
    assert not [each for each in threading.enumerate() if each.name == "patter-sound"]


async def test_a_folder_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """There is no recording, and its call is told of none."""
    (tmp_path / "calls").write_text("no folder")
    writer = SoundWriter()
    sound = writer.open("LB1", tmp_path / "calls" / "LB1" / "call.wav")
    sound.begin(ULAW_8K_WIRE, 0)
    talk(sound, 0, 100)
    await finished(sound, writer)
    assert sound.path is None
    assert "call LB1 is not recorded" in caplog.text


async def test_a_disk_that_hangs_is_not_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The call hands over what it has, memory stays bounded, and its end waits no longer than it may."""
    path = tmp_path / "call.wav"
    os.mkfifo(path)  # whoever opens it to write waits until somebody reads
    writer = SoundWriter()
    sound = writer.open("LB1", path)
    sound.begin(ULAW_8K_WIRE, 0)
    talk(sound, 0, 1000, caller=False)
    await asyncio.sleep(0.7)  # the thread is at the disk
    hour = FRAME * 50 * 60
    for minute in range(60):
        sound.sent(hour, minute * 60_000)
    assert sound._put_bytes - sound._taken_bytes < WAITING_BYTES + len(hour) + 1
    began = asyncio.get_running_loop().time()
    await sound.finish(0.2)
    writer.close(0.2)
    assert asyncio.get_running_loop().time() - began < 2.0
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb"):
        for thread in [each for each in threading.enumerate() if each.name == "patter-sound"]:
            await asyncio.to_thread(thread.join, 5.0)
    assert "call LB1 is not recorded" in caplog.text


async def test_a_call_that_never_got_a_line(tmp_path: Path) -> None:
    """Nothing is written, and nobody waits."""
    writer = SoundWriter()
    sound = writer.open("LB1", tmp_path / "call.wav")
    sound.silence(0)
    await finished(sound, writer)
    assert (sound.path, list(tmp_path.iterdir())) == (None, [])


async def test_many_calls_end_at_once(tmp_path: Path) -> None:
    """Each is whole when it is said to be."""
    writer = SoundWriter()
    sounds = [writer.open(f"LB{number}", tmp_path / f"{number}.wav") for number in range(50)]
    for each in sounds:
        each.begin(ULAW_8K_WIRE, 0)
        talk(each, 0, 1000)
    await asyncio.gather(*(each.finish(10.0) for each in sounds))
    assert {len(read_channel(tmp_path / f"{number}.wav", 1)[0]) for number in range(50)} == {8000}
    writer.close()


def at(ms: int, event: Event, *commands: order.Command) -> Entry:
    return Entry(at=ms, event=event, commands=commands)


async def test_what_is_struck_out_is_never_on_the_disk(tmp_path: Path) -> None:
    """The sound of a turn waits for its words; the caller's number and the agent's are silent, the rest is heard."""
    writer = SoundWriter(Redaction.NUMBERS)
    path = tmp_path / "call.wav"
    sound = writer.open("LB1", path)
    sound.begin(ULAW_8K_WIRE, 0)
    sound.told()
    talk(sound, 0, 10_000)
    sound.feed(at(10_200, fact.SpeechStarted(at_ms=10_000)))
    talk(sound, 10_000, 20_000)
    await asyncio.sleep(1.2)  # the thread has come by
    written = len(read_channel(path, 0)[0]) / 8 if path.exists() else 0
    assert written < 10_000
    sound.feed(at(20_200, fact.SpeechEnded(at_ms=20_000)))
    words = "my number is +15550177421 and I would like to have a table for two tomorrow at nine please thank you"
    sound.feed(at(20_300, fact.TranscriptFinal(segment=0, text=words)))
    said = order.Speak(response_id=1, clause=0, text="I have +15550177421, is that right?")
    sound.feed(at(20_400, fact.Tick(), order.CommitTranscript(), said))
    sound.feed(at(20_500, fact.PlayoutStarted(response_id=1, clause=0)))
    talk(sound, 20_000, 23_000)
    sound.feed(at(22_000, fact.MarkReached(response_id=1, clause=0)))
    await finished(sound, writer)
    assert len(loud(path, 0)) == 2
    assert loud(path, 0)[0][1] > 1000
    assert loud(path, 0)[1][0] < 1700
    assert loud(path, 1) == [(0, 2035), (2215, 2300)]


async def test_a_voice_whose_words_never_came(tmp_path: Path) -> None:
    """Nobody knows what it said, so where words are struck out it is silent; elsewhere it is heard."""
    for level, heard in ((Redaction.CARDS, [(0, 140), (460, 800)]), (Redaction.OFF, [(0, 800)])):
        writer = SoundWriter(level)
        path = tmp_path / f"{level.value}.wav"
        sound = writer.open("LB1", path)
        sound.begin(ULAW_8K_WIRE, 0)
        sound.told()
        sound.feed(at(2200, fact.SpeechStarted(at_ms=2000)))
        sound.feed(at(4200, fact.SpeechEnded(at_ms=4000)))
        talk(sound, 0, 8000, ours=False)
        await finished(sound, writer)
        assert loud(path, 0) == heard
