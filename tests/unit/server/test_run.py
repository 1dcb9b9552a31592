"""The program's last moments."""

from __future__ import annotations

import asyncio

from patter_cli.server.run import run


async def _will_not_go() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass


async def test_a_task_that_will_not_go_keeps_no_process() -> None:
    """The loop ends with its program's main coroutine, and gives what that returned."""

    async def main() -> int:
        asyncio.create_task(_will_not_go(), name="stubborn")  # noqa: RUF006 (the loop has it)
        await asyncio.sleep(0)
        return 3

    assert await asyncio.to_thread(run, main()) == 3
