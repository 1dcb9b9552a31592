"""A call whose stream never comes does not last, and one whose stream came is left alone."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from patter_cli.contracts.carrier.carrier import CallHandle
from patter_cli.core.outcome import Direction
from patter_cli.errors import CarrierError
from patter_cli.server.awaited_streams import AwaitedStreams
from patter_cli.server.tickets import CallTicket, UsedTickets, new_ticket
from tests.e2e import acme


class Refuses(acme.Carrier):
    """Acme, when it hangs up on nobody."""

    def control(self, call: CallHandle) -> acme.Control:
        raise CarrierError(f"{call.carrier_call_id} stays")


def ticket(carrier_call_id: str) -> CallTicket:
    return new_ticket(
        carrier="acme",
        carrier_call_id=carrier_call_id,
        direction=Direction.INBOUND,
        caller="+1",
        callee="+2",
        agent="a",
        variables={},
        now_s=time.time(),
    )


async def test_a_call_without_its_stream_is_hung_up(tmp_path: Path) -> None:
    """Unless it came, be it to another process; and then it is too late for it to come."""
    company, used = acme.Carrier(), UsedTickets(tmp_path)
    streams = AwaitedStreams({"acme": company}, used, wait_s=0.1)
    came, never = ticket("A-1"), ticket("A-2")
    streams.expect(came)
    streams.expect(never)
    assert UsedTickets(tmp_path).use(came, time.time())
    await asyncio.sleep(0.3)
    assert company.hung_up == ["A-2"]
    assert not used.use(never, time.time())


async def test_only_the_last_stream_of_a_call_is_waited_for() -> None:
    """The first could not be opened and another was offered: the call has the time of that one."""
    company, used = acme.Carrier(), UsedTickets()
    streams = AwaitedStreams({"acme": company}, used, wait_s=0.1)
    second = ticket("A-1")
    streams.expect(ticket("A-1"))
    streams.expect(second)
    assert used.use(second, time.time())
    await asyncio.sleep(0.3)
    assert company.hung_up == []


async def test_a_process_that_stood_still_hangs_up_on_nobody() -> None:
    """Suspended for longer than tickets live, it knows no more whose stream had come: the call may be a live one."""
    company, used = acme.Carrier(), UsedTickets()
    streams = AwaitedStreams({"acme": company}, used, wait_s=0.05)
    old = replace(ticket("A-1"), expires_at_s=int(time.time()))
    streams.expect(old)
    await asyncio.sleep(0.2)
    assert company.hung_up == []


async def test_a_hang_up_that_is_refused_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With the carrier's reason; nobody could be told otherwise."""
    AwaitedStreams({"acme": Refuses()}, UsedTickets(), wait_s=0.0).expect(ticket("A-1"))
    await asyncio.sleep(0.2)
    assert "was not hung up: A-1 stays" in caplog.text


async def test_a_server_that_stops_waits_for_nothing() -> None:
    """What it has answered is another's to end."""
    company = acme.Carrier()
    streams = AwaitedStreams({"acme": company}, UsedTickets(), wait_s=0.05)
    streams.expect(ticket("A-1"))
    streams.close()
    await asyncio.sleep(0.15)
    assert company.hung_up == []


async def test_a_call_that_is_over_is_not_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The caller hung up at once: nothing is hung up again, and nothing is said. Another call's end changes nothing."""
    company = acme.Carrier()
    streams = AwaitedStreams({"acme": company}, UsedTickets(tmp_path), wait_s=0.1)
    streams.expect(ticket("A-1"))
    streams.expect(ticket("A-2"))
    streams.over("acme", "A-1")
    streams.over("acme", "A-1")
    streams.over("other", "A-2")
    await asyncio.sleep(0.3)
    assert company.hung_up == ["A-2"]
    assert "A-1" not in caplog.text
