"""Whom an agent hears on which line: `python -m tests.bench.lines [-n 10] [--lines clean,mobile,speakerphone,bad]`.

n calls on each line, each with a seed of its own, two at a time and with defaults only: a caller asks the receptionist
two questions and hangs up. Prints for each line how many turns nobody spoke, how many replies were cut although
nobody interrupted, and what the caller waited. Ends with 1 if there was such a turn or cut.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from statistics import median
from typing import Any

QUESTIONS = ("What are your opening hours?", "How much is a cleaning?")
AT_ONCE = 2
PROGRAM = "import sys; sys.argv[0] = 'patter'; from patter_cli.__main__ import main; main()"


async def hold(line: str, seed: int, gate: asyncio.Semaphore) -> dict[str, Any]:
    """One call, as `patter simulate --json` tells of it."""
    said = [word for each in QUESTIONS for word in ("--say", each)]
    options = [*said, "--line", line, "--seed", str(seed), "--json"]
    async with gate:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, "simulate", "receptionist", *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        out, _ = await process.communicate()
    call: dict[str, Any] = json.loads(out)
    return call


async def measure(lines: list[str], calls: int) -> bool:
    """Hold the calls and print the table. False if somebody was heard who did not speak."""
    gate = asyncio.Semaphore(AT_ONCE)
    good = True
    print(f"{'line':<14}{'calls':>6}{'turns nobody spoke':>20}{'replies cut':>13}{'waited p50':>12}")
    for line in lines:
        held = await asyncio.gather(*(hold(line, seed, gate) for seed in range(calls)))
        phantoms = sum(max(0, len(call["turns"]) - 1 - len(QUESTIONS)) for call in held)
        cut = sum(turn["interrupted"] for call in held for turn in call["turns"])
        waits = [each for call in held for each in call["caller_waited_ms"] if each is not None]
        print(f"{line:<14}{len(held):>6}{phantoms:>20}{cut:>13}{median(waits):>9.0f} ms", flush=True)
        good = good and not phantoms and not cut
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=10)
    parser.add_argument("--lines", default="clean,mobile,speakerphone,bad")
    chosen = parser.parse_args()
    sys.exit(0 if asyncio.run(measure(chosen.lines.split(","), chosen.n)) else 1)
