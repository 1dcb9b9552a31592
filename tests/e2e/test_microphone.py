"""The handset on a sound card that PulseAudio pretends: what is played comes back through the microphone."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.tone import dtmf
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.contracts.carrier.stream import StreamStarted
from patter_cli.errors import ConfigError, InputError
from patter_cli.simulate.caller import LineCaller
from patter_cli.simulate.microphone import Microphone, has_microphone, sound_devices
from tests.e2e.test_line import Agent, server

pytestmark = pytest.mark.audio

TONE = dtmf("5", 8000, tone_ms=400, gap_ms=0)


@pytest.fixture
def no_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which no sound server runs, as far as this process can see."""
    tmp_path.chmod(0o700)
    for name, value in {"XDG_RUNTIME_DIR": tmp_path, "HOME": tmp_path, "PULSE_SERVER": f"unix:{tmp_path}/none"}.items():
        monkeypatch.setenv(name, str(value))
    return tmp_path


@pytest.fixture
def loop_back(no_sound: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A loudspeaker whose sound is what the microphone hears."""
    if shutil.which("pulseaudio") is None:
        pytest.skip("needs pulseaudio and pulseaudio-utils")
    path = no_sound / "native"
    monkeypatch.setenv("PULSE_SERVER", f"unix:{path}")
    modules = (
        f"module-native-protocol-unix auth-anonymous=1 socket={path}",
        "module-null-sink sink_name=spk rate=48000 channels=1",
        "module-remap-source source_name=mic master=spk.monitor",
    )
    loads = [part for module in modules for part in ("-L", module)]
    daemon = subprocess.Popen(
        ["pulseaudio", "-n", "--exit-idle-time=-1", "--daemonize=no", *loads], stderr=subprocess.DEVNULL
    )
    try:
        for command in ("info", "set-default-sink spk", "set-default-source mic"):
            subprocess.run(
                f"for i in $(seq 50); do pactl {command} >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1",
                shell=True,
                check=True,
            )
        yield
    finally:
        daemon.terminate()
        daemon.wait()


def tone_begins(samples: Samples) -> int | None:
    """The first loud sample."""
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 2000)
    return int(loud[0]) if len(loud) else None


async def settle(mic: Microphone) -> None:
    """PulseAudio's silent sink begins two seconds late: play until it is heard, then wait until it is over."""
    frames = mic.frames()
    mic.play(TONE[:1600])
    count = 0
    async for frame in frames:
        count += 1
        if tone_begins(frame) is not None:
            break
        if count % 50 == 0:
            mic.play(TONE[:1600])
    quiet = 0
    async for frame in frames:
        quiet = quiet + 1 if tone_begins(frame) is None else 0
        if quiet == 50:
            return


async def test_what_is_played_is_heard(loop_back: None) -> None:
    """Full duplex at 8 kHz: the tone comes back whole and soon, and nothing else does."""
    assert has_microphone()
    async with asyncio.timeout(20), Microphone() as mic:
        await settle(mic)
        mic.play(TONE[:1600])
        heard = np.zeros(0, np.int16)
        async for frame in mic.frames():
            assert frame.shape == (160,)
            heard = np.concatenate((heard, frame))
            if len(heard) >= 60 * 160:
                break
    begins = tone_begins(heard)
    assert begins is not None
    print(f"loudspeaker to microphone {begins / 8:.0f} ms")
    assert begins <= 300 * 8
    spectrum = np.abs(np.fft.rfft(heard[begins : begins + 1600].astype(float)))
    assert sorted(int(at) * 5 for at in np.argsort(spectrum)[-2:]) == [770, 1335]
    assert tone_begins(heard[begins + 2000 :]) is None


async def test_a_line_speaks_through_the_microphone(loop_back: None) -> None:
    """The agent's tone goes to the loudspeaker, back into the microphone, and over the line to the agent."""
    sent_ms = 0
    echoed = np.zeros(0, np.int16)

    async def greet(agent: Agent) -> None:
        nonlocal sent_ms, echoed
        await agent.until(StreamStarted)
        while len(agent.media()) < 25:
            await agent.next()
        sent_ms = agent.media()[-1].timestamp_ms + 20
        await agent.play(encode_ulaw(TONE))
        await agent.rest()
        echoed = decode_ulaw(b"".join(message.payload for message in agent.media()))

    async with asyncio.timeout(20), Microphone() as mic, server(greet) as calls:
        await settle(mic)
        async with LineCaller(calls.url, TwilioLine(), handset=mic) as caller:
            await caller.wait_for(lambda: caller.now_ms >= 1800)
        await calls.agent()
    begins = tone_begins(echoed)
    assert begins is not None
    print(f"agent to loudspeaker to microphone to agent {begins / 8 - sent_ms:.0f} ms")
    assert begins / 8 - sent_ms <= 500
    loud = np.abs(echoed[begins : begins + len(TONE)].astype(int)).reshape(-1, 160).max(axis=1)
    assert (loud > 2000).all()


async def test_a_device_is_chosen_by_a_part_of_its_name(loop_back: None) -> None:
    """doctor has the names; what fits none or several is said with those that there are."""
    microphones, loudspeakers = sound_devices()
    assert any("spk" in each.lower() or "null" in each.lower() for each in loudspeakers)
    async with (
        asyncio.timeout(20),
        Microphone(microphone=microphones[0], loudspeaker=loudspeakers[0].upper()[:6]) as mic,
    ):
        mic.play(TONE[:1600])
        assert mic.level_db() <= 0
    with pytest.raises(InputError, match="--microphone 'studio' is no device here") as raised:
        async with Microphone(microphone="studio"):
            pass
    assert microphones[0] in raised.value.hint


async def test_how_loud_it_is_can_be_seen(loop_back: None) -> None:
    """In dB below full scale, since it was last asked."""
    async with asyncio.timeout(20), Microphone() as mic:
        await settle(mic)
        mic.level_db()
        await asyncio.sleep(0.3)
        assert mic.level_db() < -60
        mic.play(TONE)
        await asyncio.sleep(0.4)
        assert -20 < mic.level_db() <= 0


async def test_without_a_sound_card_it_says_so_quietly(no_sound: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """ALSA's complaints are held back; the error says what to do instead."""
    assert not has_microphone()
    with pytest.raises(ConfigError, match="no microphone") as raised:
        async with Microphone():
            pass
    assert "--say" in raised.value.hint
    assert capfd.readouterr().err == ""
