"""What a turn of the author's code costs: how late its first words are, and the processor's time.

    python -m tests.bench.author_code [--turns 2000]

Each row is one form of on_message, asked again and again on an event loop that has nothing else to do; the last two
are asked while 83 other turns a second, those of 500 calls, are asked as well.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np

from patter_cli.engine.hooks import IncomingMessage, message_pieces
from patter_cli.server.run import SWITCH_S

OTHERS = 83
"""Turns a second of 500 calls, each of which takes one every six seconds."""


def plain(event: Any) -> str:
    return "We are open from nine to five."


async def coroutine(event: Any) -> str:
    return "We are open from nine to five."


async def two_pieces(event: Any) -> AsyncIterator[str]:
    yield "We are open from nine to five. "
    yield "Is there anything else?"


async def sixty_tokens(event: Any) -> AsyncIterator[str]:
    for _ in range(60):
        await asyncio.sleep(0.002)
        yield "word "


async def ask(hook: Callable[..., Any]) -> float:
    """Seconds to the first piece."""
    event = IncomingMessage(text="When?", end_call=lambda: None, transfer_call=lambda number: None)
    began, first = time.perf_counter(), 0.0
    async for _ in message_pieces(hook, event):
        first = first or time.perf_counter() - began
    return first


async def row(name: str, hook: Callable[..., Any], turns: int, *, others: bool = False) -> None:
    stop = asyncio.Event()

    async def crowd() -> None:
        running: set[asyncio.Task[float]] = set()
        while not stop.is_set():
            await asyncio.sleep(1 / OTHERS)
            task = asyncio.create_task(ask(sixty_tokens))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)

    crowded = asyncio.create_task(crowd()) if others else None
    cpu_before = time.process_time()
    waits = []
    for _ in range(turns):
        waits.append(await ask(hook))
        if others:
            await asyncio.sleep(0.01)
    cpu_ms = (time.process_time() - cpu_before) * 1000 / turns
    stop.set()
    if crowded is not None:
        await crowded
    p50, p99 = np.percentile(np.array(waits) * 1000, [50, 99])
    cpu = "" if others else f"   cpu {cpu_ms:6.3f} ms a turn"
    print(f"{name:28} first piece p50 {p50:6.3f} ms  p99 {p99:7.3f} ms{cpu}")


async def main(turns: int) -> None:
    for hook in (plain, coroutine, two_pieces):
        await row(hook.__name__, hook, turns)
    await row(sixty_tokens.__name__, sixty_tokens, turns // 40)
    for hook in (plain, two_pieces):
        await row(f"{hook.__name__}, 500 calls", hook, turns // 4, others=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=2000)
    given = parser.parse_args()
    sys.setswitchinterval(SWITCH_S)  # as the server does
    import uvloop

    uvloop.run(main(given.turns))
