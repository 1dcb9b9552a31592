"""What we add to a turn when every vendor answers at once: ears, mind and voice over TLS, many calls on one core.

python -m tests.bench.vendors [CALLS ...]                50 75 100 unless given; about half a minute each

The server runs in a process of its own, held to one core: its sockets, voice detection, machine, and three vendors'
sessions for each call, on their own wires and over TLS (Deepgram, OpenAI, Cartesia). The lab's vendors, which say what
they were always going to say, share the other core with the callers of tests.bench.load.

For each turn, from the caller's last voiced sample to the first frame of the answer, less the silence that the turn's
end waits for (endpointing): what the words, the first token, the first clause, the first sound and the handing over
took. A call's first turn is told apart: its voice's connection is opened while a telephone rings, and these lines do
not ring. Aim: p50 15 ms, p99 40 ms at 50 calls. A core carries as many calls as keep that, and lose no call.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.load import Caller, generate, recorded

PARTS = ("stt_ms", "llm_ms", "clause_ms", "tts_ms", "handover_ms")
P50_MS, P99_MS = 15, 40
SECONDS = 20.0
KEY = "sk-bench-4711"
SAID = "When do you open?"
ANSWER = "We open at nine. Is there anything else?"


async def vendors(folder: Path) -> None:
    """Until somebody closes our input. Their addresses are printed."""
    from patter_cli.audio.frame import Samples
    from patter_cli.testing.vendors.cartesia import CartesiaSpeakingVendor
    from patter_cli.testing.vendors.deepgram import DeepgramVendor
    from patter_cli.testing.vendors.llm.chat import ChatVendor
    from patter_cli.testing.vendors.llm.said import Said
    from patter_cli.testing.vendors.server import serve
    from patter_cli.testing.vendors.tls import lab_tls
    from patter_cli.testing.vendors.tones import SpokenWord

    class Ears:
        """Hears nothing and knows what was said."""

        def __init__(self, rate_hz: int) -> None:
            self._rate_hz = rate_hz
            self.words: list[SpokenWord] = []
            self.seconds = self.silent_s = 0.0

        def push(self, samples: Samples) -> None:
            self.seconds += len(samples) / self._rate_hz

        async def settle(self) -> None:
            self.words = [SpokenWord(word, self.seconds, self.seconds) for word in SAID.split()]

        def take(self) -> list[SpokenWord]:
            words, self.words = self.words, []
            return words

    class Voice:
        def __init__(self) -> None:
            self._sound = recorded("two_cities.wav", 2.0, 1.2)

        def say(self, text: str, rate_hz: int) -> tuple[Samples, list[SpokenWord]]:
            return self._sound, [SpokenWord(word, 0.2 * at, 0.2 * at + 0.2) for at, word in enumerate(text.split())]

    tls = lab_tls(folder)
    voice = CartesiaSpeakingVendor(key=KEY, voice=Voice())
    voice.piece_bytes = 1600
    peers = (DeepgramVendor(key=KEY, ears=Ears), ChatVendor(lambda body: Said(ANSWER), key=KEY), voice)
    async with AsyncExitStack() as stack:
        for peer in peers:
            lab = await stack.enter_async_context(serve(peer, path="", tls=tls))
            print(lab.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


def serve_here(core: int, addresses: list[str]) -> None:
    """Be the server; standard output is for figures."""
    import uvloop

    figures = sys.stdout
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    uvloop.run(_serve(core, addresses, lambda facts: print(json.dumps(facts), file=figures, flush=True)))
    os._exit(0)


async def _serve(core: int, addresses: list[str], tell: Callable[[object], None]) -> None:
    """Tells its port; then, for each line that it is given, the turns since the last one and the core's share."""
    os.sched_setaffinity(0, {core})
    import psutil

    from patter_cli import Agent, CartesiaTTS, DeepgramSTT, OpenAILLM, wiring
    from patter_cli.engine.hooks import Hooks
    from patter_cli.server.service import ServiceSettings

    hears, thinks, speaks = addresses
    agent = Agent(
        "You answer the phone. " * 60,
        stt=DeepgramSTT(KEY, base_url=hears),
        llm=OpenAILLM(KEY, base_url=thinks),
        tts=CartesiaTTS(KEY, base_url=speaks),
    )
    turns: list[Mapping[str, int]] = []
    hooks = Hooks(on_metrics=lambda event: turns.append({name: event[name] for name in ("turn", *PARTS)}))
    ready = wiring.ready_agent("load", agent, hooks)
    service = wiring.service({"load": ready}, ServiceSettings(port=0, max_calls=1000))
    await service.start()
    await asyncio.sleep(2)
    tell({"port": service.port})
    process = psutil.Process()
    while await asyncio.to_thread(sys.stdin.readline):
        tell({"turns": turns, "cpu_s": sum(process.cpu_times()[:2])})
        turns.clear()
    await service.cut()
    service.close()


