"""A server in a process of its own, to be killed: `python -m tests.e2e.killed_server COMPANY BASE_URL PORT [RINGS]`.

It serves one agent behind phone.example, on the lab's carrier that has its interface at BASE_URL, and rings RINGS once
it is up. The agent tells every key that was pressed since the call began. The carrier's keys are in the environment.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from patter_cli import Patter, Telnyx, Twilio
from tests.e2e.conftest import agent
from tests.e2e.lab_shop import HOST, OURS

CARRIERS = {"twilio": Twilio, "telnyx": Telnyx}


def answer(event: Any) -> str:
    keys = [each["text"].strip("[]").removeprefix("DTMF: ") for each in event.history if each["role"] == "user"]
    return f"So far {' '.join(keys)}."


async def serve(company: str, base_url: str, port: int, rings: str) -> None:
    async with Patter(CARRIERS[company](base_url=base_url), OURS, HOST) as phone:
        serving = asyncio.create_task(phone.serve(agent("Hello caller."), port, on_message=answer, name="counter"))
        await phone.ready
        print("ready", flush=True)
        if rings:
            await phone.call(rings, machine_detection=False)
        await serving


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:3], int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else ""))
