"""What the turn machine costs: `python -m tests.bench.core`.

A ten-minute call with questions, interruptions, backchannels and keys is recorded in virtual time; then its events
are fed to fresh machines against the clock. Prints microseconds: the median and 99th percentile of handle, the
whole call, and what writing and reading a journal line costs.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import median, quantiles
from time import perf_counter, perf_counter_ns

from patter_cli.core import events as fact
from patter_cli.core.journal import parse_journal, render_entry
from patter_cli.core.machine import TurnMachine
from patter_cli.core.plan import CallPlan
from patter_cli.testing import VirtualCall

ROUNDS = 20
LONG = "We are open from nine in the morning until ten at night on every day of the week but Sunday."


def ten_minutes() -> VirtualCall:
    """A call of ten minutes and a bit, run to its end."""
    plan = CallPlan(agent="bench", system_prompt="You answer the phone. " * 100, first_message="Luigi's, hello.")
    call = VirtualCall(plan, ["We open at nine. And we close at ten.", LONG, "Yes. Certainly. Every day of the week."])
    at = 3000
    while at < 600_000:
        for say, pause in (("When do you open?", 6000), ("And on Sunday?", 3000), ("No, wait.", 5000), ("okay", 3000)):
            at = call.says(say, at) + pause
        call.presses("12", at - 1000)
    call.tells(fact.DrainRequested(), at)
    call.run()
    return call


def main() -> None:
    began = perf_counter()
    call = ten_minutes()
    print(f"virtual call: {call.now / 1000:.0f} s of talk, {len(call.log)} events, in {perf_counter() - began:.2f} s")

    each_ns: list[int] = []
    whole_ms: list[float] = []
    for _ in range(ROUNDS):
        machine = TurnMachine()
        stamps = [perf_counter_ns()]
        for at, event, _ in call.log:
            machine.handle(event, at)
            stamps.append(perf_counter_ns())
        each_ns += [after - before for before, after in pairwise(stamps)]
        whole_ms.append((stamps[-1] - stamps[0]) / 1e6)
    print(f"handle: {median(each_ns) / 1000:.1f} us an event (p99 {quantiles(each_ns, n=100)[-1] / 1000:.1f})")
    print(f"handle: {median(whole_ms):.1f} ms the whole call")

    writes: list[float] = []
    reads: list[float] = []
    for _ in range(ROUNDS):
        began = perf_counter()
        lines = [render_entry(at, event, ordered) for at, event, ordered in call.log]
        writes.append((perf_counter() - began) / len(lines) * 1e6)
        text = "\n".join(lines) + "\n"
        began = perf_counter()
        read = sum(1 for _ in parse_journal(text))
        reads.append((perf_counter() - began) / read * 1e6)
    print(f"journal: {median(writes):.1f} us to write a line, {median(reads):.1f} us to read it, {len(text)} bytes")


if __name__ == "__main__":
    main()
