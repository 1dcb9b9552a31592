"""Events in order, with a deadline."""

from __future__ import annotations

import asyncio

from patter_cli.core.events import DtmfReceived, Tick, TranscriptPartial
from patter_cli.engine.clock import CallClock
from patter_cli.engine.mailbox import ROOM, Mailbox
from tests.unit.engine.conftest import virtually


def _mailbox() -> tuple[Mailbox, CallClock]:
    clock = CallClock(asyncio.get_running_loop())
    return Mailbox(clock), clock


def test_events_come_in_the_order_they_were_posted() -> None:
    """And `waiting` tells whether there are any."""

    async def story() -> None:
        mailbox, _ = _mailbox()
        assert not mailbox.waiting
        for digit in "123":
            mailbox.post(DtmfReceived(digit=digit))
        assert mailbox.waiting
        assert [await mailbox.next(None) for _ in "123"] == [DtmfReceived(digit=digit) for digit in "123"]

    virtually(story())


def test_a_deadline_is_a_tick_that_never_comes_early() -> None:
    """At the deadline's millisecond or the one after."""

    async def story() -> None:
        mailbox, clock = _mailbox()
        for until in (1, 7, 250, 251):
            assert await mailbox.next(until) == Tick()
            assert until <= clock.now() <= until + 1

    virtually(story())


def test_an_event_is_not_kept_waiting_by_a_deadline() -> None:
    """It comes at once, and the next deadline is a new one."""

    async def story() -> None:
        mailbox, clock = _mailbox()
        asyncio.get_running_loop().call_later(0.1, mailbox.post, DtmfReceived(digit="5"))
        assert await mailbox.next(5000) == DtmfReceived(digit="5")
        assert clock.now() == 100
        assert await mailbox.next(200) == Tick()

    virtually(story())


def test_what_waits_goes_before_a_deadline_that_is_past() -> None:
    """The machine looks at its own deadlines with every event."""

    async def story() -> None:
        mailbox, _ = _mailbox()
        mailbox.post(DtmfReceived(digit="5"))
        assert await mailbox.next(0) == DtmfReceived(digit="5")
        assert await mailbox.next(0) == Tick()

    virtually(story())


def test_when_it_is_full_partials_make_way() -> None:
    """They are replaced by the next one anyway; everything else is kept, and the rest counted."""

    async def story() -> None:
        mailbox, _ = _mailbox()
        for number in range(ROOM + 10):
            mailbox.post(TranscriptPartial(segment=0, text=str(number)))
        mailbox.post(DtmfReceived(digit="#"))
        events = [await mailbox.next(None) for _ in range(ROOM + 1)]
        assert mailbox.dropped == 10
        assert events[-1] == DtmfReceived(digit="#")

    virtually(story())
