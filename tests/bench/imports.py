"""What importing a vendor costs beyond httpx and websockets: `python -m tests.bench.imports [ROUNDS]`.

Processor time of the import, the least of ROUNDS processes, after those two, numpy where sound is handled, and what an
agent's file has loaded anyway. A budget of 30 ms for each; and `import patter_cli` alone loads none
of them. Language models load no numpy. As an installed package is: compiled before, whatever this shell says of that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from patter_cli import registry

BUDGET_MS = 30.0
MODELS = {row.target.partition(":")[0] for row in registry.ROWS if row.kind == "llm"}
BESIDE = "import httpx, websockets, websockets.asyncio.client, patter_cli; from patter_cli import Agent; Agent('A.')"
LOADED = "import patter_cli, sys, json; print(json.dumps([each for each in sys.modules if 'patter_cli.' in each]))"


def modules() -> list[str]:
    """Where the vendors with a key live, each once."""
    kinds = ("engine", "stt", "llm", "tts")
    targets = (row.target.partition(":")[0] for row in registry.ROWS if row.kind in kinds and row.keys)
    return sorted(set(targets))


def loaded_by_the_package() -> list[str]:
    """Which of our modules `import patter_cli` loads."""
    out = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True).stdout
    return list(json.loads(out))


def cost_ms(module: str, compiled: str) -> float:
    """What the import takes, after all that is there anyway. compiled: a folder for bytecode."""
    beside = BESIDE if module in MODELS else f"{BESIDE}; import numpy"
    code = (
        f"{beside}; import time; began_s = time.process_time(); import {module}; print(time.process_time() - began_s)"
    )
    shell = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**shell, "PYTHONPYCACHEPREFIX": compiled},
    )
    return 1000 * float(ran.stdout)


def least_ms(rounds: int) -> dict[str, float]:
    """Each module's least. All of them in turn, so that a slow moment of the machine is nobody's alone."""
    with tempfile.TemporaryDirectory() as compiled:
        for module in modules():
            cost_ms(module, compiled)  # compiles
        taken = [{module: cost_ms(module, compiled) for module in modules()} for _ in range(rounds)]
    return {module: min(each[module] for each in taken) for module in modules()}


def main(rounds: int) -> None:
    vendors = [each for each in loaded_by_the_package() if "providers" in each]
    print(f"import patter_cli loads {len(vendors)} vendors: {', '.join(vendors) or 'none'}")
    costs = least_ms(rounds)
    for module, cost in costs.items():
        print(f"{module.rpartition('.')[2]:20} {cost:6.1f} ms")
    over = [module for module, cost in costs.items() if cost > BUDGET_MS]
    if over or vendors:
        sys.exit(f"over the budget of {BUDGET_MS:.0f} ms: {', '.join(over)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