@asynccontextmanager
async def _started(*arguments: str, environment: Mapping[str, str]) -> AsyncIterator[Any]:
    """Another process of this module's, which ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.vendors", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


async def measure(levels: list[int]) -> None:
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        trusted = {"SSL_CERT_FILE": f"{folder}/lab.pem"}
        async with _started("--vendors", folder, environment={}) as peers:
            addresses = [peers.stdout.readline().strip() for _ in range(3)]
            os.sched_setaffinity(peers.pid, {cores[-1]})
            async with _started("--server", str(cores[0]), *addresses, environment=trusted) as server:
                port = json.loads(server.stdout.readline())["port"]
                os.sched_setaffinity(0, {cores[-1]})
                carried = 0
                for calls in levels:
                    if not await _level(server, port, calls):
                        break
                    carried = calls
                print(f"one core carries {carried} such calls" if carried else "not even the first level was kept")


async def _level(server: Any, port: int, calls: int) -> bool:
    """So many calls for SECONDS; whether that was kept."""
    before = _told(server)["cpu_s"]
    callers = await generate(port, calls, SECONDS)
    told = _told(server)
    turns = [each for each in told["turns"] if each["turn"] > 1]
    firsts = [sum(each[name] for name in PARTS) for each in told["turns"] if each["turn"] == 1]
    sums = np.array([sum(each[name] for name in PARTS) for each in turns])
    late = np.array([late for each in callers for late in each.lateness_ms])
    p50, p99 = np.percentile(sums, [50, 99])
    busy = (told["cpu_s"] - before) / SECONDS * 100
    print(f"{calls} calls, {len(turns)} turns: beyond endpointing p50 {p50:.0f}  p99 {p99:.0f}  most {sums.max()} ms")
    for name in PARTS:
        part = np.array([each[name] for each in turns])
        print(f"  {name.removesuffix('_ms'):9} p50 {np.percentile(part, 50):.0f}  p99 {np.percentile(part, 99):.0f} ms")
    print(
        f"  first turns p50 {np.percentile(firsts, 50):.0f}  p99 {np.percentile(firsts, 99):.0f} ms\n"
        f"  the core is {busy:.0f} % busy, {busy / calls:.2f} % a call; frames late p99 "
        f"{np.percentile(late, 99):.1f} ms",
        flush=True,
    )
    return p50 <= P50_MS and p99 <= P99_MS and not _lost(callers)


def _told(server: Any) -> Any:
    print(file=server.stdin, flush=True)
    return json.loads(server.stdout.readline())


def _lost(callers: list[Caller]) -> bool:
    return any(each.lost for each in callers)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--vendors"]:
        asyncio.run(vendors(Path(sys.argv[2])))
    elif sys.argv[1:2] == ["--server"]:
        serve_here(int(sys.argv[2]), sys.argv[3:])
    else:
        asyncio.run(measure([int(each) for each in sys.argv[1:]] or [50, 75, 100]))
