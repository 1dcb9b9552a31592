"""More callers than the machine carries: who is refused and how, and what the admitted hear.

    python -m tests.bench.overload [--times 1,2,4] [--seconds 60] [--calls 8 --max-calls 1000]

The server is a process of its own with the built-in speech, real models and answers that are never the same, so that no
cache helps. The callers are another process on the same machine; they all call within a second, speak the Twilio wire
in real time with recorded speech, each with a sentence every PERIOD_S, and begin at times spread over the period, or
together (--together). A reply's wait is counted from the caller's last voiced frame, as it was due, to the first frame
of the answer.

--calls, --max-calls: so many callers at a server that takes so many whatever it carries, to see what it carries.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator

import numpy as np

from tests.bench.load import Caller, call, recorded, speak

PERIOD_S = 9.0
"""From one sentence of a caller to the next."""
SENTENCES = ((1.0, 1.6), (3.1, 1.8), (5.2, 2.0))
"""Stretches of the recording: begin and length, s."""

WORDS = (
    "order parcel window doctor garden morning invoice battery ticket driver number engine kitchen letter mirror "
    "office paper river school table village winter yellow bridge camera dinner evening flower guitar hammer"
).split()


def answer(rng: random.Random) -> list[str]:
    """Two sentences that nobody has heard before, some five seconds of speech: not a piece of them is in a cache."""
    what = rng.sample(WORDS, 6)
    return [
        f"It is {what[0]} {what[1]} number {rng.randrange(100, 999)}. ",
        f"Please bring the {what[2]} and a {what[3]} to the {what[4]} {what[5]}.",
    ]


# --- the server ------------------------------------------------------------------------------------------------


async def serve(max_calls: int | None) -> None:
    """Serve until standard input closes; prints port and what is carried, then a line of figures."""
    import psutil

    from patter_cli import wiring
    from patter_cli.agent import Agent
    from patter_cli.engine.hooks import Hooks
    from patter_cli.server.service import ServiceSettings

    rng = random.Random()
    ends: Counter[str] = Counter()

    async def on_message(event: object) -> AsyncIterator[str]:
        for sentence in answer(rng):
            yield sentence

    async def on_call_end(event: dict[str, object]) -> None:
        ends[str(event["reason"])] += 1

    agent = Agent("Overload.", "Hello, how can I help you?")
    ready = wiring.ready_agent("load", agent, Hooks(on_message=on_message, on_call_end=on_call_end))
    service = wiring.service({"load": ready}, ServiceSettings(port=0, max_calls=max_calls))
    process = psutil.Process()
    await service.start()
    await asyncio.sleep(6)  # the lines for trouble are made meanwhile
    idle_rss = peak_rss = process.memory_info().rss
    work = await service._calls.awaited_work_s()
    print(json.dumps({"port": service.port, "carries": service.carries("load"), "work_s": work["load"]}), flush=True)

    loop = asyncio.get_running_loop()
    lags: list[float] = []
    waits: list[float] = []
    cpu_before, began = sum(process.cpu_times()[:2]), time.monotonic()
    closed = loop.run_in_executor(None, sys.stdin.readline)
    while not closed.done():
        before = loop.time()
        await asyncio.sleep(0.02)
        lags.append((loop.time() - before - 0.02) * 1000)
        if len(lags) % 50 == 0:
            peak_rss = max(peak_rss, process.memory_info().rss)
            waits += service._speech.waits_s(1.0) if service._speech else []
    cpu = (sum(process.cpu_times()[:2]) - cpu_before) / (time.monotonic() - began)
    await asyncio.sleep(1)
    reasons = dict(ends)
    await service.cut()
    await asyncio.sleep(8)
    figures = {
        "cpu": cpu,
        "idle_mb": idle_rss / 1e6,
        "peak_mb": peak_rss / 1e6,
        "after_mb": process.memory_info().rss / 1e6,
        "lag_p99_ms": float(np.percentile(lags, 99)),
        "wait_p50_ms": 1000 * float(np.percentile(waits or [0], 50)),
        "wait_p99_ms": 1000 * float(np.percentile(waits or [0], 99)),
        "reasons": reasons,
    }
    print(json.dumps(figures), flush=True)
    service.close()


# --- the callers -----------------------------------------------------------------------------------------------


def sentence(begin_s: float, length_s: float) -> tuple[list[str], int]:
    """A caller's frames for one period, and which of them is the last with a voice in it."""
    from patter_cli.audio.g711 import encode_ulaw

    voice = recorded("beckett.wav", begin_s, length_s)
    whole = np.zeros(int(PERIOD_S * 8000), np.int16)
    whole[: len(voice)] = voice
    loud = np.abs(whole.astype(int)).reshape(-1, 160).max(axis=1) > 300
    wire = encode_ulaw(whole)
    frames = [base64.b64encode(wire[at : at + 160]).decode() for at in range(0, len(wire), 160)]
    return frames, int(np.flatnonzero(loud)[-1])


