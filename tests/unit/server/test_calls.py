"""Who may come in, and how they leave."""

from __future__ import annotations

from dataclasses import replace

import pytest

from patter_cli.core.carrier_events import Answered
from patter_cli.core.events import Event, HangUpRequested
from patter_cli.core.outcome import Direction
from patter_cli.errors import CallRejected
from patter_cli.server.calls import CallRegistry, LiveCall
from patter_cli.server.tickets import new_ticket

TICKET = new_ticket(
    carrier="acme",
    carrier_call_id="A1",
    direction=Direction.INBOUND,
    caller="+12025550142",
    callee="+12025550100",
    agent="shop",
    variables={},
    now_s=1_750_000_000.0,
)
CALL = LiveCall(ticket=TICKET, began_s=0.0)


class Socket:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begin_goodbye(self, reason: str) -> None:
        self.told.append(f"goodbye: {reason}")

    def reject(self, reason: str) -> None:
        self.told.append(f"away: {reason}")

    def on_fact(self, event: Event) -> None:
        self.told.append(type(event).__name__)

    def hung_up(self) -> None:
        self.told.append("hung up")


async def test_waiting_sockets_take_no_line() -> None:
    """Any number may wait while a call can still begin; the line is taken by who starts first."""
    live = CallRegistry(max_calls=1, max_waiting=10)
    waiting = [Socket() for _ in range(5)]
    for socket in waiting:
        live.admit(socket)
    live.begin(waiting[0], CALL)
    assert live.count == 1
    with pytest.raises(CallRejected, match="busy"):
        live.begin(waiting[1], CALL)
    with pytest.raises(CallRejected, match="busy"):
        live.admit(Socket())
    live.leave(waiting[0])
    live.begin(waiting[1], CALL)


async def test_waiting_has_a_limit() -> None:
    """Not for ever, though."""
    live = CallRegistry(max_waiting=1)
    live.admit(Socket())
    with pytest.raises(CallRejected, match="too many"):
        live.admit(Socket())


async def test_drain() -> None:
    """Who waits is sent away, who talks is asked to end, nobody comes in, and the last one ends the waiting."""
    live = CallRegistry()
    caller, idle = Socket(), Socket()
    live.admit(caller)
    live.begin(caller, CALL)
    live.admit(idle)
    live.drain()
    live.leave(idle)
    live.say_goodbye("stopping")
    assert (idle.told, caller.told) == (["away: server is stopping"], ["goodbye: stopping"])
    with pytest.raises(CallRejected, match="stopping"):
        live.admit(Socket())
    assert not await live.wait_empty(0)
    live.leave(caller)
    live.leave(caller)
    assert await live.wait_empty(0)


async def test_a_carrier_may_end_a_call_beside_its_stream() -> None:
    """Or tell of it: the call of that carrier's id is told, no other, and one that is not here is fine."""
    live = CallRegistry()
    one, other = Socket(), Socket()
    live.begin(one, CALL)
    live.begin(other, LiveCall(ticket=replace(TICKET, carrier_call_id="A2"), began_s=1.0))
    assert [each.ticket.carrier_call_id for each in live.calls] == ["A1", "A2"]
    live.tell("acme", "A2", Answered())
    live.tell("acme", "A3", Answered())
    live.hung_up("acme", "A1")
    live.hung_up("other", "A2")
    live.hung_up("acme", "A3")
    assert (one.told, other.told) == (["hung up"], ["Answered"])


async def test_one_call_is_told_something_by_our_own_id() -> None:
    """Whoever looks on knows calls by the ids that they are listed under; one that has gone is no error."""
    live = CallRegistry()
    one, other = Socket(), Socket()
    for socket, call in ((one, CALL), (other, replace(CALL, ticket=replace(TICKET, call_id="C2")))):
        live.admit(socket)
        live.begin(socket, call)
    assert live.tell_call(TICKET.call_id, HangUpRequested())
    assert (one.told, other.told) == (["HangUpRequested"], [])
    live.leave(one)
    assert not live.tell_call(TICKET.call_id, HangUpRequested())


async def test_a_call_that_goes_on_is_not_in_its_own_way() -> None:
    """Its stream broke off and the carrier opens another while the first is still tidied up: there is one place, and it
    is that call's. Nobody else gets in beside it."""
    live = CallRegistry(max_calls=1)
    first, second = Socket(), Socket()
    live.begin(first, CALL)
    with pytest.raises(CallRejected, match="busy"):
        live.check_room("shop")
    live.cut_off("acme", "A1")
    live.admit(second)
    live.begin(second, replace(CALL, began_s=1.0))
    with pytest.raises(CallRejected, match="busy"):
        live.check_room("shop")
    live.leave(first)
    with pytest.raises(CallRejected, match="busy"):
        live.check_room("shop")
    live.leave(second)
    live.check_room("shop")


async def test_refused_sockets_are_told_once_for_all(caplog: pytest.LogCaptureFixture) -> None:
    """Those that wait for their start, too: a line with the reason, and not one for each of a crowd."""
    live = CallRegistry(max_waiting=1)
    live.admit(Socket())
    for _ in range(50):
        with pytest.raises(CallRejected):
            live.admit(Socket())
    assert [each.message for each in caplog.records] == ["1 refused: too many sockets wait for their call to start"]
