"""A server in a process of its own that records its calls, to be killed: `python -m tests.e2e.recorded_server FOLDER`.

It prints the address of its agent, who greets at length.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from patter_cli.engine.hooks import Hooks
from patter_cli.stores.sqlite import SqliteStore
from tests.e2e.conftest import agent, answering


def answer(event: Any) -> str:
    return "Still here."


async def serve(folder: str) -> None:
    greets = agent("This call is recorded. " + "We are open from nine to six. " * 20)
    agents = {"a": (greets, Hooks(on_message=answer))}
    async with answering(agents, store=SqliteStore(Path(folder)), record=True) as phone:
        print(phone.server.media_url("a"), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
