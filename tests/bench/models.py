"""From a vendor's first word to the engine's: what our client adds, over TLS, with many calls on one core.

python -m tests.bench.models [CALLS] [SECONDS]

The vendors of the lab run in a process of their own. Each call asks a question every two seconds, in the middle of a
conversation of forty lines with eight tools; the first word of a reply is the time at which the vendor said it.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

from patter_cli.contracts.llm import ChatMessage, LanguageModel, Text, ToolSpec
from patter_cli.testing.vendors.llm.said import Said
from patter_cli.testing.vendors.server import serve
from patter_cli.testing.vendors.tls import lab_tls
from tests.contract.rows import KEY, MODELS

EVERY_S = 2.0
HISTORY = (
    ChatMessage(role="system", text="You take bookings. " * 100),
    *(ChatMessage(role="user" if n % 2 else "assistant", text=f"What was said in line {n}.") for n in range(41)),
    ChatMessage(role="user", text="And now?"),
)
TOOLS = tuple(
    ToolSpec(
        name=f"tool_{n}",
        description="Does something. " * 10,
        parameters={"type": "object", "properties": {"at": {"type": "string"}, "who": {"type": "string"}}},
    )
    for n in range(8)
)


def reply(body: dict[str, Any]) -> Said:
    """The time, and what takes a model three more pieces to say."""
    return Said(f"{time.time_ns()} we open at nine.")


async def vendors(folder: Path) -> None:
    """All of them, until somebody closes our input. Their addresses are printed."""
    tls = lab_tls(folder)
    async with AsyncExitStack() as stack:
        for row in MODELS:
            lab = await stack.enter_async_context(serve(row.vendor(reply, key=KEY), path="", tls=tls))
            print(lab.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def call(model: LanguageModel, seconds: float, late_ms: list[float]) -> None:
    """One call's questions."""
    end_s = time.monotonic() + seconds
    await asyncio.sleep(random.uniform(0, EVERY_S))
    while time.monotonic() < end_s:
        async with aclosing(model.stream(HISTORY, TOOLS)) as stream:
            words = ""
            async for delta in stream:
                if isinstance(delta, Text) and not words:
                    late_ms.append((time.time_ns() - int(delta.text)) / 1e6)
                words += delta.text if isinstance(delta, Text) else ""
        await asyncio.sleep(EVERY_S)


async def measure(addresses: list[str], calls: int, seconds: float) -> None:
    for row, address in zip(MODELS, addresses, strict=True):
        model = row.make(address)
        await model.warm()
        await asyncio.gather(*(call(model, EVERY_S, []) for _ in range(calls)))  # every call has its connection
        late_ms: list[float] = []
        used_s = time.process_time()
        await asyncio.gather(*(call(model, seconds, late_ms) for _ in range(calls)))
        used_s = time.process_time() - used_s
        late_ms.sort()
        p50, p99 = (late_ms[int(len(late_ms) * share)] for share in (0.5, 0.99))
        print(
            f"{row.name:18} {calls} calls, {len(late_ms)} replies: first word p50 {p50:.1f} ms, p99 {p99:.1f} ms; "
            f"{1000 * used_s / len(late_ms):.1f} ms of the core a reply",
            flush=True,
        )


def main(calls: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        peer = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.models", "--vendors", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert peer.stdin is not None
        assert peer.stdout is not None
        try:
            addresses = [peer.stdout.readline().strip() for _ in MODELS]
            os.environ["SSL_CERT_FILE"] = f"{folder}/lab.pem"
            asyncio.run(measure(addresses, calls, seconds))
        finally:
            peer.stdin.close()
            peer.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--vendors"]:
        asyncio.run(vendors(Path(sys.argv[2])))
    else:
        given = sys.argv[1:] + ["50", "10"][len(sys.argv) - 1 :]
        main(int(given[0]), float(given[1]))
