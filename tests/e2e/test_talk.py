"""`patter simulate --mic` on a pretended sound card: a voice into the microphone, the agent on the loudspeaker."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from patter_cli import LocalSTT, LocalTTS
from patter_cli.audio.frame import Samples
from patter_cli.audio.wav import read_wav, write_wav
from patter_cli.simulate.overheard import overhear
from patter_cli.simulate.script import line_voice

pytestmark = pytest.mark.audio


@pytest.fixture
def sound_card(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a machine with a loudspeaker `spk` and a microphone that hears what `micfeed` plays."""
    if shutil.which("pulseaudio") is None:
        pytest.skip("needs pulseaudio and pulseaudio-utils")
    tmp_path.chmod(0o700)
    socket = tmp_path / "native"
    modules = (
        f"module-native-protocol-unix auth-anonymous=1 socket={socket}",
        "module-null-sink sink_name=spk rate=48000 channels=1",
        "module-null-sink sink_name=micfeed rate=48000 channels=1",
        "module-remap-source source_name=mic master=micfeed.monitor",
    )
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "PULSE_SERVER": f"unix:{socket}"}
    daemon = subprocess.Popen(
        ["pulseaudio", "-n", "--exit-idle-time=-1", "--daemonize=no", *(p for m in modules for p in ("-L", m))],
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        for command in ("info", "set-default-sink spk", "set-default-source mic"):
            retry = f"for i in $(seq 50); do pactl {command} >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1"
            subprocess.run(retry, shell=True, check=True, env=environment)
        yield environment
    finally:
        daemon.terminate()
        daemon.wait()


async def _line(out: asyncio.StreamReader, words: str) -> None:
    async with asyncio.timeout(40):
        while words not in (line := (await out.readline()).decode()):
            assert line, f"the output ended before {words!r}"


def stretches(samples: Samples, rate_hz: int) -> list[tuple[int, int]]:
    """From and to, in ms, of what lies between silences of 0.7 s: cut there, no word is halved."""
    step = rate_hz // 10
    peaks = np.abs(samples[: len(samples) // step * step].astype(np.int32)).reshape(-1, step).max(axis=1)
    found: list[tuple[int, int]] = []
    for at in (int(each) * 100 for each in np.flatnonzero(peaks > 300)):
        if found and at - found[-1][1] < 700:
            found[-1] = (found[-1][0], at + 100)
        else:
            found.append((at, at + 100))
    return found


async def test_a_person_talks_to_the_receptionist(sound_card: dict[str, str], tmp_path: Path) -> None:
    """What is said into the microphone is understood, the answer comes out of the loudspeaker, Ctrl-C hangs up."""
    question = tmp_path / "question.wav"
    write_wav(question, await line_voice(LocalTTS("jo"))("What are your opening hours?"), 8000)
    environment = {**sound_card, "PATTER_CALENDAR": str(tmp_path / "calendar.json"), "PATTER_LOG_DIR": str(tmp_path)}
    heard = tmp_path / "heard.wav"
    card = subprocess.Popen(
        ["parec", "-d", "spk.monitor", "--rate=16000", "--channels=1", "--format=s16le", "--file-format=wav", heard],
        env=environment,
    )
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "patter_cli", "simulate", "receptionist", "--mic"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        assert command.stdout is not None
        await _line(command.stdout, "How can I help you?")
        await asyncio.sleep(3)  # the greeting is being played; a polite person lets it end
        subprocess.run(["paplay", "-d", "micfeed", question], check=True, env=environment)
        await _line(command.stdout, "opening hours")
        await _line(command.stdout, "nine until five thirty")
        await asyncio.sleep(5)
        command.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            assert await command.wait() == 0
    finally:
        if command.returncode is None:
            command.kill()
        card.terminate()
        card.wait()
    samples, rate_hz = read_wav(heard)
    ears = LocalSTT()
    words = " ".join(each.text for each in await overhear(ears, samples, rate_hz, stretches(samples, rate_hz))).lower()
    assert "monday" in words
    assert "saturday" in words
