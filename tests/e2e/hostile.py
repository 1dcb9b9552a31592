"""Agents that do what ends or hangs a program, served by a program: `python -m tests.e2e.hostile` prints its port."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from patter_cli import Agent, RulesLLM, Tool, Turn, call_tool, wiring
from patter_cli.engine.hooks import Hooks
from patter_cli.server.service import ServiceSettings
from tests.e2e.conftest import LOUDNESS, agent

REPLY = "We are open from nine to six."
Act = Callable[[], Awaitable[Any]]
background: set[asyncio.Task[Any]] = set()


def in_background(work: Any) -> None:
    task = asyncio.create_task(work)
    background.add(task)
    task.add_done_callback(background.discard)


async def exits() -> None:
    sys.exit(3)


async def interrupts() -> None:
    raise KeyboardInterrupt


async def exits_in_a_task() -> None:
    in_background(exits())


async def interrupts_in_a_task() -> None:
    in_background(interrupts())


async def exits_in_a_callback() -> None:
    asyncio.get_running_loop().call_soon(sys.exit, 3)


async def exits_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(exits())


async def cancels_everybody() -> None:
    for task in asyncio.all_tasks():
        task.cancel()
    await asyncio.sleep(0)


async def stops_the_loop() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0)


async def closes_the_loop() -> None:
    asyncio.get_running_loop().call_soon(asyncio.get_running_loop().close)
    await asyncio.sleep(0)


async def sets_another_loop() -> None:
    asyncio.set_event_loop(asyncio.new_event_loop())
    await asyncio.sleep(0)


async def recurses() -> None:
    await recurses()


async def exhausts_memory() -> None:
    raise MemoryError


async def raises_in_a_thread() -> None:
    threading.Thread(target=lambda: 1 / 0).start()
    await asyncio.to_thread(sys.exit, 3)


ENDING: tuple[Act, ...] = (
    exits_in_a_task,
    interrupts_in_a_task,
    exits_in_a_callback,
    exits_in_a_group,
    cancels_everybody,
    stops_the_loop,
    closes_the_loop,
    sets_another_loop,
    recurses,
    exhausts_memory,
    raises_in_a_thread,
)


async def spins() -> None:
    while True:
        pass


async def sleeps() -> None:
    time.sleep(6)


async def spins_in_a_task() -> None:
    in_background(spins())


async def spins_in_a_callback() -> None:
    def forever() -> None:
        while True:
            pass

    asyncio.get_running_loop().call_soon(forever)


HOLDING: tuple[Act, ...] = (spins, sleeps, spins_in_a_task, spins_in_a_callback)


def in_a_message(act: Act) -> tuple[Agent, Hooks]:
    async def on_message(event: Any) -> AsyncIterator[str]:
        await act()
        yield REPLY

    return agent(), Hooks(on_message=on_message)


def in_a_tool(act: Act) -> tuple[Agent, Hooks]:
    async def look_up(arguments: Any) -> str:
        await act()
        return "found"

    def rules(turn: Turn) -> Any:
        if not turn.called("look_up"):
            return call_tool("look_up")
        return REPLY if turn.result("look_up") is not None else "The tool is broken."

    tool = Tool("look_up", "Looks something up.", handler=look_up, timeout_s=4)
    return agent(llm=RulesLLM(rules), tools=[tool]), Hooks()


async def main() -> None:
    served = {
        "canary": (
            agent("This is the quiet line next door, and it has no break in it. How can I help?"),
            Hooks(on_message=lambda event: f"You said {event.text} This is my answer."),
        )
    }
    for act in ENDING + HOLDING:
        served[f"message-{act.__name__}"] = in_a_message(act)
        served[f"tool-{act.__name__}"] = in_a_tool(act)
    ready = {name: wiring.ready_agent(name, each, hooks) for name, (each, hooks) in served.items()}
    server = wiring.service(ready, ServiceSettings(port=0), voice=LOUDNESS)
    await server.start()
    print(server.port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
