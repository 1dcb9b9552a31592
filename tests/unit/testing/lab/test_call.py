"""One call of the lab, on a real clock: its stages, its person, and what is played to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from patter_cli.audio import tone
from patter_cli.audio.frame import L16_16K, ULAW_8K, AudioFormat, Samples
from patter_cli.audio.wire import wire_codec
from patter_cli.contracts.carrier.stream import ClearOut, MarkOut, MediaOut
from patter_cli.testing.lab.call import By, Ending, LabCall, Stage
from patter_cli.testing.lab.line import Line
from patter_cli.testing.lab.people import (
    BUSY,
    NOBODY,
    TURNS_AWAY,
    UNREACHABLE,
    AwaitKey,
    HangUp,
    Listen,
    Pause,
    Person,
    Play,
    Press,
    Say,
    Tone,
)
from patter_cli.testing.lab.verdict import Sort

HELLO = Person(name="hello", picks_up_ms=20, steps=(Say("hello"), HangUp()))


async def voice(text: str) -> Samples:
    return tone.beep(300, 20 * len(text), 8000)


def lab_call(person: Person, **more: Any) -> LabCall:
    return LabCall(
        call_id="1", ours="+12025550100", theirs="+12025550101", inbound=False, person=person, voice=voice, **more
    )


class Port:
    """A stream's end that writes down what it is told."""

    def __init__(self) -> None:
        self.payloads: list[tuple[int, bytes]] = []
        self.marks: list[str] = []
        self.keys = ""

    def media(self, payload: bytes, at_ms: int) -> None:
        self.payloads.append((at_ms, payload))

    def mark(self, name: str) -> None:
        self.marks.append(name)

    def key(self, digit: str) -> None:
        self.keys += digit


async def test_a_call_goes_through_its_stages() -> None:
    """Each is told once; the person hangs up, and the talk alone counts."""
    stages: list[Stage] = []
    call = lab_call(HELLO, on_stage=lambda call: stages.append(call.stage))
    assert await call.ring(5.0)
    await asyncio.wait_for(call.over.wait(), 2.0)
    assert stages == [Stage.RINGING, Stage.IN_PROGRESS, Stage.OVER]
    assert (call.ending, call.ended_by) == (Ending.COMPLETED, By.PERSON)
    assert 0.08 < call.duration_s < 0.5


@pytest.mark.parametrize(
    ("person", "ending"),
    [
        (replace(BUSY, picks_up_ms=20), Ending.BUSY),
        (replace(TURNS_AWAY, picks_up_ms=20), Ending.DECLINED),
        (replace(UNREACHABLE, picks_up_ms=20), Ending.FAILED),
        (NOBODY, Ending.NO_ANSWER),
    ],
)
async def test_nobody_picks_up(person: Person, ending: Ending) -> None:
    """There is no line then, and no talk."""
    call = lab_call(person)
    assert not await call.ring(0.1)
    assert (call.ending, call.line, call.duration_s) == (ending, None, 0.0)


async def test_a_call_is_canceled_while_it_rings() -> None:
    """And stays canceled, whoever would have picked up."""
    call = lab_call(NOBODY)
    ringing = asyncio.create_task(call.ring(None))
    await asyncio.sleep(0.02)
    call.end(Ending.CANCELED, By.AGENT)
    call.end(Ending.COMPLETED, By.PERSON)
    assert not await ringing
    assert call.ending is Ending.CANCELED


async def connected(*steps: Any) -> tuple[LabCall, Line]:
    call = lab_call(Person(name="somebody", picks_up_ms=0, steps=steps))
    assert await call.ring(1.0)
    assert call.line is not None
    return call, call.line


async def until(condition: Callable[[], object]) -> None:
    for _ in range(300):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


@pytest.mark.parametrize("format", [ULAW_8K, L16_16K])
async def test_both_sides_are_heard(format: AudioFormat) -> None:
    """In real time and in the stream's format; a mark returns when what is before it has been played."""
    call, line = await connected(Pause(40), Play(tone.beep(700, 100, 8000)))
    port, codec = Port(), wire_codec(format)
    source = line.attach(port, format)
    line.take(source, MediaOut(codec.encode(tone.beep(500, 200, format.rate_hz))))
    line.take(source, MarkOut(name="m"))
    await asyncio.sleep(0.1)
    assert port.marks == []
    await until(lambda: port.marks)
    assert 180 <= line.now_ms <= 320
    call.end(Ending.COMPLETED, By.AGENT)
    assert [at_ms for at_ms, _ in port.payloads] == list(range(0, 20 * len(port.payloads), 20))
    assert {len(payload) for _, payload in port.payloads} == {20 * format.bytes_per_ms}
    sent = codec.decode(b"".join(payload for _, payload in port.payloads))
    for samples, rate_hz, hz in ((sent, format.rate_hz, 700), (line.heard_audio(), 8000, 500)):
        spectrum = np.abs(np.fft.rfft(samples.astype(float)))
        assert abs(spectrum.argmax() * rate_hz / len(samples) - hz) < 12


async def test_a_clear_stops_what_is_played() -> None:
    """Its marks come back at once; a stream that is over plays nothing any more."""
    call, line = await connected()
    port = Port()
    source = line.attach(port)
    line.take(source, MediaOut(b"\x20" * 8000))
    line.take(source, MarkOut(name="m"))
    await asyncio.sleep(0.1)
    line.take(source, ClearOut())
    assert port.marks == ["m"]
    assert len(line.cleared) == 1
    line.detach(source)
    line.take(source, MediaOut(b"\x20" * 8000))
    await asyncio.sleep(0.1)
    assert len(line.heard_audio()) < 8 * 300
    call.end(Ending.COMPLETED, By.AGENT)


async def test_the_carrier_plays_something_itself() -> None:
    """It waits for the end of that; a call that ends meanwhile keeps nobody waiting."""
    call, line = await connected()
    await line.play(tone.beep(600, 120, 8000))
    assert 100 <= line.now_ms <= 300
    long = asyncio.create_task(line.play(tone.beep(600, 5000, 8000)))
    await asyncio.sleep(0.05)
    call.end(Ending.COMPLETED, By.AGENT)
    await asyncio.wait_for(long, 1.0)


async def test_a_person_listens_before_they_speak() -> None:
    """Until the other side has spoken and is quiet; keys go both ways."""
    call, line = await connected(
        Press("5"), Listen(quiet_ms=200, within_ms=3000), AwaitKey(), Tone(ms=100), Pause(40), HangUp()
    )
    port = Port()
    source = line.attach(port)
    await until(lambda: port.keys == "5")
    line.take(source, MediaOut(wire_codec(ULAW_8K).encode(tone.beep(500, 300, 8000))))
    await asyncio.sleep(0.65)
    assert line.sounds == []
    line.take(source, MediaOut(wire_codec(ULAW_8K).encode(tone.dtmf("7", 8000))))
    await asyncio.wait_for(call.over.wait(), 2.0)
    assert (line.keys_heard, line.keys_pressed) == ("7", "5")
    assert [each.sort for each in line.sounds] == [Sort.BEEP]
