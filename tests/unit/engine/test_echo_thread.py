"""Frames that go through a thread and come back: all of them, in order, and none after the end."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from patter_cli.audio.frame import Samples
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

    def process(self, near: Samples, far: Samples) -> Samples:
        self.gate.wait(5)
        self.threads.add(threading.current_thread().name)
        if self.fails:
            raise RuntimeError("a bug")
        return near + far


def frame(number: int) -> Samples:
    return np.full(160, number, np.int16)


async def test_heavy_frames_are_cleaned_elsewhere_and_come_back_in_order() -> None:
    """Also those that came when there was nothing heavy to do any more: they wait for the ones before them."""
    heard: list[int] = []
    canceller = Canceller()
    lane = EchoLane(canceller, lambda samples, trusted: heard.append(int(samples[0])), EchoThread())
    canceller.gate.clear()
    for number in range(10):
        lane.push(frame(number), frame(100))
    canceller.heavy = False
    lane.push(frame(10), frame(100))
    assert heard == []
    canceller.gate.set()
    async with asyncio.timeout(5):
        while len(heard) < 11:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert heard == list(range(100, 111))
    assert canceller.threads == {"patter-echo"}
    lane.push(frame(1), frame(1))
    assert heard[-1] == 2
    assert threading.current_thread().name in canceller.threads


async def test_a_thread_that_is_too_slow_costs_no_memory(caplog: pytest.LogCaptureFixture) -> None:
    """What it cannot take passes as it is, and no voice in it is believed; a call that is over hears nothing."""
    heard: list[tuple[int, bool]] = []
    canceller = Canceller()
    lane = EchoLane(canceller, lambda samples, trusted: heard.append((int(samples[0]), trusted)), EchoThread())
    canceller.gate.clear()
    for number in range(WAITING + 3):
        lane.push(frame(number), frame(0))
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
    first = EchoLane(broken, lambda samples, trusted: heard.append(int(samples[0])), thread)
    second = EchoLane(good, lambda samples, trusted: heard.append(int(samples[0])), thread)
    first.push(frame(1), frame(9))
    second.push(frame(2), frame(9))
    async with asyncio.timeout(5):
        while len(heard) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert sorted(heard) == [1, 11]
    assert "the echo canceller failed" in caplog.text


def test_a_loop_that_is_gone_takes_nobody_with_it() -> None:
    """A process may have had a loop before; the thread goes on for the calls of the next."""
    thread = EchoThread()

    async def leave() -> EchoLane:
        return EchoLane(Canceller(), lambda samples, trusted: None, thread)

    async def stay() -> list[int]:
        heard: list[int] = []
        lane = EchoLane(Canceller(), lambda samples, trusted: heard.append(int(samples[0])), thread)
        lane.push(frame(1), frame(2))
        async with asyncio.timeout(5):
            while not heard:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return heard

    asyncio.run(leave()).push(frame(1), frame(1))
    assert asyncio.run(stay()) == [3]
