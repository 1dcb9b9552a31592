"""Whoever is rung for a caller is connected with them or let go, also when the caller does not wait for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from patter_cli import wiring
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import CarrierError
from patter_cli.server.attended import attend
from patter_cli.server.dialled import DialledCall
from tests.e2e.conftest import agent


class Rung:
    """A call that somebody has picked up and been told in, and that is still there."""

    def __init__(self) -> None:
        self.ticket = SimpleNamespace(call_id="theirs")
        self.line_up, self.handed_over = asyncio.Event(), asyncio.Event()
        self.line_up.set()
        self.dropped = 0

    async def result(self) -> Any:
        await asyncio.Event().wait()

    async def named(self) -> str:
        return "CA2"

    def drop(self) -> None:
        self.dropped += 1


async def left_while_connecting(rung: Rung, error: Exception | None) -> None:
    """The caller hangs up when the carrier has been asked to connect; then it answers."""
    asked, answers = asyncio.Event(), asyncio.Event()

    async def connect(other: str) -> None:
        assert other == "CA2"
        asked.set()
        await answers.wait()
        if error is not None:
            raise error

    shop = wiring.ready_agent("shop", agent("Hello."), Hooks(on_message=lambda event: "Hum."))
    rung.handed_over.set()
    transfer = asyncio.create_task(
        attend(
            target="+12025550177",
            about="A refund.",
            agent=shop,
            connect=connect,
            ring_out=lambda number, telling: cast(DialledCall, rung),
            tell=lambda event: None,
        )
    )
    await asked.wait()
    transfer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await transfer
    assert rung.dropped == 0
    answers.set()
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_caller_who_is_gone_before_they_were_connected() -> None:
    """The carrier could not connect them: nobody is left waiting in a room of their own."""
    rung = Rung()
    await left_while_connecting(rung, CarrierError("the call is over"))
    assert rung.dropped == 1


async def test_a_caller_whose_line_is_gone_because_they_are_connected() -> None:
    """That is how it looks when it works: both streams are over, and the two talk with each other."""
    rung = Rung()
    await left_while_connecting(rung, None)
    assert rung.dropped == 0
