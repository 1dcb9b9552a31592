"""Frames that go through a thread and come back: all of them, in order, and none after the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import numpy as np
import pytest

from patter_cli.audio.frame import Samples
from patter_cli.audio.wire import LineAudio
from patter_cli.engine.echo_thread import WAITING, EchoLane, EchoThread


class Canceller:
    """Adds one; says in which thread, and whether it is heavy now."""

    def __init__(self) -> None:
        self.heavy = True
        self.trusted = True
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.fails = False
        self.lets_past = False

    def passes(self, near: LineAudio, sounds: bool, played: Callable[[int], Samples]) -> bool:
        return self.lets_past

    def process(self, near: Samples, far: Samples) -> Samples:
        self.gate.wait(5)
        self.threads.add(threading.current_thread().name)
        if self.fails:
            raise RuntimeError("a bug")
        return near + far


class Told:
    """Plays so much as the number of the sample."""

    def sounds(self, start: int, count: int) -> bool:
        return start != 0

    def read(self, start: int, count: int) -> Samples:
        return frame(start)


def frame(number: int) -> Samples:
    return np.full(160, number, np.int16)


async def test_heavy_frames_are_cleaned_elsewhere_and_come_back_in_order() -> None:
    """Also those that came when there was nothing heavy to do any more: they wait for the ones before them."""
    heard: list[int] = []
    canceller = Canceller()
    lane = EchoLane(canceller, Told(), lambda audio, trusted: heard.append(int(audio.samples[0])), EchoThread())
    canceller.gate.clear()
    for number in range(10):
        lane.push(LineAudio(frame(number)), 100)
    canceller.heavy = False
    lane.push(LineAudio(frame(10)), 100)
    assert heard == []
    canceller.gate.set()
    async with asyncio.timeout(5):
        while len(heard) < 11:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert heard == list(range(100, 111))
    assert canceller.threads == {"patter-echo"}
    lane.push(LineAudio(frame(1)), 1)
    assert heard[-1] == 2
    assert threading.current_thread().name in canceller.threads


async def test_a_silence_of_ours_goes_past_a_canceller_that_lets_it() -> None:
    """In its place, never before what is still in the thread; one that wants it gets zeros."""
    heard: list[int] = []
    canceller = Canceller()
    lane = EchoLane(canceller, Told(), lambda audio, trusted: heard.append(int(audio.samples[0])), EchoThread())
    canceller.gate.clear()
    lane.push(LineAudio(frame(1)), 100)
    canceller.lets_past = True
    lane.push(LineAudio(frame(2)), 0)
    canceller.gate.set()
    async with asyncio.timeout(5):
        while len(heard) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    threads = set(canceller.threads)
    canceller.heavy = False
    lane.push(LineAudio(frame(3)), 0)
    assert (heard, canceller.threads) == ([101, 2, 3], threads)
    canceller.lets_past = False
    lane.push(LineAudio(frame(4)), 0)
    assert heard[-1] == 4
    assert canceller.threads == threads | {threading.current_thread().name}


async def test_a_thread_that_is_too_slow_costs_no_memory(caplog: pytest.LogCaptureFixture) -> None:
    """What it cannot take passes as it is, and no voice in it is believed; a call that is over hears nothing."""
    heard: list[tuple[int, bool]] = []
    canceller = Canceller()
    lane = EchoLane(
        canceller, Told(), lambda audio, trusted: heard.append((int(audio.samples[0]), trusted)), EchoThread()
    )
    canceller.gate.clear()
    for number in range(WAITING + 3):
        lane.push(LineAudio(frame(number)), 0)
    assert heard == [(WAITING, False), (WAITING + 1, False), (WAITING + 2, False)]
    lane.close()
    canceller.gate.set()
    await asyncio.sleep(0.1)
    assert len(heard) == 3


async def test_a_canceller_that_fails_lets_its_frames_pass(caplog: pytest.LogCaptureFixture) -> None:
    """Other calls' frames are cleaned on, and the log says so."""
    heard: list[int] = []
    thread, broken, good = EchoThread(), Canceller(), Canceller()
    broken.fails = True
    first = EchoLane(broken, Told(), lambda audio, trusted: heard.append(int(audio.samples[0])), thread)
    second = EchoLane(good, Told(), lambda audio, trusted: heard.append(int(audio.samples[0])), thread)
    first.push(LineAudio(frame(1)), 9)
    second.push(LineAudio(frame(2)), 9)
    async with asyncio.timeout(5):
        while len(heard) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert sorted(heard) == [1, 11]
    assert "the echo canceller failed" in caplog.text


def test_a_loop_that_is_gone_takes_nobody_with_it() -> None:
    """A process may have had a loop before; the thread goes on for the calls of the next."""
    thread = EchoThread()

    async def leave() -> EchoLane:
        return EchoLane(Canceller(), Told(), lambda audio, trusted: None, thread)

    async def stay() -> list[int]:
        heard: list[int] = []
        lane = EchoLane(Canceller(), Told(), lambda audio, trusted: heard.append(int(audio.samples[0])), thread)
        lane.push(LineAudio(frame(1)), 2)
        async with asyncio.timeout(5):
            while not heard:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return heard

    asyncio.run(leave()).push(LineAudio(frame(1)), 1)
    assert asyncio.run(stay()) == [3]
