"""Callbacks of a call: in order, one at a time, and not cut off because the call is over."""

from __future__ import annotations

import asyncio
from typing import Any

from patter_cli.engine.hooks import CallEvent
from patter_cli.engine.reports import LAST_S, WAITING, Reports, settle_reports
from tests.unit.engine.conftest import virtually


def test_they_are_told_in_order_and_one_at_a_time() -> None:
    """The second begins when the first is done."""
    told: list[str] = []

    async def hook(event: CallEvent) -> None:
        told.append(f"begin {event.n}")
        await asyncio.sleep(0.05)
        told.append(f"end {event.n}")

    async def story() -> None:
        reports = Reports("c")
        reports.tell(hook, CallEvent(n=1))
        reports.tell(hook, CallEvent(n=2))
        await settle_reports(5)

    asyncio.run(story())
    assert told == ["begin 1", "end 1", "begin 2", "end 2"]


def test_the_end_of_a_call_does_not_wait_for_a_slow_one_and_does_not_cut_it_off() -> None:
    """on_call_end may take longer than a socket stays open."""
    told: list[str] = []
    took: list[float] = []

    async def hook(event: CallEvent) -> None:
        await asyncio.sleep(0.5)
        told.append("written")

    async def story() -> None:
        loop = asyncio.get_running_loop()
        reports = Reports("c")
        reports.tell(hook, CallEvent())
        began = loop.time()
        await reports.finish(0.1)
        took.append(loop.time() - began)
        assert told == []
        await settle_reports(10)

    asyncio.run(story())
    assert told == ["written"]
    assert 0.05 < took[0] < 0.4


def test_what_hangs_is_given_up_in_the_end() -> None:
    """However many there are, a call that is over keeps nothing for longer than its time."""
    begun: list[int] = []

    async def hook(event: CallEvent) -> None:
        begun.append(event.n)
        await asyncio.Event().wait()

    async def story() -> None:
        reports = Reports("c")
        for number in range(50):
            reports.tell(hook, CallEvent(n=number))
        await reports.finish(0.1)
        await asyncio.sleep(LAST_S + 1)
        await settle_reports(0.1)
        assert len(asyncio.all_tasks()) == 1

    virtually(story())
    assert len(begun) <= 6


def test_a_flood_loses_the_oldest(caplog: Any) -> None:
    """Memory is bounded, and the log says so."""
    told: list[int] = []

    async def story() -> None:
        reports = Reports("c")
        for number in range(WAITING + 10):
            reports.tell(lambda event: told.append(event.n), CallEvent(n=number))
        await settle_reports(60)

    asyncio.run(story())
    assert told[-1] == WAITING + 9
    assert len(told) == WAITING
    assert "too slow" in caplog.text
