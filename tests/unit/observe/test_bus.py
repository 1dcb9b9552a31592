"""The bus: everybody is told, nobody is waited for."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from patter_cli.core.events import Tick
from patter_cli.core.journal import Entry
from patter_cli.observe.bus import Bus


def entry(at: int) -> Entry:
    return Entry(at=at, event=Tick(), commands=())


def test_everybody_is_told_everything_in_order() -> None:
    """Two observers, each in a thread that is not ours."""
    told: list[list[int]] = [[], []]
    threads = set()

    def first(call_id: str, entry: Entry) -> None:
        told[0].append(entry.at)
        threads.add(threading.current_thread().name)

    bus = Bus(first)
    bus.subscribe(lambda call_id, entry: told[1].append(entry.at))
    for at in range(100):
        bus.publish("c", entry(at))
    assert bus.close(within_s=2) == 0
    assert told == [list(range(100))] * 2
    assert threads == {"patter-observer"}


def test_who_does_not_take_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A subscriber that stands still loses what its queue cannot hold; how much is said when it goes on."""
    go_on = threading.Event()
    slow: list[int] = []
    quick: list[int] = []

    def stand_still(call_id: str, entry: Entry) -> None:
        go_on.wait()
        slow.append(entry.at)

    bus = Bus(lambda call_id, entry: quick.append(entry.at))
    bus.subscribe(stand_still, room=10)
    bus.publish("c", entry(0))
    time.sleep(0.05)  # it has the first in hand now
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        for at in range(1, 31):
            bus.publish("c", entry(at))
        assert time.monotonic() - began < 0.1
        go_on.set()
        assert bus.close(within_s=2) == 20
    assert slow == list(range(11))
    assert quick == list(range(31))
    assert "20 entries" in caplog.text
    assert "stand_still" in caplog.text


def test_who_never_comes_back_does_not_keep_the_process() -> None:
    """Closing has a deadline, and says what was never told."""
    bus = Bus(lambda call_id, entry: threading.Event().wait())
    for at in range(3):
        bus.publish("c", entry(at))
    began = time.monotonic()
    assert bus.close(within_s=0.1) == 2
    assert time.monotonic() - began < 1
    bus.publish("c", entry(9))


def test_what_an_observer_raises_is_logged_and_it_is_told_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    """One bad entry costs that entry."""
    told: list[int] = []

    def picky(call_id: str, entry: Entry) -> None:
        if entry.at == 1:
            raise ValueError("not this one")
        told.append(entry.at)

    bus = Bus(picky)
    with caplog.at_level(logging.ERROR):
        for at in range(3):
            bus.publish("LB7", entry(at))
        bus.close(within_s=2)
    assert told == [0, 2]
    assert "observer of call LB7" in caplog.text
