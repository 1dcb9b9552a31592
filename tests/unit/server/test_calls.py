"""Who may come in, and how they leave."""

from __future__ import annotations

import pytest

from patter_cli.errors import CallRejected
from patter_cli.server.calls import CallRegistry


class Socket:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begin_goodbye(self, reason: str) -> None:
        self.told.append(f"goodbye: {reason}")

    def reject(self, reason: str) -> None:
        self.told.append(f"away: {reason}")


async def test_waiting_sockets_take_no_line() -> None:
    """Any number may wait while a call can still begin; the line is taken by who starts first."""
    live = CallRegistry(max_calls=1, max_waiting=10)
    waiting = [Socket() for _ in range(5)]
    for socket in waiting:
        live.admit(socket)
    live.begin(waiting[0])
    assert live.count == 1
    with pytest.raises(CallRejected, match="busy"):
        live.begin(waiting[1])
    with pytest.raises(CallRejected, match="busy"):
        live.admit(Socket())
    live.leave(waiting[0])
    live.begin(waiting[1])


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
    live.begin(caller)
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
