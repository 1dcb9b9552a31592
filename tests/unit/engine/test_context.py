"""What the parts of a call share: its journal knows when nobody could act."""

from __future__ import annotations

import asyncio
import time

from patter_cli import Agent
from patter_cli.core.events import LoopHeld
from patter_cli.engine.context import CallContext
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.watchdog import watched
from patter_cli.wiring import ready_agent
from tests.unit.engine.test_perform_author import INFO


async def test_a_held_loop_is_a_fact_of_the_call() -> None:
    """From when to when, in call time, and by whom."""
    call = CallContext(INFO, ready_agent("shop", Agent("Be brief."), Hooks(on_message=lambda event: "")))
    with watched():
        watching = asyncio.create_task(call.watch_loop())
        await asyncio.sleep(0.15)
        time.sleep(0.4)
        await asyncio.sleep(0.15)
        watching.cancel()
    held = []
    while call.mailbox.waiting:
        event = await call.mailbox.next(until=None)
        if isinstance(event, LoopHeld):
            held.append(event)
    longest = max(held, key=lambda each: each.to_ms - each.from_ms)
    assert 300 <= longest.to_ms - longest.from_ms < 3000
    assert "test_context.py" in longest.by
