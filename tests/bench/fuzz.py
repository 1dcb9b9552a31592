"""How much the fuzzer calls in a minute, and which of twenty planted defects it finds, how soon, and how short.

python -m tests.bench.fuzz              all of it
python -m tests.bench.fuzz speed        call-minutes a minute, agent by agent, as `patter fuzz` holds them
python -m tests.bench.fuzz plants       the defects of tests/fuzz/plants.py
python -m tests.bench.fuzz bytes        one seed, a hundred times, and in processes of their own
python -m tests.bench.fuzz samples 10   the six sample agents, so many real minutes each; then the first seed
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import time

from patter_cli.cli.fuzz_processes import processes_for
from patter_cli.cli.fuzzing import FuzzRun
from patter_cli.settings import DEFAULTS
from patter_cli.simulate.fuzz.generate import generate
from patter_cli.simulate.fuzz.run import Finding, Found, Fuzzer
from tests.fuzz.plants import PLANTS, Plant, planted

SAMPLES = ("receptionist", "orders", "menu", "concierge", "reminder", "survey")
LIMIT_S = 600.0
"""A defect that is not found by then is not found."""
SEED = 1_000_007
"""Of the call that is always the same."""
LEAP_MINUTES = 20.0
"""Of talk, between two looks at the clock."""


def find(plant: Plant, limit_s: float = LIMIT_S) -> tuple[Finding | None, float]:
    """The first finding of one of the plant's rules, and how long it took with making it short, in seconds."""
    began = time.monotonic()
    with planted(plant) as fuzzer:
        for seed in range(1, 1000):
            for each in fuzzer.run(seed, LEAP_MINUTES, Found()):
                if each.fault.rule in plant.rules:
                    return each, time.monotonic() - began
            if time.monotonic() - began > limit_s:
                break
    return None, time.monotonic() - began


def plants() -> int:
    """Prints a line a defect; returns how many were found, with at most eight steps."""
    found = 0
    for plant in PLANTS:
        finding, took_s = find(plant)
        if finding is None:
            print(f"MISSED {plant.name:<38} after {took_s:.0f} s", flush=True)
            continue
        steps = len(finding.case.steps)
        found += steps <= 8
        fault = f"{finding.fault.rule}: {finding.fault.what[:60]}"
        print(f"found  {plant.name:<38} {took_s:5.1f} s  {steps} steps  {fault}", flush=True)
    print(f"{found} of {len(PLANTS)} found, each with at most 8 steps")
    return found


def fuzzer_of(name: str) -> Fuzzer:
    return FuzzRun.of(name, DEFAULTS).fuzzer


def speed(minutes: float = 300.0) -> None:
    """Prints call-minutes a minute of each sample, by the clock on the wall, and of one process by the processor's."""
    for name in SAMPLES:
        run, processes = FuzzRun.of(name, DEFAULTS), processes_for(minutes)
        wall = time.monotonic()
        for _ in run.finds(1, minutes, processes):
            pass
        wall = time.monotonic() - wall
        alone, found = fuzzer_of(name), Found()
        cpu = time.process_time()
        for _ in alone.run(1, minutes / 5, found):
            pass
        cpu = time.process_time() - cpu
        talked, of_one_core = run.found.talked_ms / 60_000, found.talked_ms / cpu / 1000
        print(f"{name:<14} {talked:.0f} call-minutes: {talked / wall * 60:.0f} a minute in {processes} processes, "
              f"{of_one_core:.0f} a minute of one core; {len(run.findings)} found", flush=True)  # fmt: skip


def digest(fuzzer: Fuzzer, seed: int) -> str:
    """One call's journal, as a short text."""
    result, _ = fuzzer.hold(generate(fuzzer.subject, seed))
    return hashlib.sha256(result.journal.encode()).hexdigest()[:16]


def same_bytes(times: int = 100, processes: int = 4) -> bool:
    """Prints whether each sample's call is the same so many times, in programs whose sets have other orders too."""
    same = True
    elsewhere = [printed_elsewhere(order) for order in range(processes)]
    for name in SAMPLES:
        fuzzer = fuzzer_of(name)
        digests = {digest(fuzzer, SEED) for _ in range(times)} | {each[name] for each in elsewhere}
        same = same and len(digests) == 1
        print(f"{name:<14} {times} times and in {processes} programs the same call: {sorted(digests)}", flush=True)
    return same


def printed_elsewhere(order: int) -> dict[str, str]:
    """Each sample's digest in a program of its own. order: what its hashes of texts depend on."""
    shell = {**os.environ, "PYTHONHASHSEED": str(order)}
    command = [sys.executable, "-m", "tests.bench.fuzz", "digests"]
    printed = subprocess.run(command, env=shell, capture_output=True, text=True, check=True).stdout
    return dict(json.loads(printed))


def samples(minutes: float, first_seed: int) -> int:
    """Calls each sample for so many real minutes, seed after seed. Returns how much was found."""
    count, talked_ms = 0, 0
    for name in SAMPLES:
        fuzzer, ends_at, seed, calls, mine_ms = fuzzer_of(name), time.monotonic() + minutes * 60, first_seed, 0, 0
        while time.monotonic() < ends_at:
            found = Found()
            for each in fuzzer.run(seed, LEAP_MINUTES, found):
                count += 1
                print(f"{name}: {each.fault.rule}: {each.fault.what} (seed {seed}, call {each.number})", flush=True)
                for step in each.case.steps:
                    print(f"    {step}", flush=True)
                print(f"    {each.case.pace}", flush=True)
            seed, calls, mine_ms = seed + 1, calls + found.calls, mine_ms + found.talked_ms
        talked_ms += mine_ms
        print(f"{name:<14} {calls} calls, {mine_ms / 3_600_000:.1f} hours of talk", flush=True)
    print(f"{talked_ms / 3_600_000:.1f} hours of talk, {count} found")
    return count


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    chosen = sys.argv[1] if len(sys.argv) > 1 else "all"
    if chosen in ("all", "speed"):
        speed()
    if chosen in ("all", "bytes"):
        same_bytes()
    if chosen == "digests":
        print(json.dumps({name: digest(fuzzer_of(name), SEED) for name in SAMPLES}))
    if chosen in ("all", "plants"):
        plants()
    if chosen in ("all", "samples"):
        minutes, first, *_ = (*sys.argv[2:], *("10", "100")[max(0, len(sys.argv) - 2) :])
        samples(float(minutes), int(first))