async def dialled(port: int, number: int) -> Caller | str:
    """A call, or what the refused caller was told."""
    try:
        return await call(port, number)
    except AssertionError as refused:
        head = refused.args[0].decode("latin-1")
        return head.split("\r\n")[0].removeprefix("HTTP/1.1 ")


async def generate(port: int, calls: int, seconds: float, *, together: bool) -> tuple[list[Caller], Counter[str]]:
    """Dial them all within a second, then have the admitted talk for so long."""
    said = [sentence(*each) for each in SENTENCES]
    callers: list[Caller] = []
    refused: Counter[str] = Counter()
    for number in range(calls):
        got = await dialled(port, number)
        if isinstance(got, Caller):
            callers.append(got)
        else:
            refused[got] += 1
        await asyncio.sleep(1.0 / calls)
    until = time.monotonic() + seconds
    ears = [asyncio.create_task(each.listen()) for each in callers]
    frames = len(said[0][0])
    await asyncio.gather(
        *(
            speak(each, *said[number % 3], -200 if together else -200 - number * frames // len(callers), until)
            for number, each in enumerate(callers)
        )
    )
    for ear in ears:
        ear.cancel()
    return callers, refused


def round_of(times: float, arguments: argparse.Namespace) -> None:
    """One server, so many times the callers it carries; prints a row."""
    import uvloop

    command = [sys.executable, "-m", "tests.bench.overload", "--server", str(arguments.max_calls or 0)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        told = json.loads(server.stdout.readline())
        calls = arguments.calls or round(told["carries"] * times)
        callers, refused = uvloop.run(generate(told["port"], calls, arguments.seconds, together=arguments.together))
        print(file=server.stdin, flush=True)
        figures = json.loads(server.stdout.readline())
    finally:
        server.terminate()
        server.wait(10)
    lost = sum(each.lost for each in callers)
    waits = np.array([wait for each in callers for wait in each.waits_ms[1:]] or [0.0])
    p50, p99 = np.percentile(waits, [50, 99])
    print(
        f"carries {told['carries']} ({told['work_s'] * 1000:.0f} ms of a core a turn); {calls} called, "
        f"{len(callers)} admitted, refused: {dict(refused)}"
    )
    print(
        f"  ended by us: {lost}  reply ms p50 {p50:.0f} p99 {p99:.0f} max {waits.max():.0f} ({len(waits)} replies)  "
        f"ends: {figures['reasons']}"
    )
    print(
        f"  MB idle {figures['idle_mb']:.0f} peak {figures['peak_mb']:.0f} after {figures['after_mb']:.0f}  "
        f"cores busy {figures['cpu']:.2f}  loop lag p99 {figures['lag_p99_ms']:.1f} ms  "
        f"awaited work waits p50 {figures['wait_p50_ms']:.0f} p99 {figures['wait_p99_ms']:.0f} ms",
        flush=True,
    )


def main() -> None:
    """Run a server and its callers for each factor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", default="1,2,4", help="how many times the callers that are carried")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--together", action="store_true", help="all callers speak at the same moment")
    parser.add_argument("--calls", type=int, help="so many callers instead")
    parser.add_argument("--max-calls", type=int, help="what the server takes, instead of what it carries")
    parser.add_argument("--server", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.server is not None:
        import uvloop

        uvloop.run(serve(arguments.server or None))
        return
    for each in (1.0,) if arguments.calls else map(float, arguments.times.split(",")):
        round_of(each, arguments)


if __name__ == "__main__":
    main()
